/*
 * From the logs of a finished batch to its checkpoint (checkpoint.md, Seal):
 * which requests go into which part, the parts, what was refused, and
 * checkpoint.json, which says that all of it is there.  Parts depend on the
 * requests and answers alone, not on ranks, starts or who seals.
 */
#ifndef APUS_STORE_SEAL_H
#define APUS_STORE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/caller.h"
#include "base/found.h"
#include "base/id.h"
#include "store/resume.h"

struct buf;
struct err;
struct batch_info;
struct part_file;
struct settings;
struct scan;

#define SEAL_SOURCE 208 /* bytes of where a model is to be had */

struct seal_options {
    uint64_t part_size;   /* bytes of contents that a part may come to */
    bool with_last;       /* the last residual rows too */
    bool with_topk;       /* the likeliest tokens of every step were asked
                           * for; those of logs are kept in any case */
    bool with_hidden;     /* .. or the residual rows of every position .. */
    bool with_logits;     /* .. or the logits of every output token */
    bool custom_ids;      /* what requests are called, too */
    bool roots_only;      /* of each trace its root, without the leaves */
    bool pretended;       /* answers are made up: nothing is to find them */
    bool partial;         /* what has no answer yet is left out: to be looked
                           * at, never to be sealed */
    char model_source[SEAL_SOURCE]; /* a hint for people, or "" */
    uint32_t n_vocab, n_layers, dim; /* of the model */
    struct caller caller; /* warned of damage */
};

struct seal;

/* All but what the model tells and `caller`, as the settings say: names of
 * requests stay here where nothing but hashes is published. */
void seal_settings(struct seal_options *o, const struct settings *s);

/* Read the logs.  ERR_RETRY if a request has neither all its answers nor a
 * reason why not; ERR_INPUT if one has two different answers.  Everything is
 * borrowed until seal_close but the options. */
int seal_open(struct seal **out, const char *batch_path,
              const struct batch_info *info, const struct scan *scan,
              const struct seal_options *o, struct err *err);
void seal_close(struct seal *s);

/* Row i in the order of line and choice, reason i in that of lines, borrowed
 * until the next call; FOUND_NONE past the last. */
struct checkpoint_row;
enum found seal_row(struct seal *s, size_t i, struct checkpoint_row *row,
                    struct err *err);
enum found seal_reason(struct seal *s, size_t i, uint32_t *line,
                       struct reason *why, struct err *err);

/* How many parts there are to be: at least one. */
size_t seal_parts(const struct seal *s);

/* Write one part, its .idx and its .jobs, unless they are there. */
int seal_part(struct seal *s, size_t part, struct err *err);

/* After all parts: refused.jsonl, refusals.json and checkpoint.json. */
int seal_finish(struct seal *s, struct err *err);

/* All of that in a row, of the parts k, k + of, ..; `finish` if the others
 * are there then. */
int seal_batch(const char *batch_path, const struct batch_info *info,
               const struct seal_options *o, size_t k, size_t of,
               bool finish, struct err *err);

/* Whether a batch has its checkpoint.json. */
bool seal_is_done(const char *batch_path);

/* Whether it should have one, by the directory that it lies in: done, sending,
 * sent. */
bool seal_is_due(const char *batch_path);

/* Remove the logs of a batch whose checkpoint.json is there, and what was
 * left half sealed. */
int seal_tidy(const char *batch_path, struct err *err);

/* "BATCH/part-PPPP.h5" or another suffix; the caller frees it. */
char *seal_part_path(const char *batch_path, size_t part,
                     const char *suffix);

/* What checkpoint.json says. */
struct seal_file {
    uint64_t size, first, count; /* bytes; lines */
    struct id sha256, root;
};
struct seal_info {
    unsigned format; /* 1: before parts of version 2; 2 */
    struct id batch, model;
    uint64_t n_requests, n_rows, n_refused;
    char model_source[SEAL_SOURCE]; /* printable ASCII, or "" */
    struct seal_file *part;
    size_t n_parts;
};
/* ERR_INPUT, which is damage with its remedy (err_damage) if the file is not
 * what it should be, or is not there in a place where it is due; ERR_FATAL if
 * this user has no permission to read it. */
int seal_info_read(struct seal_info *i, const char *batch_path,
                   struct err *err);
void seal_info_clear(struct seal_info *i);

/* ERR_INPUT unless the file has this size and SHA-256. */
int seal_file_check(const struct seal_file *want, const struct part_file *f,
                    struct err *err);

/* Compare the parts of a sealed batch with checkpoint.json as seal_file_check
 * does.  ERR_INPUT names the first that differs, and the remedy. */
int seal_check_parts(const char *batch_path, struct id batch,
                     struct err *err);

/* Mark an error of ERR_INPUT as damage and add how the checkpoint of the batch
 * is repaired, if it does not say so already.  Return -1. */
int seal_name_remedy(struct id batch, struct err *err);

/* refused.jsonl line by line, in the order of the requests: *line (from 0) with
 * its reason. */
struct refused;
int refused_open(struct refused **out, const char *batch_path,
                 struct err *err);
enum found refused_next(struct refused *f, uint32_t *line, struct reason *why,
                        struct err *err);
void refused_close(struct refused *f);

#endif
