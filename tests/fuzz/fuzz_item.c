/*
 * Heads of items, and whole items in pieces.  What is parsed lies in the
 * bytes, is within the limits, and is the same in whatever pieces it comes;
 * its tags, written again, are read again.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "arweave/tags.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void inside(const void *p, size_t n, const uint8_t *data, size_t size)
{
    const uint8_t *at = p;

    must(at >= data && at <= data + size && n <= (size_t)(data + size - at));
}

static void check_head(const struct item *it, const uint8_t *data,
                       size_t size)
{
    must(it->head_n <= size && it->head_n <= ITEM_HEAD_MAX);
    must(it->n_tags <= ITEM_MAX_TAGS &&
         it->n_raw_tags <= ITEM_MAX_TAG_BYTES);
    inside(it->signature, it->n_signature, data, it->head_n);
    inside(it->owner, it->n_owner, data, it->head_n);
    inside(it->raw_tags, it->n_raw_tags, data, it->head_n);
    if (it->target)
        inside(it->target, 32, data, it->head_n);
    if (it->anchor)
        inside(it->anchor, 32, data, it->head_n);
    for (size_t i = 0; i < it->n_tags; i++) {
        const struct item_tag *t = &it->tag[i];

        /* empty ones and long ones are read, with a warning */
        must(t->n_name + t->n_value <= ITEM_MAX_TAG_BYTES);
        inside(t->name, t->n_name, it->raw_tags, it->n_raw_tags);
        inside(t->value, t->n_value, it->raw_tags, it->n_raw_tags);
    }
}

/* Tags without a NUL are texts that we could have written. */
static void write_tags(const struct item *it)
{
    struct item_text_tag text[ITEM_MAX_TAGS];
    struct item_tag *again = xcalloc(ITEM_MAX_TAGS, sizeof(*again));
    struct err err = ERR_INIT;
    bool texts = true;
    struct buf out;
    size_t n = 0;

    for (size_t i = 0; i < it->n_tags; i++) {
        const struct item_tag *t = &it->tag[i];

        texts = texts && !memchr(t->name, 0, t->n_name) &&
                !memchr(t->value, 0, t->n_value);
        text[i].name = xstrndup(t->name, t->n_name);
        text[i].value = xstrndup(t->value, t->n_value);
    }
    buf_init(&out, 2 * ITEM_MAX_TAG_BYTES);
    if (texts && tags_put(&out, text, it->n_tags, &err) == 0) {
        must(out.len <= ITEM_MAX_TAG_BYTES);
        must(tags_read(again, ITEM_MAX_TAGS, &n, (unsigned char *)out.data,
                       out.len, &err) == 0 && n == it->n_tags);
        for (size_t i = 0; i < n; i++)
            must(again[i].n_value == it->tag[i].n_value &&
                 memcmp(again[i].value, it->tag[i].value,
                        again[i].n_value) == 0);
    }
    for (size_t i = 0; i < it->n_tags; i++) {
        free((char *)text[i].name);
        free((char *)text[i].value);
    }
    free(again);
    buf_clear(&out);
}

static bool stream(const uint8_t *data, size_t size, size_t piece)
{
    struct item_stream *s = item_stream_new(size);
    struct err err = ERR_INIT;
    const struct item *it;
    size_t total = 0;
    bool good = true;

    for (size_t at = 0; good && at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece, n_data;
        const void *part;

        good = item_stream_put(s, data + at, n, &part, &n_data, &err) == 0;
        if (good)
            inside(part, n_data, data + at, n);
        total += good ? n_data : 0;
    }
    good = good && item_stream_end(s, &it, &err) == 0;
    must(!good || it->head_n + total == size);
    item_stream_free(s);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct item it;
    int rc = item_head(&it, data, size, &err);
    bool whole;

    must(rc >= -1 && rc <= 1 && (rc != 1 || size < ITEM_HEAD_MAX));
    must(rc != -1 || err.code == ERR_INPUT);
    if (rc == 0) {
        check_head(&it, data, size);
        write_tags(&it);
    }
    whole = item_open(&it, data, size, &err) == 0;
    must(stream(data, size, 1 + size / 3) == whole);
    if (rc == 0)
        must(stream(data, size, 700) == whole);
    return 0;
}
