/*
 * Shows and picks about stop strings.  Texts are those of the tokenizer that
 * the engine uses.
 */
#include <config.h>

#include "dispute/prover_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/found.h"
#include "base/mem.h"
#include "dispute/statements_internal.h"
#include "model/model.h"
#include "proof/merkle_path.h"
#include "text/tokenizer.h"

static int need_tokenizer(struct execution *x, struct err *err)
{
    const struct model *m = x->in.model;

    if (x->tokenizer || m->rec.tokenizer_size == 0)
        return 0;
    return tokenizer_new(&x->tokenizer, m->tokenizer, m->rec.tokenizer_size,
                         m->rec.n_vocab, err);
}

/* The text of output token i. */
static struct stops_text text_of(const struct execution *x,
                                 const struct judge *g, uint32_t i)
{
    struct stops_text t = { (const unsigned char *)"", 0 };

    if (x->tokenizer && !proof_ends_text(g, x->in.output[i]))
        t.s = (const unsigned char *)tokenizer_bytes(x->tokenizer,
                                                     x->in.output[i], &t.n);
    return t;
}

/* The stop strings, and as many texts up to output token `index` as have to be
 * shown. */
static int own_stops(struct stops_shown *s, struct execution *x,
                     const struct judge *g, uint32_t index, struct err *err)
{
    struct buf b;
    int rc;

    if (need_tokenizer(x, err))
        return -1;
    /* in the form of a show, which one empty text ends */
    buf_init(&b, JUDGE_SHOW_MAX);
    buf_put(&b, x->in.stops, x->in.stops_size);
    buf_put_u32(&b, 1);
    buf_put_u32(&b, 0);
    rc = stops_read(s, g->j.n_stops, (unsigned char *)b.data, b.len);
    for (size_t i = 0; rc == 0 && i < s->n_stops; i++) /* as they lie there */
        s->stop[i].s = x->in.stops +
                       (s->stop[i].s - (unsigned char *)b.data);
    buf_clear(&b);
    if (rc)
        return err_set(err, ERR_INPUT, "the stop strings of the answer are not"
                       " at hand");
    s->text[0] = text_of(x, g, index);
    while (stops_need_more(s, index)) {
        memmove(s->text + 1, s->text, s->n_texts * sizeof(*s->text));
        s->text[0] = text_of(x, g, index - (uint32_t)s->n_texts);
        s->n_texts++;
    }
    return 0;
}

/* Offsets of all tokens, and the end of the last: n + 1, to be freed; NULL if
 * records are longer than the tokenizer. */
static uint32_t *own_offsets(const struct model *m,
                             const struct stops_tokenizer *t)
{
    uint32_t *offset = xcalloc((size_t)t->n + 1, sizeof(*offset));
    uint64_t at = t->head;

    for (uint32_t i = 0; i < t->n; i++) {
        offset[i] = (uint32_t)at;
        if (at + STOPS_RECORD <= m->rec.tokenizer_size)
            at += STOPS_RECORD + (uint64_t)get_u32(m->tokenizer + at + 8);
        if (at - offset[i] < STOPS_RECORD || at > m->rec.tokenizer_size) {
            free(offset);
            return NULL;
        }
    }
    offset[t->n] = (uint32_t)at;
    return offset;
}

static size_t first_piece(const struct model *m)
{
    return m->rec.tokenizer_size < PIECE ? m->rec.tokenizer_size : PIECE;
}

static int own_tokenizer(struct stops_tokenizer *t, const struct model *m)
{
    return stops_tokenizer(t, m->tokenizer, first_piece(m), m->rec.n_vocab);
}

/* ---- shows --------------------------------------------------------------- */

static void put_text(struct buf *out, const struct stops_text *t)
{
    buf_put_u32(out, (uint32_t)t->n);
    buf_put(out, t->s, t->n);
}

static int show_stops(struct buf *out, struct execution *x,
                      const struct judge *g, struct err *err)
{
    struct stops_shown s;

    if (own_stops(&s, x, g, g->stops.index, err))
        return -1;
    for (size_t i = 0; i < s.n_stops; i++)
        put_text(out, &s.stop[i]);
    buf_put_u32(out, (uint32_t)s.n_texts);
    for (size_t i = 0; i < s.n_texts; i++)
        put_text(out, &s.text[i]);
    return 0;
}

static int put_offsets(struct buf *out, const struct model *m,
                       const struct stops_tokenizer *t, const uint32_t *point,
                       size_t n, struct err *err)
{
    uint32_t *offset = own_offsets(m, t);

    if (!offset)
        return err_set(err, ERR_INPUT, "the tokenizer of the model is cut");
    for (size_t i = 0; i < n; i++)
        buf_put_u32(out, offset[point[i]]);
    free(offset);
    return 0;
}

