/*
 * src/spool: opening, every change of state, finding, adding, claiming, starts,
 * progress, removing, batch.json.  Several processes at once are in
 * t_spool_race.c, owners in t_owner.c.  Ids are from Python's hashlib.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/buf.h"
#include "base/id.h"
#include "proof/line_ids.h"
#include "tests/spool_util.h"

#define FILE_TEXT "{\"a\":1}\n\n{\"b\":2}"
#define FILE_ID "RFBwDM5oXaqoTwUFKlLODomOBoIjGv-X79GRewOFBzw"
#define FILE_HASH "8XRHgeWKCk0nKa-6mEzBKUuej86aOTSIx1CUCO1jtYs"

static struct id model; /* 00 .. 1f */

/* ---- opening ------------------------------------------------------------ */

static void test_open(void)
{
    struct err err = ERR_INIT;
    struct spool *s = new_spool("deep/spool"), *again = NULL;
    struct stat st;

    ok(stat(at("deep/spool/sending"), &st) == 0 && S_ISDIR(st.st_mode) &&
       entries(at("deep/spool")) == SPOOL_STATES, "the directories are made");
    ok(spool_open(&again, at("deep/spool/"), &err) == 0 &&
       strcmp(spool_dir(s), spool_dir(again)) == 0 &&
       spool_dir(s)[0] == '/', "and found again, under one absolute path");
    spool_close(again);
    spool_close(s);
    spool_close(NULL);
    ok(strcmp(spool_state_name(SPOOL_TMP), "tmp") == 0 &&
       strcmp(spool_state_name(SPOOL_FAILED), "failed") == 0, "names");

    rmdir(at("deep/spool/sent"));
    ok(symlink(tap_tmp(), at("deep/spool/sent")) == 0 &&
       spool_open(&again, at("deep/spool"), &err) == -1 &&
       strstr(err.text, "/sent\""), "%s", err.text);
    unlink(at("deep/spool/sent"));
    put(at("deep/spool/sent"), "x");
    ok(spool_open(&again, at("deep/spool"), &err) == -1, "%s", err.text);
    ok(spool_open(&again, at("deep/spool/sent"), &err) == -1, "%s",
       err.text);
    scratch_remove("deep");

    if (geteuid() != 0) {
        skip("a spool of another user", "only root can make one");
        return;
    }
    spool_close(new_spool("deep"));
    ok(chown(at("deep/done"), 12345, 12345) == 0 &&
       spool_open(&again, at("deep"), &err) == -1 &&
       err.code == ERR_FATAL && strstr(err.text, "12345"), "%s", err.text);
    scratch_remove("deep");
}

/* ---- a file system of our own ------------------------------------------- */

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        printf("# %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* Mount a small one in a namespace of this process, which must be a child. */
static int mount_small(const char *where)
{
    char map[64];
    bool root = geteuid() == 0;

    snprintf(map, sizeof(map), "0 %ld 1", (long)geteuid());
    if (unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)))
        return -1;
    if (!root)
        write_text("/proc/self/uid_map", map);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return -1;
    return mount("none", where, "tmpfs", 0, "size=64k,mode=755");
}

static bool said(const struct err *err, const char *what, const char *remedy)
{
    printf("# %s\n", err->text);
    return err->code == ERR_RETRY && strstr(err->text, what) &&
           strstr(err->text, remedy);
}

/* What failed, as the exit status; 9 if nothing can be mounted. */
static int on_small_disk(const char *dir)
{
    struct err err = ERR_INIT;
    struct spool *s;
    struct batch b = { .path = NULL };
    unsigned char big[128 << 10];
    bool existed;
    int n;

    if (mount_small(dir))
        return 9;
    memset(big, 'x', sizeof(big));
    big[0] = '{';
    if (spool_open(&s, dir, &err) ||
        file_write(at("big.jsonl"), big, sizeof(big), &err))
        return 1;
    n = batches(s);
    if (spool_add_file(s, at("big.jsonl"), model, NULL, &b, &existed,
                       &err) != -1 ||
        !said(&err, "no space left", "apus clean"))
        return 2;
    if (batches(s) != n || entries(at("small/tmp")) != 0)
        return 3;
    put(at("small.jsonl"), "{}\n");
    if (spool_add_file(s, at("small.jsonl"), model, NULL, &b, &existed, &err))
        return 4;
    spool_close(s);
    if (mount("none", dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) ||
        spool_open(&s, dir, &err) != -1 ||
        !said(&err, "read-only", "mount it for writing") ||
        spool_open_there(&s, dir, &err) || batches(s) != 1)
        return 5;
    if (mount("none", at("other/sent"), "tmpfs", 0, "size=64k,mode=755") ||
        spool_open(&s, at("other"), &err) != -1 ||
        !strstr(err.text, "another file system"))
        return 6;
    printf("# %s\n", err.text);
    return 0;
}

