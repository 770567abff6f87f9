/*
 * A record put together by hand: the published job, leaf and result of
 * doc/proof.md section 9 (prompt of 3, two tokens drawn, one stop string).
 */
#ifndef APUS_TESTS_RECORD_UTIL_H
#define APUS_TESTS_RECORD_UTIL_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/result_record.h"
#include "proof/trace.h"
#include "store/record.h"

#define MADE_MAX 8 /* prompt ids, leaves, output ids */

struct made {
    struct job_record j;
    struct result_record r;
    struct trace_leaf l[MADE_MAX];
    size_t n_prompt, n_leaves, n_output;
    uint32_t prompt[MADE_MAX], output[MADE_MAX];
    const char *text;
    unsigned char stops[256];
    size_t stops_size;

    /* packed by made_record */
    unsigned char job[RECORD_JOB], result[RECORD_RESULT];
    unsigned char leaf[MADE_MAX * RECORD_LEAF];
    unsigned char prompt_id[MADE_MAX * 4], output_id[MADE_MAX * 4];
};

void made_stop(struct made *m, const char *text);

void made_init(struct made *m);

/* Make every commitment that of the parts, and pack both records. */
void made_commit(struct made *m);

/* View it, as it stands. */
void made_record(struct made *m, struct record *r);

#endif
