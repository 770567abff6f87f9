/*
 * Pairs answers, and finds their first difference.
 */
#include <config.h>

#include "verify/compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"

#define NOBODY SIZE_MAX

/* ---- who belongs together ------------------------------------------------ */

/* One key of an answer: 32 bytes and the choice. */
struct index_entry {
    struct id id;
    uint32_t choice;
    size_t i; /* which answer of b */
};

enum match_way { BY_REQUEST, BY_NAME, BY_LINE, N_WAYS };

struct index {
    struct index_entry *entry[N_WAYS];
    size_t n[N_WAYS];
    bool *taken; /* answers of b */
};

static int by_id(const void *x, const void *y)
{
    const struct index_entry *a = x, *b = y;
    int c = id_compare(a->id, b->id);

    if (c == 0)
        c = (a->choice > b->choice) - (a->choice < b->choice);
    return c ? c : (a->i > b->i) - (a->i < b->i);
}

static void line_id(struct id *id, uint32_t line)
{
    *id = (struct id){ { 0 } };
    set_u32(id, line);
}

static void add_answer(struct index *x, enum match_way w, struct id id,
                       uint32_t choice, size_t i)
{
    struct index_entry *e = &x->entry[w][x->n[w]++];

    e->id = id;
    e->choice = choice;
    e->i = i;
}

static void index_init(struct index *x, const struct answers *b)
{
    size_t n = answers_count(b);

    memset(x, 0, sizeof(*x));
    x->taken = xcalloc(n + 1, sizeof(*x->taken));
    for (int w = 0; w < N_WAYS; w++)
        x->entry[w] = xcalloc(n + 1, sizeof(*x->entry[w]));
    for (size_t i = 0; i < n; i++) {
        const struct answer_key *k = answers_key(b, i);
        struct id line;

        line_id(&line, k->line);
        add_answer(x, BY_REQUEST, k->request, k->choice, i);
        add_answer(x, BY_LINE, line, k->choice, i);
        if (k->named)
            add_answer(x, BY_NAME, k->name, k->choice, i);
    }
    for (int w = 0; w < N_WAYS; w++)
        if (x->n[w] > 1)
            qsort(x->entry[w], x->n[w], sizeof(*x->entry[w]), by_id);
}

static void index_clear(struct index *x)
{
    for (int w = 0; w < N_WAYS; w++)
        free(x->entry[w]);
    free(x->taken);
}

/* Return the first answer with this id that is not paired yet. */
static size_t find_unused(const struct index *x, enum match_way w, struct id id,
                          uint32_t choice)
{
    size_t from = 0, to = x->n[w];

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        const struct index_entry *e = &x->entry[w][mid];
        int c = id_compare(e->id, id);

        if (c < 0 || (c == 0 && e->choice < choice))
            from = mid + 1;
        else
            to = mid;
    }
    for (; from < x->n[w]; from++) {
        const struct index_entry *e = &x->entry[w][from];

        if (!id_equal(e->id, id) || e->choice != choice)
            break;
        if (!x->taken[e->i])
            return e->i;
    }
    return NOBODY;
}

/* Find an answer whose custom_id is the request id of k, or whose request id is
 * the custom_id of k. */
static size_t find_crossed(const struct index *x, const struct answers *a,
                           size_t i, const struct stored_answer *got)
{
    const struct answer_key *k = answers_key(a, i);
    struct id id;
    char text[ID_TEXT];
    size_t j;

    base64url(text, k->request.b, 32);
    digest(&id, text, ID_TEXT - 1);
    j = find_unused(x, BY_NAME, id, k->choice);
    if (j != NOBODY || got->n_name != ID_TEXT - 1)
        return j;
    memcpy(text, got->name, ID_TEXT - 1);
    text[ID_TEXT - 1] = '\0';
    return id_parse(&id, text) ? NOBODY
                               : find_unused(x, BY_REQUEST, id, k->choice);
}

static size_t find_pair(const struct index *x, const struct answers *a,
                        const struct answers *b, size_t i,
                        const struct stored_answer *got)
{
    const struct answer_key *k = answers_key(a, i);
    size_t j = find_unused(x, BY_REQUEST, k->request, k->choice);
    struct id line;

    if (j == NOBODY && k->named)
        j = find_unused(x, BY_NAME, k->name, k->choice);
    if (j == NOBODY)
        j = find_crossed(x, a, i, got);
    if (j != NOBODY)
        return j;
    line_id(&line, k->line);
    j = find_unused(x, BY_LINE, line, k->choice);
    return j != NOBODY && k->named && answers_key(b, j)->named ? NOBODY : j;
}

/* ---- what differs -------------------------------------------------------- */

/* Return the first index where two lists of u32 differ, or COMPARE_NONE. */
static uint64_t first_id(const unsigned char *a, size_t n_a,
                         const unsigned char *b, size_t n_b)
{
    size_t n = n_a < n_b ? n_a : n_b;

    for (size_t i = 0; i < n; i++)
        if (get_u32(a + 4 * i) != get_u32(b + 4 * i))
            return i;
    return n_a == n_b ? COMPARE_NONE : n;
}

