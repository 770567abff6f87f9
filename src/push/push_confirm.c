/*
 * Whether an upload is permanent: the transaction that holds it
 * lies deep enough, as a gateway sees it (the bundler's word counts where none
 * tells), and one result, drawn at random, is read back from another gateway
 * than the first.  A transaction that was mined may lack its data, so that the
 * first alone says little.
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arweave/bundler.h"
#include "arweave/gateway.h"
#include "arweave/item.h"
#include "arweave/key.h"
#include "base/buf.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"
#include "push/push_index.h"
#include "push/push_internal.h"
#include "push/push_items.h"
#include "spool/spool_file.h"
#include "store/seal.h"

#define AGAIN_S 3600 /* after a receipt, until it may be called lost */
#define ITEM_BYTES ((size_t)1 << 30)

bool push_is_confirmed(const char *batch_path)
{
    char *path = file_join(batch_path, "confirmed");
    bool is = file_exists(path);

    free(path);
    return is;
}

/* Whether it was handed over long enough ago to be missed.  A file server may
 * have another clock than this machine. */
static bool is_overdue(const char *batch_path, const struct push_upload *u)
{
    char *path = xasprintf("%s/push/%s.receipt", batch_path, u->name);
    uint64_t age_s = 0;
    bool old = spool_file_age(path, &age_s, NULL) == 0 && age_s > AGAIN_S;

    free(path);
    return old;
}

static int hand_over_again(struct push *p, const struct batch *b,
                           const struct push_upload *u, const char *why,
                           enum push_state *state, struct err *err)
{
    if (!is_overdue(b->path, u))
        return 0;
    if (push_send_is_others(p->send, b->path, u)) {
        push_note(p, true,
                  "%s (%s) %s: it was handed over to another bundler"
                  " than that of the settings now, so that it is not handed"
                  " over again",
                  u->name, id_text(u->id).s, why);
        return 0;
    }
    push_note(p, true, "%s (%s) %s: it is handed over again", u->name,
              id_text(u->id).s, why);
    if (push_send_item(p->send, b->path, u, true, err))
        return -1;
    *state = PUSH_AGAIN;
    return 0;
}

/* ---- how deep it lies ---------------------------------------------------- */

static int open_gateways(struct push *p, struct err *err)
{
    if (p->gateways)
        return 0;
    if (gateways_new(&p->gateways, p->o.settings, err))
        return -1;
    gateways_caller(p->gateways,
                    &(struct caller){ .stop = p->o.caller.stop });
    return 0;
}

/* What gateways said of a transaction: uploads of one batch share them. */
struct depth {
    bool asked;
    struct id root;
    enum gateway_word word;
    uint64_t n;
};

/* Of the transaction that the bundler names, or else a gateway. */
static int look_how_deep(struct push *p, struct depth *d,
                         const struct push_upload *u, const struct id *named,
                         struct err *err)
{
    struct err why = ERR_INIT;
    struct id root;
    enum found found = FOUND_ONE;
    int rc;

    if (open_gateways(p, err))
        return -1;
    if (named)
        root = *named;
    else
        found = gateway_root(p->gateways, u->id, &root, &why);
    if (found == FOUND_NONE) {
        d->asked = false;
        d->word = GATEWAY_MUTE;
        return 0;
    }
    if (found == FOUND_ONE && d->asked && id_equal(d->root, root))
        return 0;
    rc = -1;
    if (found == FOUND_ONE)
        rc = gateway_depth(p->gateways, root, &d->word, &d->n, &why);
    if (rc)
        err_copy(err, &why);
    d->root = root;
    d->asked = rc == 0;
    return rc;
}

/* Deep enough for a gateway; permanent for the bundler where none knows. */
static bool is_permanent(const struct push *p, const struct depth *d,
                         enum bundler_status status)
{
    uint64_t want = settings_count(p->o.settings, "confirmations");

    if (d->word == GATEWAY_MINED)
        return d->n >= want;
    return d->word == GATEWAY_MUTE && status == BUNDLER_PERMANENT;
}

static int judge_upload(struct push *p, const struct batch *b,
                        const struct push_upload *u, enum bundler_status status,
                        const struct id *root, struct depth *d,
                        enum push_state *state, struct err *err)
{
    if (look_how_deep(p, d, u, root, err))
        return -1;
    if (is_permanent(p, d, status))
        return 0;
    if (*state == PUSH_CONFIRMED)
        *state = PUSH_WAITING;
    if (status != BUNDLER_PERMANENT)
        return 0;
    if (d->word == GATEWAY_ABSENT)
        return hand_over_again(p, b, u, "is permanent for the bundler, and"
                               " no gateway knows its transaction", state,
                               err);
    push_note(p, false, "%s is permanent for the bundler, but a gateway says"
              " %" PRIu64 " confirmations", u->name, d->n);
    return 0;
}

