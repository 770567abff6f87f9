/*
 * A bundler as Turbo speaks: whole items, prices, balances, status.  Uploads
 * in parts are bundler_parts.c's.
 */
#include <config.h>

#include "arweave/bundler.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/bundler_answer.h"
#include "arweave/bundler_internal.h"
#include "arweave/item.h"
#include "arweave/receipt.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/sys.h"

#define WINC_AR UINT64_C(1000000000000)
#define PART ((uint64_t)5 << 20)

int bundler_new(struct bundler **out, const struct settings *s,
                struct err *err)
{
    struct bundler *b = xcalloc(1, sizeof(*b));
    const char *payment = settings_text(s, "bundler-payment");

    b->url = xstrdup(settings_text(s, "bundler"));
    b->payment = xstrdup(*payment ? payment : b->url);
    b->part = PART;
    b->above = 2 * PART;
    http_limits_of(&b->limits, s);
    if (http_url_check(b->url, err)) {
        err_prefix(err, "the setting \"bundler\"");
        goto failed;
    }
    if (http_url_check(b->payment, err)) {
        err_prefix(err, "the setting \"bundler-payment\"");
        goto failed;
    }
    if (http_new(&b->http, &b->limits, err))
        goto failed;
    *out = b;
    return 0;
failed:
    bundler_free(b);
    return -1;
}

void bundler_free(struct bundler *b)
{
    if (!b)
        return;
    http_free(b->http);
    free(b->url);
    free(b->payment);
    free(b);
}

const char *bundler_url(const struct bundler *b)
{
    return b->url;
}

void bundler_stop(struct bundler *b, bool (*stop)(void))
{
    b->stop = stop;
    http_stop(b->http, stop);
}

void bundler_parts(struct bundler *b, uint64_t part, uint64_t above)
{
    b->part = part;
    b->above = above;
}

/* ---- an item's bytes ----- */

uint64_t bundler_item_size(const struct bundler_item *it)
{
    return it->n_head + (it->path ? it->n : 0);
}

int bundler_body_open(struct bundler_body *b, const struct bundler_item *it,
                      struct err *err)
{
    b->item = it;
    b->begin = b->at = 0;
    b->end = bundler_item_size(it);
    b->fd = -1;
    if (!it->path || !it->n)
        return 0;
    b->fd = open(it->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (b->fd < 0)
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", it->path);
    return 0;
}

void bundler_body_close(struct bundler_body *b)
{
    if (b->fd >= 0)
        close(b->fd);
    b->fd = -1;
}

static int body_next(void *self, void *data, size_t n, size_t *got,
                     struct err *err)
{
    struct bundler_body *b = self;
    const struct bundler_item *it = b->item;
    uint64_t left = b->end - b->at;
    ssize_t len;

    if (n > left)
        n = (size_t)left;
    if (b->at < it->n_head) {
        *got = it->n_head - (size_t)b->at < n ? it->n_head - (size_t)b->at
                                              : n;
        memcpy(data, (const char *)it->head + b->at, *got);
    } else {
        do
            len = pread(b->fd, data, n,
                        (off_t)(it->at + (b->at - it->n_head)));
        while (len < 0 && errno == EINTR);
        if (len < 0)
            return err_errno(err, ERR_RETRY, "cannot read \"%s\"", it->path);
        if (!len)
            return err_set(err, ERR_INPUT, "\"%s\" is shorter than when it "
                           "was signed", it->path);
        *got = (size_t)len;
    }
    b->at += *got;
    if (it->progress)
        it->progress(it->self, b->at, bundler_item_size(it));
    return 0;
}

static void body_rewind(void *self)
{
    struct bundler_body *b = self;

    b->at = b->begin;
}

/* ---- one call ----- */

int bundler_call(struct bundler *b, const char *base, const char *path,
                 struct bundler_body *body, struct http_answer *a,
                 struct err *err)
{
    static const char *const headers[] = { "x-chunking-version: 2", NULL };
    char *url = http_url_join(base, path);
    struct http_request r = { .method = body ? "POST" : "GET", .url = url,
                              .max_body = BUNDLER_MAX_ANSWER };
    int rc;

