/*
 * An index of answers: eight bytes of each job, sorted, and where it is.  A
 * part is opened when one of its answers is wanted.
 */
#include <config.h>

#include "store/reuse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/vec.h"
#include "proof/result_record.h"
#include "spool/spool.h"
#include "store/checkpoint.h"
#include "store/jobs_file.h"
#include "store/seal.h"

#define OPEN_PARTS 8
#define MAX_PARTS 1000000

struct reuse_entry {
    uint64_t key;  /* the first bytes of the job */
    uint32_t part; /* from the newest on */
    uint32_t row;
};

struct reuse_part {
    struct id batch, root;
    uint32_t number; /* of the batch */
    bool bad;        /* it could not be opened, or is another by now */
};

struct open_part {
    struct checkpoint *c; /* NULL: none */
    size_t part;
    uint64_t used;        /* when, in calls */
};

struct reuse {
    struct reuse_options o;
    struct spool *spool;
    struct reuse_entry *entry;
    size_t n, cap, max;
    struct reuse_part *part;
    size_t n_parts, cap_parts;
    struct open_part open[OPEN_PARTS];
    uint64_t calls;
};

/* ---- reading the files of jobs ------------------------------------------- */

static void put_entry(struct reuse *r, struct id job, uint32_t row)
{
    VEC_RESERVE(r->entry, r->cap, r->n + 1);
    r->entry[r->n++] =
        (struct reuse_entry){ get_u64(job.b), (uint32_t)r->n_parts, row };
}

static void put_part(struct reuse *r, const struct batch *b, uint32_t number,
                     struct id root)
{
    struct reuse_part *p;

    VEC_RESERVE(r->part, r->cap_parts, r->n_parts + 1);
    p = &r->part[r->n_parts++];
    memset(p, 0, sizeof(*p));
    p->batch = b->id;
    p->root = root;
    p->number = number;
}

/* One file; of one that is damaged nothing is taken.  Whether it was there,
 * and of this model. */
static bool read_file(struct reuse *r, const struct batch *b, uint32_t number)
{
    char *path = seal_part_path(b->path, number, "jobs");
    struct jobs_file *f = NULL;
    struct id job;
    size_t before = r->n;
    bool there = false;
    uint32_t row;
    enum found rc = FOUND_NONE;

    if (jobs_file_open(&f, path, NULL) == 0 &&
        id_equal(jobs_file_model(f), r->o.model)) {
        there = true;
        while (r->n < r->max &&
               (rc = jobs_file_next(f, &job, &row, NULL)) == FOUND_ONE)
            put_entry(r, job, row);
        if (rc == FOUND_FAILED)
            r->n = before;
        if (r->n > before)
            put_part(r, b, number, jobs_file_root(f));
    }
    jobs_file_close(f);
    free(path);
    return there;
}

/* A batch and when it was changed. */
struct reuse_found {
    struct batch b;
    struct timespec time;
};

static int newest_first(const void *a, const void *b)
{
    const struct reuse_found *x = a, *y = b;

    if (x->time.tv_sec != y->time.tv_sec)
        return x->time.tv_sec > y->time.tv_sec ? -1 : 1;
    if (x->time.tv_nsec != y->time.tv_nsec)
        return x->time.tv_nsec > y->time.tv_nsec ? -1 : 1;
    return id_compare(x->b.id, y->b.id);
}

/* The batches of a state, after those that were found. */
static int find_batches(struct reuse *r, enum spool_state state,
                        struct reuse_found **list, size_t *n, struct err *err)
{
    struct batch *more = NULL;
    size_t n_more = 0;
    struct stat st;

    if (spool_list(r->spool, state, &more, &n_more, err))
        return -1;
    *list = xrealloc(*list, (*n + n_more + 1) * sizeof(**list));
    for (size_t i = 0; i < n_more; i++) {
        struct reuse_found *f = &(*list)[*n];

        memset(f, 0, sizeof(*f));
        f->b = more[i];
        if (lstat(more[i].path, &st)) {
            batch_clear(&more[i]); /* gone by now */
            continue;
        }
        f->time = st.st_mtim;
        (*n)++;
    }
    free(more);
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct reuse_entry *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->part < y->part ? -1 : x->part > y->part;
}

static int read_spool(struct reuse *r, struct err *err)
{
    enum spool_state state = r->o.pushed_only ? SPOOL_SENDING : SPOOL_DONE;
    struct reuse_found *list = NULL;
    size_t n = 0;
    int rc = 0;

    for (; rc == 0 && state <= SPOOL_SENT; state++)
        rc = find_batches(r, state, &list, &n, err);
    if (n > 1)
        qsort(list, n, sizeof(*list), newest_first);
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; rc == 0 && r->n < r->max && k < MAX_PARTS; k++)
            if (!read_file(r, &list[i].b, k))
                break;
        batch_clear(&list[i].b);
    }
    free(list);
    if (r->n > 1)
        qsort(r->entry, r->n, sizeof(*r->entry), by_key);
    return rc;
}

