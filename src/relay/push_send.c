/*
 * Uploads: asked for the price, put down in the ledgers, handed over, and the
 * receipt kept.  In this order, so that a crash anywhere is at worst counted
 * twice and never paid twice: the same item is the same bytes.
 */
#include <config.h>

#include "relay/push_send.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "arweave/bundler.h"
#include "arweave/receipt.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/sys.h"
#include "relay/ledger.h"
#include "relay/push_items.h"

#define PINS_MAX ((size_t)64 << 10)
#define RECEIPT_MAX ((size_t)64 << 10)

struct push_send {
    struct bundler *bundler;
    struct bundler_info info;
    char *spool_dir;
    uint64_t max_winc, max_winc_day;
    uint64_t priced, price; /* the last that was asked */
    push_note_fn *note;
    void *self;
};

/* ---- who signs ----------------------------------------------------------- */

/* The line of this bundler in SPOOL/bundler-key: 1, 0, -1. */
static int find_pin(const char *path, const char *url, struct buf *text,
                    unsigned char pin[32], struct err *err)
{
    size_t n = strlen(url);

    if (!file_exists(path))
        return 0;
    if (file_read(text, path, err))
        return -1;
    for (char *line = text->data, *end; line && *line; line = end) {
        end = strchr(line, '\n');
        if (strncmp(line, url, n) != 0 || line[n] != ' ') {
            end = end ? end + 1 : NULL;
            continue;
        }
        if (end)
            *end = '\0';
        if (base64url_id(pin, line + n + 1))
            return err_set(err, ERR_INPUT, "\"%s\": no address behind %s",
                           path, url);
        return 1;
    }
    return 0;
}

int push_signer_check(const struct settings *s, const char *spool_dir,
                      const char *url, const unsigned char signer[32],
                      struct err *err)
{
    const char *set = settings_text(s, "bundler-key");
    char *path = file_join(spool_dir, "bundler-key");
    char is[ID_TEXT], was[ID_TEXT];
    unsigned char pin[32];
    struct buf text;
    int rc;

    buf_init(&text, PINS_MAX);
    if (*set)
        rc = base64url_id(pin, set) == 0 ? 1
             : err_set(err, ERR_INPUT, "bundler-key = \"%s\": an address of"
                       " 43 characters expected", set);
    else
        rc = find_pin(path, url, &text, pin, err);
    if (rc == 1 && memcmp(pin, signer, 32) != 0) {
        base64url(is, signer, 32);
        base64url(was, pin, 32);
        rc = err_set(err, ERR_INPUT, "%s says that %s signs its receipts, and"
                     " it was %s: nothing is handed over; if that is right,"
                     " %s", url, is, was,
                     *set ? "change the setting bundler-key"
                          : "remove its line from SPOOL/bundler-key");
    }
    buf_clear(&text);
    free(path);
    return rc;
}

/* Put the signer of this bundler, which has none yet, behind the others. */
static int pin_first(struct push_send *p, struct err *err)
{
    char *path = file_join(p->spool_dir, "bundler-key");
    const char *url = bundler_url(p->bundler);
    char signer[ID_TEXT], *told;
    struct buf text;
    int rc = 0;

    buf_init(&text, PINS_MAX);
    base64url(signer, p->info.signer, 32);
    if (file_exists(path))
        rc = file_read(&text, path, err);
    buf_printf(&text, "%s %s\n", url, signer);
    rc = rc || buf_check(&text, path, err) ||
         file_write(path, text.data, text.len, err) ? -1 : 0;
    told = xasprintf("receipts of %s must from now on be signed by %s (kept"
                     " in \"%s\")", url, signer, path);
    if (rc == 0 && p->note)
        p->note(p->self, false, told);
    free(told);
    buf_clear(&text);
    free(path);
    return rc;
}

/* The bundler is who it was, or whom the setting names. */
static int check_signer(struct push_send *p, const struct settings *s,
                        struct err *err)
{
    int rc = push_signer_check(s, p->spool_dir, bundler_url(p->bundler),
                               p->info.signer, err);

    return rc == 0 ? pin_first(p, err) : rc < 0 ? -1 : 0;
}

