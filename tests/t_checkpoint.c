/*
 * src/store/checkpoint.h: parts of hand-made rows of every kind go in and come
 * out, in order and out of it; the same bytes twice; heads and rows that do
 * not fit; files that are cut, changed in a byte, or replaced while read.
 *
 *     t_checkpoint write PATH N    a part of N rows, for other programs
 *     t_checkpoint bare PATH N     the same without leaves
 *     t_checkpoint read PATH       every row of it; exit 1 and why not
 *     t_checkpoint index PATH      its index
 *     t_checkpoint harm PATH N     PATH, a byte of its metadata changed, the
 *                                  N-th under a checksum, which is made to fit
 */
#include <config.h>

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "tests/checkpoint_util.h"
#include "tests/hdf5_mutate.h"
#include "tests/tap.h"

#define HARM_STEP 101 /* bytes of metadata between those that are changed */

static bool head_is(const struct checkpoint_head *a,
                    const struct checkpoint_head *b)
{
    return same(a->model.b, 32, b->model.b, 32) &&
           same(a->batch.b, 32, b->batch.b, 32) && a->n_vocab == b->n_vocab &&
           a->n_layers == b->n_layers && a->dim == b->dim &&
           a->first == b->first && a->count == b->count &&
           a->n_rows == b->n_rows && a->n_stops == b->n_stops &&
           a->stop_bytes == b->stop_bytes && a->n_prompt == b->n_prompt &&
           a->n_leaves == b->n_leaves && a->n_output == b->n_output &&
           a->text_bytes == b->text_bytes && a->with_last == b->with_last &&
           a->custom_id_size == b->custom_id_size;
}

/* ---- what goes in comes out ----------------------------------------------*/

static void root_of(struct id *root, uint64_t n)
{
    struct checkpoint_row row;
    struct merkle m;
    struct maker k;

    maker_init(&k);
    merkle_init(&m);
    for (uint64_t i = 0; i < n; i++) {
        make_row(&k, i, &row, NULL);
        merkle_leaf(&m, row.record.result, RECORD_RESULT);
    }
    merkle_root(&m, root);
}

static void test_rows(uint64_t n, bool with_last)
{
    struct id root = { 0 }, want;
    struct checkpoint *c = NULL;
    struct checkpoint_row row;
    struct checkpoint_head h;
    struct err err = ERR_INIT;
    uint64_t i = 0, j = 0;

    overwrite(part_at("part.h5.tmp"), "left by a crash", 15);
    overwrite(part_at("part.h5.abcdefgh.tmp"), "and by one of today", 19);
    head_of(&h, n, with_last);
    root_of(&want, n);
    ok(make_part(part_at("part.h5"), n, with_last, &root, &err) == 0 &&
           same(root.b, 32, want.b, 32),
       "%ju rows%s: written, and their root %s", (uintmax_t)n,
       with_last ? " with last" : "", err.text);
    ok(dir_entries(tap_tmp()) == 1, "there is nothing beside it");
    if (!ok(checkpoint_open(&c, part_at("part.h5"), &err) == 0, "it opens %s",
            err.text))
        return;
    h.with_last = with_last && n > 0;
    ok(head_is(checkpoint_head(c), &h) && checkpoint_head(c)->version == 2 &&
           same(checkpoint_head(c)->part_root.b, 32, want.b, 32),
       "its head is what was written");
    while (i < n && row_is(c, i, &err))
        i++;
    ok(i == n, "every row in order, %ju %s", (uintmax_t)i, err.text);
    while (j < n && row_is(c, j * 7919 % n, &err))
        j++;
    ok(j == n, "every row in no order %s", err.text);
    ok(checkpoint_row(c, n, &row, &err) == -1 && err.code == ERR_INPUT,
       "no row after the last: %s", err.text);
    checkpoint_close(c);
    unlink(part_at("part.h5"));
}

