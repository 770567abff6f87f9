/*
 * The log of one rank in one start (checkpoint.md, Log): frames that are only
 * ever appended, by the rank that made the file.  Everyone else reads, to the
 * last whole frame.
 */
#ifndef APUS_STORE_WORKLOG_H
#define APUS_STORE_WORKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"

struct err;
struct worklog;
struct worklog_reader;

enum frame_type {
    FRAME_OPEN = 1, FRAME_RECORD = 2, FRAME_GIVEN_UP = 3, FRAME_PARKED = 4,
    FRAME_PARTIAL = 5, FRAME_WITHDRAWN = 6,
    FRAME_LAST = 16, FRAME_TOPK = 17, FRAME_HIDDEN = 18, FRAME_LOGITS = 19
};

#define FRAME_MAX ((uint64_t)1 << 36) /* a payload; bounded again by the file */

/* Index of a frame: the line of requests.jsonl from 0, and the choice. */
static inline uint64_t frame_index(uint32_t line, uint32_t choice)
{
    return (uint64_t)choice << 32 | line;
}

/* Make the file (O_EXCL), write the header, sync file and directory. */
int worklog_create(struct worklog **out, const char *path, struct id batch,
                   uint32_t rank, uint32_t start, struct err *err);

/* The same for a rank whose frames may come to be withdrawn, since a device
 * computes them: its header is one that programs refuse which know nothing of
 * that. */
int worklog_create_revocable(struct worklog **out, const char *path,
                             struct id batch, uint32_t rank, uint32_t start,
                             struct err *err);

/* Nothing that was put so far may be believed: append the frame that says so
 * and sync it; readers then leave out all before it.  Where it cannot be
 * written the file is cut back to its header.  -1: neither could be done. */
int worklog_withdraw(struct worklog *w, struct err *err);

/* The same of a log of another process, which may be dead or write on: a file
 * beside it, PATH.withdrawn, says so of all that it has or will have.  Only of
 * one that worklog_create_revocable made.  Where the file cannot be made the
 * log is cut back to its header.  -1: neither could be done. */
int worklog_revoke(const char *path, struct err *err);

/* Append one frame with one write.  After a failure the file is cut back to
 * its last whole frame, the error is ERR_RETRY, and every later put fails but
 * of PARKED frames, which are tried: a full disk is no death of a request. */
int worklog_put(struct worklog *w, enum frame_type type, uint64_t index,
                const void *payload, size_t n, struct err *err);

/* fdatasync, if anything was put since.  worklog_due tells that 64 frames or
 * one second have gone by since the last (settings may change both). */
int worklog_sync(struct worklog *w, struct err *err);
bool worklog_due(const struct worklog *w);
void worklog_limits(struct worklog *w, unsigned frames, unsigned ms);

/* Sync and close; w is freed in any case (NULL is allowed). */
int worklog_close(struct worklog *w, struct err *err);

struct frame {
    enum frame_type type;
    uint64_t index;
    const void *payload; /* borrowed until the next call */
    size_t n;
    uint64_t at;         /* offset of the frame in the file */
};

/* Open for reading.  ERR_INPUT if the header is wrong, or of another batch
 * (batch NULL: any).  A file shorter than its header, or of a header's length
 * and zeros (power was lost while it was made), has no frames.  What is put
 * after the opening is not read. */
int worklog_open(struct worklog_reader **out, const char *path,
                 const struct id *batch, struct err *err);

/* The next whole frame that was not withdrawn; FOUND_FAILED when memory or the
 * disk fails.  The first frame with a bad magic, length or SHA-256 ends the
 * log: a torn tail, unless good frames follow, which is damage. */
enum found worklog_next(struct worklog_reader *r, struct frame *f,
                        struct err *err);

/* Skip payloads above this many bytes (payload NULL, n as it is). */
void worklog_skip_above(struct worklog_reader *r, size_t n);

/* Whether the end was damage, and where. */
bool worklog_damaged(const struct worklog_reader *r, uint64_t *at);

/* Whether frames were withdrawn, and up to where the last of them is. */
bool worklog_withdrawn(const struct worklog_reader *r, uint64_t *end);

/* Read the payload of one frame found before, again, at its offset. */
int worklog_read_at(struct worklog_reader *r, uint64_t at, struct frame *f,
                    struct err *err);
void worklog_reader_close(struct worklog_reader *r);

#endif
