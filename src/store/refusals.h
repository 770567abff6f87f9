/*
 * How many requests of a sealed batch have no answer, and why the first has
 * none: those in refused.jsonl, and those whose answer is an error (finish 16
 * and above).  Sealing writes it down as BATCH/refusals.json, so that asking
 * opens no part; of a batch sealed before there was such a file it is counted
 * from the parts.
 */
#ifndef APUS_STORE_REFUSALS_H
#define APUS_STORE_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/resume.h"

struct err;
struct seal;

struct refusals {
    uint64_t n_requests;
    uint64_t n;          /* without an answer */
    uint64_t line;       /* of the first, from 1; 0 if there is none */
    struct reason why;   /* why it has none; empty if there is none */
};

/* Of a sealed batch, with the line of its own file.  `quick`: open no part;
 * where they alone would tell only refused.jsonl counts.  ERR_INPUT if the
 * batch is not sealed or damaged. */
int refusals_read(struct refusals *r, const char *batch_path, bool quick,
                  struct err *err);

/* "3 refused, the first is line 2: MESSAGE", or "" if none was. */
#define REFUSALS_TEXT (REASON_TEXT + 80)
void refusals_text(char out[REFUSALS_TEXT], const struct refusals *r);

/* Whether an earlier version refused the first of them, which knew fewer
 * members and values: this version would not, or for another reason.  Reads
 * requests.jsonl up to it. */
bool refusals_are_old(const struct refusals *r, const char *batch_path);

/* Write refusals.json of a batch that is being sealed (by seal_finish). */
int refusals_write(struct seal *s, struct err *err);

#endif
