/*
 * src/base: err (texts, prefixes, cutting), mem (products, alignment), buf
 * (growth, ceiling, numbers), utf8 (Unicode 15 tables 3-7 and 3-8), file
 * (reading within bounds, writing aside), base64 (RFC 4648 section 10) and
 * machine (memory).
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/remote_fs.h"
#include "base/plain.h"
#include "base/split.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "tests/tap.h"

/* Under the address sanitizer an allocation that cannot be is not a mistake. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_err(void)
{
    struct err err = ERR_INIT, copy = ERR_INIT;
    char longer[1000];

    ok(err_set(&err, ERR_RETRY, "n is %d", 7) == -1 &&
       err.code == ERR_RETRY && strcmp(err.text, "n is 7") == 0,
       "err_set fills and returns -1");
    ok(err_prefix(&err, "file \"%s\"", "x") == -1 && err.code == ERR_RETRY &&
       strcmp(err.text, "file \"x\": n is 7") == 0, "err_prefix");
    err_set(&err, ERR_INPUT, "<%s>", err.text);
    ok(strcmp(err.text, "<file \"x\": n is 7>") == 0,
       "its own text as an argument");
    err_set(&err, ERR_INPUT, "a\nb\tc\x1b[d\x7f");
    ok(strcmp(err.text, "a?b?c?[d?") == 0, "control bytes are shown as ?");
    errno = ENOENT;
    err_errno(&err, ERR_INPUT, "cannot open");
    ok(strcmp(err.text, "cannot open: no such file or directory") == 0 &&
       errno == ENOENT, "err_errno: %s", err.text);
    ok(err_set(NULL, ERR_INPUT, "x") == -1 && err_prefix(NULL, "x") == -1 &&
       err_errno(NULL, ERR_INPUT, "x") == -1, "NULL is allowed");

    memset(longer, 'a', sizeof(longer));
    longer[sizeof(err.text) - 2] = '\0';
    strcat(longer, "\xc3\xa9 and more");
    err_turn(&err, ERR_RETRY);
    err_turn(NULL, ERR_RETRY);
    ok(err.code == ERR_RETRY, "err_turn");
    ok(err_copy(&copy, &err) == -1 && copy.code == ERR_RETRY &&
       strcmp(copy.text, err.text) == 0 && err_copy(NULL, &err) == -1 &&
       err_copy(&copy, &copy) == -1, "err_copy");
    ok(err_or(&err, &copy) == &err && err_or(NULL, &copy) == &copy, "err_or");
    err_set(&err, ERR_INPUT, "%s", longer);
    ok(strlen(err.text) == sizeof(err.text) - 2 &&
       utf8_valid(err.text, strlen(err.text)),
       "cut, but not in a character");
    err_prefix(&err, "front");
    ok(strncmp(err.text, "front: aaa", 10) == 0 &&
       strlen(err.text) == sizeof(err.text) - 1, "a prefix cuts the end");
}

static void test_vec(void)
{
    uint32_t *one = NULL, *two = NULL, *was;
    size_t cap = 0, n, n_moves = 0;
    bool fits = true;

    for (n = 0; n < 1000; n++) {
        VEC_RESERVE(one, cap, n + 1);
        fits &= cap > n;
        one[n] = (uint32_t)n;
        was = two;
        VEC_MORE(two, n);
        n_moves += two != was;
        two[n] = (uint32_t)n;
    }
    for (n = 0; n < 1000; n++)
        fits &= one[n] == n && two[n] == n;
    ok(fits && cap < 2000 && n_moves <= 11, "arrays grow one by one");
    VEC_RESERVE(one, cap, 5000);
    ok(cap == 5000, "and as far as is wanted");
    VEC_RESERVE(one, cap, 7);
    ok(cap == 5000, "never back");
    free(one);
    free(two);
}

static void test_mem(void)
{
    struct err err = ERR_INIT;
    void *p = &err;
    char *text;
    size_t v = 5;

    ok(mem_mul(SIZE_MAX / 2, 2, &v) == 0 && v == SIZE_MAX - 1, "mem_mul");
    ok(mem_mul(SIZE_MAX / 2 + 1, 2, &v) == -1 && v == SIZE_MAX - 1,
       "mem_mul overflows");
    ok(mem_mul(SIZE_MAX, 0, &v) == 0 && v == 0, "times 0");
    ok(mem_big(&p, SIZE_MAX / 4, 8, "weights", &err) == -1 && p == &err &&
       err.code == ERR_FATAL && strstr(err.text, "weights"),
       "mem_big: %s", err.text);
    ok(mem_big(&p, SIZE_MAX / 4, 2, "weights", &err) == -1 && p == &err,
       "mem_big: %s", err.text);
    ok(mem_big(&p, 3, 7, "x", &err) == 0 && (uintptr_t)p % 64 == 0,
       "mem_big aligns");
    free(p);
    ok(mem_big(&p, 0, 7, "x", &err) == 0 && (uintptr_t)p % 64 == 0,
       "mem_big of nothing");
    memset(p, 1, 64);
    free(p);
    text = xasprintf("%d-%s", 12, "ab");
    ok(strcmp(text, "12-ab") == 0, "xasprintf");
    free(text);
    text = xstrndup("abcdef", 3);
    ok(strcmp(text, "abc") == 0, "xstrndup cuts");
    free(text);
    text = xstrndup("ab", 30);
    ok(strcmp(text, "ab") == 0, "xstrndup stops at the NUL");
    free(text);
    p = xmalloc(0);
    ok(p != NULL, "xmalloc(0)");
    p = xrealloc(p, 0);
    ok(p != NULL, "xrealloc to 0");
    free(p);
}

static void test_buf(void)
{
    struct err err = ERR_INIT;
    struct buf b;
    char *data;
    size_t n;

    buf_init(&b, 20);
    ok(b.len == 0 && b.data[0] == '\0', "empty, and a string");
    buf_puts(&b, "abc");
    buf_printf(&b, "%03d", 7);
    buf_putc(&b, 0xff);
    ok(b.len == 7 && strcmp(b.data, "abc007\xff") == 0, "puts");
    ok(buf_check(&b, "b", &err) == 0, "nothing was refused");
    buf_put(&b, "0123456789abc", 13);
    ok(b.len == 20 && !b.full && b.data[20] == '\0', "up to the ceiling");
    buf_put(&b, NULL, 0);
    ok(!b.full, "nothing fits always");
    buf_putc(&b, 'x');
    ok(b.len == 20 && b.full && b.data[20] == '\0', "one more is refused");
    ok(buf_check(&b, "the line", &err) == -1 && err.code == ERR_INPUT &&
       strcmp(err.text, "the line is over 20 bytes") == 0, "%s", err.text);
    buf_reset(&b);
    ok(b.len == 0 && !b.full && b.data[0] == '\0', "reset");
    buf_printf(&b, "%030d", 1);
    buf_putc(&b, 'x');
    ok(b.len == 0 && b.full, "refused whole, and so is what follows");
    buf_reset(&b);
    buf_putc(&b, 'x');
    data = buf_take(&b, &n);
    ok(n == 1 && strcmp(data, "x") == 0 && b.len == 0 && b.max == 20,
       "take");
    free(data);
    data = buf_take(&b, NULL);
    ok(data && data[0] == '\0', "take of an empty one can be freed");
    free(data);
    buf_clear(&b);
}

static void test_buf_numbers(void)
{
    struct err err = ERR_INIT;
    struct buf b;

    buf_init(&b, SIZE_MAX);
    buf_put_u32(&b, 0x04030201);
    buf_put_u64(&b, UINT64_C(0x0807060504030201));
    buf_put_f32(&b, 1.0f);
    ok(b.len == 16 && memcmp(b.data, "\1\2\3\4\1\2\3\4\5\6\7\10\0\0\x80\x3f",
                             16) == 0, "little-endian");
    ok(get_u32(b.data) == 0x04030201 &&
       get_u64(b.data + 4) == UINT64_C(0x0807060504030201) &&
       f32_from(get_u32(b.data + 12)) == 1.0f, "and back");
    buf_putc(&b, 1);
    buf_align(&b, 16);
    ok(b.len == 32 && b.data[17] == 0 && b.data[31] == 0, "align");
    buf_align(&b, 16);
    ok(b.len == 32, "align twice");
    for (int i = 0; i < 100000; i++)
        buf_putc(&b, i);
    ok(b.len == 100032 && (unsigned char)b.data[100031] == 99999 % 256,
       "grows");
    buf_clear(&b);

    buf_init(&b, 10);
    ok(buf_reserve(&b, 11, "it", &err) == -1 && err.code == ERR_INPUT &&
       !b.full && b.len == 0, "reserve over the ceiling");
    ok(buf_reserve(&b, 10, "it", &err) == 0 && b.cap >= 11 && b.len == 0,
       "reserve");
    buf_clear(&b);
    buf_init(&b, SIZE_MAX);
    ok(buf_reserve(&b, SIZE_MAX / 2 - 64, "it", &err) == -1 &&
       err.code == ERR_FATAL, "%s", err.text);
    buf_clear(&b);
}

/* utf8_next of a string without NUL. */
static int next(const char *s, uint32_t *cp)
{
    return utf8_next(s, strlen(s), cp);
}

