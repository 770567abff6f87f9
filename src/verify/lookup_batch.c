/*
 * All answers of a batch from its bundles.  A bundle is one signed item; the
 * items in it are signed too and need nothing of it.
 */
#include <config.h>

#include "verify/lookup_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "arweave/bundle.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/mem.h"

#define MAX_BUNDLES 65536
#define MAX_ANSWERS (1u << 28)

/* One bit an answer of the batch. */
struct bits {
    unsigned char *of;
    uint64_t n;
};

struct sweep {
    struct lookup *l;
    struct claims *c;
    const struct lookup_item *statement;
    const struct published_statement *s;
    struct bits seen, drawn;
    uint64_t n_seen;
    lookup_compute_fn *compute;
    void *self;
};

static bool has_bit(const struct bits *b, uint64_t i)
{
    return b->of[i / 8] >> i % 8 & 1;
}

static void set_bit(struct bits *b, uint64_t i)
{
    b->of[i / 8] |= (unsigned char)(1 << i % 8);
}

static int bits_new(struct bits *b, uint64_t n, struct err *err)
{
    void *p;

    if (mem_big(&p, (size_t)(n / 8 + 1), 1, "a list of answers", err))
        return -1;
    memset(p, 0, (size_t)(n / 8 + 1));
    *b = (struct bits){ p, n };
    return 0;
}

