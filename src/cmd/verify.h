/*
 * What the files of apus verify share.
 */
#ifndef APUS_CMD_VERIFY_H
#define APUS_CMD_VERIFY_H

#include <stdbool.h>

#include "answer/prompt.h"
#include "base/id.h"
#include "cmd/progress.h"
#include "verify/check.h"

struct err;
struct part_file;
struct settings;

struct verify {
    struct settings *settings;
    const char *what;      /* a batch, a file or an id; NULL with --item */
    const char *recompute, *trace, *model_name;
    const char *key_text, *statement, *item_file, *requests;
    bool trust, all;
    bool misused;          /* with an option that is not for it */
    struct id key;         /* of --key */
    struct check_options o;
    struct prompt_model model;
    struct progress progress;
    bool begun;
};

/* Whether a model is needed: to compute, or because it is named.  One that is
 * named is looked at in any case: the shape of the parts is its, and it tells
 * what would be refused. */
bool verify_needs_model(const struct verify *v);

/* Open the model of the answers (NULL: the one that -m names), and find the
 * kernel, into v->model and v->o; they stay. */
int verify_open_model(struct verify *v, const struct id *want, struct err *err);

/* A check_claim_fn of a struct verify: one line on standard output. */
void verify_print(void *self, const struct check_claim *c);

/* The same: what does not hold, as an error, and nothing else. */
void verify_print_wrong(void *self, const struct check_claim *c);

/* A check_progress_fn of one. */
void verify_progress(void *self, uint64_t i, uint64_t n);

/* An item from Arweave, or of a file. */
enum verdict verify_item(struct verify *v, struct err *err);

/* A part by itself, whose model is this. */
enum verdict verify_opened(struct verify *v, const struct part_file *f,
                           struct id model, struct err *err);

/* A part from elsewhere, by its name: parsed only after a statement was found
 * that the key of --key signed and that names it; VERDICT_FAILS if there is
 * none. */
enum verdict verify_foreign(struct verify *v, struct err *err);

/* The lines of an output file, computed again. */
enum verdict verify_output(struct verify *v, struct err *err);

#endif
