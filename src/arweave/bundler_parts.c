/*
 * Uploads in parts.  The bundler gives the upload a name, which is written
 * down before the first part goes; what it has of it is asked before any part
 * is sent, so that an upload goes on where it ended.
 */
#include <config.h>

#include "arweave/bundler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/bundler_answer.h"
#include "arweave/bundler_internal.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_STATE 256
#define MAX_POLL_S 3600 /* where http-timeout is 0 */
#define WANT_PARTS 500 /* at most, while parts are not too large */
#define MIB ((uint64_t)1 << 20)
#define PART_LIMIT (500 * MIB)

struct upload_parts {
    struct bundler *b;
    const struct bundler_item *item;
    const struct id *signer;
    struct buf *receipt;
    struct bundler_upload upload;
    uint64_t size;
    size_t n;
    bool *there;
    bool gone;     /* the bundler does not know the upload any more */
};

static char *path_of(const struct upload_parts *p, const char *what)
{
    return xasprintf("v1/chunks/arweave/%s/%s", p->upload.id, what);
}

/* ---- which upload ----- */

/* The state file "ID PART\n": false if there is none that makes sense. */
static bool read_state(struct upload_parts *p)
{
    struct buf text, json;
    char *space;
    bool good = false;

    if (!p->item->state || !file_exists(p->item->state))
        return false;
    buf_init(&text, MAX_STATE);
    buf_init(&json, MAX_STATE + 64);
    if (file_read(&text, p->item->state, NULL) || !text.len ||
        text.data[text.len - 1] != '\n')
        goto out;
    text.data[text.len - 1] = '\0';
    space = strchr(text.data, ' ');
    if (!space)
        goto out;
    *space = '\0';
    /* through the reader of the bundler's answer, which checks both */
    buf_puts(&json, "{\"id\":\"");
    buf_puts(&json, text.data);
    buf_printf(&json, "\",\"chunkSize\":\"%s\"}", space + 1);
    good = !bundler_read_begin(&p->upload, json.data, json.len, NULL);
out:
    buf_clear(&text);
    buf_clear(&json);
    return good;
}

static int write_state(const struct upload_parts *p, struct err *err)
{
    char text[MAX_STATE];
    int n = snprintf(text, sizeof(text), "%s %" PRIu64 "\n", p->upload.id,
                     p->upload.part);

    return p->item->state ? file_write(p->item->state, text, (size_t)n, err)
                          : 0;
}

static void forget_state(const struct upload_parts *p)
{
    if (p->item->state)
        unlink(p->item->state);
}

static int count_parts(struct upload_parts *p, struct err *err)
{
    uint64_t n = p->size / p->upload.part + (p->size % p->upload.part != 0);

    if (n > BUNDLER_MAX_PARTS)
        return err_set(err, ERR_INPUT, "an item of %" PRIu64 " bytes has too "
                       "many parts", p->size);
    free(p->there);
    p->n = (size_t)n;
    p->there = xcalloc(p->n, sizeof(*p->there));
    return 0;
}

/* Ask what the bundler has of it; FOUND_NONE if it does not know it. */
static enum found ask_list(struct upload_parts *p, struct err *err)
{
    char *path = path_of(p, "-1");
    struct http_answer a;
    enum found found = FOUND_FAILED;

    http_answer_init(&a);
    if (bundler_call(p->b, p->b->url, path, NULL, &a, err))
        goto out;
    if (a.status == 404)
        found = FOUND_NONE;
    else if (a.status != 200)
        bundler_refused(p->b, &a, err);
    else if (bundler_read_list(p->there, &p->upload, p->size, a.body.data,
                               a.body.len, err))
        bundler_nonsense(p->b->url, path, err);
    else
        found = FOUND_ONE;
out:
    http_answer_clear(&a);
    free(path);
    return found;
}

/* Small parts lose less when one fails, few parts take fewer calls. */
static uint64_t part_size(const struct upload_parts *p)
{
    uint64_t n = (p->size / WANT_PARTS + MIB - 1) / MIB * MIB;

    if (n > PART_LIMIT)
        n = PART_LIMIT;
    return p->size / p->b->part <= WANT_PARTS || n < p->b->part
               ? p->b->part : n;
}

static int begin_upload(struct upload_parts *p, struct err *err)
{
    char path[128];
    struct http_answer a;
    int rc;

    http_answer_init(&a);
    snprintf(path, sizeof(path), "v1/chunks/arweave/-1/-1?chunkSize=%" PRIu64,
             part_size(p));
    rc = bundler_call(p->b, p->b->url, path, NULL, &a, err);
    if (!rc && a.status != 200)
        rc = bundler_refused(p->b, &a, err);
    if (!rc && bundler_read_begin(&p->upload, a.body.data, a.body.len, err))
        rc = bundler_nonsense(p->b->url, path, err);
    http_answer_clear(&a);
    if (rc || count_parts(p, err))
        return -1;
    return write_state(p, err);
}