/* What has no elements is not there: stop strings of nobody, no text. */
static void test_left_out(void)
{
    static const char *const gone[] = { "\"/requests/", "utf8\"", "leaf\"",
                                        "token\"", "/last/" };
    struct err err = ERR_INIT;
    struct buf b;
    size_t n = 0;

    make_part(part_at("part.h5"), 0, true, NULL, &err);
    buf_init(&b, 1u << 20);
    ok(checkpoint_index(part_at("part.h5"), &b, &err) == 0,
       "a part of no rows %s",
       err.text);
    for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
        n += strstr(b.data, gone[i]) != NULL;
    ok(n == 0 && strstr(b.data, "\"/stop/start\"") &&
           strstr(b.data, "\"/stop/from\""),
       "has the offsets and nothing else");
    buf_clear(&b);
    unlink(part_at("part.h5"));
}

/* Of each trace its root alone. */
static void test_bare(void)
{
    struct checkpoint *c = NULL;
    struct err err = ERR_INIT;
    uint64_t i = 0;
    struct buf b;

    ok(make_bare_part(part_at("part.h5"), 7, &err) == 0 &&
           checkpoint_open(&c, part_at("part.h5"), &err) == 0 &&
           checkpoint_head(c)->without_leaves &&
           checkpoint_head(c)->n_leaves == 0, "a part without leaves %s",
       err.text);
    while (c && i < 7 && row_is(c, i, &err))
        i++;
    ok(i == 7, "has the rest of every row %s", err.text);
    buf_init(&b, 1u << 20);
    ok(c && checkpoint_put_index(c, &b, &err) == 0 &&
           !strstr(b.data, "\"/trace/") && strstr(b.data, "requests/trace"),
       "and the roots");
    buf_clear(&b);
    checkpoint_close(c);
    unlink(part_at("part.h5"));
}

/* One that an earlier version of this code made of the same rows. */
static void test_version_1(void)
{
    const char *top = getenv("top_srcdir");
    char *path = xasprintf("%s/tests/data/part-1-kinds.h5", top ? top : ".");
    struct checkpoint *c = NULL;
    struct err err = ERR_INIT;
    struct id root;
    uint64_t i = 0;
    struct buf b;

    if (!file_exists(path)) {
        ok(1, "a part of version 1 # SKIP no \"%s\"", path);
        free(path);
        return;
    }
    ok(checkpoint_open(&c, path, &err) == 0 &&
           checkpoint_head(c)->version == 1 &&
           checkpoint_head(c)->n_rows == 7 && checkpoint_head(c)->with_last,
       "a part of version 1 opens %s", err.text);
    root_of(&root, 7);
    ok(c && same(checkpoint_head(c)->part_root.b, 32, root.b, 32),
       "with the same root");
    while (c && i < 7 && row_is(c, i, &err))
        i++;
    ok(i == 7, "and every row %s", err.text);
    buf_init(&b, 1u << 20);
    ok(c && checkpoint_put_index(c, &b, &err) == 0 && b.len > 0 &&
           !strstr(b.data, "ignore_eos") && !strstr(b.data, "custom_id") &&
           strstr(b.data, "/stop/utf8"),
       "its index is as it was %s", err.text);
    buf_clear(&b);
    checkpoint_close(c);
    free(path);
}

static void test_same_bytes(void)
{
    char *a = xasprintf("write %s/a.h5 23", tap_tmp());
    char *b = xasprintf("write %s/b.h5 23", tap_tmp());

    ok(run("MALLOC_PERTURB_", 85, a) == 0, "one process writes it");
    sleep(2); /* times in HDF5 are seconds */
    ok(run("MALLOC_PERTURB_", 170, b) == 0, "another does later");
    ok(same_file(part_at("a.h5"), part_at("b.h5")), "the bytes are the same");
    unlink(part_at("a.h5"));
    unlink(part_at("b.h5"));
    free(a);
    free(b);
}

/* ---- what does not fit ---------------------------------------------------*/

static void refused(struct checkpoint_head *h, struct maker *k, int code,
                    const char *text, const char *name)
{
    struct id root = { { 1 } };
    struct err err = ERR_INIT;
    int rc = checkpoint_write(part_at("bad.h5"), h, make_row, k, &root, &err);

    ok(rc == -1 && (int)err.code == code && strstr(err.text, text) &&
           root.b[0] == 1 && dir_entries(tap_tmp()) == 0,
       "%s: %s", name, err.text);
}

