/*
 * What apustok2 has beside apustok1 (man 5 apus-model, "Steps"): the first
 * tokens and the lists of steps, read, checked and written.  What the steps do
 * is in tokenizer_pipeline.c and tokenizer_shown.c.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8_read.h"

/* What a step of a type may have. */
struct form {
    uint32_t max; /* of its argument */
    bool a, b;    /* a text that is not empty; one that may be */
};

static const struct form normalizers[] = {
    [NORM_NFC] = { 0, false, false },
    [NORM_REPLACE] = { 1, true, true },
    [NORM_PREPEND] = { 0, true, false },
    [NORM_STRIP] = { 3, false, false },
};

static const struct form pretokenizers[] = {
    [PRE_PATTERN] = { TOK_PATTERNS - 1, false, false },
    [PRE_SPLIT] = { SPLIT_BEHAVIOURS - 1, true, false },
    [PRE_DIGITS] = { 1, false, false },
    [PRE_METASPACE] = { SCHEME_ALWAYS + SCHEME_SPLIT, false, false },
    [PRE_SPACE] = { 0, false, false },
};

static const struct form decoders[] = {
    [DECODE_REPLACE] = { 0, true, true },
    [DECODE_STRIP] = { 0xffff, true, false },
    [DECODE_BYTES] = { 0, false, false },
};

/* Bytes still to be read. */
struct step_reader {
    const unsigned char *p;
    size_t n;
};

int tok_step_add(struct tok_steps *s, uint32_t type, uint32_t argument,
                 const char *a, const char *b, struct err *err)
{
    size_t n_a = a ? strlen(a) : 0, n_b = b ? strlen(b) : 0;
    struct tok_step *step = &s->v[s->n];

    if (s->n == TOK_MAX_STEPS)
        return err_set(err, ERR_INPUT, "more than %u steps of a normalizer, "
                       "pre-tokenizer or decoder", TOK_MAX_STEPS);
    if (n_a > TOK_MAX_STEP || n_b > TOK_MAX_STEP)
        return err_set(err, ERR_INPUT, "a text of a normalizer, pre-tokenizer"
                       " or decoder has more than %u bytes", TOK_MAX_STEP);
    *step = (struct tok_step){ type, argument, (uint32_t)n_a, (uint32_t)n_b,
                               xstrdup(a ? a : ""), xstrdup(b ? b : "") };
    s->n++;
    return 0;
}

static void clear_steps(struct tok_steps *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        free(s->v[i].a);
        free(s->v[i].b);
    }
    s->n = 0;
}

void tok_extra_clear(struct tok_extra *x)
{
    clear_steps(&x->normalizer);
    clear_steps(&x->pretokenizer);
    clear_steps(&x->decoder);
}

/* ---- writing ------------------------------------------------------------- */

static void put_counted(struct buf *out, const char *s, uint32_t n)
{
    buf_put_u32(out, n);
    buf_put(out, s, n);
}

static void put_steps(struct buf *out, const struct tok_steps *s)
{
    buf_put_u32(out, s->n);
    for (uint32_t i = 0; i < s->n; i++) {
        buf_put_u32(out, s->v[i].type);
        buf_put_u32(out, s->v[i].argument);
        put_counted(out, s->v[i].a, s->v[i].n_a);
        put_counted(out, s->v[i].b, s->v[i].n_b);
    }
}

void tok_extra_put(const struct tok_extra *x, struct buf *out)
{
    buf_put_u32(out, x->n_first);
    for (uint32_t i = 0; i < x->n_first; i++)
        buf_put_u32(out, x->first[i]);
    put_steps(out, &x->normalizer);
    put_steps(out, &x->pretokenizer);
    put_steps(out, &x->decoder);
}

/* ---- reading ------------------------------------------------------------- */

static int bad(struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "tokenizer: %s", what);
}

static int take_u32(struct step_reader *r, uint32_t *v, struct err *err)
{
    if (r->n < 4)
        return bad(err, "cut off before the tokens");
    *v = get_u32(r->p);
    r->p += 4;
    r->n -= 4;
    return 0;
}

/* A text of a step, terminated: UTF-8 without a NUL. */
static int take_text(struct step_reader *r, char **out, uint32_t *n,
                     struct err *err)
{
    if (take_u32(r, n, err))
        return -1;
    if (*n > TOK_MAX_STEP || *n > r->n)
        return bad(err, "a text of a step is too long");
    if (!utf8_valid(r->p, *n) || (*n > 0 && memchr(r->p, 0, *n)))
        return bad(err, "a text of a step is not UTF-8");
    *out = xstrndup((const char *)r->p, *n);
    r->p += *n;
    r->n -= *n;
    return 0;
}

static int read_steps(struct tok_steps *s, struct step_reader *r,
                      const struct form *form, size_t n_forms, struct err *err)
{
    uint32_t count = 0;

    if (take_u32(r, &count, err))
        return -1;
    if (count > TOK_MAX_STEPS)
        return bad(err, "too many steps");
    while (s->n < count) {
        struct tok_step *step = &s->v[s->n++];
        const struct form *f;

        memset(step, 0, sizeof(*step));
        if (take_u32(r, &step->type, err) ||
            take_u32(r, &step->argument, err) ||
            take_text(r, &step->a, &step->n_a, err) ||
            take_text(r, &step->b, &step->n_b, err))
            return -1;
        f = &form[step->type < n_forms ? step->type : 0];
        if (step->type < 1 || step->type >= n_forms)
            return err_set(err, ERR_INPUT, "tokenizer: unknown step %u",
                           step->type);
        if (step->argument > f->max || f->a != (step->n_a > 0) ||
            (!f->b && step->n_b > 0))
            return err_set(err, ERR_INPUT, "tokenizer: impossible arguments "
                           "of step %u", step->type);
    }
    return 0;
}

#define FORMS(form) (form), sizeof(form) / sizeof(*(form))

int tok_extra_read(struct tok_extra *x, const unsigned char **p, size_t *n,
                   uint32_t n_tokens, struct err *err)
{
    struct step_reader r = { *p, *n };

    if (take_u32(&r, &x->n_first, err))
        return -1;
    if (x->n_first > TOK_MAX_FIRST)
        return bad(err, "too many first tokens");
    for (uint32_t i = 0; i < x->n_first; i++) {
        if (take_u32(&r, &x->first[i], err))
            return -1;
        if (x->first[i] >= n_tokens)
            return bad(err, "a first token is beyond the last token");
    }
    if (read_steps(&x->normalizer, &r, FORMS(normalizers), err) ||
        read_steps(&x->pretokenizer, &r, FORMS(pretokenizers), err) ||
        read_steps(&x->decoder, &r, FORMS(decoders), err))
        return -1;
    *p = r.p;
    *n = r.n;
    return 0;
}
