/*
 * What of a fitted conversion is done, in a directory of its own: `tensors`,
 * the tensors that are fitted, where they lie in the model file, and `rows`,
 * the residual rows of the ids after the last layer that is done.  For a while
 * at the beginning `nearest` is there, the model that writes.  Rows appear
 * whole and after the tensors that they stand for, so a conversion that
 * was interrupted goes on behind its last whole layer.
 *
 * rows: "apusfit2", the key, u32 layers that are done, u32 0, u64 bytes that
 * tensors had, then f32.  Fewer bytes there, another key, or "apusfit1", which
 * did not have them: the conversion begins again, and both files are emptied
 * before it does.
 */
#ifndef APUS_FIDELITY_FIT_STATE_H
#define APUS_FIDELITY_FIT_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;

#define FIT_STATE_NEAREST "nearest"

struct fit_state {
    char *dir;
    int fd; /* of tensors; -1: not open */
    struct id key;
};

/* What a source is made of: the names, sizes and times of its files, those of a
 * directory or of a set of GGUF files that the path names one of. */
int fit_state_source(struct id *out, const char *path, struct err *err);

/* Open or make the directory.  *done: the layers whose rows, n numbers under
 * this key, it has; 0 without.  ERR_RETRY: another process has it open.
 * ERR_INPUT: it is another account's, or others can write it. */
int fit_state_open(struct fit_state *s, const char *dir, struct id key,
                   size_t n, uint32_t *done, struct err *err);
int fit_state_rows(const struct fit_state *s, float *x, size_t n,
                   struct err *err); /* x[0..n): these */
void fit_state_close(struct fit_state *s);

/* Bytes of tensors, at their place in the model file. */
int fit_state_put(struct fit_state *s, uint64_t at, const void *data, size_t n,
                  struct err *err);
int fit_state_get(const struct fit_state *s, uint64_t at, void *data, size_t n,
                  struct err *err);

/* So many layers are done, and these are the rows after them. */
int fit_state_save(struct fit_state *s, uint32_t done, const float *x,
                   size_t n, struct err *err);

/* Close and remove it, if it is open. */
void fit_state_remove(struct fit_state *s);

#endif