static void test_heads(void)
{
    struct checkpoint_head good, h;
    uint64_t *counts[] = { &h.n_stops, &h.stop_bytes, &h.n_prompt,
                           &h.n_leaves, &h.n_output, &h.text_bytes };
    struct maker k;

    head_of(&good, 6, true);
    maker_init(&k);
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        h = good;
        ++*counts[i];
        refused(&h, &k, ERR_FATAL, "its head says", "one more than there is");
        h = good;
        --*counts[i];
        refused(&h, &k, ERR_FATAL, "its head says", "one less");
    }
    h = good;
    h.n_leaves = UINT64_MAX / 2;
    refused(&h, &k, ERR_FATAL, "too many bytes", "a size that overflows");
    h = good;
    h.text_bytes = (uint64_t)1 << 61;
    refused(&h, &k, ERR_RETRY, "bad.h5", "more than any disk has");
    h = good;
    h.dim = UINT32_MAX;
    h.n_rows = (uint64_t)1 << 60;
    refused(&h, &k, ERR_FATAL, "too many bytes", "a product that overflows");
    h = good;
    h.custom_id_size--;
    refused(&h, &k, ERR_FATAL, "longer than its head", "a name too long");
    h = good;
    h.custom_id_size = CHECKPOINT_CUSTOM_ID + 1;
    refused(&h, &k, ERR_FATAL, "too long", "names that none may have");
    h = good;
    h.count--;
    refused(&h, &k, ERR_FATAL, "out of order or not of", "a line too many");
    h = good;
    h.first++;
    refused(&h, &k, ERR_FATAL, "out of order or not of", "a line before");
    h = good;
    h.model.b[0]++;
    refused(&h, &k, ERR_INPUT, "another model", "another model");
}

static int bad_records(void *self, uint64_t i, struct checkpoint_row *row,
                       struct err *err)
{
    struct maker *k = self;

    if (make_row(k, i, row, err))
        return -1;
    if (k->fail_at == UINT64_MAX - 1)
        k->m.job[0] = 'x';
    else if (k->fail_at == UINT64_MAX - 2)
        k->m.result[0] = 'x';
    else if (k->fail_at == UINT64_MAX - 3)
        k->m.stops[0] = 0;
    else
        k->m.job[44]++; /* choice */
    return 0;
}

static void test_bad_rows(void)
{
    static const char *text[] = { "job record is none",
                                  "result record is none", "stop string 0",
                                  "choice" };
    struct checkpoint_head h;
    struct maker k;

    head_of(&h, 6, true);
    maker_init(&k);
    k.fail_at = 4;
    refused(&h, &k, ERR_INPUT, "no such row", "a row that is not there");
    maker_init(&k);
    k.swap_at = 4;
    refused(&h, &k, ERR_FATAL, "out of order", "a row twice");
    for (uint64_t i = 0; i < 4; i++) {
        struct err err = ERR_INIT;

        maker_init(&k);
        k.fail_at = UINT64_MAX - 1 - i;
        ok(checkpoint_write(part_at("bad.h5"), &h, bad_records, &k, NULL,
                            &err) &&
               err.code == ERR_INPUT && strstr(err.text, text[i]) &&
               dir_entries(tap_tmp()) == 0,
           "an invalid row: %s", err.text);
    }
}

/* While row 1 is asked for, another writes the same part. */
struct other {
    struct maker k;
    int rc;
};

static int row_and_other(void *self, uint64_t i, struct checkpoint_row *row,
                         struct err *err)
{
    struct other *o = self;

    if (i == 1) {
        overwrite(part_at("two.h5.ijklmnop.tmp"), "left", 4);
        o->rc = make_part(part_at("two.h5"), 3, true, NULL, err);
        o->rc = o->rc || dir_entries(tap_tmp()) != 2;
    }
    return make_row(&o->k, i, row, err);
}

static void test_two_at_once(void)
{
    struct checkpoint_head h;
    struct other o = { .rc = -1 };
    struct checkpoint *c = NULL;
    struct err err = ERR_INIT;

    head_of(&h, 3, true);
    maker_init(&o.k);
    ok(checkpoint_write(part_at("two.h5"), &h, row_and_other, &o, NULL,
                        &err) == 0,
       "a part that another makes meanwhile %s", err.text);
    ok(o.rc == 0, "who took nothing of ours away");
    ok(dir_entries(tap_tmp()) == 1 &&
           checkpoint_open(&c, part_at("two.h5"), &err) == 0,
       "nothing is beside it %s", err.text);
    checkpoint_close(c);
    unlink(part_at("two.h5"));
}