static void test_disk(void)
{
    struct err err = ERR_INIT;
    int st = -1;
    pid_t pid;

    file_mkdirs(at("small"), &err);
    spool_close(new_spool("other"));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        st = on_small_disk(at("small"));
        fflush(stdout);
        _exit(st);
    }
    waitpid(pid, &st, 0);
    if (WIFEXITED(st) && WEXITSTATUS(st) == 9)
        skip("full and read-only disk", "no file system can be mounted");
    else
        ok(st == 0, "full and read-only disk, two file systems (%d)", st);
    scratch_remove("small");
    scratch_remove("other");
}

/* ---- moving ------------------------------------------------------------- */

static void test_every_move(void)
{
    static const char *const table[SPOOL_STATES] = {
        "todo failed", "running failed", "done todo failed",
        "sending failed", "sent done todo failed", "done failed", "todo"
    };
    struct spool *s = new_spool("spool");
    struct err err = ERR_INIT;
    bool good = true, bad = true;

    for (int from = 0; from < SPOOL_STATES; from++) {
        for (int to = 0; to < SPOOL_STATES; to++) {
            struct batch b = make_batch(s, (enum spool_state)from, "move");
            bool may = strstr(table[from], spool_state_name(to)) != NULL;
            bool claim = to == SPOOL_RUNNING || to == SPOOL_SENDING;
            int rc = claim && may ? spool_claim(s, &b, &err)
                     : spool_move(s, &b, (enum spool_state)to, &err);

            if (may)
                good = good && rc == 0 && (int)b.state == to &&
                       file_is_dir(b.path) &&
                       strstr(b.path, spool_state_name(to)) &&
                       batches(s) == 1;
            else
                bad = bad && rc == -1 && err.code == ERR_FATAL &&
                      (int)b.state == from && file_is_dir(b.path);
            rc = spool_remove(s, &b, &err);
            if (b.state == SPOOL_RUNNING || b.state == SPOOL_SENDING)
                bad = bad && rc == -1;
            else
                good = good && rc == 0 && batches(s) == 0;
            batch_clear(&b);
            scratch_remove("spool/running/*");
            spool_close(s);
            s = new_spool("spool");
        }
    }
    ok(good, "every step of the table");
    ok(bad, "and no other");
    spool_close(s);
}

