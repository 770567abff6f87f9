/*
 * bench/arweave: how fast items are signed and verified on one core, of
 * several sizes of data, and how fast the data of a transaction is hashed.
 * Each figure is the median of five rounds of a quarter of a second, of the
 * processor's time, so that others on the machine count less.
 *
 *   sign      items a second: deep hash, signature and the check of it
 *   verify    items a second, whole, in memory
 *   MB/s      of data that went through (10^6 bytes)
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/data_root.h"
#include "arweave/item.h"
#include "arweave/key.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "bench/timing.h"

#define ROUNDS 5
#define ROUND_S 0.25
#define ROOM ((size_t)128 << 20)

/* What one call of a measured function works on. */
struct work {
    const struct key *key;
    char *data;
    size_t n;
    struct buf item;
};

static double now(void)
{
    return timing_now(CLOCK_PROCESS_CPUTIME_ID);
}

/* Calls a second. */
static double rate(void (*call)(struct work *w), struct work *w)
{
    double rates[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        double start = now(), took;
        size_t n = 0;

        do {
            call(w);
            n++;
            took = now() - start;
        } while (took < ROUND_S);
        rates[i] = (double)n / took;
    }
    return timing_median(rates, ROUNDS);
}

static void must(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "bench/arweave: %s\n", err->text);
    exit(1);
}

static void sign_items(struct work *w)
{
    static const struct item_text_tag tags[] = {
        { "Content-Type", "application/json" }, { "App-Name", "apus" },
        { "Kind", "result" },
    };
    static const struct item_spec spec = { NULL, NULL, tags, 3 };
    struct err err = ERR_INIT;
    struct id id;

    buf_reset(&w->item);
    must(item_sign(&w->item, &spec, w->data, w->n, w->key, &id, &err), &err);
}

static void verify(struct work *w)
{
    struct err err = ERR_INIT;
    struct item it;

    must(item_open(&it, w->item.data, w->item.len, &err), &err);
}

static void hash_chunks(struct work *w)
{
    struct id root;

    data_root(&root, w->data, w->n);
}

int main(void)
{
    static const size_t sizes[] = { 1000, 10000, 100000, 1000000, 10000000 };
    struct err err = ERR_INIT;
    struct key *key = NULL;
    struct work w;

    must(key_new(&key, &err), &err);
    w.key = key;
    w.data = xcalloc(1, sizes[4]);
    buf_init(&w.item, ROOM);
    puts("| bytes of data | sign | verify | sign MB/s | verify MB/s |"
         " data_root MB/s |\n|---|---|---|---|---|---|");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        double s, v, h, mb = (double)sizes[i] / 1e6;

        w.n = sizes[i];
        s = rate(sign_items, &w);
        v = rate(verify, &w);
        h = rate(hash_chunks, &w);
        printf("| %zu | %.0f | %.0f | %.1f | %.1f | %.0f |\n", w.n, s, v,
               s * mb, v * mb, h * mb);
        fflush(stdout);
    }
    buf_clear(&w.item);
    free(w.data);
    key_free(key);
    return 0;
}
