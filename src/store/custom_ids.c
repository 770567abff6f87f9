/*
 * custom_ids of a file, by their hashes.
 */
#include <config.h>

#include "store/custom_ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/vec.h"
#include "proof/digest.h"
#include "spool/request_file.h"
#include "store/request.h"

#define HASH_BYTES 16

struct custom_id_entry {
    unsigned char hash[HASH_BYTES];
    uint64_t line;
};

void custom_ids_init(struct custom_ids *c)
{
    *c = (struct custom_ids){ .n = 0 };
}

void custom_ids_clear(struct custom_ids *c)
{
    free(c->entry);
    custom_ids_init(c);
}

void custom_ids_add(struct custom_ids *c, const char *custom_id,
                    uint64_t line)
{
    struct id hash;
    struct custom_id_entry *e;

    if (!custom_id || !*custom_id)
        return;
    VEC_RESERVE(c->entry, c->capacity, c->n + 1);
    e = &c->entry[c->n++];
    digest(&hash, custom_id, strlen(custom_id));
    memcpy(e->hash, hash.b, HASH_BYTES);
    e->line = line;
}

static int by_hash(const void *a, const void *b)
{
    const struct custom_id_entry *x = a, *y = b;
    int order = memcmp(x->hash, y->hash, HASH_BYTES);

    return order ? order : x->line < y->line ? -1 : x->line > y->line;
}

void custom_ids_text(char out[CUSTOM_IDS_TEXT], struct custom_ids *c)
{
    uint64_t n = 0, first = 0, second = 0;

    out[0] = '\0';
    if (c->n)
        qsort(c->entry, c->n, sizeof(*c->entry), by_hash);
    for (size_t i = 1, own = 0; i < c->n; i++) {
        if (memcmp(c->entry[own].hash, c->entry[i].hash, HASH_BYTES) != 0) {
            own = i;
            continue;
        }
        n++;
        if (!second || c->entry[i].line < second) {
            first = c->entry[own].line;
            second = c->entry[i].line;
        }
    }
    if (n == 1)
        snprintf(out, CUSTOM_IDS_TEXT, "lines %" PRIu64 " and %" PRIu64
                 " have the same custom_id", first, second);
    else if (n)
        snprintf(out, CUSTOM_IDS_TEXT, "lines %" PRIu64 " and %" PRIu64
                 " have the same custom_id (%" PRIu64 " lines have that of an"
                 " earlier one)", first, second, n);
}

int custom_ids_look(char out[CUSTOM_IDS_TEXT], const char *path,
                    struct err *err)
{
    static const struct id no_model; /* ids of lines are not used */
    struct custom_ids c;
    struct request_file *f;
    const char *text = "";
    size_t n;
    int rc = 0;

    if (request_file_open_v2(&f, path, no_model, err))
        return -1;
    custom_ids_init(&c);
    for (uint64_t line = 1; rc == 0 && text; line++) {
        struct request r;

        rc = request_file_next(f, &text, &n, err);
        if (rc || !text || request_file_is_blank(f))
            continue;
        request_parse(&r, text, n, NULL);
        custom_ids_add(&c, r.custom_id, line);
        request_clear(&r);
    }
    if (rc == 0)
        custom_ids_text(out, &c);
    custom_ids_clear(&c);
    request_file_close(f);
    return rc;
}