/* The upload of the last time, if the bundler knows it, else a new one. */
static int choose(struct upload_parts *p, struct err *err)
{
    enum found found;

    if (!read_state(p))
        return begin_upload(p, err);
    if (count_parts(p, err))
        return -1;
    found = ask_list(p, err);
    if (found == FOUND_NONE)
        return begin_upload(p, err);
    return found == FOUND_FAILED ? -1 : 0;
}

/* ---- sending ----- */

static int send_part(struct upload_parts *p, struct bundler_body *body,
                     size_t i, struct err *err)
{
    char offset[24], *path;
    struct http_answer a;
    int rc;

    body->begin = body->at = i * p->upload.part;
    body->end = p->size - body->begin < p->upload.part
                    ? p->size : body->begin + p->upload.part;
    snprintf(offset, sizeof(offset), "%" PRIu64, body->begin);
    path = path_of(p, offset);
    http_answer_init(&a);
    rc = bundler_call(p->b, p->b->url, path, body, &a, err);
    if (!rc && (a.status < 200 || a.status > 299)) {
        p->gone = a.status == 404;
        rc = bundler_refused(p->b, &a, err);
    }
    http_answer_clear(&a);
    free(path);
    return rc;
}

static int send_parts(struct upload_parts *p, struct err *err)
{
    struct bundler_body body;
    int rc = bundler_body_open(&body, p->item, err);

    for (size_t i = 0; i < p->n && !rc; i++)
        if (!p->there[i])
            rc = send_part(p, &body, i, err);
    bundler_body_close(&body);
    return rc;
}

/* ---- the end ----- */

/* Ask whether the upload is taken.  *end: BUNDLER_WORKING if not yet. */
static int ask_end(struct upload_parts *p, enum bundler_end *end,
                   struct err *err)
{
    char *path = path_of(p, "status");
    struct http_answer a;
    struct buf json;
    int rc;

    http_answer_init(&a);
    buf_init(&json, 65536);
    rc = bundler_call(p->b, p->b->url, path, NULL, &a, err);
    if (!rc && a.status != 200)
        rc = bundler_refused(p->b, &a, err);
    if (!rc && bundler_read_end(end, &json, a.body.data, a.body.len, err))
        rc = bundler_nonsense(p->b->url, path, err);
    if (!rc && *end == BUNDLER_UNPAID)
        rc = bundler_unpaid(p->b, "UNDERFUNDED", err);
    else if (!rc && *end == BUNDLER_REFUSED)
        rc = err_set(err, ERR_INPUT, "\"%s\" refuses the item: %.*s",
                     p->b->url, (int)(a.body.len < 200 ? a.body.len : 200),
                     a.body.data);
    else if (!rc && *end != BUNDLER_WORKING && !json.len &&
             !bundler_names(a.body.data, p->item->id))
        rc = err_set(err, ERR_RETRY, "\"%s\" says that an upload is complete "
                     "and returned neither a receipt nor the item's id",
                     p->b->url);
    if (!rc && *end != BUNDLER_WORKING && json.len)
        rc = bundler_keep_receipt(p->b, p->receipt, p->item, p->signer,
                                  json.data, json.len, err);
    if (rc && *end == BUNDLER_REFUSED)
        forget_state(p);
    http_answer_clear(&a);
    buf_clear(&json);
    free(path);
    return rc;
}

static int wait_end(struct upload_parts *p, struct err *err)
{
    unsigned limit = p->b->limits.total_s ? p->b->limits.total_s : MAX_POLL_S;
    uint64_t last = clock_ms() + (uint64_t)limit * 1000;

    for (unsigned turn = 0;; turn++) {
        enum bundler_end end = BUNDLER_WORKING;

        if (ask_end(p, &end, err))
            return -1;
        if (end != BUNDLER_WORKING)
            return 0;
        if (clock_ms() > last)
            return err_set(err, ERR_RETRY, "\"%s\" is still at the upload "
                           "after %u seconds", p->b->url, limit);
        if (http_wait(p->b->http, turn, NULL, err))
            return -1;
    }
}

static int finalize(struct upload_parts *p, struct err *err)
{
    struct bundler_item none = { .n_head = 0 };
    char *path = path_of(p, "finalize");
    struct bundler_body body;
    struct http_answer a;
    int rc;

    http_answer_init(&a);
    bundler_body_open(&body, &none, NULL);
    rc = bundler_call(p->b, p->b->url, path, &body, &a, err);
    if (!rc && (a.status < 200 || a.status > 299)) {
        p->gone = a.status == 404;
        rc = bundler_has_it(&a, p->item->id)
                 ? 0 : bundler_refused(p->b, &a, err);
    }
    http_answer_clear(&a);
    free(path);
    return rc ? rc : wait_end(p, err);
}

int bundler_post_parts(struct bundler *b, const struct bundler_item *it,
                       const struct id *signer, struct buf *receipt,
                       struct err *err)
{
    struct upload_parts p = { .b = b,
                              .item = it,
                              .signer = signer,
                              .receipt = receipt,
                              .size = bundler_item_size(it) };
    int rc = choose(&p, err);

    rc = rc ? rc : send_parts(&p, err);
    rc = rc ? rc : finalize(&p, err);
    if (!rc || p.gone)
        forget_state(&p);
    free(p.there);
    return rc;
}
