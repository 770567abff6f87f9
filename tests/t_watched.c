/*
 * What apus watch has seen: kept on the disk, of a list of an earlier version,
 * too; where it is full, the oldest of the node that has the most gives way.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "node/watched.h"
#include "tests/spool_util.h"
#include "tests/tap.h"

static struct id id_of(unsigned char n)
{
    struct id id;

    memset(&id, n, sizeof(id));
    return id;
}

static void add(struct watched *w, unsigned char statement, unsigned char node)
{
    struct err err = ERR_INIT;

    if (watched_add(w, id_of(statement), id_of(node), &err))
        ok(0, "add %u: %s", statement, err.text);
}

static bool has(const struct watched *w, const char *numbers)
{
    bool all = true;

    for (; *numbers; numbers++)
        all &= watched_has(w, id_of((unsigned char)*numbers));
    return all;
}

static void open_again(struct watched *w, const char *spool)
{
    struct err err = ERR_INIT;

    watched_close(w);
    ok(watched_open(w, spool, &err) == 0, "open: %s", err.text);
}

static void try_fairness(const char *spool)
{
    struct watched w = { .dir = NULL };

    open_again(&w, spool);
    w.max = 5;
    add(&w, 'z', 'A');
    add(&w, 'a', 'B');
    add(&w, 'y', 'A');
    add(&w, 'b', 'C');
    add(&w, 'c', 'A');
    ok(w.n == 5 && has(&w, "zaybc"), "five are kept");
    add(&w, 'd', 'A');
    ok(w.n == 5 && has(&w, "aybcd") && !has(&w, "z"),
       "the oldest of the node that has the most gives way");
    open_again(&w, spool);
    ok(w.n == 5 && has(&w, "aybcd"), "they are on the disk");
    w.max = 5;
    add(&w, 'e', 'A');
    ok(has(&w, "abcde") && !has(&w, "y"), "so is how old they are");
    for (unsigned char i = 1; i < 60; i++)
        add(&w, i, 'D');
    ok(has(&w, "ab") && w.n == 5, "none that says much drives the others out");
    watched_close(&w);
}

static void try_earlier(const char *spool)
{
    char *dir = file_join(spool, "watch"), *seen = file_join(dir, "seen");
    struct id list[3] = { id_of('p'), id_of('q'), id_of('r') };
    struct watched w = { .dir = NULL };
    struct err err = ERR_INIT;

    file_mkdirs(dir, &err);
    file_write(seen, list, sizeof(list), &err);
    open_again(&w, spool);
    ok(w.n == 3 && has(&w, "pqr"), "a list without nodes is read");
    add(&w, 's', 'A');
    ok(!file_exists(seen), "and written as one with them");
    open_again(&w, spool);
    ok(w.n == 4 && has(&w, "pqrs"), "with all that it had");
    watched_close(&w);
    free(seen);
    free(dir);
}

static void try_truncated(const char *spool)
{
    char *path = xasprintf("%s/watch/statements", spool);
    struct watched w = { .dir = NULL };
    struct err err = ERR_INIT;

    file_write(path, "not one", 7, &err);
    ok(watched_open(&w, spool, &err) && strstr(err.text, "is truncated"),
       "a truncated list: %s", err.text);
    watched_close(&w);
    free(path);
}

int main(void)
{
    char *one = file_join(tap_tmp(), "one"), *two = file_join(tap_tmp(), "two");

    try_fairness(one);
    try_earlier(two);
    try_truncated(two);
    free(one);
    free(two);
    all_remove();
    return done();
}
