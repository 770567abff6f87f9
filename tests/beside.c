#include <config.h>

#include "tests/beside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 5

static bool same_outcome(struct recompute *r, const struct recompute_task *t,
                         size_t i)
{
    struct recompute_verdict alone = { .part = "none" };
    struct err err = ERR_INIT;
    bool failed = recompute_record(r, t->rec, t->also, &alone, &err) != 0;

    if (failed || t->failed) {
        if (failed == t->failed && strcmp(err.text, t->err.text) == 0)
            return true;
        printf("# record %zu fails alone: \"%s\", beside others: \"%s\"\n", i,
               err.text, t->err.text);
        return false;
    }
    if (alone.same == t->v.same && alone.position == t->v.position &&
        strcmp(alone.part, t->v.part) == 0 &&
        strcmp(alone.text, t->v.text) == 0 &&
        alone.positions == t->v.positions)
        return true;
    printf("# record %zu alone: %" PRIu64 " positions, %s: %s\n", i,
           alone.positions, alone.part, alone.text);
    printf("# .. and beside others: %" PRIu64 " positions, %s: %s\n",
           t->v.positions, t->v.part, t->v.text);
    return false;
}

bool beside_is_alone(const struct prompt_model *m, struct backend *b,
                     struct recompute_options o, const struct record *rec,
                     const struct recompute_tensors *also,
                     const struct record *other)
{
    struct recompute_task t[N] = {
        { .rec = other }, { .rec = rec, .also = also }, { .rec = other },
        { .rec = rec, .also = also }, { .rec = rec, .also = also },
    };
    struct err err = ERR_INIT;
    struct recompute *r;
    bool same = true;

    o.max_records = 3;
    o.step = NULL;
    if (recompute_new(&r, m, b, &o, &err) ||
        recompute_records(r, t, N, &err)) {
        printf("# %s\n", err.text);
        return false;
    }
    for (size_t i = 0; i < N; i++)
        same &= same_outcome(r, &t[i], i);
    recompute_free(r);
    return same;
}
