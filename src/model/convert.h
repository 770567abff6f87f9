/*
 * From a source (a Hugging Face directory, a GGUF file: model/import) to a
 * model file.  The same input gives the same bytes on every machine.
 * Anything that X1 has no paragraph for is refused by name.
 */
#ifndef APUS_MODEL_CONVERT_H
#define APUS_MODEL_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

struct err;

/* Counts up when a source may give other bytes than before.  2: the tokens that
 * begin and end a text are the tokenizer's and the template's. */
#define CONVERT_RULE 2

struct convert_options {
    /* --activations A8: an A8R model; A14: none, whatever the source says.
     * A config may ask for it with "apus_activations": "A8R", or with "A8" for
     * an A8 model, whose weights are not rotated. */
    bool a8, a14;
    bool smooth_auto; /* --smooth auto: man 5 apus-model */
    bool needs_tokenizer; /* refuse a source without one */
    bool no_chat;     /* --no-chat-template: leave it out */
    unsigned threads; /* 0: as many as there are cores; one for A8R */
    /* Called now and then with tensors done and in all; may be NULL. */
    void (*progress)(void *user, uint32_t done, uint32_t total);
    /* Called with each line that the user should know; may be NULL. */
    void (*note)(void *user, const char *line);
    void *user;
};

/* Convert the model at a path (model/import/formats.h): write `out` and put
 * the new model's id into `id`.  o NULL: the defaults. */
int convert_model(const char *path, const char *out,
                  const struct convert_options *o, struct id *id,
                  struct err *err);

#endif
