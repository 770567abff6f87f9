/*
 * From a finished sequence to the record of its answer (store/record.h).
 */
#ifndef APUS_ANSWER_ANSWER_RECORD_H
#define APUS_ANSWER_ANSWER_RECORD_H

#include "base/id.h"

struct answer;
struct buf;
struct commit;
struct err;
struct sequence;

/* Append the record of a sequence of this request with all its commitments;
 * ill-formed bytes of the text are replaced.  Fails as commit_job does, or if
 * out or the trace went over its ceiling. */
int answer_record(struct buf *out, const struct commit *c,
                  const struct sequence *s, struct id request,
                  const struct answer *a, struct err *err);

#endif