static int ask_about(struct push *p, const struct batch *b,
                     const struct push_upload *u, struct depth *d,
                     enum push_state *state, struct err *err)
{
    enum bundler_status status;
    struct id root;
    const char *why;
    bool has_root;

    if (bundler_status(push_send_bundler(p->send), u->id, &status, &root,
                       &has_root, err))
        return err_prefix(err, "%s", u->name);
    if (status == BUNDLER_PERMANENT || status == BUNDLER_PENDING ||
        (status == BUNDLER_NEW && has_root))
        return judge_upload(p, b, u, status, has_root ? &root : NULL, d, state,
                            err);
    /* this bundler has not seen it: gateways alone know */
    if (status == BUNDLER_UNKNOWN &&
        push_send_is_others(p->send, b->path, u))
        return judge_upload(p, b, u, status, NULL, d, state, err);
    if (*state == PUSH_CONFIRMED)
        *state = PUSH_WAITING;
    if (status == BUNDLER_NEW)
        return 0;
    why = status == BUNDLER_UNKNOWN ? "is unknown to the bundler"
                                    : "has failed at the bundler";
    return hand_over_again(p, b, u, why, state, err);
}

/* All of them, until one is only waiting; *state is PUSH_CONFIRMED if all are
 * permanent. */
static int ask_about_all(struct push *p, const struct batch *b,
                         const struct push_plan *plan, size_t n_parts,
                         enum push_state *state, struct err *err)
{
    struct depth d = { .asked = false };
    struct push_upload u;
    enum found found = FOUND_NONE;
    int rc;

    *state = PUSH_CONFIRMED;
    for (size_t i = 0; *state != PUSH_WAITING &&
         (found = push_upload_get(&u, b->path, plan, n_parts, i, err)) ==
             FOUND_ONE; i++) {
        rc = ask_about(p, b, &u, &d, state, err);
        push_upload_clear(&u);
        if (rc)
            return -1;
    }
    return found == FOUND_FAILED ? -1 : 0;
}

/* ---- reading back -------------------------------------------------------- */

/* The bytes as they were signed, from the bundle that is kept. */
static int read_kept(const struct push_upload *u,
                     const struct push_index_line *l, struct buf *out,
                     struct err *err)
{
    struct item it;
    uint64_t table, at;
    int fd, rc = -1;

    if (item_head(&it, u->head, u->n_head, err))
        return -1;
    table = u->n_head - it.head_n;
    if (l->offset < table || l->size > ITEM_BYTES)
        return err_set(err, ERR_INPUT, "items.jsonl names a place outside of"
                       " its bundle");
    at = l->offset - table;
    if (buf_reserve(out, (size_t)l->size, "an item", err))
        return -1;
    fd = push_open(u->data, err);
    if (fd < 0)
        return -1;
    if (pread(fd, out->data, (size_t)l->size, (off_t)at) == (ssize_t)l->size) {
        out->len = (size_t)l->size;
        rc = 0;
    } else {
        err_set(err, ERR_INPUT, "\"%s\" is shorter than its index says",
                u->data);
    }
    close(fd);
    return rc;
}

/* The upload with this id, loaded. */
static int find_upload(struct push_upload *u, const char *batch_path,
                       const struct push_plan *plan, size_t n_parts,
                       struct id id, struct err *err)
{
    enum found found;

    for (size_t i = 0; (found = push_upload_get(u, batch_path, plan, n_parts,
                                                i, err)) == FOUND_ONE; i++) {
        if (id_equal(u->id, id))
            return 0;
        push_upload_clear(u);
    }
    if (found == FOUND_FAILED)
        return -1;
    return err_set(err, ERR_INPUT, "items.jsonl names a bundle that is not in"
                   " \"%s\"", batch_path);
}

/* Draw a result at random. */
static enum found draw(const char *batch_path, struct push_index_line *l,
                       struct err *err)
{
    struct push_index *x = NULL;
    uint64_t at;
    enum found found = FOUND_FAILED;

    if (push_index_open(&x, batch_path, err))
        return FOUND_FAILED;
    if (key_random(&at, sizeof(at), err) == 0 &&
        push_index_seek(x, at >> 1, err) == 0)
        found = push_index_next(x, l, err);
    push_index_close(x);
    return found;
}

