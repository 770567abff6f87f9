/*
 * Ids and numbers in a path.
 */
#include <config.h>

#include "localnet/route.h"

#include <string.h>

#include "base/id.h"
#include "base/json.h"

bool route_id(const char *path, struct id *id, const char **rest)
{
    size_t n = strcspn(path, "/");
    char text[ID_TEXT];

    if (n != ID_TEXT - 1)
        return false;
    memcpy(text, path, n);
    text[n] = '\0';
    *rest = path + n;
    return id_parse(id, text) == 0;
}

bool route_number(const char *text, uint64_t *n)
{
    return text && json_u64_text(text, n) == 0;
}