static int get_limit(uint64_t *out, const struct settings *s,
                     const char *name, struct err *err)
{
    const char *text = settings_text(s, name);

    if (json_u64_text(text, out))
        return err_set(err, ERR_INPUT, "%s = \"%s\": a number of winston"
                       " credits expected", name, text);
    return 0;
}

int push_send_new(struct push_send **out, const struct settings *s,
                  const char *spool_dir, push_note_fn *note, void *self,
                  struct err *err)
{
    struct push_send *p = xcalloc(1, sizeof(*p));

    p->spool_dir = xstrdup(spool_dir);
    p->note = note;
    p->self = self;
    p->priced = UINT64_MAX;
    if (get_limit(&p->max_winc, s, "max-winc", err) ||
        get_limit(&p->max_winc_day, s, "max-winc-day", err) ||
        bundler_new(&p->bundler, s, err) ||
        bundler_info(p->bundler, &p->info, err) || check_signer(p, s, err)) {
        push_send_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

void push_send_free(struct push_send *p)
{
    if (!p)
        return;
    bundler_free(p->bundler);
    free(p->spool_dir);
    free(p);
}

struct bundler *push_send_bundler(struct push_send *p)
{
    return p->bundler;
}

/* ---- money --------------------------------------------------------------- */

int push_send_price(struct push_send *p, uint64_t n, uint64_t *winc,
                    struct err *err)
{
    *winc = 0;
    if (n <= p->info.free_bytes)
        return 0;
    if (n != p->priced) {
        if (bundler_price(p->bundler, n, &p->price, err))
            return -1;
        p->priced = n;
    }
    *winc = p->price;
    return 0;
}

/* The ledger of today; the caller frees it. */
static char *today(const struct push_send *p)
{
    time_t now = time(NULL);
    char date[16] = "";
    struct tm tm;

    if (gmtime_r(&now, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    return xasprintf("%s/ledger/%s.jsonl", p->spool_dir, date);
}

static int over_batch(const struct push_send *p, uint64_t winc, uint64_t was,
                      struct err *err)
{
    return err_set(err, ERR_INPUT, "%" PRIu64 " winston credits more, %"
                   PRIu64 " so far: it would cost over max-winc = %"
                   PRIu64 " (raise it with --max-winc)", winc, was,
                   p->max_winc);
}

static int over_day(const struct push_send *p, uint64_t winc, uint64_t was,
                    struct err *err)
{
    return err_set(err, ERR_RETRY, "%" PRIu64 " winston credits more, %"
                   PRIu64 " today: over max-winc-day = %" PRIu64 "; it goes"
                   " on tomorrow (UTC), or raise the setting", winc, was,
                   p->max_winc_day);
}

int push_send_allows(struct push_send *p, const char *batch_path,
                     uint64_t winc, struct err *err)
{
    char *batch = push_path(batch_path, "costs.jsonl"), *day = today(p);
    uint64_t of_batch = 0, of_day = 0;
    int rc = -1;

    if (winc == 0)
        rc = 0;
    else if (ledger_sum(batch, &of_batch, err) == 0 &&
             ledger_sum(day, &of_day, err) == 0)
        rc = winc > p->max_winc || of_batch > p->max_winc - winc
                 ? over_batch(p, winc, of_batch, err)
             : winc > p->max_winc_day || of_day > p->max_winc_day - winc
                 ? over_day(p, winc, of_day, err) : 0;
    free(batch);
    free(day);
    return rc;
}

/* Put down what is about to be handed over. */
static int ask(struct push_send *p, const char *batch, const char *day,
               const unsigned char id[32], uint64_t price, struct err *err)
{
    char *dir = file_join(p->spool_dir, "ledger");
    uint64_t was = 0;
    int rc;

    rc = file_mkdirs(dir, err);
    free(dir);
    if (rc)
        return -1;
    rc = ledger_ask(batch, id, price, p->max_winc, &was, err);
    if (rc)
        return rc < 0 ? -1 : over_batch(p, price, was, err);
    rc = ledger_ask(day, id, price, p->max_winc_day, &was, err);
    if (rc <= 0)
        return rc;
    if (ledger_paid(batch, id, 0, err))
        return -1;
    return over_day(p, price, was, err);
}

/* ---- an upload ----------------------------------------------------------- */

static char *receipt_path(const char *batch_path,
                          const struct push_upload *u)
{
    return xasprintf("%s/push/%s.receipt", batch_path, u->name);
}

bool push_send_is_done(const char *batch_path, const struct push_upload *u)
{
    char *path = receipt_path(batch_path, u);
    bool done = file_exists(path);

    free(path);
    return done;
}

bool push_send_is_others(const struct push_send *p, const char *batch_path,
                         const struct push_upload *u)
{
    char *path = receipt_path(batch_path, u);
    struct err unused = ERR_INIT;
    struct receipt r;
    struct buf text;
    bool others;

    buf_init(&text, RECEIPT_MAX);
    others = file_exists(path) && file_read(&text, path, &unused) == 0 &&
             receipt_read(&r, text.data, text.len, u->id, NULL, &unused) ==
                 0 &&
             memcmp(r.signer, p->info.signer, 32) != 0;
    buf_clear(&text);
    free(path);
    return others;
}

/* What was charged: what the receipt says, nothing if it was there and paid
 * before, and not known (the price stands) if it was there all the same. */
static int settle(const struct push_upload *u, const struct receipt *r,
                  bool asked, bool had, const char *batch,
                  const char *day, struct err *err)
{
    uint64_t winc = r ? r->winc : 0;

    if ((!r && !had) || (!asked && winc == 0))
        return 0;
    return ledger_paid(batch, u->id, winc, err) ||
           ledger_paid(day, u->id, winc, err) ? -1 : 0;
}

static int keep_receipt(const char *path, const struct push_upload *u,
                        const struct buf *receipt, struct err *err)
{
    char id[ID_TEXT], text[128];
    int n;

    if (receipt->len)
        return file_write(path, receipt->data, receipt->len, err);
    base64url(id, u->id, 32);
    n = snprintf(text, sizeof(text), "{\"id\":\"%s\",\"already\":true}\n", id);
    return file_write(path, text, (size_t)n, err);
}

/* Hand it over and keep what came back.  The receipt is kept first: what has
 * one is not handed over again, and its price stands until it is settled. */
static int hand_over(struct push_send *p, const struct push_upload *u,
                     const char *path, bool asked, const char *batch,
                     const char *day, struct err *err)
{
    struct bundler_item it = {
        .head = u->head, .n_head = u->n_head, .path = u->data,
        .n = u->n_data, .progress = u->progress, .self = u->self,
    };
    char *state = xasprintf("%s.upload", path);
    bool had = file_exists(path);
    struct buf receipt;
    struct receipt r;
    int rc;

    it.state = state;
    memcpy(it.id, u->id, 32);
    buf_init(&receipt, RECEIPT_MAX);
    sys_crash_point();
    rc = bundler_post(p->bundler, &it, p->info.signer, &receipt, err);
    sys_crash_point();
    if (rc == 0 && receipt.len)
        rc = receipt_read(&r, receipt.data, receipt.len, u->id,
                          p->info.signer, err);
    if (rc == 0 && (receipt.len || !had))
        rc = keep_receipt(path, u, &receipt, err);
    else if (rc == 0)
        utimensat(AT_FDCWD, path, NULL, 0); /* it is not missed so soon */
    if (rc == 0)
        rc = settle(u, receipt.len ? &r : NULL, asked, had, batch, day, err);
    buf_clear(&receipt);
    free(state);
    return rc;
}

int push_send_item(struct push_send *p, const char *batch_path,
                   const struct push_upload *u, bool again, struct err *err)
{
    char *path = receipt_path(batch_path, u), *day = today(p);
    char *batch = push_path(batch_path, "costs.jsonl");
    uint64_t price = 0;
    int rc = 0;

    if (again || !file_exists(path)) {
        rc = push_send_price(p, u->n_head + u->n_data, &price, err);
        if (rc == 0 && price)
            rc = ask(p, batch, day, u->id, price, err);
        if (rc == 0)
            rc = hand_over(p, u, path, price > 0, batch, day, err);
        if (rc)
            err_prefix(err, "%s", u->name);
    }
    free(batch);
    free(day);
    free(path);
    return rc;
}