static void test_paths(void)
{
    struct err err = ERR_INIT;
    struct checkpoint *c;

    ok(make_part(part_at("none/part.h5"), 2, false, NULL, &err) == -1 &&
           err.code == ERR_INPUT && strstr(err.text, "no such file"),
       "a directory that is not there: %s", err.text);
    mkdir(part_at("dir.h5.tmp"), 0700);
    mkdir(part_at("dir.h5"), 0700);
    ok(make_part(part_at("dir.h5"), 2, false, NULL, &err) == -1 &&
           dir_entries(tap_tmp()) == 2,
       "a directory in the way: %s", err.text);
    rmdir(part_at("dir.h5"));
    rmdir(part_at("dir.h5.tmp"));
    ok(checkpoint_open(&c, part_at("none.h5"), &err) == -1 &&
           err.code == ERR_INPUT && strstr(err.text, "none.h5"),
       "no file: %s", err.text);
    ok(checkpoint_open(&c, tap_tmp(), &err) == -1 && err.code == ERR_INPUT,
       "a directory: %s", err.text);
    overwrite(part_at("old.h5"), "old", 3);
    ok(make_part(part_at("old.h5"), 2, false, NULL, &err) == 0 &&
           checkpoint_open(&c, part_at("old.h5"), &err) == 0,
       "what was there is replaced %s", err.text);
    checkpoint_close(c);
    unlink(part_at("old.h5"));
    ok(strncmp(checkpoint_library(), "HDF5 ", 5) == 0, "%s",
       checkpoint_library());
}

/* ---- one descriptor ------------------------------------------------------*/

/* A file that is hashed under a name and parsed after another took the name. */
static void test_swap(void)
{
    struct id root, sha, other;
    struct part_file *f = NULL, *g = NULL;
    struct checkpoint *c = NULL;
    struct err err = ERR_INIT;

    make_part(part_at("part.h5"), 3, true, &root, &err);
    make_part(part_at("other.h5"), 5, true, NULL, &err);
    ok(part_file_open(&f, part_at("part.h5"), &err) == 0 &&
           part_file_hash(f, &sha, &err) == 0 &&
           rename(part_at("other.h5"), part_at("part.h5")) == 0,
       "another file takes the name of one that was hashed %s", err.text);
    ok(checkpoint_open_file(&c, f, &err) == 0 &&
           checkpoint_head(c)->n_rows == 3 &&
           same(checkpoint_head(c)->part_root.b, 32, root.b, 32) &&
           row_is(c, 2, &err),
       "the one that was hashed is parsed %s", err.text);
    ok(part_file_hash(f, &other, &err) == 0 && same(sha.b, 32, other.b, 32),
       "and read");
    ok(part_file_open(&g, part_at("part.h5"), &err) == 0 &&
           part_file_hash(g, &other, &err) == 0 && !id_equal(sha, other),
       "the other has another SHA-256");
    checkpoint_close(c);
    part_file_close(g);
    part_file_close(f);
}

/* The file itself is written to while it is read. */
static void test_changes(void)
{
    static const struct timespec tick = { 0, 30 * 1000000 };
    struct part_file *f = NULL;
    struct err err = ERR_INIT;
    struct id sha;
    int fd = open(part_at("part.h5"), O_WRONLY);
    size_t size;

    ok(part_file_open(&f, part_at("part.h5"), &err) == 0 &&
           part_file_unchanged(f, &err) == 0, "an open file is unchanged");
    size = (size_t)part_file_size(f);
    nanosleep(&tick, NULL); /* a tick of the file system's clock */
    if (fd < 0 || pwrite(fd, "x", 1, 5000) != 1)
        abort();
    ok(part_file_unchanged(f, &err) == -1 && err.code == ERR_RETRY,
       "a byte is written: %s", err.text);
    if (ftruncate(fd, 4000))
        abort();
    ok(part_file_hash(f, &sha, &err) == -1 && err.code == ERR_RETRY,
       "it is cut: %s", err.text);
    ok(part_file_read(f, sha.b, 32, size - 32, &err) == -1 &&
           err.code == ERR_INPUT,
       "a row that is gone: %s", err.text);
    close(fd);
    part_file_close(f);
    unlink(part_at("part.h5"));
    mkfifo(part_at("part.h5"), 0600);
    ok(part_file_open(&f, part_at("part.h5"), &err) == -1 &&
           err.code == ERR_INPUT, "a FIFO: %s", err.text);
    unlink(part_at("part.h5"));
}

