/*
 * How a sequence ends: stop strings across tokens, of several the one that
 * ends first and of those the longest, and which end wins when several hold
 * (doc/proof.md section 5).  The tokens are nano's.
 */
#include <config.h>

#include <stdbool.h>
#include <string.h>

#include "engine/sequence.h"
#include "proof/model_record.h"
#include "tests/models_util.h"

#define EOS 2

static struct tokenizer *nano;
static const struct model_record rec = {
    .n_vocab = 512, .context = 8, .n_eos = 1, .eos = { EOS },
};

/* Feed these texts, each of which is one token of nano ("" is the end of
 * text), until the sequence is over.  How many were taken, 0 if it is not. */
static size_t draw(struct running *r, const char *const *text, size_t n,
                   enum finish *finish)
{
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        struct tokens t;
        uint32_t id = EOS;

        tokens_init(&t);
        if (*text[i] && (tokenizer_encode(nano, text[i], strlen(text[i]),
                                          false, &t, &err) ||
                         t.n != 1))
            printf("# \"%s\" is not one token\n", text[i]);
        else if (*text[i])
            id = t.id[0];
        tokens_clear(&t);
        if (running_draw(r, &rec, nano, id, finish))
            return i + 1;
    }
    return 0;
}

struct end {
    const char *name;
    struct stop stop[3];
    uint32_t max_tokens;
    size_t n_prompt;
    bool ignore_eos;
    const char *text[6];
    size_t want_n;        /* tokens taken, 0: not over */
    enum finish want;
    const char *want_text;
};

static const struct end ends[] = {
    { "nothing yet", { { "x", 1 } }, 9, 1, false, { "a", "b" },
      0, FINISH_EOS, "ab" },
    { "a stop within a token", { { "b", 1 } }, 9, 1, false,
      { "a", "b", "c" }, 2, FINISH_STOP, "a" },
    { "a stop across three tokens", { { "abc", 3 } }, 9, 1, false,
      { "x", "a", "b", "c", "d" }, 4, FINISH_STOP, "x" },
    { "no stop from two halves", { { "ab", 2 } }, 9, 1, false,
      { "a", "c", "b" }, 0, FINISH_EOS, "acb" },
    { "the one that ends first", { { "bcd", 3 }, { "c", 1 } }, 9, 1, false,
      { "a", "b", "c", "d" }, 3, FINISH_STOP, "ab" },
    { "of two that end together the longest", { { "c", 1 }, { "abc", 3 } },
      9, 1, false, { "x", "a", "b", "c" }, 4, FINISH_STOP, "x" },
    { "an overlap with itself", { { "aab", 3 } }, 9, 1, false,
      { "a", "a", "a", "b" }, 4, FINISH_STOP, "a" },
    { "end of text has no text", { { "x", 1 } }, 9, 1, false, { "a", "" },
      2, FINISH_EOS, "a" },
    { "end of text ignored", { { "x", 1 } }, 9, 1, true, { "a", "", "b" },
      0, FINISH_EOS, "ab" },
    { "end of text before length", { { "x", 1 } }, 2, 1, false,
      { "a", "" }, 2, FINISH_EOS, "a" },
    { "a stop before length", { { "b", 1 } }, 2, 1, false, { "a", "b" },
      2, FINISH_STOP, "a" },
    { "length before context", { { "x", 1 } }, 2, 7, false, { "a", "b" },
      2, FINISH_LENGTH, "ab" },
    { "context", { { "x", 1 } }, 5, 7, false, { "a", "b" },
      2, FINISH_CONTEXT, "ab" },
};

static void test_end(const struct end *e)
{
    static const uint32_t prompt[8];
    struct sequence s = { .prompt = prompt, .n_prompt = e->n_prompt,
                          .max_tokens = e->max_tokens, .stops = e->stop,
                          .ignore_eos = e->ignore_eos };
    enum finish finish = FINISH_EOS;
    struct running r;
    size_t n = 0, got;

    while (s.n_stops < 3 && e->stop[s.n_stops].n)
        s.n_stops++;
    while (n < 6 && e->text[n])
        n++;
    running_init(&r, &s);
    got = draw(&r, e->text, n, &finish);
    ok(got == e->want_n && (got == 0 || finish == e->want) &&
           r.text_end == strlen(e->want_text) &&
           (r.text_end == 0 ||
            memcmp(r.text.data, e->want_text, r.text_end) == 0),
       "%s", e->name);
    running_clear(&r);
}

int main(void)
{
    struct tokenizer_source source = { rec.n_vocab, 1, false, NULL };
    struct err err = ERR_INIT;
    struct buf bytes;
    char *dir = tree_path("models/nano");

    buf_init(&bytes, 1 << 20);
    if (!ok(tokenizer_import(&bytes, dir, &source, &err) == 0 &&
                tokenizer_new(&nano, (unsigned char *)bytes.data, bytes.len,
                              rec.n_vocab, &err) == 0,
            "nano's tokenizer %s", err.text))
        return done();
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        test_end(&ends[i]);
    tokenizer_free(nano);
    buf_clear(&bytes);
    free(dir);
    return done();
}