    if (body) {
        r.header = strncmp(path, "v1/chunks/", 10) != 0 ? NULL : headers;
        r.body_n = body->end - body->begin;
        r.source = r.body_n ? body_next : NULL;
        r.rewind = body_rewind;
        r.source_self = body;
        sys_crash_point();
    }
    for (unsigned turn = 0;; turn++) {
        if (body)
            body_rewind(body);
        rc = http_try(b->http, &r, NULL, b->stop, a, err);
        if (rc || a->status != 500 || turn >= b->limits.retries)
            break;
        if (http_wait(b->http, turn, a, err)) {
            rc = -1;
            break;
        }
    }
    if (body)
        sys_crash_point();
    free(url);
    return rc;
}

/* The text of an answer for a message: the body, or the reason. */
static void text_of(const struct http_answer *a, char out[200])
{
    const char *text = a->body.len ? a->body.data : a->reason;

    snprintf(out, 200, "%.*s", (int)strcspn(text, "\r\n"), text);
}

int bundler_unpaid(const struct bundler *b, const char *text,
                   struct err *err)
{
    return err_set(err, ERR_INPUT, "payment required: \"%s\" says \"%s\": buy "
                   "credits for the node's wallet there (\"apus wallet\" "
                   "shows its address) or choose another bundler", b->url,
                   text);
}

bool bundler_names(const char *text, struct id id)
{
    return text && strstr(text, id_text(id).s);
}

bool bundler_has_it(const struct http_answer *a, struct id id)
{
    const char *body = a->body.len ? a->body.data : "";
    bool says = a->status == 201 || a->status == 202 || a->status == 208 ||
                (a->status >= 400 && a->status < 500 && a->status != 402 &&
                 (strstr(a->reason, "already been uploaded") ||
                  strstr(body, "already")));

    return says && (bundler_names(body, id) || bundler_names(a->reason, id));
}

int bundler_refused(const struct bundler *b, const struct http_answer *a,
                    struct err *err)
{
    char text[200];

    text_of(a, text);
    switch (a->status) {
    case 402:
        return bundler_unpaid(b, text, err);
    case 400:
    case 403:
    case 413:
        return err_set(err, ERR_INPUT, "\"%s\" refuses the item (%d): %s",
                       b->url, a->status, text);
    default:
        return err_set(err, ERR_RETRY, "\"%s\" answers %d: %s", b->url,
                       a->status, text);
    }
}

int bundler_keep_receipt(struct bundler *b, struct buf *receipt,
                         const struct bundler_item *it, const struct id *signer,
                         const char *json, size_t n, struct err *err)
{
    struct receipt r;
    struct err why = ERR_INIT;

    b->says_charge = receipt_winc(json, n, &b->charge);
    if (receipt_read(&r, json, n, it->id, signer, &why))
        return err_set(err, ERR_RETRY, "the receipt of \"%s\": %s", b->url,
                       why.text);
    buf_put(receipt, json, n);
    return buf_check(receipt, "a receipt", err);
}

/* ---- an item ----- */

/* What must not be sent: Turbo takes an item without tags of a certain size
 * for spam, and one that is not ours for what it is. */
static int check_item(const struct bundler_item *it, struct err *err)
{
    struct item head;
    enum item_read read = item_head(&head, it->head, it->n_head, err);

    if (read == ITEM_BAD)
        return -1;
    if (read == ITEM_SHORT || !id_equal(head.id, it->id))
        return err_set(err, ERR_FATAL, "an item to be sent is not the one "
                       "that was signed");
    if (!head.n_tags)
        return err_set(err, ERR_INPUT, "an item without tags is not sent: "
                       "bundlers take it for spam");
    return 0;
}

/* 0 if the bundler has the item already, -1 for any other answer. */
static int has_it(struct bundler *b, const struct bundler_item *it,
                  const struct http_answer *a, struct err *err)
{
    b->says_charge = receipt_winc(a->body.data, a->body.len, &b->charge);
    return bundler_has_it(a, it->id) ? 0 : bundler_refused(b, a, err);
}

static int post_whole(struct bundler *b, const struct bundler_item *it,
                      const struct id *signer, struct buf *receipt,
                      struct err *err)
{
    struct bundler_body body;
    struct http_answer a;
    int rc = -1;