static void test_utf8(void)
{
    static const struct {
        const char *s;
        int len;
        uint32_t cp;
    } rows[] = {
        { "A", 1, 'A' }, { "\x7f", 1, 0x7f }, { "\xc2\x80", 2, 0x80 },
        { "\xdf\xbf", 2, 0x7ff }, { "\xe0\xa0\x80", 3, 0x800 },
        { "\xed\x9f\xbf", 3, 0xd7ff }, { "\xee\x80\x80", 3, 0xe000 },
        { "\xef\xbf\xbf", 3, 0xffff }, { "\xf0\x90\x80\x80", 4, 0x10000 },
        { "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
        /* ill-formed: minus the maximal subpart */
        { "\x80", -1, 0 }, { "\xbf", -1, 0 }, { "\xc0\x80", -1, 0 },
        { "\xc1\xbf", -1, 0 }, { "\xe0\x9f\xbf", -1, 0 },
        { "\xed\xa0\x80", -1, 0 }, { "\xf0\x8f\xbf\xbf", -1, 0 },
        { "\xf4\x90\x80\x80", -1, 0 }, { "\xf5\x80", -1, 0 },
        { "\xff", -1, 0 }, { "\xc2", -1, 0 }, { "\xc2\x41", -1, 0 },
        { "\xe1\x80", -2, 0 }, { "\xe1\x80\xe2", -2, 0 },
        { "\xf1\x80\x80", -3, 0 }, { "\xf1\x80\x80\x41", -3, 0 },
        { "", 0, 0 },
    };
    struct buf b;
    int good = 1;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint32_t cp = 0;
        int len = next(rows[i].s, &cp);

        if (!(len == rows[i].len && cp == rows[i].cp))
            good = ok(0, "utf8_next, row %zu: %d %x", i, len, (unsigned)cp);
    }
    ok(good, "utf8_next, table 3-7");
    ok(next("\xe2\x82\xac", NULL) == 3, "cp may be NULL");

    buf_init(&b, 100);
    good = 1;
    for (uint32_t cp = 1; cp < 0x110000; cp++) {
        uint32_t got = 0;

        if (cp == 0xd800)
            cp = 0xe000;
        buf_reset(&b);
        utf8_put(&b, cp);
        if (utf8_next(b.data, b.len, &got) != (int)b.len || got != cp)
            good = ok(0, "round trip of %x", (unsigned)cp);
    }
    ok(good, "utf8_put and utf8_next agree");
    buf_clear(&b);
}

