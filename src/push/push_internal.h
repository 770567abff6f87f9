/*
 * What the files of a push share.  Not for others.
 */
#ifndef APUS_PUSH_PUSH_INTERNAL_H
#define APUS_PUSH_PUSH_INTERNAL_H

#include "base/id.h"
#include "push/message_journal.h"
#include "push/push.h"
#include "spool/spool.h"

struct ao;
struct gateways;
struct key;

struct push {
    const struct spool *spool;
    struct push_options o;
    struct key *key;
    struct id node;
    bool hashes;
    /* opened when they are needed */
    struct push_send *send;
    struct ao *ao;
    struct gateways *gateways;
};

/* Open them. */
int push_open_send(struct push *p, struct err *err);
int push_open_ao(struct push *p, struct err *err);

void push_note(const struct push *p, bool warning, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What acknowledge() needs. */
struct message_journal push_journal(const struct push *p,
                                    const char *batch_path);

/* Push a claimed batch, all but the last move; and the last move.  `to` is
 * sent or failed. */
int push_claimed(struct push *p, const struct batch *b,
                 struct push_report *r, struct err *err);
enum taking push_claim_and_push(struct push *p, struct batch *b,
                                enum spool_state to, struct push_report *r,
                                struct err *err);

#endif
