/*
 * The steps of a normalizer and of a pre-tokenizer (man 5 apus-model, "Steps"),
 * as they are defined by the library that tokenizer.json comes from: each step
 * gets the pieces of the one before it.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8_read.h"
#include "text/unicode.h"

#define MAX_TEXT (3 * TOK_MAX_TEXT + sizeof(METASPACE))
#define META_LEN (sizeof(METASPACE) - 1)

static bool begins(const char *s, size_t n, const char *with, size_t n_with)
{
    return n >= n_with && memcmp(s, with, n_with) == 0;
}

/* What a character is, its length in *len. */
static uint32_t class_at(const char *s, size_t n, size_t *len)
{
    uint32_t cp = 0;
    int got = utf8_next(s, n, &cp);

    *len = got > 0 ? (size_t)got : 1; /* the caller has checked the text */
    return got > 0 ? unicode_is(cp) : 0;
}

/* ---- normalizer ---------------------------------------------------------- */

static void replace(struct buf *out, const struct tok_step *step,
                    const char *s, size_t n)
{
    size_t i = 0, run;

    while (i < n) {
        for (run = 0; begins(s + i + run, n - i - run, step->a, step->n_a) &&
                      (step->argument > 0 || run == 0);)
            run += step->n_a;
        if (run > (step->argument > 0 ? step->n_a : 0)) {
            buf_put(out, step->b, step->n_b);
            i += run;
        } else {
            buf_putc(out, s[i++]);
        }
    }
}

static void strip(struct buf *out, const struct tok_step *step,
                  const char *s, size_t n)
{
    size_t at, len, end = 0, from = 0;
    bool left = step->argument & 1;

    for (at = 0; at < n; at += len) {
        if (!(class_at(s + at, n - at, &len) & UNICODE_WHITE_SPACE)) {
            left = false;
            end = at + len;
        } else if (left) {
            from = at + len;
        }
    }
    if (!(step->argument & 2) || end < from)
        end = step->argument & 2 ? from : n;
    buf_put(out, s + from, end - from);
}

static void normalize(struct buf *out, const struct tok_step *step,
                      const char *s, size_t n)
{
    switch (step->type) {
    case NORM_NFC:
        normalize_nfc(out, s, n);
        break;
    case NORM_REPLACE:
        replace(out, step, s, n);
        break;
    case NORM_PREPEND:
        if (n > 0)
            buf_put(out, step->a, step->n_a);
        buf_put(out, s, n);
        break;
    case NORM_STRIP:
        strip(out, step, s, n);
        break;
    default:
        break;
    }
}

static bool is_one_char(const char *s, size_t n)
{
    size_t len;

    (void)class_at(s, n, &len);
    return len == n;
}

/* Whether a step takes away what a text begins with: removes it, or replaces
 * more than one character. */
static bool removes(const struct tok_step *step, const char *s, size_t n)
{
    size_t len;

    if (step->type == NORM_STRIP)
        return (step->argument & 1) && n > 0 &&
               (class_at(s, n, &len) & UNICODE_WHITE_SPACE);
    if (step->type != NORM_REPLACE || !begins(s, n, step->a, step->n_a))
        return false;
    if (step->argument > 0)
        return begins(s + step->n_a, n - step->n_a, step->a, step->n_a);
    return step->n_b == 0 || !is_one_char(step->a, step->n_a);
}

bool steps_normalize(const struct tok_steps *steps, const char *s, size_t n,
                     struct buf *out, struct buf *scratch)
{
    bool kept = true;

    buf_put(out, s, n);
    for (uint32_t i = 0; i < steps->n && !out->full; i++) {
        struct buf was = *out;

        *out = *scratch;
        *scratch = was;
        buf_reset(out);
        kept &= !removes(&steps->v[i], was.data ? was.data : "", was.len);
        normalize(out, &steps->v[i], was.data ? was.data : "", was.len);
    }
    return kept;
}

/* ---- pre-tokenizer ------------------------------------------------------- */

/* One call of steps_split. */
struct split {
    const struct tok_steps *steps;
    struct buf text[TOK_MAX_STEPS]; /* what a step makes of its piece */
    pretok_fn *fn;
    void *user;
};

/* A piece that is being cut by a step. */
struct text_cut {
    struct split *split;
    uint32_t step;   /* which gets what comes out */
    const char *s;
    bool first;      /* s begins the text */
    enum tok_behaviour behaviour;
    size_t from, to; /* what is held back; none if equal */
    bool match;      /* what came last */
};

static void give(struct split *p, uint32_t k, const char *s, size_t n,
                 bool first);

static void flush(struct text_cut *c)
{
    if (c->to > c->from)
        give(c->split, c->step, c->s + c->from, c->to - c->from,
             c->first && c->from == 0);
    c->from = c->to;
}