static void test_utf8_texts(void)
{
    struct buf b;

    buf_init(&b, 100);
    ok(utf8_valid("", 0) && utf8_valid("a\0b", 3), "valid, NUL included");
    ok(utf8_valid("plain text of more than eight \xe2\x82\xac", 33), "valid");
    ok(!utf8_valid("plain text of more than eight \xe2\x82\xac", 32) &&
       !utf8_valid("0123456789\xff" "0123456789", 21), "not valid");

    /* Unicode 15, table 3-8, 3-9, 3-10 and 3-11 */
    buf_reset(&b);
    utf8_scrub(&b, "\x41\xc0\xaf\x41\xf4\x80\x80\x41", 8);
    ok(strcmp(b.data, "A\xef\xbf\xbd\xef\xbf\xbd" "A\xef\xbf\xbd" "A") == 0,
       "scrub");
    buf_reset(&b);
    utf8_scrub(&b, "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", 9);
    ok(strcmp(b.data, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                      "A") == 0, "scrub truncated ones, table 3-11");
    buf_reset(&b);
    utf8_scrub(&b, "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", 9);
    ok(b.len == 25 && b.data[24] == 'A', "scrub surrogates, table 3-9");
    buf_reset(&b);
    utf8_scrub(&b, "a\0b\xc3\xa9", 5);
    ok(strcmp(b.data, "a\xef\xbf\xbd" "b\xc3\xa9") == 0, "scrub NUL");
    buf_clear(&b);

    ok(utf8_pending("", 0) == 0 && utf8_pending("abc", 3) == 0 &&
       utf8_pending("a\xc3", 2) == 1 && utf8_pending("a\xe2\x82", 3) == 2 &&
       utf8_pending("\xf0\x90\x80", 3) == 3 &&
       utf8_pending("a\xe2\x82\xac", 4) == 0 &&
       utf8_pending("\xf0\x90\x80\x80", 4) == 0, "pending");
    ok(utf8_pending("\xff", 1) == 0 && utf8_pending("\xe0\x80", 2) == 0 &&
       utf8_pending("\x80\x80", 2) == 0 && utf8_pending("\xc1", 1) == 0,
       "nothing completes what is ill-formed");
}