/* Somebody elsewhere is about to move it; b is in running. */
static void test_passing(const struct spool *s, struct batch *b)
{
    struct err err = ERR_INIT;
    char *last = NULL;
    struct owner o;
    int n = 1;

    ok(spool_adopt(s, b, NULL, NULL, 900, &err) == 0 &&
       b->state == SPOOL_TODO && owner_read(&o, b->path, &err) == FOUND_NONE,
       "adopted: it is nobody's");
    owner_self(&o);
    snprintf(o.host, sizeof(o.host), "elsewhere");
    ok(owner_write(b->path, &o, &err) == 0 && spool_claim(s, b, &err) == 1 &&
       b->state == SPOOL_TODO, "another has just taken it");
    do {
        free(last);
        last = xasprintf("%s/owner-%04d", b->path, n++);
    } while (file_exists(at("spool/todo/%s/owner-%04d",
                            strrchr(b->path, '/') + 1, n)));
    backdate(last, 61);
    ok(spool_claim(s, b, &err) == 0 && b->state == SPOOL_RUNNING,
       "and died a minute ago");
    free(last);
    for (n = 0; n < 70; n++)
        if (spool_move(s, b, SPOOL_TODO, &err) || spool_claim(s, b, &err))
            break;
    ok(n == 70 && entries(b->path) < 70, "seventy claims leave %d files",
       entries(b->path));
    /* by hand, out of todo as it was left there */
    ok(spool_move(s, b, SPOOL_TODO, &err) == 0 &&
       rename(b->path, at("spool/running/%s", strrchr(b->path, '/') + 1)) == 0,
       "nobody's in running");
    free(b->path);
    b->path = xstrdup(at("spool/running/bmoveAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                         "AAAAAA"));
    b->state = SPOOL_RUNNING;
    ok(spool_adopt(s, b, NULL, NULL, 900, &err) == 0 &&
       b->state == SPOOL_TODO, "is taken back at once");
    ok(spool_claim(s, b, &err) == 0, "and claimed");
}

static void test_moving(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_TODO, "move"), same = b, twin;
    struct err err = ERR_INIT;
    struct owner o;

    same.path = xstrdup(b.path);
    ok(spool_move(s, &b, SPOOL_RUNNING, &err) == -1 && err.code == ERR_FATAL,
       "%s", err.text);
    ok(spool_claim(s, &b, &err) == 0, "one is faster");
    ok(spool_claim(s, &same, &err) == 1 && same.state == SPOOL_TODO,
       "the other is told so");
    batch_clear(&same);

    twin = make_batch(s, SPOOL_DONE, "move");
    ok(spool_move(s, &b, SPOOL_DONE, &err) == -1 && err.code == ERR_FATAL &&
       b.state == SPOOL_RUNNING && file_is_dir(b.path) &&
       file_is_dir(twin.path), "%s", err.text);
    ok(spool_remove(s, &twin, &err) == -1 && file_is_dir(twin.path), "%s",
       err.text);
    batch_clear(&twin);
    scratch_remove("spool/done");
    ok(spool_move(s, &b, SPOOL_DONE, &err) == -1 && err.code == ERR_RETRY &&
       file_is_dir(b.path), "%s", err.text);

    ok(spool_move(s, &b, SPOOL_TODO, &err) == 0 &&
       owner_read(&o, b.path, &err) == FOUND_NONE, "in todo: nobody's");
    owner_self(&o);
    o.pid++;
    o.pid_start = 1; /* before any process of ours */
    ok(owner_write(b.path, &o, &err) == 0 &&
       spool_claim(s, &b, &err) == 0, "one who took it died before a move");
    ok(owner_write(b.path, &o, &err) == 0 &&
       spool_move(s, &b, SPOOL_TODO, &err) == 1 &&
       b.state == SPOOL_RUNNING && owner_touch(b.path, &err) == -1,
       "another's is left where it is: %s", err.text);
    ok(spool_leave(s, &b, SPOOL_TODO, &err) == -1 && err.code == ERR_RETRY,
       "%s", err.text);
    test_passing(s, &b);
    batch_clear(&b);
    spool_close(s);

    if (geteuid() != 0) {
        skip("a batch of another user", "only root can make one");
        return;
    }
    s = new_spool("spool");
    b = make_batch(s, SPOOL_TODO, "move");
    ok(chown(b.path, 12345, 12345) == 0 &&
       spool_claim(s, &b, &err) == -1 && err.code == ERR_INPUT,
       "%s", err.text);
    batch_clear(&b);
    ok(spool_find(s, "move", &b, &err) == -1 && err.code == ERR_INPUT, "%s",
       err.text);
    spool_close(s);
}

/* ---- finding ------------------------------------------------------------ */

static bool finds(const struct spool *s, const char *what, const char *begin)
{
    struct err err = ERR_INIT;
    struct batch b = { .path = NULL };
    struct id id;
    bool found;

    make_id(&id, begin ? begin : "none");
    if (spool_find(s, what, &b, &err)) {
        printf("# %s\n", err.text);
        return !begin && err.code == ERR_INPUT && !b.path;
    }
    found = begin && id_equal(id, b.id) && file_is_dir(b.path);
    batch_clear(&b);
    return found;
}

static void test_find(void)
{
    static const char *const ids[] = {
        "abcdefgh", "abcdXXXX", "bcdeYYYY", "-_-_", "bbbbbbbb"
    };
    struct spool *s = new_spool("spool");
    struct err err = ERR_INIT;
    struct batch b, *list;
    size_t n;
    char *all;

    for (size_t i = 0; i < 5; i++) {
        b = make_batch(s, (enum spool_state)(i + 1), ids[i]);
        batch_clear(&b);
    }
    ok(finds(s, "abcde", "abcdefgh") && finds(s, "abcdX", "abcdXXXX"),
       "a prefix");
    ok(finds(s, "babcde", "abcdefgh") && finds(s, "b-_-_", "-_-_") &&
       finds(s, "-_-_", "-_-_"), "of the directory's name, and with a dash");
    ok(finds(s, "bcdeY", "bcdeYYYY") && finds(s, "bbcdeY", "bcdeYYYY"),
       "an id that begins with b");
    ok(finds(s, "bbbbbb", "bbbbbbbb") && finds(s, "bbbbbbbbb", "bbbbbbbb"),
       "and with many of them");
    ok(finds(s, "abcd", NULL), "several");
    ok(finds(s, "bcde", "bcdeYYYY") && finds(s, "bcdeX", NULL), "none");
    ok(finds(s, "abc", NULL) && finds(s, "babc", NULL) && finds(s, "", NULL),
       "too short");
    ok(finds(s, "abcde*", NULL) && finds(s, "..", NULL), "no id");

    all = xasprintf("%s/todo/babcdefgh%.35s", spool_dir(s),
                    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    ok(finds(s, strrchr(all, '/') + 1, "abcdefgh") &&
       finds(s, strrchr(all, '/') + 2, "abcdefgh"), "a whole name, an id");
    ok(finds(s, all, "abcdefgh"), "a path");
    memcpy(all + strlen(spool_dir(s)), "/sent/", 6);
    ok(finds(s, all, "abcdefgh"), "a path where it was before");
    ok(finds(s, tap_missing("babcdefghAAAA"), NULL) && finds(s, "/", NULL) &&
       finds(s, at("spool/todo"), NULL), "invalid paths");
    free(all);

    put(at("spool/todo/babcdefghAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"), "");
    file_mkdirs(at("spool/todo/something"), &err);
    b = make_batch(s, SPOOL_TODO, "AAAA");
    batch_clear(&b);
    ok(spool_list(s, SPOOL_TODO, &list, &n, &err) == 0 && n == 2 &&
           list[0].id.b[0] == 0 && list[1].id.b[0] != 0 &&
           list[1].state == SPOOL_TODO && file_is_dir(list[1].path),
       "a list is sorted, and of batches only");
    for (size_t i = 0; i < n; i++)
        batch_clear(&list[i]);
    free(list);
    ok(spool_list(s, SPOOL_TMP, &list, &n, &err) == 0 && n == 0, "no batch");
    free(list);
    spool_close(s);
}

/* ---- adding ------------------------------------------------------------- */

static bool holds(const char *path, const char *text)
{
    struct err err = ERR_INIT;
    struct buf b;
    bool same;

    buf_init(&b, 1u << 20);
    same = file_read(&b, path, &err) == 0 && b.len == strlen(text) &&
           memcmp(b.data ? b.data : "", text, b.len) == 0;
    buf_clear(&b);
    return same;
}

static void test_add(void)
{
    struct spool *s = new_spool("spool");
    struct batch_info i;
    struct batch b, again;
    struct err err = ERR_INIT;
    bool existed = true;
    struct id hash;

    put(at("in.jsonl"), FILE_TEXT);
    ok(spool_add_file(s, at("in.jsonl"), model, "out.jsonl", &b, &existed,
                      &err) == 0 && !existed && b.state == SPOOL_TODO &&
       strcmp(strrchr(b.path, '/'), "/b" FILE_ID) == 0, "the id of a file");
    ok(batches(s) == 1 && entries(b.path) == 3, "a batch in todo and nothing"
       " besides");
    id_parse(&hash, FILE_HASH);
    ok(batch_info_read(&i, b.path, &err) == 0 && !i.from_ao &&
           id_equal(i.file, hash) && id_equal(i.model, model) &&
           id_equal(i.id, b.id) && i.ids == 2 && i.n_requests == 2 &&
           i.n_lines == 3 && strcmp(i.source, at("in.jsonl")) == 0 &&
           i.output[0] == '/' &&
           strcmp(strrchr(i.output, '/'), "/out.jsonl") == 0, "what it says");
    ok(holds(at("spool/todo/b" FILE_ID "/requests.jsonl"), FILE_TEXT),
       "its requests");
    batch_info_clear(&i);
    ok(spool_add_file(s, at("in.jsonl"), model, NULL, &again, &existed,
                      &err) == 0 && existed && again.state == SPOOL_TODO,
       "once more: it is found");
    batch_clear(&again);
    ok(spool_claim(s, &b, &err) == 0 &&
       spool_move(s, &b, SPOOL_DONE, &err) == 0 &&
       spool_add_file(s, at("in.jsonl"), model, NULL, &again, &existed,
                      &err) == 0 && existed && again.state == SPOOL_DONE &&
       strcmp(again.path, b.path) == 0 && batches(s) == 1, "in done too");
    batch_clear(&again);
    batch_clear(&b);
    spool_close(s);
}

static void test_lines(void)
{
    static const struct {
        const char *text, *id;
        uint64_t n;
    } rows[] = {
        { "{}\n", "ZLyif45PKbCQMqxPD7LyazOnBO8wABqih3iZELTdMN0", 1 },
        { "{", "qAQ3k3EmnbDOScEacsmwIpTy8nHUuTWw0F56aS2CuGg", 1 },
        { "\n{}", "_J6GIqhF3SF9JFftyvKTd2zVceIUmTOjAEwK8XNbu-0", 1 },
    };
    struct spool *s = new_spool("spool");
    struct err err = ERR_INIT;
    struct batch_info i;
    struct batch b;
    bool existed;
    char *big = xcalloc(1, 300001);

    for (size_t k = 0; k < sizeof(rows) / sizeof(*rows); k++) {
        put(at("in.jsonl"), rows[k].text);
        ok(spool_add_file(s, at("in.jsonl"), model, NULL, &b, &existed,
                          &err) == 0 &&
           batch_info_read(&i, b.path, &err) == 0 &&
           strcmp(strrchr(b.path, '/') + 2, rows[k].id) == 0 &&
           i.n_requests == rows[k].n && !i.output, "%d requests in %zu bytes",
           (int)rows[k].n, strlen(rows[k].text));
        batch_info_clear(&i);
        batch_clear(&b);
    }
    memset(big, '\n', 300000);
    memset(big, 'x', 200000);
    big[0] = '{';
    big[299999] = 'x';
    put(at("in.jsonl"), big);
    ok(spool_add_file(s, at("in.jsonl"), model, NULL, &b, &existed,
                      &err) == 0 &&
       batch_info_read(&i, b.path, &err) == 0 && i.n_requests == 2 &&
       i.n_lines == 100000,
       "a file of many pieces");
    batch_info_clear(&i);
    batch_clear(&b);
    free(big);
    spool_close(s);
}

static void test_add_bad(void)
{
    struct spool *s = new_spool("spool");
    struct err err = ERR_INIT;
    static const char *const none[] = { "", "\n", "x\n", "[{}]\n" };
    struct batch b = { .path = NULL };
    bool existed;

    ok(spool_add_file(s, at("none.jsonl"), model, NULL, &b, &existed,
                      &err) == -1 && err.code == ERR_INPUT, "%s", err.text);
    ok(spool_add_file(s, tap_tmp(), model, NULL, &b, &existed, &err) == -1 &&
       err.code == ERR_INPUT, "%s", err.text);
    for (size_t k = 0; k < sizeof(none) / sizeof(none[0]); k++) {
        put(at("in.jsonl"), none[k]);
        ok(spool_add_file(s, at("in.jsonl"), model, NULL, &b, &existed,
                          &err) == -1 && err.code == ERR_INPUT, "%s",
           err.text);
    }
    put(at("in.jsonl"), "{}\n");
    ok(spool_add_file(s, at("in.jsonl"), model, "/o\xff", &b, &existed,
                      &err) == -1 && err.code == ERR_INPUT, "%s", err.text);
    ok(batches(s) == 0 && !b.path, "and nothing is left");
    put(at("spool/done/bZLyif45PKbCQMqxPD7LyazOnBO8wABqih3iZELTdMN0"), "");
    ok(spool_add_file(s, at("in.jsonl"), model, NULL, &b, &existed,
                      &err) == -1 && err.code == ERR_INPUT &&
       batches(s) == 1, "%s", err.text);
    unlink(at("spool/done/bZLyif45PKbCQMqxPD7LyazOnBO8wABqih3iZELTdMN0"));
    put(at("o\xff.jsonl"), "{\n");
    ok(spool_add_file(s, at("o\xff.jsonl"), model, NULL, &b, &existed,
                      &err) == 0, "a source that is not UTF-8");
    batch_clear(&b);
    spool_close(s);
}

/* Others died while they added, before and after they had the id. */
static void test_leftovers(void)
{
    struct spool *s = new_spool("spool");
    struct err err = ERR_INIT;
    struct batch b, pulled;
    struct owner o;
    bool existed;

    put(at("in.jsonl"), FILE_TEXT);
    file_mkdirs(at("spool/tmp/.b" FILE_ID "/dead"), &err);
    put(at("spool/tmp/.b" FILE_ID "/dead/requests.jsonl"), FILE_TEXT);
    owner_self(&o);
    ok(owner_write(at("spool/tmp/.b" FILE_ID), &o, &err) == 0 &&
       spool_add_file(s, at("in.jsonl"), model, NULL, &b, &existed,
                      &err) == -1 && err.code == ERR_RETRY &&
       entries(at("spool/tmp")) == 1, "%s", err.text);
    o.pid = 0x7fffffff;
    owner_write(at("spool/tmp/.b" FILE_ID), &o, &err);
    file_mkdirs(at("spool/tmp/.new-old/old"), &err);
    file_mkdirs(at("spool/tmp/.new-busy/busy"), &err);
    put(at("spool/tmp/.new-busy/busy/requests.jsonl"), "x");
    backdate(at("spool/tmp/.new-old"), 90000);
    backdate(at("spool/tmp/.new-busy"), 90000);
    pulled = make_batch(s, SPOOL_TMP, "pull");
    backdate(pulled.path, 90000);
    ok(spool_add_file(s, at("in.jsonl"), model, NULL, &b, &existed,
                      &err) == 0 && !existed &&
       entries(at("spool/todo")) == 1, "one who died is put aside");
    ok(!file_exists(at("spool/tmp/.b" FILE_ID)) &&
       !file_exists(at("spool/tmp/.new-old")), "what is old is removed");
    ok(file_exists(at("spool/tmp/.new-busy/busy/requests.jsonl")) &&
       file_exists(pulled.path), "a file that grows is not, nor a batch");
    batch_clear(&pulled);
    batch_clear(&b);
    spool_close(s);
}

/* ---- the files of a batch ----------------------------------------------- */

static void test_claim(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_TODO, "claim");
    struct err err = ERR_INIT;
    struct owner o;

    backdate(b.path, 100000);
    ok(spool_claim(s, &b, &err) == 0 && b.state == SPOOL_RUNNING &&
       owner_read(&o, b.path, &err) == FOUND_ONE && o.pid == getpid() &&
       owner_judge(&b, NULL, NULL, 900) == OWNER_ALIVE, "claimed by us");
    ok(spool_claim(s, &b, &err) == -1 && err.code == ERR_FATAL &&
       b.state == SPOOL_RUNNING, "%s", err.text);
    batch_clear(&b);
    b = make_batch(s, SPOOL_TODO, "dirt");
    chmod(b.path, 0500);
    if (geteuid() == 0)
        skip("a batch that cannot be written", "root may");
    else
        ok(spool_claim(s, &b, &err) == -1 && b.state == SPOOL_TODO &&
           file_is_dir(b.path), "left in todo: %s", err.text);
    chmod(b.path, 0700);
    put(at("spool/todo/%s/owner-0001", strrchr(b.path, '/') + 1), "{");
    ok(spool_claim(s, &b, &err) == 1 && b.state == SPOOL_TODO,
       "one that cannot be read is waited for");
    backdate(at("spool/todo/%s/owner-0001", strrchr(b.path, '/') + 1), 61);
    ok(spool_claim(s, &b, &err) == 0 && b.state == SPOOL_RUNNING &&
       file_exists(at("spool/running/%s/owner-0002",
                      strrchr(b.path, '/') + 1)), "for a minute");
    batch_clear(&b);
    spool_close(s);
}

static void test_starts(void)
{
    static const char *const junk[] = {
        "a1", "a0009", "a-01", "aXYZ", "a", "b009", "a008x", "a99999999999"
    };
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_RUNNING, "race");
    struct err err = ERR_INIT;
    uint32_t n = 99;

    ok(batch_new_start(b.path, &n, &err) == 0 && n == 0 &&
       file_is_dir(at("spool/running/%s/a000", strrchr(b.path, '/') + 1)),
       "a000");
    ok(batch_new_start(b.path, &n, &err) == 0 && n == 1, "a001");
    for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++)
        put(at("spool/running/%s/%s", strrchr(b.path, '/') + 1, junk[i]), "");
    put(at("spool/running/%s/a022", strrchr(b.path, '/') + 1), "");
    ok(batch_new_start(b.path, &n, &err) == 0 && n == 23, "other names");
    file_mkdirs(at("spool/running/%s/a999", strrchr(b.path, '/') + 1), &err);
    ok(batch_new_start(b.path, &n, &err) == 0 && n == 1000 &&
       batch_new_start(b.path, &n, &err) == 0 && n == 1001, "a1000, a1001");
    ok(batch_new_start(at("spool/none"), &n, &err) == -1, "%s", err.text);
    batch_clear(&b);
    spool_close(s);
}

