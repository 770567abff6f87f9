/*
 * A log of any bytes, read to its end.  The first byte of the input says
 * whether headers and sums are made right before, so that more than one frame
 * is reached.  Frames lie in the file one after the other, but for those that
 * withdraw others, which readers pass over; they are read again the same by
 * their offset, and are as many when payloads are skipped.
 */
#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "proof/digest.h"
#include "store/worklog.h"

#define HEADER 64
#define FRAME 56

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* Magics and sums where the lengths say that frames are, which are cut to a
 * few bits; the bits of `wrong` leave the sum of one frame as it is. */
static void seal(unsigned char *p, size_t n, unsigned wrong)
{
    if (n < HEADER)
        return;
    memcpy(p, "APUSLOG1", 8);
    memset(p + 48, 0, HEADER - 48);
    for (size_t at = HEADER; n - at >= FRAME; wrong >>= 1) {
        struct digest *d = digest_new();
        size_t len = p[at + 16];

        if (len > n - at - FRAME)
            len = n - at - FRAME;
        memcpy(p + at, "APUF", 4);
        set_u64(p + at + 16, len);
        digest_put(d, p + at, 24);
        digest_put(d, p + at + FRAME, len);
        if (wrong & 1)
            digest_end(d, id_in((unsigned char[32]){ 0 }));
        else
            digest_end(d, id_in(p + at + 24));
        at += FRAME + len;
    }
}

/* A frame of the file whose bytes are p[0..n). */
static void check_frame(struct worklog_reader *r, const struct frame *f,
                        const unsigned char *p, size_t n)
{
    struct err err = ERR_INIT;
    uint64_t at = f->at;
    size_t len = f->n;
    struct frame again;

    must(at >= HEADER && at <= n - FRAME && len <= n - FRAME - at);
    must(f->payload && memcmp(f->payload, p + at + FRAME, len) == 0);
    must(f->index == get_u64(p + at + 8) &&
         (uint32_t)f->type == get_u32(p + at + 4));
    must(worklog_read_at(r, at, &again, &err) == 0 && again.at == at &&
         again.n == len && memcmp(again.payload, p + at + FRAME, len) == 0);
}

/* Where the next frame is, from `next` on and at most `end`, when frames that
 * withdraw others are passed over. */
static uint64_t pass_withdrawn(const unsigned char *p, uint64_t next,
                               uint64_t end)
{
    while (next < end && end - next >= FRAME &&
           get_u32(p + next + 4) == FRAME_WITHDRAWN)
        next += FRAME + get_u64(p + next + 16);
    return next;
}

/* How many frames there are. */
static size_t read_all(const char *path, const unsigned char *p, size_t n,
                       size_t skip_above)
{
    struct worklog_reader *r = NULL;
    struct err err = ERR_INIT;
    uint64_t next = HEADER, bad = 0;
    size_t count = 0;
    struct frame f;
    enum found rc;

    if (worklog_open(&r, path, NULL, &err)) {
        must(err.code == ERR_INPUT && !r);
        return 0;
    }
    worklog_skip_above(r, skip_above);
    while ((rc = worklog_next(r, &f, &err)) == FOUND_ONE) {
        next = pass_withdrawn(p, next, f.at);
        must(f.at == next && (f.n > skip_above) == !f.payload);
        next += FRAME + f.n;
        if (f.payload)
            check_frame(r, &f, p, n);
        count++;
    }
    must(rc == FOUND_NONE && worklog_next(r, &f, &err) == FOUND_NONE);
    if (worklog_damaged(r, &bad))
        must(bad == pass_withdrawn(p, next, bad) && n > bad);
    worklog_reader_close(r);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *p;
    char path[40];
    size_t n;
    int fd;

    if (size < 1 || size > 65536)
        return 0;
    p = malloc(size);
    memcpy(p, data + 1, size - 1);
    if (data[0] & 1)
        seal(p, size - 1, data[0] >> 1);
    fd = memfd_create("log", 0);
    if (fd < 0 || write(fd, p, size - 1) != (ssize_t)(size - 1))
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    n = read_all(path, p, size - 1, SIZE_MAX);
    must(read_all(path, p, size - 1, 20) == n);
    close(fd);
    free(p);
    return 0;
}