/* How many names there are in a directory, but for . and .. */
static int n_names(const char *dir)
{
    DIR *d = opendir(dir);
    int n = -2;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void test_file_read(const char *dir)
{
    struct err err = ERR_INIT;
    char *path = file_join(dir, "in"), *fifo = file_join(dir, "fifo");
    uint64_t size = 0;
    struct buf b;

    ok(file_write(path, "0123456789", 10, &err) == 0, "write");
    buf_init(&b, 12);
    ok(file_read(&b, path, &err) == 0 && b.len == 10 &&
       strcmp(b.data, "0123456789") == 0, "read");
    ok(file_read(&b, path, &err) == -1 && b.len == 10 && !b.full &&
       strcmp(b.data, "0123456789") == 0 && err.code == ERR_INPUT &&
       strstr(err.text, path), "too long: %s", err.text);
    buf_clear(&b);
    buf_init(&b, 10);
    ok(file_read(&b, path, &err) == 0 && b.len == 10, "just fits");
    buf_reset(&b);
    buf_putc(&b, 'x');
    ok(file_read(&b, path, &err) == -1 && b.len == 1, "does not just fit");
    ok(file_read(&b, tap_missing("x"), &err) == -1 && b.len == 1 &&
       err.code == ERR_INPUT, "%s", err.text);
    ok(file_read(&b, dir, &err) == -1 && err.code == ERR_INPUT &&
       strstr(err.text, "not a regular file"), "%s", err.text);
    ok(mkfifo(fifo, 0600) == 0 && file_read(&b, fifo, &err) == -1 &&
       err.code == ERR_INPUT, "a pipe is refused at once");
    buf_clear(&b);
    buf_init(&b, 100000);
    if (file_exists("/proc/self/status"))
        ok(file_read(&b, "/proc/self/status", &err) == 0 && b.len > 0 &&
           strlen(b.data) == b.len, "a file that tells no size");
    else
        skip("a file that tells no size", "no /proc");
    buf_clear(&b);
    buf_init(&b, 10);
    if (file_exists("/proc/self/status"))
        ok(file_read(&b, "/proc/self/status", &err) == -1 && b.len == 0 &&
           err.code == ERR_INPUT, "%s", err.text);
    buf_clear(&b);
    ok(file_size(path, &size, &err) == 0 && size == 10, "size");
    ok(file_size(dir, &size, &err) == -1 && size == 10 &&
       file_size(tap_missing("x"), &size, &err) == -1, "no size");
    ok(file_exists(path) && !file_exists(tap_missing("x")) &&
       file_is_dir(dir) && !file_is_dir(path), "exists, is_dir");
    unlink(fifo);
    unlink(path);
    free(fifo);
    free(path);
}

static void test_file_out(const char *dir)
{
    struct err err = ERR_INIT;
    char *path = file_join(dir, "out");
    struct file_out *f = NULL;
    struct stat st;
    struct buf b;
    char *big = xcalloc(1, 200000);
    mode_t mask = umask(027);

    buf_init(&b, 1 << 20);
    ok(file_write(path, "old", 3, &err) == 0 && stat(path, &st) == 0 &&
       (st.st_mode & 0777) == 0640, "0666 less the umask");
    umask(mask);
    ok(file_out_open(&f, path, &err) == 0 && n_names(dir) == 2,
       "written aside");
    big[0] = 'a';
    ok(file_out_put(f, "head", 4, &err) == 0 &&
       file_out_put(f, big, 200000, &err) == 0 &&
       file_out_put(f, "tail", 4, &err) == 0 &&
       file_out_size(f) == 200008, "put");
    ok(file_out_patch(f, 0, "HEAD", 4, &err) == 0 &&
       file_out_patch(f, 200004, "TAIL", 4, &err) == 0 &&
       file_out_patch(f, 200005, "TAIL", 4, &err) == -1, "patch");
    ok(file_out_put(f, "!", 1, &err) == 0, "put after a patch");
    ok(file_read(&b, path, &err) == 0 && strcmp(b.data, "old") == 0,
       "the old one is there until the end");
    buf_reset(&b);
    ok(file_out_commit(f, &err) == 0 && file_read(&b, path, &err) == 0 &&
       b.len == 200009 && memcmp(b.data, "HEADa", 5) == 0 &&
       memcmp(b.data + 200004, "TAIL!", 5) == 0 && n_names(dir) == 1,
       "commit");
    ok(file_out_open(&f, path, &err) == 0 &&
       file_out_put(f, "new", 3, &err) == 0, "again");
    file_out_abort(f);
    file_out_abort(NULL);
    ok(n_names(dir) == 1 && stat(path, &st) == 0 && st.st_size == 200009,
       "abort leaves all as it was");
    ok(file_out_open(&f, tap_missing("x"), &err) == -1 &&
       err.code == ERR_INPUT && strstr(err.text, tap_missing("x")), "%s",
       err.text);
    ok(file_out_open(&f, "x/", &err) == -1 && err.code == ERR_INPUT, "%s",
       err.text);
    unlink(path);
    mkdir(path, 0777);
    ok(file_write(path, "x", 1, &err) == -1 && n_names(dir) == 1 &&
       file_is_dir(path), "over a directory: %s", err.text);
    rmdir(path);
    buf_clear(&b);
    free(big);
    free(path);
}

/* A limit on the size of files stands for a full disk. */
static void test_file_full(const char *dir)
{
    struct err err = ERR_INIT;
    struct rlimit limit, small;
    char *path = file_join(dir, "full"), *big = xcalloc(1, 200000);

    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    ok(file_write(path, big, 200000, &err) == -1 && strstr(err.text, path) &&
       !file_exists(path) && n_names(dir) == 0, "no room: %s", err.text);
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_DFL);
    free(big);
    free(path);
}

