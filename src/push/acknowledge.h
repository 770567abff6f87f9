/*
 * Telling the queue on AO what became of the requests of a batch: Complete for
 * results, Release for those without one (doc/queue.md).  Each message is
 * signed once, kept, and sent until its answer is there and adds up; what the
 * network claims is not believed without that.
 *
 *     BATCH/push/quoted-NNNN.item       the signed message
 *                quoted-NNNN.answer     what the process said, as JSON
 *                release-NNNN.item, release-NNNN.answer
 *
 * An older apus, which put more or fewer lines in a message, has begun what is
 * called complete-NNNN or results-NNNN; such a batch goes on with them.
 */
#ifndef APUS_PUSH_ACKNOWLEDGE_H
#define APUS_PUSH_ACKNOWLEDGE_H

#include <stdint.h>

struct batch_info;
struct err;
struct message_journal;
struct results;

struct acknowledged {
    uint64_t accepted, repeated, conflicts, unknown, refused, released;
};

/* Acknowledge all results of a batch, then release what has none and what the
 * queue refused; what was acknowledged before is only counted.  ERR_RETRY: go
 * on later. */
int acknowledge(const struct message_journal *a, struct results *r,
                struct acknowledged *n, struct err *err);

/* Release everything of a batch, for which nothing will come from here: it is
 * put off. */
int acknowledge_release_all(const struct message_journal *a,
                            const struct batch_info *info,
                            struct acknowledged *n, struct err *err);

#endif
