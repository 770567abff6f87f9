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
#define TOK_MAX_MERGES (1u << 22)
#define TOK_MAX_TEXT ((size_t)64 << 20)
#define TOK_MAX_FILE ((size_t)128 << 20) /* of a file to import */
#define TOK_HEADER 28                /* bytes before the first token */

enum tok_kind { TOK_BYTE_LEVEL, TOK_SPM };

enum tok_pattern { TOK_PLAIN, TOK_GPT2, TOK_LLAMA3, TOK_QWEN2, TOK_SMOLLM,
                   TOK_NANO, TOK_PATTERNS };

/* Flags of a tokenizer.  EVERY_RUN: the leading space is added to each run of
 * text between special tokens, not only to the first.  NOT_TWICE: it is not
 * added where the run begins with a space already.  SQUEEZE: spaces at both
 * ends of a run go, and of several in a row one stays. */
enum {
    TOK_LEADING_SPACE = 1,
    TOK_ADD_BOS = 2,
    TOK_BYTE_FALLBACK = 4,
    TOK_NOT_TWICE = 8,
    TOK_EVERY_RUN = 16,
    TOK_SQUEEZE = 32
};

/* Flags of a token. */
enum { TOKEN_CONTROL = 1, TOKEN_BYTE = 2, TOKEN_USER = 4 };

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
    char *shown;           /* the same with spaces for metaspaces */
    uint32_t *shown_at;
    uint8_t *token_flags;
    uint32_t *priority;    /* by score: the higher the score, the lower */
    uint32_t byte_id[256]; /* TOK_NONE where there is none */
    struct token_refs normal;
    struct splitter user, special; /* user-defined; these and control */
    uint32_t *merge_at;    /* n + 1: the merges of each left side */
    struct merge *merge;
};

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

/* Tokenizer bytes in the making. */
struct tok_build {
    uint32_t kind, pattern, flags, unknown;
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
/* Write the bytes, check them with tokenizer_new, append them to out. */
int tok_build_write(const struct tok_build *b, struct buf *out,
                    struct err *err);
/* The tokenizer that it makes, for questions to it. */
int tok_build_try(const struct tok_build *b, struct tokenizer **out,
                  struct err *err);

/* The importers, from memory; `config` is tokenizer_config.json or NULL
 * (n_config 0). */
int tokenizer_import_json(struct buf *out, const char *text, size_t n,
                          const char *config, size_t n_config,
                          uint32_t n_vocab, struct err *err);
int tokenizer_import_spm(struct buf *out, const void *bytes, size_t n,
                         const char *config, size_t n_config,
                         uint32_t n_vocab, struct err *err);

/* What tokenizer_config.json says: -1 unknown, else 0 or 1. */
struct tok_config {
    int add_bos, add_eos;
    bool llama; /* the class is one that adds bos by itself */
};

int tok_config_read(struct tok_config *c, const char *text, size_t n,
                    struct err *err);

/* For importers: whether every token that is valid UTF-8, taken as a piece,
 * is merged to itself, so that ignore_merges changes nothing. */
bool tokenizer_merges_reach_all(const struct tokenizer *t);

#endif