static void test_file_dirs(const char *dir)
{
    struct err err = ERR_INIT;
    char *deep = file_join(dir, "a//b/c/"), *a = file_join(dir, "a");
    char *file = file_join(dir, "f"), *below = file_join(file, "g");

    ok(file_mkdirs(deep, &err) == 0 && file_is_dir(deep), "mkdirs");
    ok(file_mkdirs(deep, &err) == 0 && file_mkdirs("/", &err) == 0,
       "mkdirs of what is there");
    ok(file_write(file, "", 0, &err) == 0 &&
       file_mkdirs(below, &err) == -1 && strstr(err.text, file),
       "%s", err.text);
    rmdir(deep);
    deep[strlen(deep) - 2] = '\0';
    rmdir(deep);
    rmdir(a);
    unlink(file);
    ok(n_names(dir) == 0, "nothing is left over");
    free(deep);
    free(a);
    free(file);
    free(below);
    deep = file_join("x/", "y");
    ok(strcmp(deep, "x/y") == 0, "join");
    free(deep);
}

static void test_base64(void)
{
    /* RFC 4648 section 10, without padding */
    static const char *const rows[][2] = {
        { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" }, { "\xff\xef\xbe", "_---" },
    };
    struct id id, back;
    char text[ID_TEXT + 2];
    int good = 1;
    size_t n;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        size_t want = strlen(rows[i][0]);

        base64url(text, rows[i][0], want);
        if (base64url_decode(back.b, 6, &n, rows[i][1]) || n != want ||
            memcmp(back.b, rows[i][0], n) != 0 ||
            (want && base64url_decode(back.b, want - 1, &n, rows[i][1]) == 0))
            good = 0;
        good = good && strcmp(text, rows[i][1]) == 0;
    }
    ok(good, "base64url, RFC 4648");
    for (int i = 0; i < 32; i++)
        id.b[i] = (unsigned char)(i * 73 + 200);
    ok(base64url_decode(back.b, 6, &n, "Zh") &&
           base64url_decode(back.b, 6, &n, "Zg=") &&
           base64url_decode(back.b, 6, &n, "Zm9") &&
           base64url_decode(back.b, 6, &n, "Zm9vY") &&
           base64url_decode(back.b, 6, &n, "Zm+v"),
       "nothing but the canonical form");
    base64url(text, id.b, 32);
    ok(strlen(text) == ID_TEXT - 1 && id_parse(&back, text) == 0 &&
           id_equal(id, back),
       "an id and back: %s", text);
    text[42]++; /* the last character has two free bits */
    ok(id_parse(&back, text) == -1 && id_equal(id, back), "not canonical");
    memset(text, 'A', sizeof(text));
    text[43] = '\0';
    ok(id_parse(&back, text) == 0 && back.b[0] == 0, "zeros");
    text[42] = '\0';
    ok(id_parse(&back, text) == -1, "too short");
    text[42] = 'A';
    text[43] = 'A';
    text[44] = '\0';
    ok(id_parse(&back, text) == -1, "too long");
    text[43] = '\0';
    text[5] = '+';
    ok(id_parse(&back, text) == -1, "not url");
    text[5] = '=';
    ok(id_parse(&back, text) == -1, "padding");
}

