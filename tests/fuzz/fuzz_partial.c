/*
 * Partial frames of any bytes.  The first bytes of the input are what the
 * reader expects, the rest is the payload of a frame whose sum is right: what
 * is accepted keeps to its bounds and packs to the same bytes, what is refused
 * leaves nothing.  The same bytes, eight each, are then frames of starts to be
 * sorted: the one that is found is the newest of its index.
 */
#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "proof/digest.h"
#include "store/partial.h"
#include "store/worklog.h"

#define HEADER 64
#define FRAME 56
#define FIXED 12 /* bytes of the input before the payload */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* A log of batch 0 with one frame. */
static int log_of(uint32_t type, uint64_t index, const uint8_t *p, size_t n)
{
    unsigned char head[HEADER + FRAME] = "APUSLOG1", *frame = head + HEADER;
    struct digest *d = digest_new();
    int fd = memfd_create("log", 0);

    memcpy(frame, "APUF", 4);
    set_u32(frame + 4, type);
    set_u64(frame + 8, index);
    set_u64(frame + 16, n);
    digest_put(d, frame, 24);
    digest_put(d, p, n);
    digest_end(d, id_in(frame + 24));
    must(fd >= 0 && write(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
         write(fd, p, n) == (ssize_t)n);
    return fd;
}

static void read_it(const uint8_t *data, size_t size)
{
    const uint8_t *payload = data + FIXED;
    size_t n_payload = size - FIXED, n = 77, most = get_u32(data + 4);
    uint64_t index = data[1];
    struct partial p = { .index = data[2] & 1 ? data[3] : index,
                         .at = HEADER };
    struct id batch = { { 0 } }, job = { { 0 } };
    uint32_t *token = NULL, n_vocab = get_u32(data + 8);
    struct err err = ERR_INIT;
    struct buf again;
    char path[40];
    int fd = log_of(data[0] ? FRAME_PARTIAL : FRAME_RECORD, index, payload,
                    n_payload);

    if (data[2] & 2 && n_payload >= 32)
        memcpy(job.b, payload, 32);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (partial_read(&token, &n, path, batch, &p, job, most, n_vocab, &err)) {
        must(err.code == ERR_INPUT && err.text[0] && !token && n == 77);
        close(fd);
        return;
    }
    must(data[0] && p.index == index && n > 0 && n <= most);
    for (size_t i = 0; i < n; i++)
        must(token[i] < n_vocab);
    buf_init(&again, 1u << 20);
    partial_pack(&again, job, token, n);
    must(again.len == n_payload &&
         memcmp(again.data, payload, n_payload) == 0);
    buf_clear(&again);
    free(token);
    close(fd);
}

static void sort_them(const uint8_t *p, size_t n)
{
    struct partials all = { 0 };
    struct partial newest[256] = { { 0 } };

    for (size_t i = 0; i + 8 <= n; i += 8) {
        struct partial f = { .index = p[i], .start = p[i + 1],
                             .rank = p[i + 2], .at = p[i + 3],
                             .n = 1 + (size_t)get_u32(p + i + 4) };
        const struct partial *old = partials_find(&all, f.index);
        struct partial *best = &newest[f.index];
        bool longer = f.n > (old ? old->n : 0);

        must(partials_add(&all, &f) == longer);
        if (!best->n || best->start < f.start ||
            (best->start == f.start && best->n <= f.n))
            *best = f;
        if (p[i + 2] & 1)
            partials_sort(&all);
    }
    partials_sort(&all);
    for (uint64_t i = 0; i < 256; i++) {
        const struct partial *f = partials_find(&all, i);

        must((f ? f->n : 0) == newest[i].n &&
             (!f || f->start == newest[i].start));
    }
    partials_clear(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < FIXED || size > 65536)
        return 0;
    read_it(data, size);
    sort_them(data + FIXED, size - FIXED);
    return 0;
}
