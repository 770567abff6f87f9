/*
 * src/store/partial: which frame of an index is the newest, among all that
 * were noted in any order and by any number of starts, against a search that
 * keeps them all; the bytes of a payload; frames of every length read back, of
 * their own choice, job and log alone; payloads of any bytes.
 */
#include <config.h>

#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/partial.h"
#include "store/worklog.h"
#include "tests/tap.h"

static const struct id batch = { { 1, 2, 3, [31] = 0xff } };
static const struct id job = { { 9, 8, 7, [31] = 1 } };

static struct partial frame_of(uint64_t index, uint32_t start, size_t n)
{
    return (struct partial){ .index = index, .start = start, .n = n,
                             .at = 100 * start + n };
}

/* ---- which is the newest ------------------------------------------------- */

static void test_few(void)
{
    struct partial two = frame_of(2, 0, 5), empty = frame_of(2, 0, 0);
    struct partials p = { 0 };

    ok(!partials_find(&p, 0), "of nothing noted, nothing is found");
    partials_sort(&p);
    ok(!partials_find(&p, 0) && p.n == 0, "nor when that is sorted");
    ok(!partials_add(&p, &empty), "no token is none more");
    ok(partials_add(&p, &two), "five are");
    ok(!partials_find(&p, 2), "what is not sorted in is not found");
    partials_sort(&p);
    ok(partials_find(&p, 2) && partials_find(&p, 2)->n == 5 && p.n == 1,
       "sorted in it is: of one start the one with more tokens");
    ok(!partials_find(&p, 1) && !partials_find(&p, 3), "and none beside it");
    two = frame_of(2, 1, 5);
    ok(!partials_add(&p, &two), "as many again are none more");
    two = frame_of(2, 2, 4);
    ok(!partials_add(&p, &two), "nor are fewer");
    two.index = 1;
    ok(partials_add(&p, &two), "of another index they are");
    partials_sort(&p);
    ok(p.n == 2 && partials_find(&p, 2)->start == 2 &&
           partials_find(&p, 2)->n == 4, "the newest start counts");
    partials_clear(&p);
    ok(!p.list && !partials_find(&p, 2), "cleared there are none");
    partials_clear(&p);
}

/* A list that moves each time it grows: what is compared is read before. */
static void test_growing(void)
{
    struct partials p = { 0 };
    bool good = true;

    for (uint32_t i = 0; i < 3000; i++) {
        struct partial f = frame_of(i % 1000, i / 1000, 1 + i % 1000);

        if (i % 1000 == 0)
            partials_sort(&p);
        f.n += i / 1000 == 2; /* the third start has one token more */
        good = good && partials_add(&p, &f) == (i / 1000 != 1);
    }
    ok(good, "more tokens than before, as the list grows");
    partials_clear(&p);
}

static uint32_t seed = 17;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)seed * n) >> 32);
}

#define MOST 200

/* The newest of an index among the first n. */
static const struct partial *search(const struct partial *list, size_t n,
                                    uint64_t index)
{
    const struct partial *best = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct partial *f = &list[i];

        if (f->index != index || (best && f->start < best->start) ||
            (best && f->start == best->start && f->n < best->n))
            continue;
        best = f;
    }
    return best;
}

static bool agree(const struct partials *p, const struct partial *all,
                  size_t n)
{
    size_t count = 0;

    for (uint64_t index = 0; index < 20; index++) {
        const struct partial *want = search(all, n, index);
        const struct partial *got = partials_find(p, index);

        count += want != NULL;
        if (!want != !got || (want && (want->start != got->start ||
                                       want->n != got->n)))
            return false;
    }
    return p->n == count && p->n_sorted == count;
}

/* Starts of a few ranks each, whose frames come in any order. */
static void test_any_order(void)
{
    bool good = true, longer = true;

    for (int round = 0; round < 200; round++) {
        struct partials p = { 0 };
        struct partial all[MOST];
        size_t n = 0;

        for (uint32_t start = 0; start < 5; start++) {
            size_t before = n;

            for (uint32_t k = below(MOST / 5); k > 0; k--) {
                struct partial f = frame_of(below(20), start, 1 + below(9));
                const struct partial *old = search(all, before, f.index);

                all[n++] = f;
                longer &= partials_add(&p, &f) == (f.n > (old ? old->n : 0));
            }
            partials_sort(&p);
            good &= agree(&p, all, n);
        }
        partials_clear(&p);
    }
    ok(good, "the newest of each index, as a search of all finds it");
    ok(longer, "more tokens than the newest of the starts before");
}

/* ---- bytes --------------------------------------------------------------- */

static void test_bytes(void)
{
    static const uint32_t token[] = { 1, 0x04030201 };
    static const unsigned char want[] = { 2, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4 };
    struct buf b;

    buf_init(&b, 4096);
    partial_pack(&b, job, token, 2);
    ok(b.len == PARTIAL_FIXED + 8 && memcmp(b.data, job.b, 32) == 0 &&
           memcmp(b.data + 32, want, sizeof(want)) == 0,
       "a payload: job, number, ids, least byte first");
    buf_clear(&b);
}

