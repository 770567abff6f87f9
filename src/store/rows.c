/*
 * Part after part, row after row.
 */
#include <config.h>

#include "store/rows.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/checkpoint.h"
#include "store/seal.h"

struct rows {
    char *batch_path;             /* NULL: of one part */
    const struct seal_info *info;
    size_t n_parts;
    size_t part;                  /* the next to be opened */
    struct checkpoint *file;      /* the one before it, or NULL */
    uint64_t row;                 /* the next in it */
};

struct rows *rows_open(const char *batch_path, const struct seal_info *info)
{
    struct rows *r = xcalloc(1, sizeof(*r));

    r->batch_path = xstrdup(batch_path);
    r->info = info;
    r->n_parts = info->n_parts;
    return r;
}

int rows_open_part(struct rows **out, const struct part_file *f,
                   struct err *err)
{
    struct checkpoint *c;
    struct rows *r;

    if (checkpoint_open_file(&c, f, err))
        return -1;
    r = xcalloc(1, sizeof(*r));
    r->file = c;
    r->n_parts = r->part = 1;
    *out = r;
    return 0;
}

void rows_close(struct rows *r)
{
    if (!r)
        return;
    checkpoint_close(r->file);
    free(r->batch_path);
    free(r);
}

void rows_rewind(struct rows *r)
{
    r->row = 0;
    if (!r->batch_path)
        return;
    checkpoint_close(r->file);
    r->file = NULL;
    r->part = 0;
}

/* Whether the part that was just opened is the one that was sealed. */
static int check_part(const struct rows *r, const char *path,
                      struct err *err)
{
    const struct checkpoint_head *h = checkpoint_head(r->file);

    if (id_equal(h->part_root, r->info->part[r->part].root) &&
        id_equal(h->batch, r->info->batch) &&
        id_equal(h->model, r->info->model))
        return 0;
    return err_set(err, ERR_INPUT, "\"%s\" is not the part that"
                   " checkpoint.json names", path);
}

enum found rows_next_part(struct rows *r, struct err *err)
{
    char *path;
    int rc;

    if (r->part == r->n_parts)
        return FOUND_NONE;
    checkpoint_close(r->file);
    r->file = NULL;
    r->row = 0;
    path = seal_part_path(r->batch_path, r->part, "h5");
    rc = checkpoint_open(&r->file, path, err);
    if (rc == 0)
        rc = check_part(r, path, err);
    r->part++;
    free(path);
    if (rc == 0)
        return FOUND_ONE;
    checkpoint_close(r->file);
    r->file = NULL;
    return FOUND_FAILED;
}

/* Have a part that has a row left: as rows_next. */
static enum found find_row(struct rows *r, struct err *err)
{
    while (!r->file || r->row == checkpoint_head(r->file)->n_rows) {
        enum found rc = rows_next_part(r, err);

        if (rc != FOUND_ONE)
            return rc;
    }
    return FOUND_ONE;
}

enum found rows_next(struct rows *r, struct err *err)
{
    enum found rc = find_row(r, err);

    r->row += rc == FOUND_ONE;
    return rc;
}

int rows_skip(struct rows *r, uint64_t n, struct err *err)
{
    while (n > 0) {
        uint64_t left;
        enum found rc = find_row(r, err);

        if (rc == FOUND_FAILED)
            return -1;
        if (rc == FOUND_NONE)
            return err_set(err, ERR_INPUT, "\"%s\" has fewer results",
                           r->batch_path ? r->batch_path : "a part");
        left = checkpoint_head(r->file)->n_rows - r->row;
        left = left < n ? left : n;
        r->row += left;
        n -= left;
    }
    return 0;
}

struct checkpoint *rows_part(const struct rows *r)
{
    return r->file;
}

size_t rows_part_number(const struct rows *r)
{
    return r->part - 1;
}

uint64_t rows_number(const struct rows *r)
{
    return r->row - 1;
}
