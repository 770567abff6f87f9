/*
 * What the parts of tests/arweave-vectors share.
 */
#ifndef APUS_TESTS_ARWEAVE_VECTORS_H
#define APUS_TESTS_ARWEAVE_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct json;
struct key;

/* The directory of vectors, and the key of its wallet. */
struct vectors {
    const char *dir;
    struct key *key;
};

/* As ok() and skip() of tap.h, which counts in one file only. */
int vectors_ok(int good, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void vectors_skip(const char *what, const char *why);

/* What stands for NUL in a text of the JSON of vectors: U+E000. */
#define VECTORS_NUL "\xee\x80\x80"

/* dir/name as JSON (NULL and a failed check if it is none), as bytes (0, or
 * -1 and a failed check). */
struct json *vectors_json(const struct vectors *v, const char *name);
int vectors_file(const struct vectors *v, struct buf *out, const char *name);

/* Comparisons of a member with bytes: its text must be their hexadecimal or
 * base64url form. */
bool is_hex(const struct json *v, const char *key, const void *data,
            size_t n);
bool is_base64(const struct json *v, const char *key, const void *data,
               size_t n);
bool is_number(const struct json *v, const char *key, uint64_t n);
const char *text_of(const struct json *v, const char *key);

/* The stream that the large vectors are made of: SHA-256 of label || u32be(0),
 * of label || u32be(1) and so on, n bytes. */
void vectors_stream(struct buf *out, const char *label, size_t n);

/* What is expected of a damaged thing: to be taken, refused, or either (a
 * case of policy, which doc/arweave.md decides). */
enum expected { EXPECT_TAKEN, EXPECT_REFUSED, EXPECT_EITHER };
enum expected vectors_expected(const struct json *c);

void vectors_items(const struct vectors *v);
void vectors_negative(const struct vectors *v);
void vectors_bundles(const struct vectors *v);
void vectors_trees(const struct vectors *v);
void vectors_transactions(const struct vectors *v);
void vectors_receipts(const struct vectors *v);

#endif
