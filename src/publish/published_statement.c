/*
 * A statement and its files, as they are published.
 */
#include <config.h>

#include "publish/published_statement.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/merkle.h"
#include "store/seal.h"

void published_statement_put(struct buf *out, struct statement *s,
                             const struct seal_file *file, uint32_t n_files)
{
    unsigned char record[STATEMENT_SIZE];
    struct merkle files;

    merkle_init(&files);
    for (uint32_t i = 0; i < n_files; i++)
        statement_file(&files, file[i].size, file[i].sha256);
    merkle_root(&files, &s->files);
    s->n_files = n_files;
    statement_pack(record, s);
    buf_put(out, record, sizeof(record));
    for (uint32_t i = 0; i < n_files; i++) {
        buf_put_u64(out, file[i].size);
        buf_put(out, file[i].sha256.b, 32);
    }
}

int published_statement_read(struct published_statement *p, const void *data,
                             size_t n, struct err *err)
{
    struct published_statement t;

    if (n < STATEMENT_SIZE || statement_unpack(&t.s, data))
        return err_set(err, ERR_INPUT, "no statement");
    if ((n - STATEMENT_SIZE) / PUBLISHED_FILE != t.s.n_files ||
        (n - STATEMENT_SIZE) % PUBLISHED_FILE != 0)
        return err_set(err, ERR_INPUT, "a statement of %zu bytes, with %u"
                       " files it has %ju", n, t.s.n_files,
                       (uintmax_t)STATEMENT_SIZE +
                       (uintmax_t)PUBLISHED_FILE * t.s.n_files);
    t.files = (const unsigned char *)data + STATEMENT_SIZE;
    *p = t;
    return 0;
}

bool published_files_fit(const struct published_statement *p)
{
    struct id root;
    struct merkle m;

    merkle_init(&m);
    for (uint32_t i = 0; i < p->s.n_files; i++) {
        const unsigned char *f = p->files + (size_t)i * PUBLISHED_FILE;

        statement_file(&m, get_u64(f), id_at(f + 8));
    }
    merkle_root(&m, &root);
    return id_equal(root, p->s.files);
}

static int by_hash(const void *a, const void *b)
{
    return memcmp((const unsigned char *)a + 8, (const unsigned char *)b + 8,
                  32);
}

bool published_file_twice(const struct published_statement *p)
{
    size_t n = p->s.n_files;
    unsigned char *files = xcalloc(n + 1, PUBLISHED_FILE);
    bool twice = false;

    if (n)
        memcpy(files, p->files, n * PUBLISHED_FILE);
    qsort(files, n, PUBLISHED_FILE, by_hash);
    for (size_t i = 1; !twice && i < n; i++)
        twice = by_hash(files + (i - 1) * PUBLISHED_FILE,
                        files + i * PUBLISHED_FILE) == 0;
    free(files);
    return twice;
}

bool published_has_file(const struct published_statement *p, uint64_t size,
                        struct id sha256)
{
    for (uint32_t i = 0; i < p->s.n_files; i++) {
        const unsigned char *f = p->files + (size_t)i * PUBLISHED_FILE;

        if (get_u64(f) == size && id_equal(id_at(f + 8), sha256))
            return true;
    }
    return false;
}