    http_answer_init(&a);
    if (bundler_body_open(&body, it, err) ||
        bundler_call(b, b->url, "v1/tx", &body, &a, err))
        goto out;
    if (a.status == 200)
        rc = bundler_keep_receipt(b, receipt, it, signer, a.body.data,
                                  a.body.len, err);
    else
        rc = has_it(b, it, &a, err);
out:
    bundler_body_close(&body);
    http_answer_clear(&a);
    return rc;
}

int bundler_post(struct bundler *b, const struct bundler_item *it,
                 const struct id *signer, struct buf *receipt, struct err *err)
{
    b->says_charge = false;
    if (check_item(it, err))
        return -1;
    if (bundler_item_size(it) > b->above)
        return bundler_post_parts(b, it, signer, receipt, err);
    return post_whole(b, it, signer, receipt, err);
}

bool bundler_charged(const struct bundler *b, uint64_t *winc)
{
    if (b->says_charge)
        *winc = b->charge;
    return b->says_charge;
}

int bundler_nonsense(const char *base, const char *path, struct err *err)
{
    err_turn(err, ERR_RETRY);
    return err_prefix(err, "\"%s/%s\"", base, path);
}

/* ---- questions ----- */

/* GET whose answer is 200. */
static int ask_bundler(struct bundler *b, const char *base, const char *path,
                       struct http_answer *a, struct err *err)
{
    char text[200];

    if (bundler_call(b, base, path, NULL, a, err))
        return -1;
    if (a->status == 200)
        return 0;
    text_of(a, text);
    return err_set(err, ERR_RETRY, "\"%s/%s\" answers %d: %s", base, path,
                   a->status, text);
}

int bundler_info(struct bundler *b, struct bundler_info *i, struct err *err)
{
    struct http_answer a;
    int rc;

    http_answer_init(&a);
    rc = ask_bundler(b, b->url, "v1/info", &a, err);
    if (!rc && bundler_read_info(i, a.body.data, a.body.len, err))
        rc = bundler_nonsense(b->url, "v1/info", err);
    http_answer_clear(&a);
    return rc;
}

void winc_text(char out[WINC_TEXT], uint64_t winc)
{
    char part[16];
    size_t n = (size_t)snprintf(part, sizeof(part), "%012" PRIu64,
                                winc % WINC_AR);

    while (n > 1 && part[n - 1] == '0')
        part[--n] = '\0';
    snprintf(out, WINC_TEXT, "%" PRIu64 " winston credits (%" PRIu64 ".%s AR)",
             winc, winc / WINC_AR, part);
}

int bundler_price(struct bundler *b, uint64_t n, uint64_t *winc,
                  struct err *err)
{
    char path[64];
    struct http_answer a;
    int rc;

    http_answer_init(&a);
    snprintf(path, sizeof(path), "v1/price/bytes/%" PRIu64, n);
    rc = ask_bundler(b, b->payment, path, &a, err);
    if (!rc && bundler_read_winc(winc, a.body.data, a.body.len, err))
        rc = bundler_nonsense(b->payment, path, err);
    http_answer_clear(&a);
    return rc;
}

int bundler_balance(struct bundler *b, struct id address, uint64_t *winc,
                    struct err *err)
{
    char path[128];
    struct http_answer a;
    int rc;

    http_answer_init(&a);
    snprintf(path, sizeof(path), "v1/account/balance/arweave?address=%s",
             id_text(address).s);
    rc = ask_bundler(b, b->payment, path, &a, err);
    if (rc && a.status == 404) { /* an account that was never paid into */
        *winc = 0;
        rc = 0;
    } else if (!rc && bundler_read_winc(winc, a.body.data, a.body.len, err)) {
        rc = bundler_nonsense(b->payment, path, err);
    }
    http_answer_clear(&a);
    return rc;
}

int bundler_status(struct bundler *b, struct id id, enum bundler_status *status,
                   struct id *root, bool *has_root, struct err *err)
{
    char path[128];
    struct http_answer a;
    int rc;

    http_answer_init(&a);
    snprintf(path, sizeof(path), "v1/tx/%s/status", id_text(id).s);
    rc = ask_bundler(b, b->url, path, &a, err);
    if (rc && a.status == 404) {
        *status = BUNDLER_UNKNOWN;
        *has_root = false;
        rc = 0;
    } else if (!rc && bundler_read_status(status, root, has_root, a.body.data,
                                          a.body.len, err)) {
        rc = bundler_nonsense(b->url, path, err);
    }
    http_answer_clear(&a);
    return rc;
}