/* ---- files that were changed ---------------------------------------------*/

static void test_lengths(void)
{
    struct err err = ERR_INIT;
    size_t bad = 0, n = 0;
    struct buf b;

    make_part(part_at("whole.h5"), 7, true, NULL, &err);
    contents(&b, part_at("whole.h5"));
    for (size_t len = 0; len < b.len; len += len < 64 ? 1 : 97, n++) {
        overwrite(part_at("cut.h5"), b.data, len);
        if (read_all(part_at("cut.h5"), &err) == 0 || err.code != ERR_INPUT)
            bad++;
    }
    ok(bad == 0, "cut at %zu lengths: %s", n, err.text);
    buf_putc(&b, 0);
    overwrite(part_at("cut.h5"), b.data, b.len);
    ok(read_all(part_at("cut.h5"), &err) == -1 && err.code == ERR_INPUT,
       "a byte follows: %s", err.text);
    buf_clear(&b);
    unlink(part_at("cut.h5"));
    unlink(part_at("whole.h5"));
}

/* Every so many bytes another value: refused, or read.  Its exit status. */
static int flip_bytes(void)
{
    struct err err = ERR_INIT;
    size_t refusals = 0, n = 0;
    struct buf b;

    make_part(part_at("whole.h5"), 3, false, NULL, &err);
    contents(&b, part_at("whole.h5"));
    for (size_t i = 0; i < b.len; i += i < 256 ? 3 : 61, n++) {
        b.data[i] = (char)(b.data[i] ^ 0x55);
        overwrite(part_at("flip.h5"), b.data, b.len);
        b.data[i] = (char)(b.data[i] ^ 0x55);
        if (read_all(part_at("flip.h5"), &err)) {
            refusals++;
            if (err.code != ERR_INPUT) {
                printf("# %zu: %s\n", i, err.text);
                return 1;
            }
        }
    }
    printf("# %zu of %zu changed bytes are refused\n", refusals, n);
    buf_clear(&b);
    unlink(part_at("flip.h5"));
    unlink(part_at("whole.h5"));
    return refusals > n / 2 ? 0 : 2;
}

static void test_flips(void)
{
    int st = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        leave(flip_bytes());
    waitpid(pid, &st, 0);
    ok(WIFEXITED(st) && WEXITSTATUS(st) == 0, "changed bytes: %d", st);
}

/* One byte of each dataset that something else follows from. */
static void test_columns(void)
{
    static const struct {
        const char *path;
        size_t at;
        bool rows; /* it opens, and the row is refused */
    } t[] = {
        { "requests/id", 42, true },      { "requests/index", 3, false },
        { "requests/choice", 9, true },   { "requests/finish", 0, true },
        { "requests/seed", 7, true },     { "requests/max_tokens", 8, true },
        { "requests/top_k", 0, true },    { "requests/temperature", 2, true },
        { "requests/top_p", 0, true },    { "requests/job", 0, true },
        { "requests/trace", 31, true },   { "requests/result", 0, true },
        { "stop/start", 0, false },       { "stop/from", 8, false },
        { "prompt/start", 15, false },    { "trace/start", 23, false },
        { "output/start", 24, false },    { "text/start", 8, false },
    };
    struct err err = ERR_INIT;
    struct buf b, index;

    make_part(part_at("whole.h5"), 3, true, NULL, &err);
    contents(&b, part_at("whole.h5"));
    buf_init(&index, 1u << 20);
    checkpoint_index(part_at("whole.h5"), &index, &err);
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        size_t where = offset_of(index.data, t[i].path) + t[i].at;
        struct checkpoint *c = NULL;
        bool opens;

        b.data[where] = (char)(b.data[where] ^ 0x55);
        overwrite(part_at("bad.h5"), b.data, b.len);
        b.data[where] = (char)(b.data[where] ^ 0x55);
        opens = checkpoint_open(&c, part_at("bad.h5"), NULL) == 0;
        checkpoint_close(c);
        ok(opens == t[i].rows && read_all(part_at("bad.h5"), &err) == -1 &&
               err.code == ERR_INPUT &&
               (t[i].at == 0 || strstr(err.text, t[i].path)),
           "a byte of %s: %s", t[i].path, err.text);
    }
    buf_clear(&index);
    buf_clear(&b);
    unlink(part_at("bad.h5"));
    unlink(part_at("whole.h5"));
}