static int show_offsets(struct buf *out, struct execution *x,
                        const struct judge *g, struct err *err)
{
    const struct model *m = x->in.model;
    unsigned char path[MERKLE_PATH_MAX * DIGEST_SIZE];
    uint32_t id = x->in.output[g->stops.at], point[STOPS_POINTS];
    struct stops_tokenizer t;
    struct hashes h;

    buf_put_u32(out, id);
    buf_put(out, m->tokenizer, first_piece(m));
    h = hashes_of_blob(m->tokenizer, m->rec.tokenizer_size);
    buf_put(out, path, DIGEST_SIZE * merkle_path(path, h.hash, h.n, 0));
    free(h.hash);
    if (own_tokenizer(&t, m) || id >= t.n)
        return 0;
    return put_offsets(out, m, &t, point, stops_points(point, id), err);
}

static int show_between(struct buf *out, struct execution *x,
                        const struct judge *g, struct err *err)
{
    const struct judge_stops *s = &g->stops;
    uint32_t point[STOPS_POINTS];
    size_t n = stops_between(point, s->point[s->gap], s->point[s->gap + 1]);

    return put_offsets(out, x->in.model, &s->tokenizer, point + 1, n - 2, err);
}

int prover_show_stops(struct buf *out, struct execution *x,
                      const struct judge *g, struct err *err)
{
    switch (g->show) {
    case SHOW_STOPS: return show_stops(out, x, g, err);
    case SHOW_OFFSETS: return show_offsets(out, x, g, err);
    default: return show_between(out, x, g, err);
    }
}

/* ---- picks --------------------------------------------------------------- */

enum found prover_pick_stop(char *choice, struct execution *x,
                            const struct judge *g, struct err *err)
{
    struct stops_tokenizer t;
    struct stops_shown s;

    if (g->j.n_stops == 0 || !x->in.stops ||
        (g->m.tokenizer_size > 0 && own_tokenizer(&t, x->in.model)))
        return FOUND_NONE;
    for (uint32_t i = 0; i < x->n_out; i++) {
        bool stops = g->r.finish == RESULT_STOP && i + 1 == x->n_out;
        enum stops_end end;

        if (own_stops(&s, x, g, i, err))
            return FOUND_FAILED;
        end = stops_look(&s, i);
        if (end == STOPS_UNKNOWN || (end == STOPS_ENDS) == stops)
            continue;
        snprintf(choice, JUDGE_PICK_MAX + 1, "stop %u", i);
        return FOUND_ONE;
    }
    return FOUND_NONE;
}

/* The first text that differs, from the left. */
static enum found pick_text(char *choice, struct execution *x,
                            const struct judge *g, struct err *err)
{
    const struct judge_stops *s = &g->stops;
    struct stops_shown shown;

    if (need_tokenizer(x, err) ||
        stops_read(&shown, g->j.n_stops, (unsigned char *)s->shown.data,
                   s->shown.len))
        return FOUND_FAILED;
    for (uint32_t i = 0; i < s->n; i++) {
        struct stops_text own = text_of(x, g, s->first + i);

        if (own.n == shown.text[i].n &&
            memcmp(own.s, shown.text[i].s, own.n) == 0)
            continue;
        snprintf(choice, JUDGE_PICK_MAX + 1, "%u", s->first + i);
        return FOUND_ONE;
    }
    snprintf(choice, JUDGE_PICK_MAX + 1, "total");
    return FOUND_ONE;
}

/* The gap before the first offset that differs. */
static enum found pick_offset(char *choice, struct execution *x,
                              const struct judge *g, struct err *err)
{
    const struct judge_stops *s = &g->stops;
    bool between = g->show == SHOW_BETWEEN;
    uint32_t *own;
    size_t i = 0;

    snprintf(choice, JUDGE_PICK_MAX + 1, "text");
    if (!between && s->id != x->in.output[s->at])
        return FOUND_ONE;
    own = own_offsets(x->in.model, &s->tokenizer);
    if (!own)
        return err_set(err, ERR_INPUT, "the tokenizer of the model is cut"),
               FOUND_FAILED;
    while (i < s->n_points && own[s->point[i]] == s->offset[i])
        i++;
    free(own);
    if (i == s->n_points || i == 0)
        return between ? FOUND_NONE : FOUND_ONE;
    snprintf(choice, JUDGE_PICK_MAX + 1, "%u", s->point[i - 1]);
    return FOUND_ONE;
}

enum found prover_pick_shown(char *choice, struct execution *x,
                             const struct judge *g, struct err *err)
{
    return g->show == SHOW_STOPS ? pick_text(choice, x, g, err)
                                 : pick_offset(choice, x, g, err);
}
