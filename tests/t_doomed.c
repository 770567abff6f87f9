/*
 * Many batches removed at once: what leaves the spool, what stays, and what a
 * removal that was cut off left.
 */
#include <config.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/spool_util.h"

static void test_many(void)
{
    static const enum spool_state states[] = { SPOOL_TODO, SPOOL_DONE,
                                               SPOOL_SENT, SPOOL_FAILED };
    struct spool *s = new_spool("spool");
    struct doomed *d = doomed_new(s);
    struct err err = ERR_INIT;
    bool good = true;

    ok(doomed_sync(d, &err) == 0 && doomed_remove(d, &err) == 0,
       "nothing is removed");
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        const char name[] = { 'o', 'n', 'e', (char)('A' + i), '\0' };
        struct batch b = make_batch(s, states[i], name);

        put(at("spool/%s/%s/part", spool_state_name(states[i]),
               strrchr(b.path, '/') + 1), "x");
        good = good && doomed_add(d, &b, &err) == 0 && !file_exists(b.path);
        batch_clear(&b);
    }
    ok(good && batches(s) == 1 && entries(at("spool/tmp")) == 1,
       "four batches of four states are in tmp");
    ok(doomed_sync(d, &err) == 0 && doomed_remove(d, &err) == 0 &&
       entries(at("spool/tmp")) == 0, "and gone");
    doomed_free(d);
    spool_close(s);
}

static void test_not(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_RUNNING, "work"), same = b;
    struct doomed *d = doomed_new(s);
    struct err err = ERR_INIT;

    ok(doomed_add(d, &b, &err) == -1 && err.code == ERR_FATAL, "%s",
       err.text);
    same.state = SPOOL_TODO;
    ok(doomed_add(d, &same, &err) == 1 && file_is_dir(b.path),
       "another process has just taken it");
    doomed_free(d);
    batch_clear(&b);
    spool_close(s);
}

/* A directory that is gone stands for one that has no room for another name:
 * rename fails in both. */
static void test_no_room(void)
{
    struct spool *s = new_spool("spool");
    struct batch a = make_batch(s, SPOOL_DONE, "one"),
                 b = make_batch(s, SPOOL_DONE, "two");
    struct doomed *d = doomed_new(s);
    struct err err = ERR_INIT;

    ok(doomed_add(d, &a, &err) == 0, "one");
    ok(spool_sweep(s, &err) == 0 && entries(at("spool/tmp")) == 1,
       "a sweep leaves it to who has begun it");
    scratch_remove("spool/tmp");
    file_mkdirs(at("spool/tmp"), &err);
    ok(doomed_add(d, &b, &err) == 0 && batches(s) == 0,
       "another without the directory: alone");
    ok(doomed_remove(d, &err) == 0, "the end");
    doomed_free(d);
    batch_clear(&a);
    batch_clear(&b);
    spool_close(s);
}

static void test_sweep(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_DONE, "one"),
                 stays = make_batch(s, SPOOL_DONE, "two");
    struct doomed *d = doomed_new(s);
    struct err err = ERR_INIT;

    ok(spool_sweep(s, &err) == 0, "nothing was left");
    ok(doomed_add(d, &b, &err) == 0, "a batch is taken out");
    doomed_free(d); /* as if the process had ended */
    file_mkdirs(at("spool/tmp/.gone-older/a000"), &err);
    file_mkdirs(at("spool/tmp/.new-another"), &err);
    put(at("spool/tmp/.gone-older/a000/0000.log"), "x");
    put(at("precious"), "x");
    ok(symlink(at("precious"), at("spool/tmp/.gone-older/link")) == 0,
       "a link");
    ok(spool_sweep(s, &err) == 0 && entries(at("spool/tmp")) == 1 &&
       file_is_dir(at("spool/tmp/.new-another")) && file_exists(stays.path) &&
       file_exists(at("precious")), "only what was to be removed is");
    batch_clear(&b);
    batch_clear(&stays);
    spool_close(s);
}

/* Batches with several files each, taken out; NULL if that fails. */
static struct doomed *take_out_many(const struct spool *s, int n)
{
    struct doomed *d = doomed_new(s);
    struct err err = ERR_INIT;
    int rc = 0;

