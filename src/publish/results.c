/*
 * Results of a batch, part after part.
 */
#include <config.h>

#include "publish/results.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "proof/merkle.h"
#include "proof/merkle_tree.h"
#include "proof/result_record.h"
#include "store/part_file.h"
#include "store/rows.h"

struct results {
    char *batch_path;
    struct batch_info info;
    struct seal_info seal;
    size_t n;
    struct result_leaf *leaf; /* in the order of the batch */
    struct merkle_tree tree;
    struct id root;

    struct rows *rows;        /* where it is being read */
};

/* ---- the tree ------------------------------------------------------------ */

/* Of all result records of the part that is open. */
static int take_part(struct results *r, size_t *n, struct err *err)
{
    const struct checkpoint_head *h = checkpoint_head(rows_part(r->rows));
    size_t number = rows_part_number(r->rows);
    const unsigned char *bytes;
    struct result_record res;
    struct id root;
    struct merkle part;

    merkle_init(&part);
    if (h->n_rows > r->n - *n)
        return err_set(err, ERR_INPUT, "\"%s\" has more rows than"
                       " checkpoint.json says", r->batch_path);
    for (uint64_t i = 0; i < h->n_rows; i++, ++*n) {
        if (checkpoint_result(rows_part(r->rows), i, &bytes, err))
            return -1;
        if (result_record_unpack(&res, bytes))
            return err_set(err, ERR_INPUT, "row %" PRIu64 " of part %zu in"
                           " \"%s\" has no result record", i + 1, number,
                           r->batch_path);
        merkle_leaf(&part, bytes, RESULT_RECORD_SIZE);
        result_leaf(&r->leaf[*n], &res);
    }
    merkle_root(&part, &root);
    if (!id_equal(root, h->part_root))
        return err_set(err, ERR_INPUT, "part %zu in \"%s\" is damaged: its"
                       " results have another root than it says (apus"
                       " verify names the row)", number, r->batch_path);
    return 0;
}

