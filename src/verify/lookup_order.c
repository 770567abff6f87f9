/*
 * Tracks the places of a batch: which have an answer, and whether the answers
 * are in the only order that proof.md section 5 allows.
 */
#include <config.h>

#include "verify/lookup_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"

struct lookup_place {
    struct id request;
    uint32_t choice;
};

int lookup_order_init(struct lookup_order *o, uint64_t n, struct err *err)
{
    void *seen, *place;

    if (mem_big(&seen, (size_t)(n / 8 + 1), 1, "a list of answers", err))
        return -1;
    if (mem_big(&place, (size_t)n, sizeof(*o->place), "a list of answers",
                err)) {
        free(seen);
        return -1;
    }
    memset(seen, 0, (size_t)(n / 8 + 1));
    *o = (struct lookup_order){ .n = n, .seen = seen, .place = place };
    return 0;
}

void lookup_order_clear(struct lookup_order *o)
{
    free(o->seen);
    free(o->place);
}

static bool is_seen(const struct lookup_order *o, uint64_t i)
{
    return o->seen[i / 8] >> i % 8 & 1;
}

bool lookup_order_put(struct lookup_order *o, uint64_t i,
                      const struct result_record *r)
{
    if (is_seen(o, i))
        return false;
    o->seen[i / 8] |= (unsigned char)(1 << i % 8);
    o->place[i].request = r->request;
    o->place[i].choice = r->choice;
    o->n_seen++;
    return true;
}

static int compare_places(const struct lookup_place *a,
                          const struct lookup_place *b)
{
    int c = id_compare(a->request, b->request);

    return c ? c : (a->choice > b->choice) - (a->choice < b->choice);
}

/* Compare places i - 1 and i; return 0 if they ascend. */
static int report_pair(const struct lookup_order *o, uint64_t i, bool report,
                       struct claims *c, struct id statement)
{
    const struct lookup_place *p = o->place + i;
    int order = compare_places(p - 1, p);
    char text[160];

    if (order < 0)
        return 0;
    if (order == 0)
        snprintf(text, sizeof(text),
                 "answers %" PRIu64 " and %" PRIu64
                 " are both to request %s, choice %" PRIu32,
                 i - 1, i, id_text(p->request).s, p->choice);
    else
        snprintf(text, sizeof(text),
                 "answer %" PRIu64 ", to request %s,"
                 " choice %" PRIu32 ", belongs before answer %" PRIu64,
                 i, id_text(p->request).s, p->choice, i - 1);
    if (report)
        claims_report(c, statement, "the order of its answers",
                      "request id and choice", "", text);
    return 1;
}

void lookup_order_report(const struct lookup_order *o, struct claims *c,
                         struct id statement)
{
    uint64_t wrong = 0;
    char text[80];

    for (uint64_t i = 1; i < o->n; i++)
        if (is_seen(o, i - 1) && is_seen(o, i))
            wrong += (uint64_t)report_pair(o, i, wrong < LOOKUP_NAMED, c,
                                           statement);
    if (wrong > LOOKUP_NAMED) {
        snprintf(text, sizeof(text), "%" PRIu64 " places are wrong", wrong);
        claims_report(c, statement, "the order of its answers",
                      "request id and choice", "", text);
    } else if (wrong == 0) {
        claims_report(c, statement, "the order of its answers",
                      "request id and choice", "ascending, each pair once",
                      NULL);
    }
}
