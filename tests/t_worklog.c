/*
 * src/store/worklog: the bytes of a log, what it refuses to make or open,
 * frames of every size read back, a file cut at every length and changed in
 * every byte (torn tail or damage), what looks like frames in a bad one,
 * skipping, reading again by offset, when a sync is due, a full disk.
 */
#include <config.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "store/worklog.h"
#include "tests/tap.h"

#define FRAME 56

static const struct id batch = { { 1, 2, 3, [31] = 0xff } };
static unsigned char big[200000];

static char *path_of(const char *name)
{
    return file_join(tap_tmp(), name);
}

static void contents(struct buf *b, const char *path)
{
    struct err err = ERR_INIT;

    buf_init(b, 1u << 24);
    if (file_read(b, path, &err))
        ok(0, "%s", err.text);
}

static void overwrite(const char *path, const void *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd))
        abort();
}

/* Four frames: 0, 1, 100 and 5 bytes of payload. */
#define SMALL_FRAMES 4
static const size_t small_size[SMALL_FRAMES] = { 0, 1, 100, 5 };
static const enum frame_type small_type[SMALL_FRAMES] = {
    FRAME_OPEN, FRAME_PARKED, FRAME_RECORD, FRAME_LOGITS
};

static size_t small_end(int i)
{
    size_t at = 64;

    for (int k = 0; k <= i; k++)
        at += FRAME + small_size[k];
    return at;
}

static char *make_small(const char *name)
{
    struct err err = ERR_INIT;
    char *path = path_of(name);
    struct worklog *w;
    int rc = worklog_create(&w, path, batch, 3, 7, &err);

    for (int i = 0; rc == 0 && i < SMALL_FRAMES; i++)
        rc = worklog_put(w, small_type[i], frame_index((uint32_t)i, 9), big,
                         small_size[i], &err);
    ok(rc == 0 && worklog_close(w, &err) == 0, "a log of four frames %s",
       err.text);
    return path;
}

/* Read to the end: how many of the four there are, in order; -1 if anything
 * else comes. */
static int count_small(const char *path, bool *damaged, uint64_t *at)
{
    struct err err = ERR_INIT;
    struct worklog_reader *r;
    struct frame f;
    enum found rc;
    int n = 0;

    *damaged = false;
    if (worklog_open(&r, path, &batch, &err))
        return -2;
    while ((rc = worklog_next(r, &f, &err)) == FOUND_ONE) {
        if (n == SMALL_FRAMES || f.type != small_type[n] || !f.payload ||
            f.index != frame_index((uint32_t)n, 9) || f.n != small_size[n] ||
            memcmp(f.payload, big, f.n) != 0 ||
            f.at != small_end(n) - FRAME - f.n)
            rc = FOUND_FAILED;
        if (rc == FOUND_FAILED)
            break;
        n++;
    }
    if (rc == FOUND_NONE && worklog_next(r, &f, &err) != FOUND_NONE)
        rc = FOUND_FAILED; /* the end stays the end */
    *damaged = worklog_damaged(r, at);
    worklog_reader_close(r);
    return rc == FOUND_FAILED ? -1 : n;
}

/* The bytes, as they are written down. */
static void test_bytes(void)
{
    char *path = make_small("bytes");
    struct id sum;
    unsigned char head[64] = "APUSLOG1";
    struct buf b;
    const unsigned char *p;
    unsigned char *frame;
    bool damaged;
    uint64_t at;

    contents(&b, path);
    p = (const unsigned char *)b.data;
    memcpy(head + 8, batch.b, 32);
    set_u32(head + 40, 3);
    set_u32(head + 44, 7);
    ok(b.len == small_end(3), "the length of the file");
    ok(memcmp(p, head, 64) == 0, "the header");
    p += small_end(1);
    ok(memcmp(p, "APUF\2\0\0\0\2\0\0\0\11\0\0\0\144\0\0\0\0\0\0\0", 24) == 0 &&
           memcmp(p + FRAME, big, 100) == 0,
       "a frame: magic, type, line, choice, length, payload");
    frame = malloc(124);
    memcpy(frame, p, 24);
    memcpy(frame + 24, p + FRAME, 100);
    digest(&sum, frame, 124);
    ok(id_equal(id_at(p + 24), sum), "and the SHA-256 of both");
    free(frame);
    ok(count_small(path, &damaged, &at) == 4 && !damaged, "it is read");
    buf_clear(&b);
    free(path);
}