static uint64_t token_at(const unsigned char *ids, size_t n, uint64_t i)
{
    return i < n ? get_u32(ids + 4 * i) : COMPARE_NONE;
}

static bool same_bytes(const void *a, size_t n_a, const void *b, size_t n_b)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a) == 0);
}

static void compare_text(struct compare_pair *p)
{
    const struct stored_answer *a = p->a, *b = p->b;

    if (!a->text || !b->text || same_bytes(a->text, a->n_text, b->text,
                                           b->n_text))
        return;
    p->differs |= COMPARE_TEXT;
    while (p->text < a->n_text && p->text < b->n_text &&
           a->text[p->text] == b->text[p->text])
        p->text++;
}

/* Compare how the answers ended, as precisely as both of them record it. */
static bool same_end(const struct stored_answer *a,
                     const struct stored_answer *b)
{
    const char *x = a->end && b->end ? a->end : a->finish;
    const char *y = a->end && b->end ? b->end : b->finish;

    return !x || !y || strcmp(x, y) == 0;
}

static void compare_jobs(struct compare_pair *p)
{
    const struct job_record *a = &p->a->job, *b = &p->b->job;

    if (!p->a->has_job || !p->b->has_job)
        return;
    p->prompt = first_id(p->a->prompt, p->a->n_prompt, p->b->prompt,
                         p->b->n_prompt);
    p->differs |= (p->prompt != COMPARE_NONE ? COMPARE_PROMPT : 0) |
        (same_bytes(p->a->stops, p->a->stops_size, p->b->stops,
                    p->b->stops_size) ? 0 : COMPARE_STOPS) |
        (a->max_tokens != b->max_tokens ? COMPARE_MAX_TOKENS : 0) |
        (a->temperature != b->temperature ? COMPARE_TEMPERATURE : 0) |
        (a->top_p != b->top_p ? COMPARE_TOP_P : 0) |
        (a->top_k != b->top_k ? COMPARE_TOP_K : 0) |
        (a->seed != b->seed ? COMPARE_SEED : 0) |
        ((a->flags ^ b->flags) & JOB_IGNORE_EOS ? COMPARE_IGNORE_EOS : 0);
}

static void compare_pair(struct compare_pair *p)
{
    const struct stored_answer *a = p->a, *b = p->b;

    p->token = first_id(a->token, a->n_tokens, b->token, b->n_tokens);
    if (p->token != COMPARE_NONE) {
        p->differs |= COMPARE_TOKENS;
        p->token_a = token_at(a->token, a->n_tokens, p->token);
        p->token_b = token_at(b->token, b->n_tokens, p->token);
    }
    compare_text(p);
    if (!same_end(a, b))
        p->differs |= COMPARE_FINISH;
    compare_jobs(p);
}

/* ---- all of them --------------------------------------------------------- */

static int visit(struct compare_counts *n, struct index *x, struct answers *a,
                 struct answers *b, size_t i, compare_fn *report, void *self,
                 struct err *err)
{
    struct stored_answer one, other;
    struct compare_pair p = { .key = answers_key(a, i), .a = &one };
    size_t j;

    if (answers_get(a, i, &one, err))
        return -1;
    j = find_pair(x, a, b, i, &one);
    if (j == NOBODY) {
        if (p.key->refused)
            return 0;
        n->only_a++;
        return report(self, &p, err);
    }
    x->taken[j] = true;
    if (answers_get(b, j, &other, err))
        return -1;
    p.b = &other;
    compare_pair(&p);
    n->same += !(p.differs & COMPARE_ANSWER);
    n->differ += (p.differs & COMPARE_ANSWER) != 0;
    n->parameters += (p.differs & ~(unsigned)COMPARE_ANSWER) != 0;
    return p.differs ? report(self, &p, err) : 0;
}

static int visit_rest(struct compare_counts *n, const struct index *x,
                      struct answers *b, compare_fn *report, void *self,
                      struct err *err)
{
    struct stored_answer other;

    for (size_t j = 0; j < answers_count(b); j++) {
        struct compare_pair p = { .key = answers_key(b, j), .b = &other };

        if (x->taken[j] || p.key->refused)
            continue;
        n->only_b++;
        if (answers_get(b, j, &other, err) || report(self, &p, err))
            return -1;
    }
    return 0;
}

int compare_answers(struct compare_counts *n, struct answers *a,
                    struct answers *b, compare_fn *report, void *self,
                    struct err *err)
{
    const struct id *model_a = answers_model(a);
    const struct id *model_b = answers_model(b);
    struct index x;
    int rc = 0;

    memset(n, 0, sizeof(*n));
    n->other_model = model_a && model_b && !id_equal(*model_a, *model_b);
    index_init(&x, b);
    for (size_t i = 0; rc == 0 && i < answers_count(a); i++)
        rc = visit(n, &x, a, b, i, report, self, err);
    rc = rc ? rc : visit_rest(n, &x, b, report, self, err);
    index_clear(&x);
    return rc;
}