/* What becomes of a text in all four ways. */
static void plain(const char *what, const char *text, const char *want)
{
    size_t n = strlen(text), n_read;
    char *copy = xstrdup(text), read[128];
    FILE *f = tmpfile();
    struct buf b;

    buf_init(&b, 1000);
    plain_put(&b, text, n);
    plain_write(f, text, n);
    rewind(f);
    n_read = fread(read, 1, sizeof(read), f);
    plain_string(copy);
    ok(strcmp(copy, want) == 0 && b.len == strlen(want) &&
       memcmp(b.data, want, b.len) == 0 && n_read == b.len &&
       memcmp(read, want, n_read) == 0, "plain text: %s", what);
    buf_clear(&b);
    fclose(f);
    free(copy);
}

static void test_plain(void)
{
    char nul[] = { 'a', '\0', 'b' };

    plain("words stay", "k\u00f6nnte \u4e2d \U0001f600 \u200d~",
          "k\u00f6nnte \u4e2d \U0001f600 \u200d~");
    plain("C0 and DEL", "a\x1b[31m\r\t\n\x7f", "a?[31m????");
    plain("C1", "a\xc2\x9b" "1m\xc2\x80\xc2\x9f\xc2\xa0", "a?1m??\xc2\xa0");
    plain("C1 as a byte", "a\x9b" "1m\xc2", "a?1m?");
    plain("ill-formed", "\xe4\xb8" "a\xff\xc0\x80", "?a???");
    plain("directions", "\u202eabc\u2069\u200f\u061c", "?abc???");
    plain("lines", "a\u2028" "b\u2029", "a?b?");
    plain("tags", "a\U000e0041\ufeff\ufff9", "a???");
    ok(plain_text(nul, 3) == 3 && memcmp(nul, "a?b", 3) == 0 &&
       plain_text(nul, 0) == 0, "plain text: a NUL");
}

