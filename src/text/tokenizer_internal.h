/*
 * What the files of the tokenizer share: its inside, the splitter of special
 * tokens, the pre-tokenizer, the normaliser, the merging, and the builder of
 * tokenizer bytes that the importers use.  Nobody else includes this.
 */
#ifndef APUS_TEXT_TOKENIZER_INTERNAL_H
#define APUS_TEXT_TOKENIZER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "text/tokenizer.h"

#define TOK_NONE UINT32_MAX
#define TOK_MAX_IDS 262144u
#define TOK_MAX_BYTES 1024u          /* of one token */
#define TOK_MAX_SHOWN 4096u          /* of one token in an output */
#define TOK_MAX_MERGES (1u << 22)
#define TOK_MAX_TEXT ((size_t)64 << 20)
#define TOK_MAX_FILE ((size_t)128 << 20) /* of a file to import */
#define TOK_HEADER 28                /* bytes before the first token */

/* The symbols of the first are bytes, of the others characters; the last
 * takes the way through them whose scores have the highest sum. */
enum tok_kind { TOK_BYTE_LEVEL, TOK_SPM, TOK_UNIGRAM };

enum tok_pattern { TOK_PLAIN, TOK_GPT2, TOK_LLAMA3, TOK_QWEN2, TOK_SMOLLM,
                   TOK_NANO, TOK_O200K, TOK_TEKKEN, TOK_SEED, TOK_PATTERNS };
#define TOK_LAST_PATTERN_1 TOK_NANO /* the last one of apustok1 */

/* Flags of a tokenizer.  EVERY_RUN: the leading space is added to each run of
 * text between special tokens, not only to the first.  NOT_TWICE: it is not
 * added where the run begins with a space already.  SQUEEZE: spaces at both
 * ends of a run go, and of several in a row one stays.  From apustok2 on:
 * FUSE_UNKNOWN: several unknown characters in a row are one token.
 * IGNORE_MERGES: a piece that is a token is that token.  STEPS: runs go
 * through the steps, which replace the pattern and the flags of spaces.
 * BY_SCORE: bytes merge to whatever is a token, the highest score first. */
enum {
    TOK_LEADING_SPACE = 1,
    TOK_ADD_BOS = 2,
    TOK_BYTE_FALLBACK = 4,
    TOK_NOT_TWICE = 8,
    TOK_EVERY_RUN = 16,
    TOK_SQUEEZE = 32,
    TOK_FUSE_UNKNOWN = 64,
    TOK_IGNORE_MERGES = 128,
    TOK_STEPS = 256,
    TOK_BY_SCORE = 512
};

/* Flags of a token: what it is, and, of control and user-defined ones from
 * apustok2 on, what is cut out of a text with it.  LSTRIP, RSTRIP: the white
 * space before, after it.  SINGLE_WORD: only where no letter or digit touches
 * it.  NORMALIZED: it is looked for in what the normalizer makes of a text. */
enum {
    TOKEN_CONTROL = 1,
    TOKEN_BYTE = 2,
    TOKEN_USER = 4,
    TOKEN_IS = 7, /* one of the three, or 0 */
    TOKEN_LSTRIP = 8,
    TOKEN_RSTRIP = 16,
    TOKEN_SINGLE_WORD = 32,
    TOKEN_NORMALIZED = 64
};

/* Steps (man 5 apus-model, "Steps"), numbered in each list apart. */
enum tok_normalizer {
    NORM_NFC = 1,
    NORM_REPLACE, /* a by b; argument 1: each run of two or more of a */
    NORM_PREPEND, /* a, unless there is nothing */
    NORM_STRIP    /* white space; argument 1 left, 2 right, 3 both */
};
enum tok_pretokenizer {
    PRE_PATTERN = 1, /* the pieces of pattern `argument` */
    PRE_SPLIT,       /* at text a; argument: enum tok_behaviour */
    PRE_DIGITS,      /* argument 1: one by one; 0: runs of them */
    PRE_METASPACE,   /* argument: enum tok_scheme, + 4: cut before each */
    PRE_SPACE        /* a leading space unless there is one */
};
enum tok_behaviour { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_PREVIOUS,
                     SPLIT_NEXT, SPLIT_CONTIGUOUS, SPLIT_BEHAVIOURS };
