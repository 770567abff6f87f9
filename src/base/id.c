/*
 * Ids as text.
 */
#include <config.h>

#include "base/id.h"

#include "base/base64.h"

struct id_text id_text(struct id id)
{
    struct id_text t;

    base64url(t.s, id.b, sizeof(id.b));
    return t;
}

int id_parse(struct id *id, const char *text)
{
    size_t n;

    if (strnlen(text, ID_TEXT) != ID_TEXT - 1)
        return -1;
    return base64url_decode(id->b, sizeof(id->b), &n, text);
}