static void test_progress(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_RUNNING, "prog");
    struct err err = ERR_INIT;
    char *path = file_join(b.path, "progress");
    struct buf text;

    buf_init(&text, 1000);
    ok(progress_read(b.path, &text, &err) == 0 && text.len == 0, "none yet");
    ok(progress_write(b.path, "{\"done\":1}", 10, &err) == 0 &&
       progress_write(b.path, "{\"done\":2}", 10, &err) == 0 &&
       progress_read(b.path, &text, &err) == 0 &&
       strcmp(text.data, "{\"done\":2}") == 0, "written and read");
    ok(progress_write(b.path, "", (5u << 20), &err) == -1, "%s", err.text);
    put(path, "");
    buf_reset(&text);
    ok(progress_read(b.path, &text, &err) == 0 && text.len == 0, "empty");
    buf_clear(&text);
    buf_init(&text, 3);
    put(path, "12345");
    ok(progress_read(b.path, &text, &err) == -1 && text.len == 0, "%s",
       err.text);
    unlink(path);
    put(at("text"), "{}");
    ok(symlink(at("text"), path) == 0 &&
       progress_read(b.path, &text, &err) == -1, "%s", err.text);
    free(path);
    scratch_remove("gone");
    ok(symlink(b.path, at("gone")) == 0 &&
       progress_read(at("gone"), &text, &err) == -1 &&
       progress_write(at("gone"), "{}", 2, &err) == -1, "%s", err.text);
    buf_clear(&text);
    batch_clear(&b);
    spool_close(s);
}