enum tok_scheme { SCHEME_NEVER, SCHEME_FIRST, SCHEME_ALWAYS, SCHEME_SPLIT = 4 };
enum tok_decoder {
    DECODE_REPLACE = 1, /* a by b, in each token */
    DECODE_STRIP,       /* of each token up to (argument & 255) times a at its
                         * beginning, (argument >> 8) times at its end */
    DECODE_BYTES        /* byte tokens are their bytes, not their names */
};

#define TOK_MAX_STEPS 16u
#define TOK_MAX_STEP 256u /* bytes of each text of a step */
#define TOK_MAX_FIRST 8u /* as TOKENIZER_FIRST */

struct tok_step {
    uint32_t type, argument, n_a, n_b;
    char *a, *b; /* terminated */
};

struct tok_steps {
    struct tok_step v[TOK_MAX_STEPS];
    uint32_t n;
};

/* All that apustok2 has beside what apustok1 has. */
struct tok_extra {
    uint32_t first[TOK_MAX_FIRST], n_first;
    struct tok_steps normalizer, pretokenizer, decoder;
};

/* Append a step whose texts are copied; either may be NULL.  ERR_INPUT if
 * there are too many or a text is too long. */
int tok_step_add(struct tok_steps *s, uint32_t type, uint32_t argument,
                 const char *a, const char *b, struct err *err);
void tok_extra_clear(struct tok_extra *x);
void tok_extra_put(const struct tok_extra *x, struct buf *out);
/* Read it from the *n bytes at *p, which are moved past it, and check each
 * number and text; `n_tokens` bounds ids. */
int tok_extra_read(struct tok_extra *x, const unsigned char **p, size_t *n,
                   uint32_t n_tokens, struct err *err);

#define METASPACE "\xe2\x96\x81"

/* A token's text, for arrays sorted by it. */
struct token_ref {
    const char *s;
    uint32_t len, id;
};

struct token_refs {
    struct token_ref *ref;
    size_t n;
};

void token_refs_sort(struct token_refs *r);
/* The first two neighbours of equal text: index of the second, or 0. */
size_t token_refs_twin(const struct token_refs *r);
/* The id of exactly this text, or TOK_NONE. */
uint32_t token_refs_find(const struct token_refs *r, const char *s, size_t n);
/* Walk through the tokens that s[0..n) begins with, the shortest first; `w` is
 * zero but hi, which is r->n. */
struct token_walk {
    size_t lo, hi, depth;
};
bool token_refs_next(const struct token_refs *r, struct token_walk *w,
                     const char *s, size_t n, size_t *len, uint32_t *id);
/* The longest token that s[0..n) begins with: its length, 0 if there is
 * none. */
size_t token_refs_longest(const struct token_refs *r, const char *s, size_t n,
                          uint32_t *id);

/* Special tokens to be looked for in a text. */
struct splitter {
    struct token_refs refs;
    bool begins[256]; /* some token begins with this byte */
};

/* A merge; those with the same left side lie together, by rising right. */
struct merge {
    uint32_t right, rank, result;
};

struct tokenizer {
    uint32_t kind, pattern, flags, unknown, n, n_merges;
    uint32_t max_len;      /* of a token, in bytes */
    char *text;            /* the texts of all tokens */
    uint32_t *at;          /* n + 1: where each begins */
    char *shown;           /* what they are in an output; NULL: the same */
    uint32_t *shown_at;
    struct tok_extra extra;
    bool second; /* apustok2 */
    bool ignore_merges, fuse_unknown, by_score;
    uint8_t *token_flags;
    uint32_t *priority;    /* by score: the higher the score, the lower */
    uint32_t byte_id[256]; /* TOK_NONE where there is none */
    float *score;          /* of kind unigram */
    double unknown_score;  /* of an unknown character there */
    struct token_refs normal, user_defined;
    /* What is cut out of a text: user-defined tokens; these and control; of a
     * normalized text, those that are looked for there. */
    struct splitter user, special, normalized;
    char *normal_text; /* what `normalized` points into */
    uint32_t *merge_at;    /* n + 1: the merges of each left side */
    struct merge *merge;
};

/* Make `shown`.  ERR_INPUT if the decoder makes a token too long. */
int tokenizer_show(struct tokenizer *t, struct err *err);

/* The result of merging two tokens, or TOK_NONE. */
uint32_t tokenizer_merge(const struct tokenizer *t, uint32_t left,
                         uint32_t right, uint32_t *rank);

