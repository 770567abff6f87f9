/*
 * What apus watch has seen: kept on the disk, of a list of an earlier version,
 * too; where it is full, the oldest of the node that has the most gives way.
 * Statements that wait for a model are kept apart.
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
    w.checked.max = 5;
    add(&w, 'z', 'A');
    add(&w, 'a', 'B');
    add(&w, 'y', 'A');
    add(&w, 'b', 'C');
    add(&w, 'c', 'A');
    ok(w.checked.n == 5 && has(&w, "zaybc"), "five are kept");
    add(&w, 'd', 'A');
    ok(w.checked.n == 5 && has(&w, "aybcd") && !has(&w, "z"),
       "the oldest of the node that has the most gives way");
    open_again(&w, spool);
    ok(w.checked.n == 5 && has(&w, "aybcd"), "they are on the disk");
    w.checked.max = 5;
    add(&w, 'e', 'A');
    ok(has(&w, "abcde") && !has(&w, "y"), "so is how old they are");
    for (unsigned char i = 1; i < 60; i++)
        add(&w, i, 'D');
    ok(has(&w, "ab") && w.checked.n == 5,
       "none that says much drives the others out");
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
    ok(w.checked.n == 3 && has(&w, "pqr"), "a list without nodes is read");
    add(&w, 's', 'A');
    ok(!file_exists(seen), "and written as one with them");
    open_again(&w, spool);
    ok(w.checked.n == 4 && has(&w, "pqrs"), "with all that it had");
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

/* What waits for a model is no other than what is checked. */
static void try_lacking(const char *spool)
{
    char *path = xasprintf("%s/watch/lacking", spool);
    const struct id *model;
    struct watched w = { .dir = NULL };
    struct err err = ERR_INIT;

    open_again(&w, spool);
    ok(!watched_lacks(&w, id_of('s')) && !watched_misses(&w, id_of('M')),
       "nothing is lacking");
    w.lacking.max = 3;
    for (unsigned char i = 's'; i < 'v'; i++)
        ok(watched_add_lacking(&w, id_of(i), id_of('A'), id_of('M'),
                               &err) == 0, "a statement waits for a model");
    open_again(&w, spool);
    model = watched_lacks(&w, id_of('t'));
    ok(w.lacking.n == 3 && model && id_equal(*model, id_of('M')),
       "it is on the disk");
    ok(watched_misses(&w, id_of('M')) && !watched_misses(&w, id_of('N')),
       "and so is the model");
    ok(!has(&w, "t") && w.checked.n == 0, "it is not checked");
    add(&w, 't', 'A');
    open_again(&w, spool);
    ok(!watched_lacks(&w, id_of('t')) && w.lacking.n == 2 && has(&w, "t"),
       "until it is, and waits no longer");
    w.lacking.max = 2;
    watched_add_lacking(&w, id_of('b'), id_of('B'), id_of('N'), &err);
    ok(w.lacking.n == 2 && !watched_lacks(&w, id_of('s')) &&
           watched_lacks(&w, id_of('b')), "the list has an end, too");
    watched_close(&w);
    file_write(path, "apuslck2", 8, &err);
    ok(watched_open(&w, spool, &err) &&
           strstr(err.text, "lacking\" does not begin with \"apuslck1\""),
       "another format: %s", err.text);
    watched_close(&w);
    file_write(path, "apuslck1 not one", 16, &err);
    ok(watched_open(&w, spool, &err) &&
           strstr(err.text, "lacking\" is truncated"),
       "a truncated one: %s", err.text);
    watched_close(&w);
    free(path);
}

int main(void)
{
    char *one = file_join(tap_tmp(), "one"), *two = file_join(tap_tmp(), "two");
    char *three = file_join(tap_tmp(), "three");

    try_fairness(one);
    try_earlier(two);
    try_truncated(two);
    try_lacking(three);
    free(three);
    free(one);
    free(two);
    all_remove();
    return done();
}
