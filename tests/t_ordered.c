/*
 * Work on items by several threads: all are made once, they go out in order,
 * and the first error in that order is the one that is said.
 */
#include <config.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "model/ordered.h"
#include "tests/tap.h"

#define ITEMS 1000u
#define NONE ((size_t)-1)
#define TRIES 100000 /* to let another thread begin */

struct list {
    atomic_uint made[ITEMS];
    size_t out;               /* items that went out */
    bool in_order;
    size_t bad_make, bad_put; /* items at which that fails */
    size_t late;              /* an item that is made after another began */
    atomic_uint begun;        /* pieces */
};

static int make(void *self, size_t from, size_t to, void *room,
                struct err *err)
{
    struct list *l = self;
    size_t *value = room;

    atomic_fetch_add(&l->begun, 1);
    for (int i = 0; i < TRIES && from <= l->late && l->late < to &&
                    atomic_load(&l->begun) < 2; i++)
        sched_yield();
    for (size_t i = from; i < to; i++) {
        atomic_fetch_add(&l->made[i], 1);
        value[i - from] = 3 * i;
        if (i >= l->bad_make)
            return err_set(err, ERR_INPUT, "item %zu", i);
    }
    return 0;
}

static int put(void *self, size_t from, size_t to, const void *room,
               struct err *err)
{
    struct list *l = self;
    const size_t *value = room;

    l->in_order &= from == l->out;
    for (size_t i = from; i < to; i++) {
        if (i == l->bad_put)
            return err_set(err, ERR_FATAL, "no room for item %zu", i);
        l->in_order &= value[i - from] == 3 * i;
        l->out++;
    }
    return 0;
}

/* Items [0, n) in pieces on so many threads; how that ends is in *err. */
static int run(struct list *l, size_t n, size_t piece, unsigned threads,
               struct err *err)
{
    struct ordered o = { .self = l, .n = n, .piece = piece,
                         .room = piece * sizeof(size_t),
                         .make = make, .put = put };

    l->in_order = true;
    return ordered_run(&o, threads, err);
}

static void try_all(void)
{
    static const unsigned threads[] = { 1, 2, 7, 1000 };
    static const size_t pieces[] = { 1, 7, 32, 1000, 5000 };
    size_t good = 0;

    for (size_t t = 0; t < 4; t++)
        for (size_t p = 0; p < 5; p++) {
            struct list l = { .bad_make = NONE, .bad_put = NONE,
                              .late = NONE };
            size_t once = 0;

            if (run(&l, ITEMS, pieces[p], threads[t], NULL))
                continue;
            for (size_t i = 0; i < ITEMS; i++)
                once += atomic_load(&l.made[i]) == 1;
            good += once == ITEMS && l.in_order && l.out == ITEMS;
        }
    ok(good == 20, "each item is made once and goes out in its place");
}

/* The first piece waits for another one, which fails as well. */
static void try_errors(void)
{
    struct list l = { .bad_make = 0, .bad_put = NONE, .late = 0 };
    struct err err = ERR_INIT;
    int rc = run(&l, ITEMS, 10, 4, &err);

    ok(rc == -1 && err.code == ERR_INPUT && strcmp(err.text, "item 0") == 0 &&
           l.out == 0, "the first error in their order is said: %s", err.text);
    l = (struct list){ .bad_make = 500, .bad_put = NONE, .late = NONE };
    rc = run(&l, ITEMS, 10, 4, &err);
    ok(rc == -1 && l.in_order && l.out == 500 &&
           strcmp(err.text, "item 500") == 0,
       "what is before it goes out: %zu items", l.out);
    l = (struct list){ .bad_make = NONE, .bad_put = 333, .late = NONE };
    rc = run(&l, ITEMS, 10, 4, &err);
    ok(rc == -1 && err.code == ERR_FATAL && l.in_order && l.out == 333,
       "nothing goes out after an item that could not: %zu items", l.out);
    l = (struct list){ .bad_make = NONE, .bad_put = NONE, .late = NONE };
    rc = run(&l, 0, 10, 4, NULL);
    ok(rc == 0 && l.out == 0, "no items");
}

int main(void)
{
    try_all();
    try_errors();
    return done();
}