/* Merging: a row of symbols, each a run of the text with a token or without
 * (TOK_NONE), is merged pair by pair, the best pair first, the leftmost of
 * equals.  After merger_run the symbols are sym[0], sym[.next] ... */
struct symbol {
    uint32_t id, start, len, prev, next;
};

struct candidate {
    uint64_t key; /* priority, then the left symbol */
    uint32_t right, len, id;
};

struct merger {
    struct symbol *sym;
    size_t n, cap;
    struct candidate *heap;
    size_t n_heap, cap_heap;
};

void merger_init(struct merger *m);
void merger_clear(struct merger *m);
void merger_reset(struct merger *m);
void merger_add(struct merger *m, uint32_t id, size_t start, size_t len);
void merger_run(struct merger *m, const struct tokenizer *t, const char *text);

/* Byte-level BPE of one piece; bpe_merge does without ignore_merges. */
void bpe_merge(const struct tokenizer *t, struct merger *m, const char *s,
               size_t n, struct tokens *out);
void bpe_piece(const struct tokenizer *t, struct merger *m, const char *s,
               size_t n, struct tokens *out);

/* SentencePiece: a run as it is merged (spaces are metaspaces), and its
 * ids. */
void spm_escape(const struct tokenizer *t, const char *s, size_t n,
                bool leading, struct buf *out);
void spm_piece(const struct tokenizer *t, struct merger *m, const char *s,
               size_t n, struct tokens *out);

/* Unigram: the ids of a piece.  ERR_INPUT if it is too long. */
int unigram_piece(const struct tokenizer *t, const char *s, size_t n,
                  struct tokens *out, struct err *err);

/* The ids of the bytes of a character, or the unknown token, unless that is
 * fused with the one before it (*unknown). */
void tokenizer_put_unknown(const struct tokenizer *t, const char *s, size_t n,
                           bool *unknown, struct tokens *out);

/* Pre-tokenizer patterns by number. */
typedef void pretok_fn(void *user, const char *s, size_t n);

/* Call fn for the pieces of s[0..n), valid UTF-8, in order.  pattern is below
 * TOK_PATTERNS. */
void pretok_split(uint32_t pattern, const char *s, size_t n, pretok_fn *fn,
                  void *user);
/* The number of a pattern as tokenizer.json spells it, or TOK_PLAIN. */
uint32_t pretok_number(const char *regex);

/* Append the NFC form of s[0..n), valid UTF-8. */
void normalize_nfc(struct buf *out, const char *s, size_t n);

/* What the steps of a normalizer make of s[0..n), into out, which is empty;
 * scratch is overwritten.  The caller checks out for being full.  False: what
 * it began with was taken away. */
bool steps_normalize(const struct tok_steps *steps, const char *s, size_t n,
                     struct buf *out, struct buf *scratch);

/* Call fn for the pieces that the steps of a pre-tokenizer cut s[0..n) into,
 * none of them empty.  `first`: it begins the text. */
int steps_split(const struct tok_steps *steps, const char *s, size_t n,
                bool first, pretok_fn *fn, void *user, struct err *err);

/* Tokenizer bytes in the making.  fuse_unknown (true at first) and
 * ignore_merges say what the tokenizer does; what apustok1 implies of them by
 * its kind or pattern is compared when it is written. */
struct tok_build {
    uint32_t kind, pattern, flags, unknown;
    bool fuse_unknown, ignore_merges;
    struct tok_extra extra;
    uint32_t n, max; /* ids used, ids allowed */
    struct built *token;
    struct buf text;
    struct buf merges; /* u32 pairs */
    uint32_t n_merges;
};

struct built {
    uint32_t at, len, flags;
    float score;
};

void tok_build_init(struct tok_build *b, uint32_t n_vocab);
void tok_build_clear(struct tok_build *b);
bool tok_build_has(const struct tok_build *b, uint32_t id);
/* Errors: id out of range, empty or long text. */
int tok_build_set(struct tok_build *b, uint32_t id, const char *s, size_t n,
                  uint32_t flags, float score, struct err *err);
/* Set a token as SentencePiece types it: 1 normal, 2 unknown (b->unknown
 * becomes it), 3 control, 4 user-defined, 6 byte; another type is refused. */
int tok_build_piece(struct tok_build *b, uint32_t id, const char *s, size_t n,
                    float score, uint64_t type, struct err *err);
