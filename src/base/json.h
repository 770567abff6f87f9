/*
 * JSON in (RFC 8259, strictly) and out; members of objects that are written
 * are json_write.h.
 *
 * In: the scanner makes the tree, and nothing of it is given unless the whole
 * text is good: UTF-8, no NUL (raw or \u0000), no lone surrogate, depth at
 * most 32, no duplicate key, numbers of the grammar and of at most 63
 * characters.  The text of every number is kept; nothing passes through a
 * double unless asked.  Keys are compared case-sensitively.
 *
 * A long array of numbers has no node for each of them until json_first asks
 * for them: json_count and json_u64_array do not.
 *
 * A `struct json` is a value of a tree; the root owns the tree.
 */
#ifndef APUS_BASE_JSON_H
#define APUS_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct id;
struct json;

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY,
                 JSON_OBJECT };

/* *root = the tree of text[0..n), to be freed with json_free.  Errors are
 * ERR_INPUT and name the byte offset and what is wrong there. */
int json_parse(struct json **root, const char *text, size_t n,
               struct err *err);
/* The same without a copy of long arrays of numbers: text[0..n) must stay as
 * it is as long as the tree is used. */
int json_parse_over(struct json **root, const char *text, size_t n,
                    struct err *err);
void json_free(struct json *root); /* NULL is allowed */
/* The same for a text with secrets: its strings are wiped first. */
void json_wipe(struct json *root);

enum json_type json_type(const struct json *v); /* of NULL: JSON_NULL */
const char *json_type_name(enum json_type type);

/* The member of an object, or NULL (also if v is not an object, or NULL). */
const struct json *json_get(const struct json *v, const char *key);

/* Walk over an array or object; NULL at the end or for other types. */
const struct json *json_first(const struct json *v);
const struct json *json_next(const struct json *v);

/* Number of elements or members; 0 for other types.  Linear. */
size_t json_count(const struct json *v);

/* The key of a member of an object. */
const char *json_key(const struct json *v);

/* NULL unless v is a string.  Valid UTF-8 without NUL. */
const char *json_string(const struct json *v);

/* NULL unless v is a number: its text, as it stood. */
const char *json_number(const struct json *v);

/* 0 unless v is true. */
bool json_true(const struct json *v);

/* Exact integers: "7", "7.0" and "7e0" are 7; -1 for anything else, out of
 * range included.  *out is touched only on success. */
int json_u64(const struct json *v, uint64_t *out);
int json_i64(const struct json *v, int64_t *out);

/* What json_put_id and json_put_digits write (json_write.h): a string that is
 * an id in base64url, or a number as json_u64_text takes it.  -1 for anything
 * else, with *out untouched. */
int json_id(const struct json *v, struct id *out);
int json_digits(const struct json *v, uint64_t *out);

/* Give every element of an array, which must be exact integers up to `max`, to
 * put in their order.  -1 if v is anything else, or if put returns not 0. */
int json_u64_array(const struct json *v, uint64_t max,
                   int (*put)(void *self, uint64_t number), void *self);

/* The nearest double; -1 if v is not a number or the result is not finite. */
int json_f64(const struct json *v, double *out);

/* A number in units of 10^-6 from its text alone: the nearest to what is
 * written, of two the even one.  -1 if v is not a number or does not fit. */
int json_nearest_millionths(const struct json *v, int64_t *out);

/* The same for a bare decimal text such as "12": an integer below 2^64, digits
 * alone, no zero in front. */
int json_u64_text(const char *text, uint64_t *out);

/* From a text that is not JSON: the string that the key, which needs no
 * escapes, has in an object that is the whole of it; malloc'd.  NULL if none
 * is found, or two that differ. */
char *json_salvage(const char *text, size_t n, const char *key);

/* Append s[0..n) as a JSON string with its quotes.  s must be UTF-8. */
void json_put_string(struct buf *b, const char *s, size_t n);

/* Append a value as compact JSON, members in their order, numbers as their
 * text. */
void json_put(struct buf *b, const struct json *v);

#endif
