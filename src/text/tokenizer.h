/*
 * Text to token ids and back, for the tokenizer bytes of a model file (man 5
 * apus-model): byte-level BPE, SentencePiece BPE and unigram, with normalizers,
 * pre-tokenizers and decoders known by number.  n log n in the length of the
 * text.
 */
#ifndef APUS_TEXT_TOKENIZER_H
#define APUS_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct tokenizer;

/* From tokenizer bytes (apustok1 or apustok2), which are copied.  ERR_INPUT if
 * they are malformed in any way, or if n_vocab (that of the model) is less than
 * the number of tokens. */
int tokenizer_new(struct tokenizer **out, const unsigned char *bytes,
                  size_t n, uint32_t n_vocab, struct err *err);
void tokenizer_free(struct tokenizer *t);

/* A growable list of ids. */
struct tokens {
    uint32_t *id;
    size_t n, cap;
};
void tokens_init(struct tokens *t);
void tokens_clear(struct tokens *t);
void tokens_put(struct tokens *t, uint32_t id);

/* Append the ids of text[0..n), which must be UTF-8 (else ERR_INPUT).
 * Control tokens written in the text are plain text.  `first` says that the
 * text begins the prompt: only then the tokenizer's leading space is added
 * (flag 1).  Nothing else is put before it: see tokenizer_first. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n,
                     bool first, struct tokens *out, struct err *err);

/* The same for a text in which control tokens are recognised: the texts that
 * a chat template, not a user, wrote. */
int tokenizer_encode_special(const struct tokenizer *t, const char *text,
                             size_t n, bool first, struct tokens *out,
                             struct err *err);

/* The same for a text of which from_user[i] says that byte i comes from a user:
 * control tokens are recognised where no byte does.  It begins the prompt. */
int tokenizer_encode_marked(const struct tokenizer *t, const char *text,
                            const unsigned char *from_user, size_t n,
                            struct tokens *out, struct err *err);

/* Put the ids that a completion's prompt begins with into out and return their
 * number.  `bos` is the model's, UINT32_MAX for none. */
#define TOKENIZER_FIRST 8
size_t tokenizer_first(const struct tokenizer *t, uint32_t bos,
                       uint32_t out[TOKENIZER_FIRST]);

/* The id of exactly this control or user-defined token, or UINT32_MAX. */
uint32_t tokenizer_find(const struct tokenizer *t, const char *text);

/* The bytes that an id stands for in an output, by the tokenizer's decoder: as
 * a rule a byte token's byte, the token's text with a metaspace as a space;
 * nothing (n 0) for control tokens and ids without a token.  Valid while t
 * lives. */
const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id,
                            size_t *n);

/* The text of a token as the tokenizer's file has it, control tokens too; n is
 * 0 for ids without a token.  Valid while t lives. */
const char *tokenizer_text(const struct tokenizer *t, uint32_t id, size_t *n);

/* Whether id is a control token; whether it is one or a user-defined one. */
bool tokenizer_is_control(const struct tokenizer *t, uint32_t id);
bool tokenizer_is_added(const struct tokenizer *t, uint32_t id);

/* What an import gets and gives beside the bytes. */
struct tokenizer_source {
    uint32_t n_vocab;  /* bounds the ids */
    uint32_t bos;      /* in: the configuration's, UINT32_MAX for none; out: the
                        * model's, which flag 2 and bos_token mean */
    bool names_bos;    /* bos_token of a template is looked at: it is what
                        * tokenizer_config.json says, or nothing */
    struct buf *notes; /* lines for the user; may be NULL */
};

/* Tokenizer bytes (appended to out) from a Hugging Face directory with
 * tokenizer.json, else tokenizer.model, tekken.json, vocab.json and merges.txt,
 * or a file of tiktoken; nothing is appended where there is none of them.  What
 * is not known to be tokenised exactly is refused by name. */
int tokenizer_import(struct buf *out, const char *dir,
                     struct tokenizer_source *source, struct err *err);

/* A tokenizer as a GGUF file has it, in arrays.  Texts are borrowed and have
 * no NUL after them. */
struct tokenizer_text {
    const char *s;
    size_t n;
};
struct tokenizer_arrays {
    struct tokenizer_text model; /* tokenizer.ggml.model: "gpt2", "llama" */
    struct tokenizer_text pre;   /* of a gpt2: which pattern; s NULL: none */
    const struct tokenizer_text *token; /* n_tokens of them */
    const float *score;          /* as many; NULL: none */
    const unsigned char *type;   /* as many, 1 to 6: see tok_build_piece */
    size_t n_tokens;
    const struct tokenizer_text *merge; /* "a b", n_merges of them */
    size_t n_merges;
    int add_bos, add_eos;        /* -1 where nothing is said */
    int leading_space, squeeze;  /* of a llama: likewise */
};

/* Append tokenizer bytes of arrays.  Errors as tokenizer_import. */
int tokenizer_import_arrays(struct buf *out, const struct tokenizer_arrays *a,
                            uint32_t n_vocab, struct err *err);

/* The same from one such file, of whatever name; small files beside it are
 * read, too.  ERR_INPUT if it is none. */
int tokenizer_import_file(struct buf *out, const char *path,
                          struct tokenizer_source *source, struct err *err);

/* Streaming: ids in, text out.  What comes out, put together, is the bytes of
 * all ids scrubbed by utf8_scrub, however it was cut; an incomplete sequence
 * at the end is held back until more comes, or detok_end. */
struct detok {
    const struct tokenizer *t;
    size_t n_held;
    unsigned char held[4];
};

/* `t` is borrowed; nothing has to be cleared. */
void detok_init(struct detok *d, const struct tokenizer *t);
void detok_put(struct detok *d, uint32_t id, struct buf *out);
/* Append what was held back; `d` is as new after. */
void detok_end(struct detok *d, struct buf *out);

#endif
