/*
 * GGUF files, version 2 and 3: keys with values, then tensors, in one file or
 * in several that were split (NAME-00001-of-00003.gguf).  What a header says
 * is checked in full when it is opened: every length lies within the file,
 * no two tensors overlap.  Numbers are read in pieces and given as f32.  What
 * keys and tensors mean is gguf_config.c and gguf_model.c.
 */
#ifndef APUS_MODEL_IMPORT_GGUF_H
#define APUS_MODEL_IMPORT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct gguf;

#define GGUF_DIMS 4

enum gguf_type {
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32,
    GGUF_BOOL, GGUF_STRING, GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64,
    GGUF_TYPES
};

/* A value: one number, text or truth, or an array of n of them. */
struct gguf_value {
    char *key;
    enum gguf_type type;
    enum gguf_type of; /* of an array: what its elements are */
    uint64_t n;        /* of an array: how many; else 1 */
    size_t at, size;   /* where its bytes lie */
};

struct gguf_tensor {
    char *name;
    const struct gguf_format *format; /* gguf_blocks.h */
    unsigned n_dims;
    uint64_t dim[GGUF_DIMS]; /* dim[0] is that of a row; unused ones 1 */
    uint64_t n;              /* numbers in all */
    uint64_t at, size;       /* its bytes in the file */
    size_t file;             /* which, of a set that was split */
};

/* Open the file, or all files of the set that it is one of. */
int gguf_open(struct gguf **out, const char *path, struct err *err);
void gguf_close(struct gguf *g); /* NULL is allowed */

/* Whether it is a regular file that begins with the magic. */
bool gguf_is(const char *path);

/* formats_set_file (formats.h). */
char *gguf_set_file(const char *path, uint64_t i);

/* The keys, sorted. */
size_t gguf_count(const struct gguf *g);
const struct gguf_value *gguf_at(const struct gguf *g, size_t i);

/* The value of a key, or NULL.  Borrowed until gguf_close. */
const struct gguf_value *gguf_get(const struct gguf *g, const char *key);

/* A value of the type asked for, any width: 0, or -1 if it is another (v may
 * be NULL).  Whole numbers are not negative; gguf_f64 takes them, too. */
int gguf_u64(const struct gguf *g, const struct gguf_value *v, uint64_t *out);
int gguf_f64(const struct gguf *g, const struct gguf_value *v, double *out);
int gguf_bool(const struct gguf *g, const struct gguf_value *v, bool *out);
/* s[0..n), which has no NUL after it. */
int gguf_string(const struct gguf *g, const struct gguf_value *v,
                const char **s, size_t *n);
/* Whether it is exactly this text. */
bool gguf_says(const struct gguf *g, const struct gguf_value *v,
               const char *text);

/* Elements of an array, from the first to the last, after which next is false.
 * To begin fails with -1 if v is NULL or not an array of texts, or of
 * numbers. */
struct gguf_items {
    const unsigned char *p;
    uint64_t left;
    enum gguf_type of;
};
int gguf_texts(const struct gguf *g, const struct gguf_value *v,
               struct gguf_items *it);
int gguf_numbers(const struct gguf *g, const struct gguf_value *v,
                 struct gguf_items *it);
bool gguf_next_text(struct gguf_items *it, const char **s, size_t *n);
bool gguf_next_number(struct gguf_items *it, double *x);

/* The tensors, sorted by name. */
size_t gguf_tensors(const struct gguf *g);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i);
/* The one of that name, or NULL. */
const struct gguf_tensor *gguf_find(const struct gguf *g, const char *name);

/* out[0..n) = the numbers [from, from + n) of a tensor, which it must have
 * (assert).  ERR_INPUT names a format that cannot be read. */
int gguf_read(const struct gguf *g, const struct gguf_tensor *t,
              uint64_t from, size_t n, float *out, struct err *err);

/* Only the check of a header that lies in memory, the beginning of a file of
 * `size` bytes: for the fuzzer. */
int gguf_check(struct gguf **out, const void *data, size_t n, uint64_t size,
               struct err *err);

#endif
