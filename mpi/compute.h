/*
 * What a rank does with the requests it was handed: a thread that tokenises,
 * computes, commits and records them, so that the rank itself can always
 * answer rank 0.  Whatever is told as done is on the disk.
 */
#ifndef APUS_MPI_COMPUTE_H
#define APUS_MPI_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/partial.h"

struct backend;
struct batch_info;
struct compute;
struct err;
struct model;
struct pretended;
struct prompt_model;

struct compute_options {
    const char *batch_path;          /* borrowed, all of them */
    const struct batch_info *info;
    const struct prompt_model *model;
    struct backend *backend;         /* this one's alone until it is freed */
    uint32_t start, rank;            /* whose log it writes */
    size_t max_sequences;
    uint64_t kv_bytes;
    unsigned tensors;                /* TENSORS_.., of every answer; requests
                                        may ask for the likeliest tokens, too */
    bool offers_logits;              /* the backend gives logits */
    bool revocable;                  /* the backend may prove wrong later */
    bool with_leaves;                /* the checkpoint wants those of traces */
    const char *reuse;               /* a spool whose answers are taken over,
                                        or NULL; borrowed */
    struct pretended *fault;         /* that it pretends to have, or NULL; .. */
    const struct model *plain;       /* .. and the model with its matrices */
};

/* One line of requests.jsonl to be answered. */
enum work_kind { WORK_WITH_OTHERS = 0, WORK_ALONE = 1, WORK_GIVE_UP = 2 };
#define WORK_CHOICES 8
struct work {
    uint32_t line, n;   /* n bytes */
    uint64_t at;        /* from this offset */
    uint8_t skip;       /* choices that have a record already, as a mask */
    uint8_t kind;
    uint8_t begun;      /* choices that an earlier start had to leave .. */
    struct partial partial[WORK_CHOICES]; /* .. and where their tokens are */
};

/* A choice that has its record, or a line that was given up or refused. */
struct work_done {
    uint32_t line;
    uint8_t choice;
    bool given_up;
    bool reused;        /* the spool had this answer already */
};

enum compute_state {
    COMPUTE_RUNNING,
    COMPUTE_SAVED,  /* as compute_save asked: what was open is parked */
    COMPUTE_FAILED, /* the log or the engine failed; compute_error says how */
    COMPUTE_WITHDRAWN /* .. and nothing that was done may be believed */
};

/* Make the log and the engine, start the thread. */
int compute_new(struct compute **out, const struct compute_options *o,
                struct err *err);

/* Wait for the thread, which is saved or failed, or is told to save now. */
void compute_free(struct compute *c);

void compute_put(struct compute *c, const struct work *w, size_t n);

/* Lines that were put and are not in the engine yet. */
size_t compute_waiting(struct compute *c);

/* Take what is done, at most max; how many. */
size_t compute_take(struct compute *c, struct work_done *d, size_t max);

/* Tokens drawn so far. */
uint64_t compute_tokens(struct compute *c);

/* Finish the steps that run, park what is open, close the log.  Returns at
 * once. */
void compute_save(struct compute *c);

enum compute_state compute_state(struct compute *c);
void compute_error(struct compute *c, struct err *err);

#endif
