/*
 * Statement 17: the text of an output token, and the offset of a token in the
 * tokenizer bytes.
 */
#include <config.h>

#include <string.h>

#include "base/bytes.h"
#include "dispute/judge_internal.h"
#include "dispute/statements_internal.h"

/* Read bytes [from, to) of the tokenizer. */
static void read_tokenizer(struct proof *p, uint32_t from, uint32_t to,
                           unsigned char *out)
{
    const struct model_record *m = &p->g->m;

    proof_bytes(p, ROLE_TOKENIZER, m->tokenizer, m->tokenizer_size, from, to,
                out);
}

/* The record of a token ends where that of the next one begins. */
static bool offset_good(struct proof *p)
{
    const struct judge_stops *s = &p->g->stops;
    unsigned char record[STOPS_RECORD] = { 0 };
    uint32_t at = s->offset[s->gap];

    read_tokenizer(p, at, at + STOPS_RECORD, record);
    return (uint64_t)at + STOPS_RECORD + get_u32(record + 8) ==
           s->offset[s->gap + 1];
}

/* Open the record of the picked token and return the length of its text. */
static size_t open_text(struct proof *p, unsigned char *text, bool *fits)
{
    const struct judge_stops *s = &p->g->stops;
    unsigned char record[STOPS_RECORD + STOPS_TEXT] = { 0 };
    uint32_t from, to;

    *fits = true;
    if (proof_ends_text(p->g, s->id) || s->id >= s->tokenizer.n)
        return 0;
    from = s->offset[s->n_points - 2];
    to = s->offset[s->n_points - 1];
    read_tokenizer(p, from, to, record);
    *fits = get_u32(record + 8) == to - from - STOPS_RECORD;
    return stops_token(text, &s->tokenizer, record, to - from);
}

static bool text_good(struct proof *p)
{
    const struct judge *g = p->g;
    const struct judge_stops *s = &g->stops;
    unsigned char text[STOPS_TEXT];
    struct stops_shown shown;
    const struct stops_text *t;
    bool fits;
    size_t n;

    if (stops_read(&shown, g->j.n_stops, (unsigned char *)s->shown.data,
                   s->shown.len))
        return false;
    if (proof_id(p, ROLE_OUTPUT, g->r.output, g->r.n_out, s->at) != s->id)
        return false; /* and whose text it is does not matter */
    n = open_text(p, text, &fits);
    t = &shown.text[s->at - s->first];
    return fits && t->n == n && memcmp(t->s, text, n) == 0;
}

/* 17: the text of an output token is the shown one; the offset of a token
 * follows from the one before it. */
bool proof_stops(struct proof *p)
{
    return p->g->place.head == JUDGE_NONE ? text_good(p) : offset_good(p);
}