static int make_tree(struct results *r, struct err *err)
{
    struct id root;
    void *leaf = NULL;
    size_t n = 0;
    enum found found;

    if (mem_big(&leaf, r->n, sizeof(*r->leaf), "results", err))
        return -1;
    r->leaf = leaf;
    while ((found = rows_next_part(r->rows, err)) == FOUND_ONE)
        if (take_part(r, &n, err))
            return -1;
    if (found == FOUND_FAILED)
        return -1;
    if (n != r->n)
        return err_set(err, ERR_INPUT, "the parts in \"%s\" have %zu rows,"
                       " checkpoint.json says %zu", r->batch_path, n, r->n);
    rows_rewind(r->rows);
    if (result_batch(&r->root, r->leaf, n, err) ||
        merkle_tree_init(&r->tree, n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        memcpy(r->tree.hash + 32 * i, r->leaf[i].hash.b, 32);
    merkle_tree_build(&r->tree);
    merkle_tree_root(&r->tree, &root);
    if (!id_equal(root, r->root))
        return err_set(err, ERR_FATAL, "internal error: batch root"
                       " mismatch");
    return 0;
}

int results_open(struct results **out, const char *batch_path,
                 struct err *err)
{
    struct results *r = xcalloc(1, sizeof(*r));

    r->batch_path = xstrdup(batch_path);
    if (batch_info_read(&r->info, batch_path, err) ||
        seal_info_read(&r->seal, batch_path, err))
        goto fail;
    /* what a statement can count */
    if (r->seal.n_rows > UINT32_MAX || r->seal.n_parts > UINT32_MAX) {
        err_set(err, ERR_INPUT, "\"%s\" has %" PRIu64 " results: too many"
                " for one statement", batch_path, r->seal.n_rows);
        goto fail;
    }
    if (!id_equal(r->seal.batch, r->info.id) ||
        !id_equal(r->seal.model, r->info.model)) {
        err_set(err, ERR_INPUT, "\"%s\": checkpoint.json is of another batch",
                batch_path);
        goto fail;
    }
    r->n = (size_t)r->seal.n_rows;
    r->rows = rows_open(batch_path, &r->seal);
    if (make_tree(r, err)) {
        seal_name_remedy(r->info.id, err);
        goto fail;
    }
    *out = r;
    return 0;
fail:
    results_close(r);
    return -1;
}

void results_close(struct results *r)
{
    if (!r)
        return;
    rows_close(r->rows);
    merkle_tree_clear(&r->tree);
    seal_info_clear(&r->seal);
    batch_info_clear(&r->info);
    free(r->leaf);
    free(r->batch_path);
    free(r);
}

const struct batch_info *results_info(const struct results *r)
{
    return &r->info;
}

const struct seal_info *results_seal(const struct results *r)
{
    return &r->seal;
}

size_t results_count(const struct results *r)
{
    return r->n;
}

const struct id *results_root(const struct results *r)
{
    return &r->root;
}

/* Whether the bytes that have the file's SHA-256 have its root too: those of
 * make_tree may have been read from another file of that name. */
static int check_file(const struct seal_file *want, const char *path,
                      struct err *err)
{
    struct checkpoint *c = NULL;
    struct part_file *f;
    struct id root;
    int rc = -1;

    if (part_file_open(&f, path, err))
        return -1;
    if (seal_file_check(want, f, err) || checkpoint_open_file(&c, f, err) ||
        checkpoint_result_root(c, &root, err))
        goto out;
    rc = part_file_unchanged(f, err);
    if (rc == 0 && !id_equal(root, want->root))
        rc = err_set(err, ERR_INPUT, "\"%s\" has another root than"
                     " checkpoint.json names", path);
out:
    checkpoint_close(c);
    part_file_close(f);
    return rc;
}

int results_check_files(const struct results *r, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < r->seal.n_parts; i++) {
        char *path = seal_part_path(r->batch_path, i, "h5");

        rc = check_file(&r->seal.part[i], path, err);
        free(path);
    }
    return rc ? seal_name_remedy(r->info.id, err) : 0;
}

/* ---- rows ---------------------------------------------------------------- */

/* Where in the batch's order it is, and the path from there. */
static int place(const struct results *r, struct results_row *row,
                 struct err *err)
{
    const struct result_leaf *found;
    struct result_record res;
    struct result_leaf leaf;

    if (result_record_unpack(&res, row->row.record.result))
        return err_set(err, ERR_INPUT, "no result record");
    result_leaf(&leaf, &res);
    found = bsearch(&leaf, r->leaf, r->n, sizeof(leaf), result_leaf_compare);
    if (!found || !id_equal(found->hash, leaf.hash))
        return err_set(err, ERR_INPUT, "its result record was changed"
                       " meanwhile");
    row->request = res.request;
    row->choice = res.choice;
    digest(&row->id, row->row.record.result, RECORD_RESULT);
    row->index = (uint64_t)(found - r->leaf);
    row->n_path = merkle_tree_path(&r->tree, row->path, (size_t)row->index);
    return 0;
}

enum found results_next(struct results *r, struct results_row *row,
                        struct err *err)
{
    enum found rc = rows_next(r->rows, err);

    if (rc != FOUND_ONE)
        return rc;
    if (checkpoint_row(rows_part(r->rows), rows_number(r->rows), &row->row,
                       err) ||
        record_check(&row->row.record, err) || place(r, row, err))
        return err_prefix(err, "part %zu in \"%s\", row %" PRIu64 " (apus"
                          " verify tells more)", rows_part_number(r->rows),
                          r->batch_path, rows_number(r->rows) + 1);
    return FOUND_ONE;
}

int results_skip(struct results *r, size_t n, struct err *err)
{
    return rows_skip(r->rows, n, err);
}

void results_rewind(struct results *r)
{
    rows_rewind(r->rows);
}