/* The next stretch, which lies after the ones before it: a match or what is
 * between matches. */
static void stretch(struct text_cut *c, size_t from, size_t to, bool match)
{
    bool joins = false;

    if (from == to)
        return;
    switch (c->behaviour) {
    case SPLIT_CONTIGUOUS:
        joins = match == c->match;
        break;
    case SPLIT_PREVIOUS:
        joins = match && !c->match;
        break;
    case SPLIT_NEXT:
        joins = !match && c->match;
        break;
    default:
        break;
    }
    if (!joins)
        flush(c);
    if (c->to == c->from)
        c->from = from;
    c->to = to;
    if (c->behaviour == SPLIT_REMOVED && match)
        c->from = c->to;
    c->match = match;
}

static void cut_digits(struct text_cut *c, size_t n, bool one)
{
    size_t at = 0, from = 0, len;
    bool was = false;

    for (; at < n; at += len) {
        bool digit = class_at(c->s + at, n - at, &len) & UNICODE_NUMBER;

        if (digit != was || (digit && one)) {
            stretch(c, from, at, was);
            from = at;
        }
        was = digit;
    }
    stretch(c, from, n, was);
    flush(c);
}

static void cut_text(struct text_cut *c, size_t n, const char *a, size_t n_a)
{
    size_t at = 0, from = 0;

    while (at < n) {
        if (!begins(c->s + at, n - at, a, n_a)) {
            at++;
            continue;
        }
        stretch(c, from, at, false);
        stretch(c, at, at + n_a, true);
        at += n_a;
        from = at;
    }
    stretch(c, from, n, false);
    flush(c);
}

static void put_match(void *user, const char *s, size_t n)
{
    struct text_cut *c = user;
    size_t at = (size_t)(s - c->s);

    stretch(c, at, at + n, true);
}

/* Spaces to metaspaces, with one before them as the scheme asks. */
static void metaspaces(struct buf *b, const char *s, size_t n,
                       enum tok_scheme scheme, bool first)
{
    bool has = begins(s, n, " ", 1) || begins(s, n, METASPACE, META_LEN);

    buf_reset(b);
    if (!has && (scheme == SCHEME_ALWAYS ||
                 (scheme == SCHEME_FIRST && first)))
        buf_put(b, METASPACE, META_LEN);
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ')
            buf_put(b, METASPACE, META_LEN);
        else
            buf_putc(b, s[i]);
    }
}

/* Step k and those after it of one piece. */
static void give(struct split *p, uint32_t k, const char *s, size_t n,
                 bool first)
{
    const struct tok_step *step = &p->steps->v[k];
    struct text_cut c = { .split = p,
                          .step = k + 1,
                          .s = s,
                          .first = first,
                          .behaviour = SPLIT_ISOLATED };

    if (k == p->steps->n) {
        p->fn(p->user, s, n);
        return;
    }
    switch (step->type) {
    case PRE_PATTERN:
        pretok_split(step->argument, s, n, put_match, &c);
        flush(&c);
        return;
    case PRE_SPLIT:
        c.behaviour = (enum tok_behaviour)step->argument;
        cut_text(&c, n, step->a, step->n_a);
        return;
    case PRE_DIGITS:
        cut_digits(&c, n, step->argument > 0);
        return;
    case PRE_SPACE:
        buf_reset(&p->text[k]);
        if (s[0] != ' ')
            buf_putc(&p->text[k], ' ');
        buf_put(&p->text[k], s, n);
        break;
    default: /* PRE_METASPACE */
        metaspaces(&p->text[k], s, n, step->argument & (SCHEME_SPLIT - 1),
                   first);
        break;
    }
    if (p->text[k].full)
        return;
    c.s = p->text[k].data;
    if (step->type == PRE_METASPACE && (step->argument & SCHEME_SPLIT)) {
        c.behaviour = SPLIT_NEXT;
        cut_text(&c, p->text[k].len, METASPACE, META_LEN);
    } else {
        give(p, k + 1, c.s, p->text[k].len, first);
    }
}

int steps_split(const struct tok_steps *steps, const char *s, size_t n,
                bool first, pretok_fn *fn, void *user, struct err *err)
{
    struct split p = { .steps = steps, .fn = fn, .user = user };
    int rc = 0;

    if (n == 0)
        return 0;
    for (uint32_t i = 0; i < steps->n; i++)
        buf_init(&p.text[i], MAX_TEXT);
    give(&p, 0, s, n, first);
    for (uint32_t i = 0; i < steps->n; i++) {
        if (buf_check(&p.text[i], "the text", err))
            rc = -1;
        buf_clear(&p.text[i]);
    }
    return rc;
}