/* The raw bytes of a token in the byte-level alphabet; out has room for n.
 * The length, or 0 if some character is not of the alphabet. */
size_t tok_alphabet_bytes(const char *s, size_t n, char *out);
/* Write the bytes, check them with tokenizer_new, append them to out: those of
 * apustok1 where that can say all of it, else of apustok2. */
int tok_build_write(const struct tok_build *b, struct buf *out,
                    struct err *err);
/* The tokenizer that it makes, for questions to it. */
int tok_build_try(const struct tok_build *b, struct tokenizer **out,
                  struct err *err);

/* The small files beside the main one: tokenizer_config.json and
 * added_tokens.json; NULL (and 0) where there is none. */
struct tok_texts {
    const char *config, *added;
    size_t n_config, n_added;
};

/* The importers, from memory. */
int tokenizer_import_json(struct buf *out, const char *text, size_t n,
                          const struct tok_texts *texts,
                          struct tokenizer_source *source, struct err *err);
int tokenizer_import_spm(struct buf *out, const void *bytes, size_t n,
                         const struct tok_texts *texts,
                         struct tokenizer_source *source, struct err *err);

/* tekken.json, and a file of lines "base64 rank" (tiktoken). */
int tokenizer_import_tekken(struct buf *out, const char *text, size_t n,
                            struct tokenizer_source *source, struct err *err);
int tokenizer_import_tiktoken(struct buf *out, const char *text, size_t n,
                              const struct tok_texts *texts,
                              struct tokenizer_source *source,
                              struct err *err);
/* Whether it begins with such a line. */
bool tok_is_tiktoken(const char *text, size_t n);
/* vocab.json and merges.txt. */
int tokenizer_import_vocab(struct buf *out, const struct buf *vocab,
                           const struct buf *merges,
                           const struct tok_texts *texts,
                           struct tokenizer_source *source, struct err *err);

/* A token that a tokenizer has beside those of its main file. */
struct tok_added {
    uint32_t id, flags; /* TOKEN_CONTROL or TOKEN_USER, and more */
    char *text;
};

struct tok_added_list {
    struct tok_added *v;
    size_t n;
};

/* Read added_tokens_decoder of tokenizer_config.json and added_tokens.json.
 * Of a token in both the former holds; one that a member such as eos_token
 * names is special. */
int tok_added_read(struct tok_added_list *l, const struct tok_texts *texts,
                   struct err *err);
void tok_added_append(struct tok_added_list *l, uint32_t id, uint32_t flags,
                      const char *text);
void tok_added_clear(struct tok_added_list *l);
/* Put one into what is built.  *is_new: it was not there. */
int tok_added_put(struct tok_build *b, const struct tok_added *a,
                  struct tokenizer_source *source, bool *is_new,
                  struct err *err);

/* What tokenizer_config.json says: -1 unknown, else 0 or 1. */
struct tok_config {
    int add_bos, add_eos;
    bool llama; /* the class is one that adds bos by itself */
    bool given; /* there is such a file */
    bool new_form; /* "legacy": false */
    bool bos_said;
    char *bos;  /* text of bos_token; NULL: none */
};

int tok_config_read(struct tok_config *c, const char *text, size_t n,
                    struct err *err);
void tok_config_clear(struct tok_config *c);
/* What the class for Llama takes where nothing is said. */
void tok_config_llama(struct tok_config *c);

/* Decide what a text begins with: n_first ids of the tokenizer's own, which
 * are given, or, if `add_bos`, bos_token.  source->bos becomes the model's. */
int tok_build_first(struct tok_build *b, const uint32_t *first, size_t n_first,
                    bool add_bos, const struct tok_config *config,
                    struct tokenizer_source *source, struct err *err);

/* Whether a piece that is a token as a whole is taken as such, when all tokens
 * and merges are in.  It follows from the pattern in apustok1; where that makes
 * no difference, it is left so. */
int tok_build_ignore_merges(struct tok_build *b, bool ignore, struct err *err);

/* The id of exactly this text, whatever it is, or TOK_NONE. */
uint32_t tok_build_find(const struct tok_build *b, const char *s);

/* Append a line to what the user should know; source->notes may be NULL. */
void tok_note(struct tokenizer_source *source, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* For importers: whether every token that is valid UTF-8, taken as a piece,
 * is merged to itself, so that ignore_merges changes nothing. */
bool tokenizer_merges_reach_all(const struct tokenizer *t);

#endif