static void test_create(void)
{
    struct err err = ERR_INIT;
    char *path = make_small("once");
    struct worklog *w = NULL;
    bool damaged;
    uint64_t at;

    ok(worklog_create(&w, path, batch, 0, 0, &err) == -1 &&
           err.code == ERR_INPUT && strstr(err.text, path) && !w,
       "a log is made once: %s", err.text);
    ok(count_small(path, &damaged, &at) == 4, "the first is as it was");
    free(path);
    path = path_of("none/log");
    ok(worklog_create(&w, path, batch, 0, 0, &err) == -1 &&
           err.code == ERR_INPUT && !w,
       "in no directory: %s", err.text);
    free(path);
    ok(worklog_close(NULL, &err) == 0, "closing nothing");
    worklog_reader_close(NULL);
}

static void refused(const char *path, const char *what, const char *why)
{
    struct err err = ERR_INIT;
    struct worklog_reader *r = NULL;

    ok(worklog_open(&r, path, &batch, &err) == -1 && !r &&
           err.code == ERR_INPUT && strstr(err.text, why),
       "%s: %s", what, err.text);
}

static void test_open(void)
{
    static const unsigned char zeros[65];
    struct id other = { 0 };
    struct err err = ERR_INIT;
    char *path = make_small("open"), *bad = path_of("bad");
    struct worklog_reader *r;
    struct buf b;
    bool damaged;
    uint64_t at;

    contents(&b, path);
    ok(worklog_open(&r, path, &other, &err) == -1 && err.code == ERR_INPUT &&
           strstr(err.text, "another batch"),
       "of another batch: %s", err.text);
    ok(worklog_open(&r, path, NULL, &err) == 0, "of any batch");
    worklog_reader_close(r);
    refused(bad, "no file", "no such file");
    refused(tap_tmp(), "a directory", "regular file");
    for (int i = 0; i < 64; i++) {
        if (i >= 40 && i < 48)
            continue; /* rank and start */
        b.data[i] ^= 1;
        overwrite(bad, b.data, b.len);
        b.data[i] ^= 1;
        if (worklog_open(&r, bad, &batch, &err) == 0) {
            ok(0, "byte %d of the header", i);
            worklog_reader_close(r);
        }
    }
    refused(bad, "zeros at the end of the header", "header is wrong");
    overwrite(bad, zeros, 64);
    ok(count_small(bad, &damaged, &at) == 0 && !damaged,
       "a header of zeros and no more has no frames");
    overwrite(bad, zeros, 65);
    refused(bad, "zeros and more", "header is wrong");
    buf_clear(&b);
    free(path);
    free(bad);
}

/* A log cut anywhere is a torn tail. */
static void test_cut(void)
{
    char *path = make_small("whole"), *cut = path_of("cut");
    bool damaged, good = true;
    struct buf b;
    uint64_t at;

    contents(&b, path);
    for (size_t n = 0; n <= b.len; n++) {
        int want = 0;

        while (want < SMALL_FRAMES && small_end(want) <= n)
            want++;
        overwrite(cut, b.data, n);
        good = count_small(cut, &damaged, &at) == want && !damaged && good;
    }
    ok(good, "cut at every length: the whole frames, no damage");
    buf_clear(&b);
    free(path);
    free(cut);
}

