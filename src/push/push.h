/*
 * From a sealed batch to Arweave and the queue: sign everything, hand it over
 * piece by piece, tell the queue, and later look whether it is confirmed.
 * Every step leaves on the disk that it was taken, so that a push which was
 * ended anywhere resumes with the same bytes.
 *
 *     done -> sending    claimed
 *     push/              signed (push_items.h), handed over (push_send.h),
 *                        acknowledged (acknowledge.h)
 *     SPOOL/last-statement    what the next batch's statement points to
 *     sending -> sent
 *     confirmed          read back from a second gateway; bundles may go
 */
#ifndef APUS_PUSH_PUSH_H
#define APUS_PUSH_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/caller.h"
#include "push/acknowledge.h"
#include "push/push_send.h"
#include "spool/spool.h"

struct err;
struct seal_options;
struct settings;

struct push_options {
    const struct settings *settings;
    const char *version, *commit; /* of this program */
    unsigned threads;             /* that sign; 0: one a core */
    struct caller caller;         /* whose progress is not told */
};

/* Read the wallet; connect to nothing yet. */
struct push;
int push_new(struct push **out, const struct spool *s,
             const struct push_options *o, struct err *err);
void push_free(struct push *p);

struct push_report {
    uint64_t results, uploads, bytes;
    uint64_t winc;              /* this batch has cost, or would */
    struct acknowledged queue;  /* zeros for a file */
};

/* Push a batch in done; b follows.  TAKING_DONE: it is in sent.  TAKING_FAILED:
 * it is in done again, what was done is kept, and ERR_RETRY says to go on
 * later, ERR_INPUT that somebody must do something first. */
enum taking push_batch(struct push *p, struct batch *b, struct push_report *r,
                       struct err *err);

/* Whether a push of it was begun: its files continue without being named. */
bool push_is_begun(const char *batch_path);

/* What a push would hand over and cost; nothing is signed, written or sent. */
int push_measure(struct push *p, const struct batch *b,
                 struct push_report *r, struct err *err);
/* What is on our account. */
int push_balance(struct push *p, uint64_t *winc, struct err *err);

/* Where a batch in sent stands. */
enum push_state {
    PUSH_WAITING,   /* not permanent yet */
    PUSH_CONFIRMED, /* read back */
    PUSH_AGAIN      /* some of it was lost and has been handed over again */
};
/* Look after a batch in sent.  When a gateway says that every upload is as
 * deep as the setting `confirmations` (or none tells, and the bundler calls it
 * permanent), a result is read back from a second gateway (the only one, if
 * there is no other) and compared; then `confirmed` is written and the kept
 * bundles go. */
int push_confirm(struct push *p, const struct batch *b,
                 enum push_state *state, struct err *err);
bool push_is_confirmed(const char *batch_path);

/* End a batch that is abandoned: what has no answer is given up for
 * this reason, the rest is sealed, pushed, and the batch is left in failed
 * with a file `why`.  It must be in todo, done, or running with a dead owner.
 * `seal` NULL: its model is gone; then all of it is released.  A batch of a
 * file is only moved.  Returns as push_batch. */
enum taking push_failed(struct push *p, struct batch *b, const char *why,
                        const struct seal_options *seal,
                        struct push_report *r, struct err *err);

#endif
