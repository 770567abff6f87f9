/*
 * JSON out, member by member.
 */
#include <config.h>

#include "base/json_write.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"

void json_put_key(struct buf *b, const char *key)
{
    char last = b->len > 0 ? b->data[b->len - 1] : '{';

    buf_printf(b, "%s\"%s\":", last == '{' || last == '[' ? "" : ",", key);
}

void json_put_text(struct buf *b, const char *key, const char *text)
{
    json_put_key(b, key);
    if (text)
        json_put_string(b, text, strlen(text));
    else
        buf_puts(b, "null");
}

void json_put_scrubbed(struct buf *b, const char *key, const char *s,
                       size_t n)
{
    struct buf clean;

    buf_init(&clean, 3 * n);
    utf8_scrub(&clean, s, n);
    json_put_key(b, key);
    json_put_string(b, clean.len ? clean.data : "", clean.len);
    buf_clear(&clean);
}

void json_put_id(struct buf *b, const char *key, struct id id)
{
    json_put_key(b, key);
    buf_printf(b, "\"%s\"", id_text(id).s);
}

void json_put_number(struct buf *b, const char *key, uint64_t number)
{
    json_put_key(b, key);
    buf_printf(b, "%" PRIu64, number);
}

void json_put_digits(struct buf *b, const char *key, uint64_t number)
{
    json_put_key(b, key);
    buf_printf(b, "\"%" PRIu64 "\"", number);
}

void json_put_bool(struct buf *b, const char *key, bool value)
{
    json_put_key(b, key);
    buf_puts(b, value ? "true" : "false");
}