#define INFO "{\"format\":\"apus-batch-1\",\"id\":\"" FILE_ID "\",\"model\":" \
             "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\",\"sha256\":" \
             "\"" FILE_HASH "\",\"from_ao\":false"

static const char *const bad_info[][2] = {
    { "", "value expected" }, { "[]", "format" }, { "{", "JSON" },
    { "{\"format\":\"apus-batch-2\"}", "apus-batch-2" },
    { "{\"format\":\"apus-batch-1\",\"id\":\"x\"}", "\"id\"" },
    { INFO ",\"requests\":2,\"ids\":4,\"lines\":2}", "\"ids\"" },
    { INFO ",\"requests\":2,\"ids\":3,\"lines\":2}", "\"earlier\"" },
    { INFO ",\"requests\":2,\"ids\":2}", "\"lines\"" },
    { INFO ",\"requests\":2,\"ids\":2,\"lines\":1}", "\"lines\"" },
    { INFO ",\"requests\":2,\"ids\":2,\"lines\":4294967296}", "lines" },
};

static void test_info(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_TODO, "info");
    struct batch_info i = { .from_ao = true }, got;
    struct err err = ERR_INIT;
    char *path = file_join(b.path, "batch.json"), *big = xcalloc(1, 70001);

    ok(batch_info_read(&got, b.path, &err) == 0 && got.from_ao &&
           got.process.b[31] == 9 && got.n_requests == 3 && !got.source,
       "from AO");
    batch_info_clear(&got);
    i.id = b.id;
    i.n_requests = UINT32_MAX;
    i.source = big;
    i.output = big + 35000;
    memset(big, '\"', 4096);
    memset(i.output, '\n', 4096);
    ok(batch_info_write(b.path, &i, &err) == 0 &&
       batch_info_read(&got, b.path, &err) == 0 &&
       got.n_requests == UINT32_MAX && strcmp(got.source, i.source) == 0 &&
       strcmp(got.output, i.output) == 0, "the longest paths");
    batch_info_clear(&got);
    i.n_requests++;
    ok(batch_info_write(b.path, &i, &err) == -1, "%s", err.text);
    i.n_requests = 1;
    big[4096] = '/';
    ok(batch_info_write(b.path, &i, &err) == -1, "%s", err.text);
    big[4096] = '\0';
    i.id.b[0] ^= 1;
    ok(batch_info_write(b.path, &i, &err) == 0 &&
       batch_info_read(&got, b.path, &err) == -1, "%s", err.text);
    i.id = b.id;
    i.is_file_of_ao = true;
    i.request.b[3] = 5;
    ok(batch_info_write(b.path, &i, &err) == 0 &&
           batch_info_read(&got, b.path, &err) == 0 && got.is_file_of_ao &&
           id_equal(got.request, i.request), "a file of AO");
    batch_info_clear(&got);
    i.from_ao = false;
    ok(batch_info_write(b.path, &i, &err) == 0 &&
       batch_info_read(&got, b.path, &err) == -1, "%s", err.text);
    for (size_t k = 0; k < sizeof(bad_info) / sizeof(*bad_info); k++) {
        put(path, bad_info[k][0]);
        ok(batch_info_read(&got, b.path, &err) == -1 &&
           err.code == ERR_INPUT && strstr(err.text, bad_info[k][1]) &&
           strstr(err.text, "batch.json"), "%s", err.text);
    }
    memset(big, ' ', 70000);
    put(path, big);
    ok(batch_info_read(&got, b.path, &err) == -1, "%s", err.text);
    unlink(path);
    ok(batch_info_read(&got, b.path, &err) == -1 && err.code == ERR_INPUT,
       "%s", err.text);
    ok(mkfifo(path, 0600) == 0 && batch_info_read(&got, b.path, &err) == -1,
       "%s", err.text);
    free(path);
    free(big);
    batch_clear(&b);
    spool_close(s);
}

