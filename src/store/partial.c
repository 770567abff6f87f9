/*
 * PARTIAL frames: where they are, and what is in one.
 */
#include <config.h>

#include "store/partial.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "store/worklog.h"

void partials_clear(struct partials *p)
{
    free(p->list);
    memset(p, 0, sizeof(*p));
}

static int by_index(const void *key, const void *entry)
{
    uint64_t index = *(const uint64_t *)key;
    const struct partial *e = entry;

    return index < e->index ? -1 : index > e->index;
}

/* Older ones of an index first; of one start, where a rank was lost and
 * another computed the same, those with fewer tokens. */
static int by_age(const void *a, const void *b)
{
    const struct partial *x = a, *y = b;

    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

bool partials_add(struct partials *p, const struct partial *frame)
{
    const struct partial *old = partials_find(p, frame->index);
    bool longer = frame->n > (old ? old->n : 0);

    VEC_RESERVE(p->list, p->cap, p->n + 1);
    p->list[p->n++] = *frame;
    return longer;
}

void partials_sort(struct partials *p)
{
    size_t n = 0;

    if (p->n > 1)
        qsort(p->list, p->n, sizeof(*p->list), by_age);
    for (size_t i = 0; i < p->n; i++)
        if (i + 1 == p->n || p->list[i].index != p->list[i + 1].index)
            p->list[n++] = p->list[i];
    p->n = p->n_sorted = n;
}

const struct partial *partials_find(const struct partials *p, uint64_t index)
{
    return p->n_sorted ? bsearch(&index, p->list, p->n_sorted,
                                 sizeof(*p->list), by_index)
                       : NULL;
}

void partial_pack(struct buf *out, struct id job, const uint32_t *token,
                  size_t n)
{
    buf_put(out, job.b, sizeof(job.b));
    buf_put_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        buf_put_u32(out, token[i]);
}

/* What is wrong with a frame, or NULL. */
static const char *refuse_frame(const struct frame *f, const struct partial *p,
                                struct id job, size_t most)
{
    const unsigned char *at = f->payload;

    if (f->type != FRAME_PARTIAL || f->index != p->index)
        return "is of something else";
    if (f->n < PARTIAL_FIXED || (f->n - PARTIAL_FIXED) / 4 > most ||
        f->n != PARTIAL_FIXED + (uint64_t)4 * get_u32(at + 32))
        return "has another length";
    if (f->n == PARTIAL_FIXED)
        return "has no tokens";
    return id_equal(id_at(at), job) ? NULL : "is of another job";
}

static int read_ids(uint32_t **token, size_t *n, const struct frame *f,
                    uint32_t n_vocab)
{
    const unsigned char *at = f->payload;
    size_t count = (f->n - PARTIAL_FIXED) / 4;
    uint32_t *id = xcalloc(count, sizeof(*id));

    for (size_t i = 0; i < count; i++) {
        id[i] = get_u32(at + PARTIAL_FIXED + 4 * i);
        if (id[i] >= n_vocab) {
            free(id);
            return -1;
        }
    }
    *token = id;
    *n = count;
    return 0;
}

int partial_read(uint32_t **token, size_t *n, const char *path,
                 struct id batch, const struct partial *p, struct id job,
                 size_t most, uint32_t n_vocab, struct err *err)
{
    struct worklog_reader *log = NULL;
    const char *what = NULL;
    struct frame f;
    int rc = -1;

    if (worklog_open(&log, path, &batch, err) ||
        worklog_read_at(log, p->at, &f, err))
        goto out;
    what = refuse_frame(&f, p, job, most);
    if (!what && read_ids(token, n, &f, n_vocab))
        what = "has an id outside the vocabulary";
    rc = what ? err_set(err, ERR_INPUT, "the frame at %" PRIu64 " of \"%s\" %s",
                        p->at, path, what) : 0;
out:
    worklog_reader_close(log);
    return rc;
}