/* Magic numbers as linux/magic.h has them. */
static void test_remote_fs(void)
{
    ok(strcmp(remote_fs_name(0x6969), "NFS") == 0, "NFS is remote");
    ok(strcmp(remote_fs_name(0xff534d42), "CIFS") == 0, "CIFS, all 32 bits");
    ok(strcmp(remote_fs_name(0x0bd00bd0), "Lustre") == 0, "Lustre");
    ok(!remote_fs_name(0xef53) && !remote_fs_name(0x01021994) &&
       !remote_fs_name(0x58465342), "ext4, tmpfs and XFS are not");
    ok(!remote_fs("/proc/self/stat"), "what the kernel makes up is here");
    ok(!remote_fs(tap_missing("x")), "nothing lies nowhere");
}

/* What a shell makes of it, by the shell itself. */
static void splits(const char *text)
{
    char *command = xasprintf("set -f; for w in %s; do printf '<%%s>' \"$w\";"
                              " done", text), got[256] = "", want[256] = "";
    FILE *f = popen(command, "r");
    char **words;
    size_t n = fread(want, 1, sizeof(want) - 1, f);

    pclose(f);
    want[n] = '\0';
    if (split_words(&words, text, NULL) == 0) {
        for (size_t i = 0; words[i]; i++)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "<%s>",
                     words[i]);
        split_free(words);
    }
    if (!ok(n > 0 && strcmp(got, want) == 0, "split: %s", text))
        printf("# got %s, a shell %s\n", got, want);
    free(command);
}

static void test_split(void)
{
    static const char *const bad[] = { "\"a", "a'b", "a\\", "--x=\"a\\\"" };
    struct err err = ERR_INIT;
    char **words = NULL;

    splits("--constraint=\"a&b\" --comment=\"two words\"");
    splits("  -p gpu\t-t  4:00:00 ");
    splits("a'b c'\"d e\"f\\ g '' \"\" h");
    splits("'a\\b\"c' \"d\\\"e\\\\f\\g'h\" \\\" \\' \\\\");
    splits("--comment='it'\\''s' \"a;b|c\" \\& \\* x#y");
    splits("caf\303\251 '\344\270\255 \346\226\207'");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ok(split_words(&words, bad[i], &err) && err.code == ERR_INPUT &&
           !words, "split: not %s: %s", bad[i], err.text);
    ok(split_words(&words, " ", NULL) == 0 && !words[0], "split: nothing");
    split_free(words);
}

/* Memory that a process takes is its own. */
static void test_memory(void)
{
    size_t n = (size_t)16 << 20;
    uint64_t all = machine_memory(), free_now = machine_memory_free();
    uint64_t before = machine_memory_own();
    unsigned char *volatile p = malloc(n); /* or else it is not made */

    if (!p)
        abort();
    memset(p, 1, n);
    ok(before > 0 && machine_memory_own() >= before + n / 2,
       "machine: own memory");
    ok(free_now > 0 && free_now <= all, "machine: %ju of %ju bytes are free",
       (uintmax_t)free_now, (uintmax_t)all);
    free(p);
}

int main(void)
{
    const char *dir = tap_tmp();

    test_err();
    test_mem();
    test_vec();
    test_buf();
    test_buf_numbers();
    test_utf8();
    test_utf8_texts();
    test_file_read(dir);
    test_file_out(dir);
    test_file_full(dir);
    test_file_dirs(dir);
    test_base64();
    test_plain();
    test_split();
    test_remote_fs();
    test_memory();
    rmdir(dir);
    return done();
}
