/*
 * Payloads between ranks.  The only door to MPI: sends never block, arrivals
 * are asked for, a rank that is gone is noticed by its silence alone.  A rank
 * can send to itself.  Built without MPI, or alone, there is one rank.
 */
#ifndef APUS_MPI_COMM_H
#define APUS_MPI_COMM_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct comm;

#define COMM_MAX (64u << 10) /* bytes of a payload */

struct payload {
    int from, tag;
    const unsigned char *data; /* valid until the next comm_poll */
    size_t n;
};

/* Start MPI unless `alone`.  All calls of one communicator are made by the
 * thread that opened it, but for those of the second way below, and MPI, which
 * the pulse calls, too, is called by one thread at a time.  With ranks that
 * die at the wrong moment MPI may never return from a call: after start_s
 * seconds in starting, and call_s in any later one, the process says so and
 * ends with `status`.  Starting that takes longer than call_s is said, too. */
int comm_open(struct comm **out, bool alone, unsigned start_s,
              unsigned call_s, int status, struct err *err);
int comm_rank(const struct comm *l);
int comm_size(const struct comm *l);

/* Copies the payload.  To a rank that is gone it is lost without a word. */
void comm_send(struct comm *l, int to, int tag, const void *data, size_t n);

/* Make a second way between all ranks, on which nothing is a payload: all of
 * them call it, once and before anything else, within start_s seconds.  -1 if
 * this MPI does not let several threads take turns. */
int comm_second(struct comm *l, unsigned start_s, struct err *err);

/* On that way, by any one thread at a time beside the one that opened the
 * communicator: n bytes to a rank, at most COMM_PIECE, which are copied; and n
 * bytes from a rank if they have arrived.  What is given is got in the same
 * order and in the same pieces.  After the end, which has any bytes up to
 * COMM_PIECE, nothing is given any more. */
#define COMM_PIECE (256u << 10)
enum comm_got {
    COMM_NOTHING, /* yet */
    COMM_GOT,
    COMM_END,     /* the rank gives nothing more: comm_end */
    COMM_STRANGE  /* what came has another size, or was lost */
};
void comm_give(struct comm *l, int to, const void *data, size_t n);
void comm_give_end(struct comm *l, int to, const void *data, size_t n);
enum comm_got comm_get(struct comm *l, int from, void *data, size_t n);

/* One more byte after the end; and that of a rank, with COMM_GOT, if it has
 * arrived: what it gave before is passed over. */
void comm_give_last(struct comm *l, int to, unsigned char byte);
enum comm_got comm_get_last(struct comm *l, int from, unsigned char *byte);

/* COMM_END once a rank's end has arrived, whatever of its pieces has not been
 * got, which none is after that; else COMM_NOTHING.  It does not wait. */
enum comm_got comm_get_end(struct comm *l, int from);

/* The bytes of the end, after COMM_END; none if the end was passed over.  Valid
 * until comm_close. */
const unsigned char *comm_end(const struct comm *l, int from, size_t *n);

/* From now on a thread of the communicator sends `tag`, without data, to all
 * other ranks whenever this thread has not asked for payloads for period_s, so
 * that a slow file system does not make them take this rank for dead.  It stops
 * after patience_s, since the rank may hang.  Does nothing if this MPI lacks
 * MPI_THREAD_SERIALIZED or no thread can be made. */
void comm_pulse(struct comm *l, int tag, double period_s, double patience_s);
/* No longer send pulses to this rank. */
void comm_mute(struct comm *l, int rank);

/* The next payload that has arrived; false if there is none. */
bool comm_poll(struct comm *l, struct payload *p);

/* What was sent is given some seconds to leave, and MPI to end; with ranks
 * that are gone it may not, then the process ends here with `status`. */
void comm_close(struct comm *l, int status);

#endif