enum read_end {
    READ_FAILED = -1,
    READ_SAME,
    READ_NOT_YET /* no other gateway has it (yet); err says why */
};

/* Read one back. */
static enum read_end read_back(struct push *p, const struct push_index_line *l,
                               const struct push_upload *u, struct err *err)
{
    size_t skip = gateways_count(p->gateways) > 1 ? 1 : 0;
    struct gateway_place place = { .at = l->offset, .size = l->size };
    struct err own = ERR_INIT;
    struct buf raw, kept;
    struct item it;
    bool not_yet;
    int rc;

    err = err_or(err, &own);
    place.bundle = l->bundle;
    buf_init(&raw, ITEM_BYTES);
    buf_init(&kept, ITEM_BYTES);
    rc = gateway_item_at(p->gateways, l->item, &place, skip, &raw, &it, err);
    not_yet = rc && err->code == ERR_RETRY;
    if (rc == 0)
        rc = read_kept(u, l, &kept, err);
    if (rc == 0 && (raw.len != kept.len ||
                    memcmp(raw.data, kept.data, raw.len) != 0))
        rc = err_set(err, ERR_INPUT, "a result was read back with other bytes"
                     " than were signed");
    buf_clear(&raw);
    buf_clear(&kept);
    if (not_yet)
        return READ_NOT_YET;
    return rc ? READ_FAILED : READ_SAME;
}

static int read_one_back(struct push *p, const struct batch *b,
                         const struct push_plan *plan, size_t n_parts,
                         enum push_state *state, struct err *err)
{
    struct push_index_line l;
    struct push_upload u;
    struct err why = ERR_INIT;
    enum found found = draw(b->path, &l, err);
    enum read_end end;
    int rc;

    if (found != FOUND_ONE)
        return found == FOUND_FAILED ? -1 : 0;
    if (open_gateways(p, err) ||
        find_upload(&u, b->path, plan, n_parts, l.bundle, err))
        return -1;
    end = read_back(p, &l, &u, &why);
    rc = end == READ_FAILED ? err_copy(err, &why) : 0;
    if (end == READ_NOT_YET) {
        *state = PUSH_WAITING;
        push_note(p, false, "permanent, but not to be read back yet: %s",
                  why.text);
        rc = hand_over_again(p, b, &u, "cannot be read back", state, err);
    }
    push_upload_clear(&u);
    return rc;
}

/* ---- both ---------------------------------------------------------------- */

/* Bundles can be made again from the checkpoint and the wallet. */
static void remove_bundles(const char *batch_path)
{
    for (size_t i = 0;; i++) {
        char *items = push_path_of(batch_path, "bundle", i, "items");
        char *head = push_path_of(batch_path, "bundle", i, "head");
        bool there = file_exists(head);

        if (there)
            unlink(items);
        free(items);
        free(head);
        if (!there)
            return;
    }
}

static int set_confirmed(const char *batch_path, struct err *err)
{
    char *path = file_join(batch_path, "confirmed");
    char text[32];
    time_t now = time(NULL);
    struct tm tm;
    size_t n = 0;
    int rc;

    if (gmtime_r(&now, &tm))
        n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ\n", &tm);
    rc = file_write(path, text, n, err);
    free(path);
    return rc;
}

int push_confirm(struct push *p, const struct batch *b,
                 enum push_state *state, struct err *err)
{
    struct seal_info seal;
    struct push_plan plan;
    enum found found;
    int rc;

    *state = PUSH_CONFIRMED;
    if (push_is_confirmed(b->path)) {
        remove_bundles(b->path);
        return 0;
    }
    found = push_plan_read(&plan, b->path, err);
    if (found == FOUND_FAILED ||
        (found == FOUND_NONE && set_confirmed(b->path, err)))
        return -1;
    if (found == FOUND_NONE)
        return 0; /* it had no result */
    if (push_open_send(p, err) || seal_info_read(&seal, b->path, err))
        return -1;
    rc = ask_about_all(p, b, &plan, seal.n_parts, state, err);
    if (rc == 0 && *state == PUSH_CONFIRMED)
        rc = read_one_back(p, b, &plan, seal.n_parts, state, err);
    if (rc == 0 && *state == PUSH_CONFIRMED) {
        rc = set_confirmed(b->path, err);
        if (rc == 0)
            remove_bundles(b->path);
    }
    seal_info_clear(&seal);
    return rc;
}