/* Mark `want` of them, each as likely as the other. */
static void draw(struct bits *b, uint64_t want)
{
    for (uint64_t i = 0, left = b->n; want && i < b->n; i++, left--) {
        uint64_t r = 0;

        /* without chance: the first ones */
        if (want < left &&
            getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
            r = 0;
        if (want < left && r % left >= want)
            continue;
        set_bit(b, i);
        want--;
    }
}

/* ---- a result in a bundle ------------------------------------------------ */

/* The first claim that does not hold. */
struct first_wrong {
    char text[400];
};

static void keep_wrong(void *self, const struct check_claim *c)
{
    struct first_wrong *w = self;

    if (!c->holds && !w->text[0])
        snprintf(w->text, sizeof(w->text), "%s, against %s: %s", c->what,
                 c->against, c->detail);
}

/* *wrong says what is; -1 is for what stops the whole. */
static int check_result(struct sweep *w, const struct claims_item *it,
                        struct first_wrong *wrong, struct err *err)
{
    struct claims quiet = { .tell = keep_wrong, .self = wrong,
                            .key = w->statement->it.head.address };
    struct published p;
    const char *out;
    int rc = 0;

    published_init(&p);
    if (claims_result(&quiet, it, &p) || quiet.failed)
        goto out;
    out = claims_not_in(&p, it, w->s, &w->statement->it);
    if (out) {
        snprintf(wrong->text, sizeof(wrong->text), "%s", out);
        goto out;
    }
    /* the same answer in two bundles is no second one */
    if (has_bit(&w->seen, p.index))
        goto out;
    set_bit(&w->seen, p.index);
    w->n_seen++;
    if (w->compute && has_bit(&w->drawn, p.index))
        rc = w->compute(w->self, it->head.id, &p, err);
out:
    published_clear(&p);
    return rc;
}

/* ---- a bundle ------------------------------------------------------------ */

static int check_entry(struct sweep *w, const struct bundle_entry *e,
                       const unsigned char *bytes, uint64_t *n_results,
                       struct first_wrong *wrong, struct err *err)
{
    struct err bad = ERR_INIT;
    struct claims_item it;
    char kind[32];

    if (item_open(&it.head, bytes + e->at, (size_t)e->size, &bad)) {
        snprintf(wrong->text, sizeof(wrong->text), "%.390s", bad.text);
        return 0;
    }
    if (memcmp(it.head.id, e->id, 32) != 0) {
        snprintf(wrong->text, sizeof(wrong->text),
                 "it is not the item that the bundle's table names");
        return 0;
    }
    claims_kind(kind, &it.head);
    if (strcmp(kind, "result-1") != 0)
        return 0;
    ++*n_results;
    it.data = bytes + e->at + it.head.head_n;
    it.n = (size_t)e->size - it.head.head_n;
    return check_result(w, &it, wrong, err);
}

static int check_bundle(struct sweep *w, const struct lookup_item *b,
                        struct err *err)
{
    struct first_wrong wrong = { "" };
    struct bundle_entry *e = NULL;
    struct err bad = ERR_INIT;
    uint64_t n_results = 0;
    char detail[64];
    size_t n = 0;
    int rc = 0;

    if (bundle_table(&e, &n, b->it.data, b->it.n, b->it.n, &bad))
        snprintf(wrong.text, sizeof(wrong.text), "%.390s", bad.text);
    for (size_t i = 0; rc == 0 && !wrong.text[0] && i < n; i++) {
        rc = check_entry(w, &e[i], b->it.data, &n_results, &wrong, err);
        if (wrong.text[0]) {
            char id[ID_TEXT], text[sizeof(wrong.text)];

            base64url(id, e[i].id, 32);
            memcpy(text, wrong.text, sizeof(text));
            snprintf(wrong.text, sizeof(wrong.text), "item %s: %.330s", id,
                     text);
        }
    }
    free(e);
    if (rc)
        return -1;
    snprintf(detail, sizeof(detail), "%" PRIu64 " results", n_results);
    claims_tell(w->c, b->it.head.id, "the results in this bundle",
                "the statement", detail, wrong.text[0] ? wrong.text : NULL);
    return 0;
}

static const char *not_ours(const struct sweep *w, const struct lookup_item *b)
{
    const struct item *h = &b->it.head;
    unsigned char batch[32];
    char kind[32];

    claims_kind(kind, h);
    if (memcmp(h->address, w->statement->it.head.address, 32) != 0)
        return "somebody else signed it";
    if (strcmp(kind, "bundle-1") != 0)
        return "it is no bundle";
    if (item_tag_id(h, "Batch", batch) ||
        memcmp(batch, w->s->s.batch, 32) != 0)
        return "it is of another batch";
    return NULL;
}

static int sweep(struct sweep *w, const struct buf *ids, struct err *err)
{
    struct lookup_item b;
    int rc = 0;

    lookup_item_init(&b, LOOKUP_BUNDLE_MAX);
    for (size_t at = 0; rc == 0 && at < ids->len; at += 32) {
        const unsigned char *id = (const unsigned char *)ids->data + at;
        struct err unread = ERR_INIT;
        const char *why = NULL;

        if (lookup_get(w->l, id, &b, &unread))
            why = unread.text;
        else
            why = not_ours(w, &b);
        if (why)
            lookup_note(w->l, id, why);
        else
            rc = check_bundle(w, &b, err);
    }
    lookup_item_clear(&b);
    return rc;
}

int lookup_batch(struct lookup *l, struct claims *c,
                 const struct lookup_item *statement,
                 const struct published_statement *s, uint64_t n_compute,
                 lookup_compute_fn *compute, void *self, struct err *err)
{
    struct sweep w = { .l = l, .c = c, .statement = statement, .s = s,
                       .compute = compute, .self = self };
    char text[80];
    struct buf ids;
    int rc = -1;

    buf_init(&ids, 32u * 16 * MAX_BUNDLES);
    if (s->s.count > MAX_ANSWERS) {
        err_set(err, ERR_INPUT, "a batch of %" PRIu32 " answers, at most %u",
                s->s.count, MAX_ANSWERS);
        goto out;
    }
    if (bits_new(&w.seen, s->s.count, err) ||
        bits_new(&w.drawn, s->s.count, err))
        goto out;
    draw(&w.drawn, compute ? n_compute : 0);
    if (lookup_ids(l, statement->it.head.address, "bundle-1", s->s.batch,
                   &ids, MAX_BUNDLES, err) || sweep(&w, &ids, err))
        goto out;
    if (w.n_seen != s->s.count && !c->failed) {
        err_set(err, ERR_RETRY, "%" PRIu64 " of %" PRIu32 " answers are"
                " there: the gateways name no other bundles of this batch",
                w.n_seen, s->s.count);
        goto out;
    }
    snprintf(text, sizeof(text), "only %" PRIu64, w.n_seen);
    claims_tell(c, statement->it.head.id, "its count", "the answers found",
                "every answer, each once",
                w.n_seen == s->s.count ? NULL : text);
    rc = 0;
out:
    free(w.seen.of);
    free(w.drawn.of);
    buf_clear(&ids);
    return rc;
}
