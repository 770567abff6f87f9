/*
 * The order of work: what may take longest goes first, so that no rank begins
 * a long answer when the others are finished.
 */
#include <config.h>

#include "mpi/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "store/resume.h"
#include "store/scan.h"
#include "store/worklog.h"

struct queue {
    const struct scan *scan;
    const struct resume *resume;
    uint32_t *order;    /* with others, first to last */
    size_t at, n;
    uint32_t *back;     /* came back, to go first */
    size_t n_back, cap_back;
    uint32_t *alone;    /* a stack */
    size_t n_alone, cap_alone;
};

bool queue_line_done(const struct queue *q, uint32_t line)
{
    const struct resume_line *r = &q->resume->line[line];
    uint8_t all = scan_choices(&q->scan->line[line]);

    return r->given_up || (r->done & all) == all;
}

static bool runs_alone(const struct queue *q, uint32_t line)
{
    return q->resume->line[line].dead >= RESUME_DEATHS;
}

static void push(uint32_t **list, size_t *n, size_t *cap, uint32_t line)
{
    VEC_RESERVE(*list, *cap, *n + 1);
    (*list)[(*n)++] = line;
}

/* qsort has no argument for its comparison. */
struct keyed {
    uint32_t max_tokens, n, line;
};

/* By tokens to come, then by length of the prompt; equal ones stay in the
 * order of the file, where shared beginnings are neighbours. */
static int by_cost(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;

    if (x->max_tokens != y->max_tokens)
        return x->max_tokens > y->max_tokens ? -1 : 1;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static void sort_in(struct queue *q, struct keyed *key)
{
    for (uint32_t i = 0; i < q->scan->n; i++) {
        const struct scan_line *l = &q->scan->line[i];

        if (queue_line_done(q, i))
            continue;
        if (runs_alone(q, i))
            push(&q->alone, &q->n_alone, &q->cap_alone, i);
        else
            key[q->n++] = (struct keyed){ l->max_tokens, l->n, i };
    }
    if (q->n > 1)
        qsort(key, q->n, sizeof(*key), by_cost);
    for (size_t i = 0; i < q->n; i++)
        q->order[i] = key[i].line;
}

int queue_new(struct queue **out, const struct scan *s,
              const struct resume *r, struct err *err)
{
    struct queue *q = xcalloc(1, sizeof(*q));
    void *order = NULL, *key = NULL;

    q->scan = s;
    q->resume = r;
    if (mem_big(&order, s->n, sizeof(*q->order), "the queue", err) ||
        mem_big(&key, s->n, sizeof(struct keyed), "the queue", err)) {
        free(order);
        queue_free(q);
        return -1;
    }
    q->order = order;
    sort_in(q, key);
    free(key);
    *out = q;
    return 0;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    free(q->order);
    free(q->back);
    free(q->alone);
    free(q);
}

static void fill(const struct queue *q, struct work *w, uint32_t line,
                 enum work_kind kind)
{
    const struct scan_line *l = &q->scan->line[line];

    *w = (struct work){ .line = line, .n = l->n, .at = l->at,
                        .skip = q->resume->line[line].done,
                        .kind = (uint8_t)kind };
    for (uint32_t c = 0; c < WORK_CHOICES; c++) {
        const struct partial *p = partials_find(&q->resume->partials,
                                                frame_index(line, c));

        if (!p || (w->skip >> c & 1))
            continue;
        w->partial[c] = *p;
        w->begun |= (uint8_t)(1u << c);
    }
}

size_t queue_take(struct queue *q, struct work *w, size_t max)
{
    size_t n = 0;

    while (n < max && queue_waiting(q) > 0) {
        uint32_t line = q->n_back ? q->back[--q->n_back] : q->order[q->at++];

        /* a rank that was lost may wake up and finish what came back: whoever
         * got it now would have nothing to tell of it */
        if (!queue_line_done(q, line))
            fill(q, &w[n++], line, WORK_WITH_OTHERS);
    }
    return n;
}

bool queue_take_alone(struct queue *q, struct work *w)
{
    uint32_t line;

    do {
        if (q->n_alone == 0)
            return false;
        line = q->alone[--q->n_alone];
    } while (queue_line_done(q, line));
    fill(q, w, line, q->resume->line[line].alone >= RESUME_DEATHS_ALONE
                         ? WORK_GIVE_UP : WORK_ALONE);
    return true;
}

void queue_put_back(struct queue *q, uint32_t line)
{
    if (queue_line_done(q, line))
        return;
    if (runs_alone(q, line))
        push(&q->alone, &q->n_alone, &q->cap_alone, line);
    else
        push(&q->back, &q->n_back, &q->cap_back, line);
}

size_t queue_waiting(const struct queue *q)
{
    return q->n - q->at + q->n_back;
}

size_t queue_waiting_alone(const struct queue *q)
{
    return q->n_alone;
}
