/*
 * Where a batch stands, from the logs of its starts (checkpoint.md, Log):
 * what has a record, what was given up, what ended its process.
 */
#ifndef APUS_STORE_RESUME_H
#define APUS_STORE_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/caller.h"
#include "base/found.h"
#include "base/id.h"
#include "store/partial.h"

struct err;

/* At so many deaths of its process a request runs alone, and so often alone
 * it is given up. */
#define RESUME_DEATHS 2
#define RESUME_DEATHS_ALONE 3

/* A start that recorded no answer, gave nothing up and saved no token of an
 * answer that earlier ones had not is fruitless; it is idle if it was also
 * asked to save, or ended before it opened a request.  After so many in a row
 * another start will not help. */
#define RESUME_IDLE_STARTS 3
#define RESUME_FRUITLESS_STARTS 10

struct resume_line {
    uint8_t done;      /* choices that have a record, bit c for choice c */
    uint8_t reused;    /* those whose record was there before: their log has
                          it without an open frame */
    uint8_t dead;      /* logs that end while it is open, with others */
    uint8_t alone;     /* the same, while it ran alone */
    bool given_up;
};

struct resume {
    struct resume_line *line; /* by number, from 0 */
    uint32_t n;
    struct partials partials; /* of answers that starts had to leave */
    uint32_t n_starts;     /* that were read */
    /* of these the last ones in a row, since resume_again */
    uint32_t fruitless_starts;
    uint32_t idle_starts;
    bool idle_saved;       /* one of the idle starts was asked to save */
    struct caller caller;
};

/* n lines of which nothing is known.  `caller` (may be NULL) is warned of
 * damage: a log that continues after an unreadable frame. */
int resume_init(struct resume *r, uint32_t n, const struct caller *caller,
                struct err *err);
void resume_clear(struct resume *r);

/* Read all logs of the starts below `before`.  A frame of a line that the
 * batch has not is ERR_INPUT. */
int resume_starts(struct resume *r, const char *batch_path, struct id batch,
                  uint32_t before, struct err *err);

/* Whether another start would not help: 0 it may, else -1 with ERR_FATAL and
 * in err why, and what to do. */
int resume_check(const struct resume *r, struct err *err);

/* A person names the batch again: the starts so far, however idle, are no
 * reason not to begin another.  Their last one gets a file `again`. */
int resume_again(const char *batch_path, struct err *err);

/* Note that a start was asked to save: a file `saved` in its directory. */
int resume_note_saved(const char *batch_path, uint32_t start,
                      struct err *err);

/* Read the log of a rank that is lost, if there is one. */
enum found resume_log(struct resume *r, const char *batch_path, struct id batch,
                      uint32_t start, uint32_t rank, struct err *err);

/* The log files of a batch, by start and then by rank. */
struct start_log {
    uint32_t start, rank;
    char *path;
};
struct start_logs {
    struct start_log *log;
    size_t n;
    uint32_t n_starts; /* directories, those without a log too */
    uint32_t *start;   /* their numbers, ascending */
};
int start_logs_find(struct start_logs *l, const char *batch_path,
                    struct err *err);
void start_logs_clear(struct start_logs *l);

/* "BATCH/aNNN" and "BATCH/aNNN/RRRR.log"; the caller frees them. */
char *start_path(const char *batch_path, uint32_t start);
char *start_log_path(const char *batch_path, uint32_t start, uint32_t rank);

/* Payload of a GIVEN_UP frame: why a line has no answer.  `code` is a word
 * for programs, `message` a sentence.  Reading cuts what is too long. */
#define REASON_CODE 64
#define REASON_TEXT 1024
struct reason {
    char code[REASON_CODE], message[REASON_TEXT];
};
void reason_set(struct reason *r, const char *code, const char *message);
size_t reason_pack(char out[REASON_CODE + REASON_TEXT],
                   const struct reason *r);
void reason_unpack(struct reason *r, const void *payload, size_t n);

#endif