int reuse_open(struct reuse **out, const struct reuse_options *o,
               struct err *err)
{
    struct reuse *r = xcalloc(1, sizeof(*r));

    r->o = *o;
    r->max = o->max ? o->max : REUSE_MAX;
    if (spool_open_there(&r->spool, o->spool, err) || read_spool(r, err)) {
        reuse_close(r);
        return -1;
    }
    *out = r;
    return 0;
}

void reuse_close(struct reuse *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < OPEN_PARTS; i++)
        checkpoint_close(r->open[i].c);
    spool_close(r->spool);
    free(r->entry);
    free(r->part);
    free(r);
}

size_t reuse_rows(const struct reuse *r)
{
    return r->n;
}

/* ---- looking ------------------------------------------------------------- */

/* The first entry that is not below a key. */
static size_t first_of(const struct reuse *r, uint64_t key)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (r->entry[mid].key < key)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool reuse_has(const struct reuse *r, struct id job)
{
    size_t i = first_of(r, get_u64(job.b));

    return i < r->n && r->entry[i].key == get_u64(job.b);
}

/* Open a part, wherever its batch is now: it may be moved while we look. */
static struct checkpoint *open_file(struct reuse *r, const struct reuse_part *p)
{
    struct batch b = { .path = NULL };
    struct checkpoint *c = NULL;

    for (int tries = 0; !c && tries < 3; tries++) {
        char *path;

        if (spool_find(r->spool, id_text(p->batch).s, &b, NULL))
            break;
        path = seal_part_path(b.path, p->number, "h5");
        if (b.state < SPOOL_DONE || b.state > SPOOL_SENT ||
            checkpoint_open(&c, path, NULL))
            c = NULL;
        free(path);
        batch_clear(&b);
    }
    if (c && (!id_equal(checkpoint_head(c)->part_root, p->root) ||
              !id_equal(checkpoint_head(c)->model, r->o.model))) {
        checkpoint_close(c);
        c = NULL;
    }
    return c;
}

/* The part, open; in the place of the one that was used longest ago. */
static struct checkpoint *part_of(struct reuse *r, size_t part)
{
    struct open_part *o = &r->open[0];

    if (r->part[part].bad)
        return NULL;
    for (size_t i = 0; i < OPEN_PARTS; i++) {
        if (r->open[i].c && r->open[i].part == part) {
            r->open[i].used = ++r->calls;
            return r->open[i].c;
        }
        if (r->open[i].used < o->used)
            o = &r->open[i];
    }
    checkpoint_close(o->c);
    o->c = open_file(r, &r->part[part]);
    o->part = part;
    o->used = o->c ? ++r->calls : 0;
    r->part[part].bad = !o->c;
    return o->c;
}

/* Whether a row has the last residual row that its trace commits to; the one
 * of a trace that commits to none is left out. */
static bool last_fits(const struct checkpoint_head *h,
                      struct checkpoint_row *row)
{
    enum record_last last = record_last(&row->record, row->last, h->dim);

    if (last == RECORD_LAST_NONE)
        row->last = NULL;
    return last == RECORD_LAST_NONE || last == RECORD_LAST_FITS;
}

/* Whether it is the answer, whole and undamaged. */
static bool is_good(struct checkpoint *c, struct id job,
                    struct reuse_needs needs, struct checkpoint_row *row)
{
    const struct record *r = &row->record;
    struct result_record res;
    bool traced = r->n_leaves == 0 || r->leaf;

    if (result_record_unpack(&res, r->result) || !id_equal(res.job, job) ||
        (needs.leaves && !traced) ||
        (needs.topk && row->topk.n != r->n_output) ||
        (traced ? record_check(r, NULL) : record_check_untraced(r, NULL)))
        return false;
    return !needs.last || last_fits(checkpoint_head(c), row);
}

bool reuse_find(struct reuse *r, struct id job, struct reuse_needs needs,
                struct checkpoint_row *row)
{
    uint64_t key = get_u64(job.b);

    for (size_t i = first_of(r, key); i < r->n && r->entry[i].key == key;
         i++) {
        struct checkpoint *c = part_of(r, r->entry[i].part);

        if (c && r->entry[i].row < checkpoint_head(c)->n_rows &&
            checkpoint_row(c, r->entry[i].row, row, NULL) == 0 &&
            is_good(c, job, needs, row))
            return true;
    }
    return false;
}