/* A bad byte ends the log before its frame; in the last it looks torn. */
static void test_change(void)
{
    char *path = make_small("right"), *bad = path_of("changed");
    bool damaged, good = true, told = true, where = true;
    uint64_t end = 0;
    struct buf b;

    contents(&b, path);
    for (size_t i = 64; i < b.len; i++) {
        int want = 0, got;
        uint64_t at = 0;

        while (small_end(want) <= i)
            want++;
        b.data[i] ^= 0x20;
        overwrite(bad, b.data, b.len);
        b.data[i] ^= 0x20;
        got = count_small(bad, &damaged, &at);
        good = got == want && good;
        told = damaged == (want < SMALL_FRAMES - 1) && told;
        if (damaged)
            where = at == (want ? small_end(want - 1) : 64) && where;
    }
    ok(good, "a byte changed anywhere: the frames before it");
    ok(told, "good frames behind a bad one are damage, none a torn tail");
    ok(where, "the offset of the damage");
    b.data[small_end(0) + 3] ^= 1;
    b.data[small_end(1) + 99] ^= 1;
    overwrite(bad, b.data, b.len);
    ok(count_small(bad, &damaged, &end) == 1 && damaged && end == small_end(0),
       "two bad frames and a good one");
    buf_clear(&b);
    free(path);
    free(bad);
}

/* Heads of frames in what people wrote; each would be hashed to the end of
 * the file.  With a bound on that this takes no time. */
static void test_decoys(void)
{
    size_t n = 8u << 20, at_end;
    unsigned char *text = malloc(n);
    char *path = path_of("decoys");
    struct worklog_reader *r;
    struct err err = ERR_INIT;
    struct worklog *w;
    struct frame f;
    struct buf b;
    uint64_t at;

    for (size_t i = 0; i + FRAME <= n; i += FRAME) {
        memset(text + i, 'x', FRAME);
        memcpy(text + i, "APUF\2\0\0\0", 8);
        set_u64(text + i + 16, n - i - FRAME);
    }
    if (worklog_create(&w, path, batch, 0, 0, &err) ||
        worklog_put(w, FRAME_RECORD, 0, text, n, &err) ||
        worklog_put(w, FRAME_OPEN, 1, "", 1, &err) || worklog_close(w, &err))
        ok(0, "%s", err.text);
    contents(&b, path);
    at_end = b.len;
    b.data[64 + 30] ^= 1;
    overwrite(path, b.data, at_end);
    ok(worklog_open(&r, path, &batch, &err) == 0 &&
           worklog_next(r, &f, &err) == FOUND_NONE && worklog_damaged(r, &at) &&
           at == 64,
       "the good frame behind eight million bytes of heads is found");
    worklog_reader_close(r);
    overwrite(path, b.data, at_end - 1);
    ok(worklog_open(&r, path, &batch, &err) == 0 &&
           worklog_next(r, &f, &err) == FOUND_NONE && !worklog_damaged(r, &at),
       "without it they are a torn tail");
    worklog_reader_close(r);
    buf_clear(&b);
    free(text);
    free(path);
}

/* A length beyond all memory costs none. */
static void test_lengths(void)
{
    char *path = make_small("lengths"), *bad = path_of("long");
    static const uint64_t lengths[] = {
        101, 166, 1u << 20, FRAME_MAX, FRAME_MAX + 1, UINT64_MAX,
        UINT64_MAX - FRAME, UINT64_MAX - FRAME + 1, (uint64_t)1 << 63
    };
    bool damaged;
    struct buf b;
    uint64_t at;

    contents(&b, path);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        set_u64(b.data + small_end(1) + 16, lengths[i]);
        overwrite(bad, b.data, b.len);
        ok(count_small(bad, &damaged, &at) == 2 && damaged &&
               at == small_end(1),
           "a length of %ju is refused", (uintmax_t)lengths[i]);
    }
    buf_clear(&b);
    free(path);
    free(bad);
}

