/*
 * Lines that stand in the parts before.  They are collected in the order of
 * the file and sorted once, since most parts have none.
 */
#include <config.h>

#include "spool/earlier.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "spool/spool_file.h"

#define NAME "earlier"
#define MAGIC "APUSEARL"
#define LIST_VERSION 1
#define HEAD (8 + 4 + 4) /* magic, version, number of lines */
#define ROW (32 + 4)     /* SHA-256, count */
#define FIRST_CAPACITY 1024

void earlier_clear(struct earlier *e)
{
    free(e->line);
    *e = (struct earlier){ .line = NULL };
}

int earlier_note(struct earlier *e, struct id sha256, uint32_t n,
                 struct err *err)
{
    if (e->n == e->capacity) {
        size_t capacity = e->capacity ? 2 * e->capacity : FIRST_CAPACITY;
        void *line;

        if (mem_big(&line, capacity, sizeof(*e->line), "the lines of a part",
                    err))
            return -1;
        if (e->n)
            memcpy(line, e->line, e->n * sizeof(*e->line));
        free(e->line);
        e->line = line;
        e->capacity = capacity;
    }
    e->line[e->n++] = (struct earlier_line){ sha256, n };
    return 0;
}

static int by_hash(const void *a, const void *b)
{
    const struct earlier_line *x = a, *y = b;
    int order = memcmp(x->sha256.b, y->sha256.b, sizeof(x->sha256.b));

    return order ? order : (x->n > y->n) - (x->n < y->n);
}

void earlier_end(struct earlier *e)
{
    struct id last = { { 0 } };
    size_t n = 0, n_repeated = 0;

    for (size_t i = 0; i < e->n; i++)
        n_repeated += e->line[i].n > 0;
    if (n_repeated)
        qsort(e->line, e->n, sizeof(*e->line), by_hash);
    for (size_t i = 0; n_repeated && i < e->n; i++) {
        bool first = i == 0 || !id_equal(e->line[i].sha256, last);

        last = e->line[i].sha256;
        if (first && e->line[i].n)
            e->line[n++] = e->line[i];
    }
    e->n = n;
}

/* ---- the file ------------------------------------------------------------ */

int earlier_write(const char *batch_path, const struct earlier *e,
                  struct id *sha256, struct err *err)
{
    struct buf b;
    int rc;

    buf_init(&b, HEAD + e->n * ROW + 1);
    buf_puts(&b, MAGIC);
    buf_put_u32(&b, LIST_VERSION);
    buf_put_u32(&b, (uint32_t)e->n);
    for (size_t i = 0; i < e->n; i++) {
        buf_put(&b, e->line[i].sha256.b, 32);
        buf_put_u32(&b, e->line[i].n);
    }
    digest(sha256, b.data, b.len);
    rc = buf_check(&b, NAME, err) ||
         spool_put_in(batch_path, NAME, b.data, b.len, err) ? -1 : 0;
    buf_clear(&b);
    return rc;
}

static int parse_earlier(struct earlier *e, const unsigned char *p, size_t n,
                         struct err *err)
{
    if (n < HEAD || memcmp(p, MAGIC, 8) != 0 ||
        get_u32(p + 8) != LIST_VERSION ||
        (n - HEAD) % ROW != 0 || (n - HEAD) / ROW != get_u32(p + 12))
        return err_set(err, ERR_INPUT, "it is not a list of lines of version"
                       " %d", LIST_VERSION);
    for (const unsigned char *row = p + HEAD; row < p + n; row += ROW)
        if (earlier_note(e, id_at(row), get_u32(row + 32), err))
            return -1;
    return 0;
}

static int read_as(struct earlier *e, const char *path, struct id sha256,
                   struct buf *b, struct err *err)
{
    struct id is;
    uint64_t n;

    if (file_size(path, &n, err))
        return -1;
    if (n <= b->max) {
        if (buf_reserve(b, (size_t)n, "the lines of a part", err) ||
            file_read(b, path, err))
            return -1;
        digest(&is, b->len ? b->data : "", b->len);
    }
    if (n > b->max || !id_equal(is, sha256))
        return err_set(err, ERR_INPUT, "it is not the file whose SHA-256 is"
                       " in batch.json");
    return parse_earlier(e, (const unsigned char *)b->data, b->len, err);
}

int earlier_read(struct earlier *e, const char *batch_path, struct id sha256,
                 uint64_t n_lines, struct err *err)
{
    char *path = file_join(batch_path, NAME);
    struct earlier got = { .line = NULL };
    struct buf b;
    int rc;

    buf_init(&b, HEAD + (size_t)n_lines * ROW);
    rc = read_as(&got, path, sha256, &b, err);
    if (rc) {
        err_prefix(err, "\"%s\"", path);
        earlier_clear(&got);
    } else {
        *e = got;
    }
    buf_clear(&b);
    free(path);
    return rc;
}