static void test_request_id(void)
{
    struct batch_info i = { .from_ao = true };
    struct id id, other, line;
    struct err err = ERR_INIT;

    line_id_by_file(&line, i.file, 7);
    make_id(&other, "some");
    ok(batch_request_id(&id, &i, line, id_text(other).s, &err) == 0 &&
           id_equal(id, other),
       "a request from AO has its custom_id");
    ok(batch_request_id(&id, &i, line, "q7", &err) == -1 &&
       err.code == ERR_INPUT, "%s", err.text);
    ok(batch_request_id(&id, &i, line, NULL, &err) == -1, "none is none");
    i.is_file_of_ao = true;
    ok(batch_request_id(&id, &i, line, id_text(other).s, &err) == 0 &&
           id_equal(id, line),
       "a line of a file from AO has its own");
    i.from_ao = i.is_file_of_ao = false;
    ok(batch_request_id(&id, &i, line, NULL, &err) == 0 && id_equal(id, line),
       "so has one of any file");
}

static void test_remove(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_DONE, "old"), gone = b;
    const char *name = strrchr(b.path, '/') + 1;
    struct err err = ERR_INIT;
    uint64_t age = 99;

    file_mkdirs(at("spool/done/%s/a000/x/y", name), &err);
    put(at("spool/done/%s/a000/0000.log", name), "x");
    put(at("precious"), "x");
    ok(symlink(at("precious"), at("spool/done/%s/a000/link", name)) == 0 &&
       symlink(tap_tmp(), at("spool/done/%s/up", name)) == 0, "links");
    ok(spool_age(s, &b, &age, &err) == 0 && age < 60, "it is new");
    backdate(b.path, 86400);
    ok(spool_age(s, &b, &age, &err) == 0 && age >= 86400 && age < 86500,
       "a day old");
    backdate(b.path, -2 * 86400);
    ok(spool_age(s, &b, &age, &err) == 0 && age == 0, "from tomorrow");
    ok(spool_remove(s, &b, &err) == 0 && batches(s) == 0 &&
       file_exists(at("precious")), "removed, but not what it links to");
    ok(spool_remove(s, &gone, &err) == 1, "twice: it is gone");
    batch_clear(&b);
    spool_close(s);
}

int main(void)
{
    for (int i = 0; i < 32; i++)
        model.b[i] = (unsigned char)i;
    test_open();
    test_disk();
    test_every_move();
    test_moving();
    test_find();
    test_add();
    test_lines();
    test_add_bad();
    test_leftovers();
    test_claim();
    test_starts();
    test_progress();
    test_info();
    test_request_id();
    test_remove();
    all_remove();
    return done();
}