static void test_sizes(void)
{
    static const size_t sizes[] = { 0,     1,     55,     4096, 65535,
                                    65536, 65537, 131072, 200000 };
    enum { N = sizeof(sizes) / sizeof(*sizes) };
    char *path = path_of("sizes");
    struct err err = ERR_INIT;
    struct worklog_reader *r;
    uint64_t at[N] = { 0 };
    bool good = true;
    struct worklog *w;
    struct frame f;

    ok(worklog_create(&w, path, batch, 0, 0, &err) == 0, "frames of sizes");
    for (int i = 0; i < N; i++)
        good = !worklog_put(w, FRAME_RECORD, UINT64_MAX - (uint64_t)i, big + i,
                            sizes[i] - (sizes[i] > 9000 ? 10 : 0), &err) &&
               good;
    ok(good && worklog_close(w, &err) == 0, "are written");
    ok(worklog_open(&r, path, &batch, &err) == 0, "and read");
    for (int i = 0; i < N; i++) {
        good = worklog_next(r, &f, &err) == FOUND_ONE &&
               f.index == UINT64_MAX - (uint64_t)i &&
               memcmp(f.payload, big + i, f.n) == 0 && good;
        at[i] = f.at;
    }
    ok(good && worklog_next(r, &f, &err) == FOUND_NONE, "as they were");
    for (int i = N - 1; i >= 0; i--)
        good = worklog_read_at(r, at[i], &f, &err) == 0 && f.at == at[i] &&
               memcmp(f.payload, big + i, f.n) == 0 && good;
    ok(good, "again, by their offsets");
    ok(worklog_read_at(r, at[3] + 1, &f, &err) == -1 && err.code == ERR_INPUT,
       "beside one: %s", err.text);
    ok(worklog_read_at(r, UINT64_MAX, &f, &err) == -1 &&
           worklog_read_at(r, UINT64_MAX - 60, &f, &err) == -1,
       "far after the end");
    worklog_reader_close(r);
    free(path);
}

static void test_skip(void)
{
    char *path = make_small("skip");
    struct err err = ERR_INIT;
    struct worklog_reader *r;
    uint64_t at = 0, where;
    bool good = true;
    struct frame f;
    struct buf b;

    ok(worklog_open(&r, path, &batch, &err) == 0, "skip above 5");
    worklog_skip_above(r, 5);
    for (int i = 0; i < SMALL_FRAMES; i++) {
        good = worklog_next(r, &f, &err) == FOUND_ONE && f.n == small_size[i] &&
               !f.payload == (i == 2) && good;
        if (i == 2)
            at = f.at;
    }
    ok(good && worklog_next(r, &f, &err) == FOUND_NONE, "only the long one is");
    ok(worklog_read_at(r, at, &f, &err) == 0 && f.n == 100 && f.payload &&
           memcmp(f.payload, big, 100) == 0,
       "its payload can be read all the same");
    worklog_reader_close(r);
    contents(&b, path);
    b.data[small_end(1) + FRAME + 50] ^= 1;
    overwrite(path, b.data, b.len);
    good = worklog_open(&r, path, &batch, &err) == 0;
    worklog_skip_above(r, 5);
    ok(good && worklog_next(r, &f, &err) == FOUND_ONE &&
           worklog_next(r, &f, &err) == FOUND_ONE &&
           worklog_next(r, &f, &err) == FOUND_NONE &&
           worklog_damaged(r, &where) && where == small_end(1),
       "what is skipped is checked");
    worklog_reader_close(r);
    buf_clear(&b);
    free(path);
}

/* A long frame goes in one write and comes back; a reader sees what was there
 * when it was opened. */
static void test_growing(void)
{
    size_t n = 3u << 20;
    unsigned char *data = malloc(n);
    char *path = path_of("growing");
    struct err err = ERR_INIT;
    struct worklog_reader *r;
    struct worklog *w;
    struct frame f;

    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    ok(worklog_create(&w, path, batch, 0, 0, &err) == 0 &&
           worklog_put(w, FRAME_HIDDEN, 0, data, n, &err) == 0 &&
           worklog_put(w, FRAME_RECORD, 0, data, 9, &err) == 0,
       "three million bytes, and nine");
    ok(worklog_open(&r, path, &batch, &err) == 0 &&
           worklog_put(w, FRAME_RECORD, 1, data, 9, &err) == 0 &&
           worklog_next(r, &f, &err) == FOUND_ONE && f.n == n &&
           memcmp(f.payload, data, n) == 0 &&
           worklog_next(r, &f, &err) == FOUND_ONE &&
           f.n == 9 && worklog_next(r, &f, &err) == FOUND_NONE &&
           !worklog_damaged(r, NULL),
       "a reader of a log that grows");
    worklog_reader_close(r);
    ok(worklog_close(w, &err) == 0, "it is closed");
    free(data);
    free(path);
}

