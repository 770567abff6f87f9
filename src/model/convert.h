/*
 * From a source (a Hugging Face directory, a GGUF file, one of llama2.c:
 * model/import) to a model file.  The same input gives the same bytes on every
 * machine.
 * Anything that X1 has no paragraph for is refused by name.
 */
#ifndef APUS_MODEL_CONVERT_H
#define APUS_MODEL_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;
struct import;
struct model_layout;
struct rotated;

/* Counts up when a source may give other bytes than before.  2: the tokens that
 * begin and end a text are the tokenizer's and the template's. */
#define CONVERT_RULE 2

/* What is converted. */
struct convert_source {
    struct import *import;          /* opened at .. */
    const char *path, *tokenizer;   /* .. these (formats_open_with) */
    const struct model_layout *lay; /* where tensors lie in the file */
    struct rotated *rotated;        /* of an A8R model; NULL: of others */
};

/* Another rule than the nearest for the numbers of some tensors, which is
 * somebody else's (fidelity/fit.h). */
struct convert_rounding {
    /* Before the file is begun; what *s names is borrowed until `end`. */
    int (*begin)(void *self, const struct convert_source *s, struct err *err);
    /* Whether tensor i comes from here. */
    bool (*has)(void *self, uint32_t tensor);
    /* n bytes of it, from `at` on, in the form of the file (man 5
     * apus-model).  Several threads call it at once. */
    int (*get)(void *self, uint32_t tensor, uint64_t at, void *out, size_t n,
               struct err *err);
    /* The number of the rule that the model is fitted by; 0: it is not. */
    unsigned (*rule)(void *self);
    /* The file is written, or is not.  Follows each `begin`. */
    void (*end)(void *self);
    void *self;
};

struct convert_options {
    /* --activations A8: an A8R model; A14: none, whatever the source says.
     * A config may ask for it with "apus_activations": "A8R", or with "A8" for
     * an A8 model, whose weights are not rotated. */
    bool a8, a14;
    bool smooth_auto; /* --smooth auto: man 5 apus-model */
    const char *tokenizer; /* a file (formats_open_with), or NULL */
    bool needs_tokenizer; /* refuse a source without one */
    bool no_chat;     /* --no-chat-template: leave it out */
    bool within;      /* another conversion of it names it in errors */
    unsigned threads; /* 0: as many as there are cores; one for A8R */
    /* Called now and then with tensors done and in all; may be NULL. */
    void (*progress)(void *user, uint32_t done, uint32_t total);
    /* Whether to stop: ERR_RETRY, and no file; may be NULL. */
    bool (*stop)(void);
    /* Called with each line that the user should know; may be NULL. */
    void (*note)(void *user, const char *line);
    void *user;
    const struct convert_rounding *rounding; /* NULL: nearest */
};

/* Convert the model at a path (model/import/formats.h): write `out` and put
 * the new model's id into `id`.  o NULL: the defaults. */
int convert_model(const char *path, const char *out,
                  const struct convert_options *o, struct id *id,
                  struct err *err);

#endif
