/*
 * A sequence's state and its ends: end of text, a stop string, max_tokens,
 * the context, in this order when several hold (proof.md section 5).
 */
#include <config.h>

#include "engine/sequence.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "proof/model_record.h"

/* A token is at most 1024 bytes, a context 131072 tokens. */
#define TEXT_MAX ((size_t)131072 * 1024)

void running_init(struct running *r, const struct sequence *s)
{
    memset(r, 0, sizeof(*r));
    r->s = *s;
    tokens_init(&r->out);
    buf_init(&r->text, TEXT_MAX);
}

void running_clear(struct running *r)
{
    free(r->block);
    free(r->prefix);
    free(r->pending);
    free(r->last);
    tokens_clear(&r->out);
    buf_clear(&r->text);
}

void running_report(struct running *r, uint32_t position, uint32_t token,
                    uint32_t next)
{
    if (r->pending_at == r->n_pending)
        r->pending_at = r->n_pending = 0;
    VEC_RESERVE(r->pending, r->cap_pending, r->n_pending + 1);
    r->pending[r->n_pending++] = (struct pending){ position, token, next };
}

uint32_t running_token(const struct running *r, size_t position)
{
    if (position < r->s.n_prompt)
        return r->s.prompt[position];
    position -= r->s.n_prompt;
    if (position < r->s.n_forced)
        return r->s.forced[position];
    return position < r->out.n ? r->out.id[position] : BACKEND_DRAWN;
}

size_t running_ready(const struct running *r, uint32_t context)
{
    size_t n_known = r->out.n > r->s.n_forced ? r->out.n : r->s.n_forced;
    size_t known = r->s.n_prompt + n_known, n_out;

    if (r->fed < known)
        return known - r->fed;
    n_out = r->fed + 1 - r->s.n_prompt; /* with what the last row draws */
    return n_out < r->s.max_tokens && r->s.n_prompt + n_out <= context;
}

size_t running_drawing(const struct running *r)
{
    return r->s.n_prompt + r->out.n - 1;
}

size_t running_asking(const struct running *r)
{
    bool skips = r->s.believed && r->s.n_forced > r->out.n;

    return r->s.n_prompt + (skips ? r->s.n_forced : r->out.n) - 1;
}

static bool is_eos(const struct model_record *rec, uint32_t token)
{
    for (uint32_t i = 0; i < rec->n_eos; i++)
        if (rec->eos[i] == token)
            return true;
    return false;
}

/* Whether the bytes from `old` on complete a stop string: the one that ends
 * first, of several the longest.  The text is cut before it. */
static bool stopped(struct running *r, size_t old)
{
    for (size_t end = old + 1; end <= r->text.len; end++) {
        size_t longest = 0;

        for (size_t i = 0; i < r->s.n_stops; i++) {
            const struct stop *s = &r->s.stops[i];

            if (s->n > longest && s->n <= end &&
                memcmp(r->text.data + end - s->n, s->text, s->n) == 0)
                longest = s->n;
        }
        if (longest) {
            r->text_end = end - longest;
            return true;
        }
    }
    return false;
}

bool running_draw(struct running *r, const struct model_record *rec,
                  const struct tokenizer *t, uint32_t drawn,
                  enum finish *finish)
{
    bool forced = r->out.n < r->s.n_forced;
    uint32_t token = forced ? r->s.forced[r->out.n] : drawn;
    size_t old = r->text.len;
    bool eos = !r->s.ignore_eos && is_eos(rec, token);

    tokens_put(&r->out, token);
    if (t && !eos) {
        size_t n;
        const char *bytes = tokenizer_bytes(t, token, &n);

        buf_put(&r->text, bytes, n);
    }
    r->text_end = r->text.len;
    if (eos)
        *finish = FINISH_EOS;
    else if (stopped(r, old))
        *finish = FINISH_STOP;
    else if (r->out.n >= r->s.max_tokens)
        *finish = FINISH_LENGTH;
    else if (r->s.n_prompt + r->out.n > rec->context)
        *finish = FINISH_CONTEXT;
    else
        return false;
    return true;
}