/* ---- files that were made to harm ----------------------------------------*/

/* Change the k-th byte that is under a checksum, which fits after. */
static void harm(struct buf *b, const struct mutate_block *block, size_t n,
                 size_t k, unsigned char value)
{
    size_t i = 0;

    for (; k >= block[i].n; i++)
        k -= block[i].n;
    b->data[block[i].at + k] = (char)value;
    mutate_repair((unsigned char *)b->data, block, n);
}

static size_t covered(const struct mutate_block *block, size_t n)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += block[i].n;
    return sum;
}

static int harm_file(const char *path, size_t k)
{
    struct mutate_block block[MUTATE_BLOCKS];
    struct buf b;
    size_t n;

    contents(&b, path);
    n = mutate_find(block, (unsigned char *)b.data, b.len);
    if (n == 0)
        return 1;
    k %= covered(block, n);
    harm(&b, block, n, k, 0);
    overwrite(path, b.data, b.len);
    buf_clear(&b);
    return 0;
}

/* Single bytes of the metadata, with checksums that fit: libhdf5 refuses the
 * file, or dies of it in its process, or it is read. */
static void test_harm(void)
{
    static const unsigned char values[] = { 0x00, 0xff, 0x41 };
    struct mutate_block block[MUTATE_BLOCKS];
    size_t n, k = 0, all, refusals = 0, deaths = 0, reads = 0, bad = 0;
    struct err err = ERR_INIT;
    struct buf b, good;

    make_part(part_at("whole.h5"), 3, false, NULL, &err);
    contents(&good, part_at("whole.h5"));
    n = mutate_find(block, (unsigned char *)good.data, good.len);
    all = covered(block, n);
    ok(n > 30 && block[0].n == MUTATE_SUPERBLOCK, "%zu blocks with checksums,"
       " %zu bytes", n, all);
    for (size_t i = 0; k < all; i++, k += HARM_STEP) {
        buf_init(&b, good.len);
        buf_put(&b, good.data, good.len);
        harm(&b, block, n, k, values[i % sizeof(values)]);
        overwrite(part_at("harm.h5"), b.data, b.len);
        buf_clear(&b);
        if (read_all(part_at("harm.h5"), &err) == 0)
            reads++;
        else if (checkpoint_is_death(&err))
            deaths++;
        else if (err.code == ERR_INPUT)
            refusals++;
        else
            bad++;
    }
    ok(bad == 0 && refusals > 0, "%zu refused, %zu deaths, %zu read, %zu"
       " else %s", refusals, deaths, reads, bad, bad ? err.text : "");
    buf_clear(&good);
    unlink(part_at("harm.h5"));
    unlink(part_at("whole.h5"));
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "harm") == 0)
        return harm_file(argv[2], strtoul(argv[3], NULL, 10));
    if (argc > 2)
        return serve(argv[1], argv[2], argc > 3 ? argv[3] : NULL);
    test_rows(0, false);
    test_rows(0, true);
    test_rows(1, true);
    test_rows(5, false);
    test_rows(2500, true);
    test_left_out();
    test_bare();
    test_version_1();
    test_same_bytes();
    test_heads();
    test_bad_rows();
    test_two_at_once();
    test_paths();
    test_swap();
    test_changes();
    test_lengths();
    test_flips();
    test_columns();
    test_harm();
    rmdir(tap_tmp());
    return done();
}
