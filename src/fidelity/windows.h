/*
 * A text as what models are compared and fitted on: windows of ids, of which
 * each is fed to a model from position 0.  Where a prompt begins with ids of
 * its own (bos), so does each window.
 */
#ifndef APUS_FIDELITY_WINDOWS_H
#define APUS_FIDELITY_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct tokenizer;

#define WINDOW_IDS 512 /* of a window, unless another length is asked for */

struct windows {
    uint32_t *id;  /* of all windows, one after the other */
    size_t *start; /* n + 1 of them: window i is [start[i], start[i + 1]) */
    size_t n, cap_ids, cap;
    size_t longest;
};

void windows_init(struct windows *w);
void windows_clear(struct windows *w);

/* Append the windows of a text, which must be UTF-8 (else ERR_INPUT): `length`
 * ids each (2 or more), the last has what is left and is dropped if that is a
 * single id of the text.  bos: the model's, or UINT32_MAX. */
int windows_of_text(struct windows *w, const struct tokenizer *t, uint32_t bos,
                    const char *text, size_t n, size_t length,
                    struct err *err);

/* Append n windows of `length` zeros, whose ids are the caller's to set. */
void windows_zeros(struct windows *w, size_t n, size_t length);

/* Append a window for each line of ids, in digits with spaces between them.
 * ERR_INPUT for a word that is no id below n_vocab, and for a line of more
 * than `context` ids; an empty line is passed over. */
int windows_of_ids(struct windows *w, const char *text, size_t n,
                   uint32_t n_vocab, size_t context, struct err *err);

#endif
