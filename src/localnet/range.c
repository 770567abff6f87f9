/*
 * Several ranges in one header are not served: it is then ignored, as the
 * standard allows.
 */
#include <config.h>

#include "localnet/range.h"

#include <string.h>

#include "base/json.h"

enum range range_parse(const char *text, uint64_t size, uint64_t *at,
                       uint64_t *n)
{
    char first[24] = "", last[24] = "";
    uint64_t a = 0, b = size ? size - 1 : 0;
    const char *dash;

    if (!text || strncmp(text, "bytes=", 6) != 0 || strchr(text, ','))
        return RANGE_IGNORED;
    text += 6;
    dash = strchr(text, '-');
    if (!dash || dash - text >= 24 || strlen(dash + 1) >= 24)
        return RANGE_IGNORED;
    memcpy(first, text, (size_t)(dash - text));
    memcpy(last, dash + 1, strlen(dash + 1));
    if ((first[0] && json_u64_text(first, &a)) ||
        (last[0] && json_u64_text(last, &b)) || (!first[0] && !last[0]))
        return RANGE_IGNORED;
    if (!first[0]) {
        a = b >= size ? 0 : size - b;
        b = size ? size - 1 : 0;
    }
    if (a >= size || b < a)
        return RANGE_OUTSIDE;
    if (b >= size)
        b = size - 1;
    *at = a;
    *n = b - a + 1;
    return RANGE_GOOD;
}