/* A log with one frame for each payload. */
static char *log_with(const char *name, const struct buf *payload, size_t n)
{
    char *path = file_join(tap_tmp(), name);
    struct err err = ERR_INIT;
    struct worklog *w;
    int rc = worklog_create(&w, path, batch, 0, 0, &err);

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = worklog_put(w, FRAME_PARTIAL, frame_index((uint32_t)i, 1),
                         payload[i].data, payload[i].len, &err);
    if (rc || worklog_close(w, &err))
        ok(0, "a log: %s", err.text);
    return path;
}

static bool refused(const char *path, struct partial p, struct id of,
                    size_t most, uint32_t n_vocab, const char *why)
{
    uint32_t nothing, *token = &nothing;
    struct err err = ERR_INIT;
    size_t n = 77;

    if (partial_read(&token, &n, path, batch, &p, of, most, n_vocab, &err) ==
            -1 && err.code == ERR_INPUT && strstr(err.text, why) &&
        token == &nothing && n == 77)
        return true;
    printf("# %s, not %s\n", err.text, why);
    return false;
}

/* Read back: exactly these tokens, and not with one bound closer. */
static bool same(const char *path, struct partial p, const uint32_t *want,
                 size_t n_want)
{
    struct err err = ERR_INIT;
    uint32_t *token = NULL;
    size_t n = 0;
    bool good;

    if (partial_read(&token, &n, path, batch, &p, job, n_want, 1000, &err)) {
        printf("# %s\n", err.text);
        return false;
    }
    good = n == n_want && memcmp(token, want, 4 * n) == 0;
    free(token);
    return good && refused(path, p, job, n_want - 1, 1000, "another length") &&
           refused(path, p, job, n_want, 999, "outside the vocabulary");
}

static const size_t length[] = { 1, 2, 255, 1015, 1016, 5000 };
#define LENGTHS (sizeof(length) / sizeof(*length))

static void test_read(void)
{
    uint32_t *token = xcalloc(5000, sizeof(*token));
    struct buf payload[LENGTHS];
    struct partial p = { .at = 64 };
    char *path;

    token[0] = 999;
    for (uint32_t i = 1; i < 5000; i++)
        token[i] = below(1000);
    for (size_t i = 0; i < LENGTHS; i++) {
        buf_init(&payload[i], 1u << 20);
        partial_pack(&payload[i], job, token, length[i]);
    }
    path = log_with("good", payload, LENGTHS);
    for (size_t i = 0; i < LENGTHS; i++) {
        p.index = frame_index((uint32_t)i, 1);
        ok(same(path, p, token, length[i]), "%zu tokens", length[i]);
        ok(refused(path, p, batch, 5000, 1000, "another job"),
           "not those of another job");
        p.index ^= (uint64_t)1 << 32;
        ok(refused(path, p, job, 5000, 1000, "something else"),
           "not those of another choice");
        p.at += 56 + payload[i].len;
        buf_clear(&payload[i]);
    }
    ok(refused(path, p, job, 5000, 1000, "no whole frame"),
       "nothing behind the last");
    unlink(path);
    free(path);
    free(token);
}

static bool one_zero(const char *path, struct partial p)
{
    uint32_t *token = NULL;
    size_t n = 0;
    bool good = partial_read(&token, &n, path, batch, &p, job, 1, 1, NULL) ==
                    0 && n == 1 && token[0] == 0;

    free(token);
    return good;
}

/* Payloads of every length up to two ids, all of whose bytes are zero but
 * those that say how many there are. */
static void test_lengths(void)
{
    struct buf payload[45];
    struct partial p = { .at = 64 };
    char *path;

    for (uint32_t n = 0; n < 45; n++) {
        unsigned char bytes[48] = { 0 };

        memcpy(bytes, job.b, 32);
        set_u32(bytes + 32, n < 40 ? 0 : 1);
        buf_init(&payload[n], 64);
        buf_put(&payload[n], bytes, n);
    }
    path = log_with("lengths", payload, 45);
    for (uint32_t n = 0; n < 45; n++) {
        p.index = frame_index(n, 1);
        if (n == PARTIAL_FIXED + 4)
            ok(one_zero(path, p), "40 bytes are one id");
        else
            ok(refused(path, p, job, 9, 9, n == PARTIAL_FIXED
                           ? "has no tokens" : "another length"),
               "%u bytes are none", (unsigned)n);
        p.at += 56 + n;
        buf_clear(&payload[n]);
    }
    unlink(path);
    free(path);
}

int main(void)
{
    test_few();
    test_growing();
    test_any_order();
    test_bytes();
    test_read();
    test_lengths();
    return done();
}