static void test_due(void)
{
    char *path = path_of("due");
    struct err err = ERR_INIT;
    struct worklog *w;
    bool early = false;

    if (worklog_create(&w, path, batch, 0, 0, &err))
        abort();
    worklog_limits(w, 64, 60000);
    ok(!worklog_due(w), "nothing was put, nothing is due");
    for (int i = 0; i < 64; i++) {
        early = early || worklog_due(w);
        worklog_put(w, FRAME_OPEN, 0, "", 1, &err);
    }
    ok(!early && worklog_due(w), "a sync is due after 64 frames");
    ok(worklog_sync(w, &err) == 0 && !worklog_due(w), "and then no more");
    worklog_limits(w, 64, 0);
    ok(!worklog_due(w), "time alone makes nothing due");
    worklog_put(w, FRAME_OPEN, 0, "", 1, &err);
    ok(worklog_due(w), "a frame after that time does");
    worklog_limits(w, 1, 60000);
    ok(worklog_due(w), "and so does one frame where one is the limit");
    ok(worklog_close(w, &err) == 0, "closed");
    free(path);
}

/* A limit on the size of files stands in for a full disk: the write that
 * crosses it is short, and the next fails. */
static void test_full(void)
{
    char *path = path_of("full");
    struct rlimit old, low;
    struct err err = ERR_INIT;
    struct worklog *w;
    struct worklog_reader *r;
    struct stat st;
    struct frame f;
    int rc;

    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 64 + 2 * (FRAME + 1000) + 500;
    signal(SIGXFSZ, SIG_IGN);
    if (worklog_create(&w, path, batch, 0, 0, &err) ||
        worklog_put(w, FRAME_RECORD, 0, big, 1000, &err) ||
        setrlimit(RLIMIT_FSIZE, &low))
        abort();
    ok(worklog_put(w, FRAME_RECORD, 1, big, 1000, &err) == 0,
       "a frame that fits");
    rc = worklog_put(w, FRAME_RECORD, 2, big, 1000, &err);
    ok(rc == -1 && err.code == ERR_RETRY && strstr(err.text, path),
       "one that does not: %s", err.text);
    ok(stat(path, &st) == 0 && st.st_size == 64 + 2 * (FRAME + 1000),
       "the file ends with the last whole frame");
    rc = worklog_put(w, FRAME_OPEN, 3, "", 0, &err);
    ok(rc == -1 && err.code == ERR_RETRY, "no more frames: %s", err.text);
    ok(stat(path, &st) == 0 && st.st_size == 64 + 2 * (FRAME + 1000),
       "nothing was put");
    ok(worklog_put(w, FRAME_PARKED, 2, "", 0, &err) == 0,
       "but that a request is parked, if there is room for it");
    ok(worklog_close(w, &err) == 0, "what was put is kept");
    setrlimit(RLIMIT_FSIZE, &old);
    ok(worklog_open(&r, path, &batch, &err) == 0 &&
           worklog_next(r, &f, &err) == FOUND_ONE &&
           worklog_next(r, &f, &err) == FOUND_ONE &&
           worklog_next(r, &f, &err) == FOUND_ONE && f.type == FRAME_PARKED &&
           worklog_next(r, &f, &err) == FOUND_NONE && !worklog_damaged(r, NULL),
       "all of them are read");
    worklog_reader_close(r);
    low.rlim_cur = 10;
    unlink(path);
    setrlimit(RLIMIT_FSIZE, &low);
    rc = worklog_create(&w, path, batch, 0, 0, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    ok(rc == -1 && !file_exists(path),
       "a log without room for its header is not left: %s", err.text);
    free(path);
}

/* How many frames are read of a log, and the size of its file. */
static int frames_of(const char *path, off_t *size)
{
    struct err err = ERR_INIT;
    struct worklog_reader *r;
    struct stat st;
    struct frame f;
    int n = 0;

    *size = stat(path, &st) ? -1 : st.st_size;
    if (worklog_open(&r, path, &batch, &err))
        return -1;
    while (worklog_next(r, &f, &err) == FOUND_ONE)
        n++;
    worklog_reader_close(r);
    return n;
}

/* A log of two frames that were withdrawn, and one after; the place of the
 * frame that says so. */
static uint64_t make_withdrawn(const char *path)
{
    struct err err = ERR_INIT;
    struct worklog *w;

    unlink(path);
    if (worklog_create_revocable(&w, path, batch, 0, 0, &err) ||
        worklog_put(w, FRAME_RECORD, 0, big, 1000, &err) ||
        worklog_put(w, FRAME_PARTIAL, 1, big, 100, &err) ||
        worklog_withdraw(w, &err) ||
        worklog_put(w, FRAME_OPEN, 2, "", 0, &err) || worklog_close(w, &err))
        abort();
    return 64 + 2 * FRAME + 1100;
}

static void test_withdrawn(void)
{
    char *path = path_of("withdrawn"), magic[8];
    struct err err = ERR_INIT;
    struct worklog_reader *r;
    uint64_t at = make_withdrawn(path), end = 0;
    struct rlimit old, low;
    struct worklog *w;
    struct frame f;
    off_t size;
    int fd, rc;

    fd = open(path, O_RDWR);
    ok(read(fd, magic, 8) == 8 && memcmp(magic, "APUSLOG2", 8) == 0,
       "a log whose frames may be withdrawn has a header of its own");
    ok(worklog_open(&r, path, &batch, &err) == 0 &&
           worklog_withdrawn(r, &end) && end == at &&
           worklog_next(r, &f, &err) == FOUND_ONE && f.type == FRAME_OPEN &&
           f.index == 2 && worklog_next(r, &f, &err) == FOUND_NONE,
       "what was put before is not read, what comes after is");
    worklog_reader_close(r);
    ok(pwrite(fd, "!", 1, 64 + FRAME + 9) == 1 && frames_of(path, &size) == 0,
       "nor is it if it was damaged, too");
    make_withdrawn(path);
    close(fd);
    fd = open(path, O_RDWR);
    ok(pwrite(fd, "!", 1, 64 + FRAME + 1000) == 1 &&
           frames_of(path, &size) == 0,
       "nor if the head of a frame between was damaged");
    make_withdrawn(path);
    close(fd);
    fd = open(path, O_RDWR);
    ok(pwrite(fd, "!", 1, (off_t)at + FRAME + 3) == 1 &&
           frames_of(path, &size) == 2,
       "a frame that is damaged withdraws nothing");
    close(fd);
    unlink(path);
    if (worklog_create_revocable(&w, path, batch, 0, 0, &err) ||
        worklog_put(w, FRAME_RECORD, 0, big, 1000, &err))
        abort();
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 64 + FRAME + 1000 + 20;
    setrlimit(RLIMIT_FSIZE, &low);
    rc = worklog_withdraw(w, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    ok(rc == 0 && frames_of(path, &size) == 0 && size == 64,
       "where the frame has no room the log is cut back to its header");
    worklog_put(w, FRAME_PARKED, 0, "", 0, NULL);
    worklog_close(w, NULL);
    ok(frames_of(path, &size) == 1 && size == 64 + FRAME,
       "from where what it still takes goes on");
    free(path);
}

/* A log of four frames, of 64 bytes of header and FRAME each, and then frames
 * that withdraw these ranges. */
static void make_ranges(const char *path, const uint64_t (*range)[2], size_t n)
{
    struct err err = ERR_INIT;
    unsigned char bytes[16];
    struct worklog *w;

    unlink(path);
    if (worklog_create_revocable(&w, path, batch, 0, 0, &err))
        abort();
    for (uint64_t i = 0; i < 4; i++)
        worklog_put(w, FRAME_OPEN, i, "", 0, &err);
    for (size_t i = 0; i < n; i++) {
        set_u64(bytes, 64 + FRAME * range[i][0]);
        set_u64(bytes + 8, 64 + FRAME * range[i][1]);
        worklog_put(w, FRAME_WITHDRAWN, 0, bytes, sizeof(bytes), &err);
    }
    if (worklog_close(w, &err) || err.code)
        abort();
}

/* The indices of the frames that are read, as bits. */
static unsigned read_of(const char *path)
{
    struct err err = ERR_INIT;
    struct worklog_reader *r;
    unsigned bits = 0;
    struct frame f;

    if (worklog_open(&r, path, &batch, &err))
        abort();
    while (worklog_next(r, &f, &err) == FOUND_ONE)
        bits |= 1u << f.index;
    worklog_reader_close(r);
    return bits;
}

static void test_ranges(void)
{
    static const uint64_t middle[][2] = { { 1, 3 } }, empty[][2] = { { 4, 4 } },
                          back[][2] = { { 3, 2 } },
                          two[][2] = { { 1, 2 }, { 3, 4 } };
    char *path = path_of("ranges");

    make_ranges(path, middle, 1);
    ok(read_of(path) == 9, "frames before the first one withdrawn are read");
    make_ranges(path, empty, 1);
    ok(read_of(path) == 15, "no frame is withdrawn, and all are read");
    make_ranges(path, back, 1);
    ok(read_of(path) == 12, "a range that is none withdraws all to its end");
    make_ranges(path, two, 2);
    ok(read_of(path) == 1, "of two ranges what lies between is not read");
    free(path);
}

/* By another process than the one that writes it. */
static void test_revoked(void)
{
    char *path = path_of("revoked"), *mark = path_of("revoked.withdrawn");
    struct err err = ERR_INIT;
    struct worklog *w;
    off_t size;

    if (worklog_create_revocable(&w, path, batch, 0, 0, &err) ||
        worklog_put(w, FRAME_RECORD, 0, big, 1000, &err))
        abort();
    ok(worklog_revoke(path, &err) == 0 && frames_of(path, &size) == 0 &&
           size == 64 + FRAME + 1000,
       "a log that another process withdraws: nothing of it is read");
    ok(worklog_put(w, FRAME_OPEN, 1, "", 0, &err) == 0 &&
           frames_of(path, &size) == 0,
       "nor what its own one writes to it later");
    unlink(mark);
    ok(frames_of(path, &size) == 2, "a file beside it says so");
    if (symlink("nowhere", mark))
        abort();
    ok(worklog_revoke(path, &err) == 0 && frames_of(path, &size) == 0 &&
           size == 64,
       "where that cannot be made the log is cut back to its header");
    unlink(mark);
    unlink(path);
    free(mark);
    mark = path_of("nowhere/0000.log");
    ok(worklog_revoke(mark, &err) == -1 &&
           strstr(err.text, "cannot withdraw what is in") != NULL,
       "where neither can be done it is an error");
    worklog_close(w, NULL);
    free(mark);
    free(path);
}

int main(void)
{
    static const char *const names[] = {
        "bytes",   "once",    "open",  "bad",  "whole",   "cut", "right",
        "changed", "decoys",  "long",  "skip", "lengths", "due", "sizes",
        "growing", "full", "withdrawn", "ranges", "revoked"
    };

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (unsigned char)(i * 31 + (i >> 8));
    test_bytes();
    test_create();
    test_open();
    test_cut();
    test_change();
    test_decoys();
    test_lengths();
    test_sizes();
    test_skip();
    test_growing();
    test_due();
    test_full();
    test_withdrawn();
    test_ranges();
    test_revoked();
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *path = path_of(names[i]);

        unlink(path);
        free(path);
    }
    rmdir(tap_tmp());
    return done();
}
