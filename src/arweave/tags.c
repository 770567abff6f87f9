/*
 * Avro (1.11, "Binary Encoding"): a long is a zig-zag number in groups of
 * seven bits, low ones first; an array is blocks of a count and so many
 * elements, the last with the count 0; a negative count is followed by the
 * bytes of its block.
 */
#include <config.h>

#include "arweave/tags.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

#define NAME_MAX_BYTES 1024
#define VALUE_MAX_BYTES 3072
#define LONG_MAX_BYTES 10 /* seven bits each hold 64 */

struct tag_reader {
    const unsigned char *bytes;
    size_t n, at;
    struct err *err;
};

static int wrong(const struct tag_reader *r, size_t at, const char *what)
{
    return err_set(r->err, ERR_INPUT, "tags, byte %zu: %s", at, what);
}

static int read_long(struct tag_reader *r, int64_t *out)
{
    size_t start = r->at;
    uint64_t v = 0;

    for (unsigned i = 0; i < LONG_MAX_BYTES; i++) {
        unsigned char c;

        if (r->at == r->n)
            return wrong(r, start, "a number extends past their end");
        c = r->bytes[r->at++];
        if (i == LONG_MAX_BYTES - 1 && c > 1)
            break;
        v |= (uint64_t)(c & 0x7f) << (7 * i);
        if (c < 0x80) {
            *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
            return 0;
        }
    }
    return wrong(r, start, "a number of more than 64 bits");
}

static int read_string(struct tag_reader *r, const char **s, size_t *n)
{
    size_t start = r->at;
    int64_t len;

    if (read_long(r, &len))
        return -1;
    if (len < 0)
        return wrong(r, start, "a length below 0");
    if ((uint64_t)len > r->n - r->at)
        return wrong(r, start, "a string extends past their end");
    *s = (const char *)r->bytes + r->at;
    *n = (size_t)len;
    r->at += (size_t)len;
    return 0;
}

/* The count of the next block; its end in *end, or SIZE_MAX if not said. */
static int read_count(struct tag_reader *r, uint64_t *count, size_t *end)
{
    size_t start = r->at;
    int64_t v, bytes;

    *end = SIZE_MAX;
    if (read_long(r, &v))
        return -1;
    *count = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    if (v >= 0)
        return 0;
    if (read_long(r, &bytes))
        return -1;
    if (bytes < 0 || (uint64_t)bytes > r->n - r->at)
        return wrong(r, start, "a block extends past their end");
    *end = r->at + (size_t)bytes;
    return 0;
}

int tags_read(struct item_tag *tag, size_t max, size_t *n_tags,
              const unsigned char *bytes, size_t n, struct err *err)
{
    struct tag_reader r = { bytes, n, 0, err };
    uint64_t count = 1;

    *n_tags = 0;
    while (n > 0 && count > 0) {
        size_t start = r.at, end;

        if (read_count(&r, &count, &end))
            return -1;
        if (count > max - *n_tags)
            return err_set(err, ERR_INPUT, "more than %zu tags", max);
        for (uint64_t i = 0; i < count; i++) {
            struct item_tag *t = &tag[*n_tags];

            if (read_string(&r, &t->name, &t->n_name) ||
                read_string(&r, &t->value, &t->n_value))
                return -1;
            ++*n_tags;
        }
        if (end != SIZE_MAX && r.at != end)
            return wrong(&r, start, "a block is not as long as it says");
    }
    return r.at == n ? 0 : wrong(&r, r.at, "more bytes after the last");
}

static bool is_odd(char *out, size_t n_out, size_t i, const char *what,
                   size_t n, size_t max)
{
    if (n > 0 && n <= max)
        return false;
    snprintf(out, n_out, "the %s of tag %zu has %zu bytes, and 1 to %zu are"
             " allowed", what, i + 1, n, max);
    return true;
}

bool tags_odd(char *out, size_t n, const struct item_tag *tag, size_t n_tags)
{
    for (size_t i = 0; i < n_tags; i++)
        if (is_odd(out, n, i, "name", tag[i].n_name, NAME_MAX_BYTES) ||
            is_odd(out, n, i, "value", tag[i].n_value, VALUE_MAX_BYTES))
            return true;
    return false;
}

static void put_long(struct buf *out, size_t value)
{
    uint64_t v = (uint64_t)value << 1;

    for (; v >= 0x80; v >>= 7)
        buf_putc(out, (int)(v & 0x7f) | 0x80);
    buf_putc(out, (int)v);
}

static void put_string(struct buf *out, const char *text)
{
    size_t n = strlen(text);

    put_long(out, n);
    buf_put(out, text, n);
}

static int check_string(const char *text, size_t max, const char *what,
                        struct err *err)
{
    size_t n = strlen(text);

    if (n == 0 || n > max)
        return err_set(err, ERR_INPUT, "the %s of a tag has %zu bytes, 1 to"
                       " %zu are allowed: \"%.40s\"", what, n, max, text);
    return 0;
}

int tags_put(struct buf *out, const struct item_text_tag *tag, size_t n_tags,
             struct err *err)
{
    for (size_t i = 0; i < n_tags; i++)
        if (check_string(tag[i].name, NAME_MAX_BYTES, "name", err) ||
            check_string(tag[i].value, VALUE_MAX_BYTES, "value", err))
            return -1;
    return tags_put_odd(out, tag, n_tags, err);
}

int tags_put_odd(struct buf *out, const struct item_text_tag *tag,
                 size_t n_tags, struct err *err)
{
    size_t before = out->len;

    if (n_tags > ITEM_MAX_TAGS)
        return err_set(err, ERR_INPUT, "%zu tags, %d are allowed", n_tags,
                       ITEM_MAX_TAGS);
    if (n_tags == 0) /* not an array without elements */
        return 0;
    put_long(out, n_tags);
    for (size_t i = 0; i < n_tags; i++) {
        put_string(out, tag[i].name);
        put_string(out, tag[i].value);
    }
    buf_putc(out, 0);
    if (!out->full && out->len - before > ITEM_MAX_TAG_BYTES)
        return err_set(err, ERR_INPUT, "tags of %zu bytes, %d are allowed",
                       out->len - before, ITEM_MAX_TAG_BYTES);
    return 0;
}