    for (int i = 0; rc == 0 && i < n; i++) {
        char name[16];
        struct batch b;

        snprintf(name, sizeof(name), "many%d", i);
        b = make_batch(s, SPOOL_DONE, name);
        for (int k = 0; k < 4; k++)
            put(at("spool/done/%s/part-%d", strrchr(b.path, '/') + 1, k), "x");
        rc = doomed_add(d, &b, &err) == TAKING_DONE ? 0 : -1;
        batch_clear(&b);
    }
    ok(rc == 0 && entries(at("spool/tmp")) == 1, "%d are taken out", n);
    return d;
}

/* In a process of its own, and by several threads. */
static void test_leave(void)
{
    struct spool *s = new_spool("spool");
    struct doomed *d = doomed_new(s);
    struct err err = ERR_INIT;
    enum doomed_end rc;

    ok(doomed_leave(d, 0, &err) == DOOMED_REMOVED, "nothing is left");
    doomed_free(d);
    d = take_out_many(s, 100);
    ok(doomed_remove(d, &err) == 0 && entries(at("spool/tmp")) == 0,
       "removed by several threads");
    doomed_free(d);

    d = take_out_many(s, 100);
    ok(doomed_leave(d, -1, &err) == DOOMED_REMOVED &&
           entries(at("spool/tmp")) == 0,
       "waited for to the end");
    doomed_free(d);

    d = take_out_many(s, 200);
    rc = doomed_leave(d, 0, &err);
    doomed_free(d);
    ok(rc == DOOMED_REMOVED || rc == DOOMED_CONTINUES,
       "left to a process of its own: %d", rc);
    ok(spool_sweep(s, &err) == 0, "a sweep meanwhile");
    if (rc == DOOMED_CONTINUES)
        wait(NULL);
    ok(entries(at("spool/tmp")) == 0, "which completes it");
    spool_close(s);
}

/* What cannot be removed is named, and does not keep the others. */
static void test_stays(void)
{
    struct spool *s = new_spool("spool");
    struct err err = ERR_INIT;
    struct doomed *d = take_out_many(s, 100);
    char deep[] = "a/b/c/d/e/f/g/h/i/j/k";

    for (int i = 0; i < 2; i++) {
        struct batch b = make_batch(s, SPOOL_DONE, i ? "last" : "deep");

        if (i == 0)
            file_mkdirs(at("spool/done/%s/%s", strrchr(b.path, '/') + 1, deep),
                        &err);
        ok(doomed_add(d, &b, &err) == TAKING_DONE, "another");
        batch_clear(&b);
    }
    ok(doomed_leave(d, -1, &err) == DOOMED_FAILED &&
           strstr(err.text, "cannot remove"),
       "%s", err.text);
    doomed_free(d);
    all_remove();
    spool_close(s);
}

/* apus clean waits no day where it knows who is dead. */
static void test_unfinished(void)
{
    struct spool *s = new_spool("spool");
    struct err err = ERR_INIT;
    struct owner o;
    size_t n;

    owner_self_process(&o);
    file_mkdirs(at("spool/tmp/.new-lives/x"), &err);
    owner_write(at("spool/tmp/.new-lives"), &o, &err);
    o.pid = 0x7fffffff;
    file_mkdirs(at("spool/tmp/.new-dead/x"), &err);
    owner_write(at("spool/tmp/.new-dead"), &o, &err);
    file_mkdirs(at("spool/tmp/.bdead"), &err);
    owner_write(at("spool/tmp/.bdead"), &o, &err);
    snprintf(o.host, sizeof(o.host), "elsewhere");
    file_mkdirs(at("spool/tmp/.new-far"), &err);
    owner_write(at("spool/tmp/.new-far"), &o, &err);
    backdate(at("spool/tmp/.new-far/owner-0001"), OWNER_STALE_S + 100);
    file_mkdirs(at("spool/tmp/.new-unnamed"), &err);
    ok(spool_clear_unfinished(s, false, &n, &err) == 0 && n == 2 &&
       entries(at("spool/tmp")) == 5, "two copies of dead processes: counted");
    ok(spool_clear_unfinished(s, true, &n, &err) == 0 && n == 2 &&
       entries(at("spool/tmp")) == 3 &&
       !file_exists(at("spool/tmp/.new-dead")), "and removed");
    ok(spool_clear_unfinished(s, true, &n, &err) == 0 && n == 0,
       "what may live stays");
    spool_close(s);
}

int main(void)
{
    test_many();
    test_not();
    test_no_room();
    test_sweep();
    test_leave();
    test_stays();
    test_unfinished();
    scratch_remove("precious");
    all_remove();
    return done();
}
