/*
 * Rank 0's side of a batch: what is left to do, which rank has what, who is
 * lost.  Requests are handed out in shards, those that may take longest
 * first; a rank that is silent too long is lost and its shards go out again.
 *
 * Payloads (little-endian).  From rank 0:
 *
 *     TAG_START  start u32, path of the batch (text, to the end)
 *     TAG_SHARD  for each line: line u32, bytes u32, offset u64, skip u8,
 *                kind u8, begun u8, and for each choice in it: start u32,
 *                rank u32, offset u64 (struct work)
 *     TAG_SAVE   park what is open, close the log, say TAG_LEFT; to a member
 *                of a group whose first rank is gone: leave the group, say
 *                what was found to be wrong (TAG_WITHDRAWN), then TAG_LEFT,
 *                and TAG_BEAT until then
 *     TAG_SEAL   k u32, of u32, finish u8: write the parts k, k + of, ..,
 *                and with finish what makes a checkpoint of them
 *     TAG_QUIT   exit status u32
 *     TAG_PULSE  nothing: rank 0 lives
 *
 * To rank 0:
 *
 *     TAG_HELLO  node (text): it lives, before it reads a model; to `ranks`
 *     TAG_READY  host name (text): the model is open, the log made
 *     TAG_WANT   nothing: room for a shard
 *     TAG_DONE   tokens u64, then for each: line u32, choice u8, flags u8
 *                (DONE_GIVEN_UP, DONE_REUSED)
 *     TAG_BEAT   tokens u64
 *     TAG_SIGNAL nothing: told to save by a signal
 *     TAG_WITHDRAWN  own u8, why (text, or none yet): all answers of this rank,
 *                    or of the first one of its group, in this start are to be
 *                    forgotten; own: what this rank has computed is wrong; of
 *                    the rank itself TAG_LEFT follows
 *     TAG_LEFT   failed u8, with LEFT_GROUP if its group is over; why (text)
 *     TAG_SEALED failed u8; if 0: finished u8, else why (text)
 */
#ifndef APUS_MPI_DISPATCH_H
#define APUS_MPI_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch_info;
struct err;
struct heartbeat;
struct comm;
struct payload;
struct ranks;

enum {
    TAG_START = 1, TAG_SHARD, TAG_SAVE, TAG_SEAL, TAG_QUIT, TAG_PULSE,
    TAG_READY = 16, TAG_WANT, TAG_DONE, TAG_BEAT, TAG_SIGNAL, TAG_LEFT,
    TAG_SEALED, TAG_HELLO, TAG_WITHDRAWN
};
#define WORK_BYTES 19   /* and for each choice that was begun: */
#define PLACE_BYTES 16
#define DONE_BYTES 6
#define DONE_GIVEN_UP 1
#define DONE_REUSED 2
#define LEFT_GROUP 0x80
#define SHARD_MAX 64

/* Seconds between signs of life, where who is silent for lost_s is lost. */
#define BEAT_S 5.0
static inline double beat_s(unsigned lost_s)
{
    return lost_s / 4.0 < BEAT_S ? lost_s / 4.0 : BEAT_S;
}

/* Before a rank has begun it may be silent so many times longer, if it has said
 * hello. */
#define START_FACTOR 10

/* Exit statuses of a rank.  EXIT_SAVED: run it again. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2, EXIT_SAVED = 75 };

/* Where a batch is. */
enum dispatch_phase {
    DISPATCH_ANSWERING,
    DISPATCH_CLOSING,  /* ranks close their logs: all is answered, or saved */
    DISPATCH_SEALING,
    DISPATCH_DONE,     /* it has its checkpoint */
    DISPATCH_SAVED,    /* there is more to do, another time */
    DISPATCH_FAILED    /* dispatch_error says why; what is done is kept */
};

struct dispatch_options {
    const char *batch_path;         /* borrowed */
    const struct batch_info *info;  /* borrowed */
    uint32_t start;
    struct heartbeat *heartbeat; /* of the owner, borrowed; NULL: none */
    unsigned lost_s;     /* a rank that is silent so long is lost */
    uint64_t part_size;  /* ranks seal together what is larger */
    unsigned tp;         /* ranks of a group, of which the first answers; 0 or
                            1: each answers */
};

struct dispatch;

/* Survey the batch and read the logs of its earlier starts, then tell all
 * ranks to start.  ERR_FATAL if too many starts in a row got nowhere. */
int dispatch_new(struct dispatch **out, struct comm *comm,
                 struct ranks *ranks, const struct dispatch_options *o,
                 struct err *err);
void dispatch_free(struct dispatch *d);

/* Take a payload with a tag from TAG_READY on. */
void dispatch_take(struct dispatch *d, const struct payload *p);

/* What time asks for: lost ranks, signs of life, `progress`. */
void dispatch_tick(struct dispatch *d);

/* Save instead of going on. */
void dispatch_save(struct dispatch *d);

enum dispatch_phase dispatch_phase(const struct dispatch *d);
void dispatch_error(const struct dispatch *d, struct err *err);

#endif
