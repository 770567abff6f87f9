/*
 * AO: processes, their messages in the order of the scheduler, and what their
 * evaluation gave.  One thread evaluates, in the order of coming; a message
 * that a process sends to another one is signed by this net, as messenger, and
 * takes its place like any other.
 *
 * Everything is under the net's lock, but the evaluator of a process, which is
 * under the process's own; that one is taken first, if both are.
 */
#ifndef APUS_LOCALNET_UNITS_H
#define APUS_LOCALNET_UNITS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "localnet/idmap.h"
#include "localnet/net.h"

struct evaluator;
struct err;
struct item;
struct journal_record;
struct net;

#define UNITS_MAX_ITEM 102400 /* bytes of a whole message */

struct message {
    struct id id;
    char id_text[ID_TEXT];
    struct process *process;
    uint64_t slot, timestamp_ms, height;
    uint64_t at, size;              /* the item, in the journal */
    struct id chain;                /* hash over all messages to this one */
    struct id pushed_for;           /* the message that it comes of, or id */
    uint64_t due_ms;                /* not evaluated before */
    bool done, failed;
    char *result;                   /* JSON, if done */
    size_t n_result;
};

struct process {
    struct net *net;
    struct id id;
    char id_text[ID_TEXT], owner[ID_TEXT], module[ID_TEXT];
    struct buf raw;                 /* its item, and that parsed */
    struct item *item;
    struct message **message;       /* by slot; 0 is the process itself */
    size_t n, n_done;
    pthread_mutex_t lock;
    struct evaluator *evaluator;    /* NULL: not begun */
    struct patch {
        char *key, *value;
    } *patch;                       /* for readers of HyperBEAM */
    size_t n_patches;
};

struct ao_units {
    struct evaluators *evaluators;
    unsigned delay_ms;
    struct idmap processes, messages;
    struct process **process;
    size_t n_processes;
    struct message **queue;         /* waiting to be evaluated */
    size_t n_queue, queue_at;
    pthread_cond_t changed;         /* something came, or was evaluated */
    pthread_t thread;
    bool running, stopping;
};

/* Before anything is open and while there is one thread. */
int units_new(struct net *net, unsigned delay_ms, struct err *err);
void units_free(struct net *net);

/* Replay JOURNAL_MESSAGE and _FAILED. */
int units_replay(struct net *net, const struct journal_record *r,
                 struct err *err);

/* Schedule a verified item, a message or a process; *m is it, also if it was
 * there already. */
enum accepted units_schedule(struct net *net, const void *raw, size_t n,
                             const struct item *it, struct message **m,
                             struct err *err);
/* The same for an item that comes of the message pushed_for. */
enum accepted units_put(struct net *net, const void *raw, size_t n,
                        const struct item *it, struct id pushed_for,
                        struct message **m, struct err *err);

/* Who signed an item, as processes see it: an address of Arweave, or of
 * Ethereum. */
void units_owner(char owner[ID_TEXT], const struct item *it);

struct process *units_process(const struct net *net, struct id id);
struct message *units_message(const struct net *net, struct id id);

#endif
