/*
 * Uploads: asked for the price, put down in the ledgers, handed over, and the
 * receipt kept.  In this order, so that a crash anywhere is at worst counted
 * twice and never paid twice: the same item is the same bytes.
 */
#include <config.h>

#include "push/push_send.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "arweave/bundler.h"
#include "arweave/receipt.h"
#include "base/buf.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/sys.h"
#include "push/ledger.h"
#include "push/ledger_day.h"
#include "push/push_items.h"

#define PINS_MAX ((size_t)64 << 10)
#define RECEIPT_MAX ((size_t)64 << 10)

struct push_send {
    struct bundler *bundler;
    struct bundler_info info;
    const struct settings *settings;
    char *spool_dir;
    struct id node; /* address of the wallet */
    uint64_t max_winc, max_winc_day;
    uint64_t priced, price; /* the last that was asked */
    struct caller caller;
};

/* ---- who signs ----------------------------------------------------------- */

/* Find the line of this bundler in SPOOL/bundler-key. */
static enum found find_pin(const char *path, const char *url, struct buf *text,
                           struct id *pin, struct err *err)
{
    size_t n = strlen(url);

    if (!file_exists(path))
        return FOUND_NONE;
    if (file_read(text, path, err))
        return FOUND_FAILED;
    for (char *line = text->data, *end; line && *line; line = end) {
        end = strchr(line, '\n');
        if (strncmp(line, url, n) != 0 || line[n] != ' ') {
            end = end ? end + 1 : NULL;
            continue;
        }
        if (end)
            *end = '\0';
        if (id_parse(pin, line + n + 1))
            return err_set(err, ERR_INPUT, "\"%s\": no address after %s",
                           path, url);
        return FOUND_ONE;
    }
    return FOUND_NONE;
}

enum found push_signer_check(const struct settings *s, const char *spool_dir,
                             const char *url, struct id signer,
                             struct err *err)
{
    const char *set = settings_text(s, "bundler-key");
    char *path = file_join(spool_dir, "bundler-key");
    struct id pin;
    struct buf text;
    enum found found;

    buf_init(&text, PINS_MAX);
    if (*set)
        found = id_parse(&pin, set) == 0
                 ? FOUND_ONE
                 : err_set(err, ERR_INPUT,
                           "bundler-key = \"%s\": an address of"
                           " 43 characters expected",
                           set);
    else
        found = find_pin(path, url, &text, &pin, err);
    if (found == FOUND_ONE && !id_equal(pin, signer)) {
        found = err_set(err, ERR_INPUT,
                     "%s says that %s signs its receipts, and"
                     " it was %s: nothing is handed over; if that is right,"
                     " %s",
                     url, id_text(signer).s, id_text(pin).s,
                     *set ? "change the setting bundler-key"
                          : "remove its line from SPOOL/bundler-key");
    }
    buf_clear(&text);
    free(path);
    return found;
}

/* Put the signer of this bundler, which has none yet, after the others. */
static int pin_first(struct push_send *p, struct err *err)
{
    char *path = file_join(p->spool_dir, "bundler-key");
    const char *url = bundler_url(p->bundler);
    char *told;
    struct buf text;
    int rc = 0;

    buf_init(&text, PINS_MAX);
    if (file_exists(path))
        rc = file_read(&text, path, err);
    buf_printf(&text, "%s %s\n", url, id_text(p->info.signer).s);
    rc = rc || buf_check(&text, path, err) ||
         file_write(path, text.data, text.len, err) ? -1 : 0;
    told = xasprintf("receipts of %s must from now on be signed by %s (kept"
                     " in \"%s\")",
                     url, id_text(p->info.signer).s, path);
    if (rc == 0)
        caller_note(&p->caller, false, told);
    free(told);
    buf_clear(&text);
    free(path);
    return rc;
}

/* The bundler is who it was, or whom the setting names. */
static int check_signer(struct push_send *p, const struct settings *s,
                        struct err *err)
{
    enum found found = push_signer_check(s, p->spool_dir,
                                         bundler_url(p->bundler),
                                         p->info.signer, err);

    if (found == FOUND_NONE)
        return pin_first(p, err);
    return found == FOUND_FAILED ? -1 : 0;
}

int push_send_new(struct push_send **out, const struct settings *s,
                  const char *spool_dir, struct id node,
                  const struct caller *caller, struct err *err)
{
    struct push_send *p = xcalloc(1, sizeof(*p));

    p->settings = s;
    p->spool_dir = xstrdup(spool_dir);
    p->node = node;
    p->caller = *caller;
    p->priced = UINT64_MAX;
    p->max_winc = settings_count(s, "max-winc");
    p->max_winc_day = settings_count(s, "max-winc-day");
    if (bundler_new(&p->bundler, s, err) ||
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

static int over_batch(const struct push_send *p, uint64_t winc, uint64_t was,
                      struct err *err)
{
    char more[WINC_TEXT];

    winc_text(more, winc);
    return err_set(err, ERR_INPUT, "%s more, %" PRIu64 " so far: over max-winc"
                   " = %" PRIu64 " (raise it with --max-winc)", more, was,
                   p->max_winc);
}

static int over_day(const struct push_send *p, uint64_t winc, uint64_t was,
                    struct err *err)
{
    char more[WINC_TEXT];

    winc_text(more, winc);
    return err_set(err, ERR_RETRY, "%s more, %" PRIu64 " today by this"
                   " wallet: over max-winc-day = %" PRIu64 "; run it again"
                   " tomorrow (UTC), or raise the setting", more, was,
                   p->max_winc_day);
}

static bool is_over(uint64_t winc, uint64_t was, uint64_t most)
{
    return was > most || winc > most - was;
}

int push_send_allows(struct push_send *p, const char *batch_path,
                     uint64_t winc, struct err *err)
{
    char *batch = push_path(batch_path, "costs.jsonl");
    uint64_t of_batch = 0, of_day = 0;
    struct ledger_day *day;
    int rc = ledger_sum(batch, &of_batch, err);

    free(batch);
    if (rc || ledger_day_open(&day, p->settings, p->spool_dir, p->node, err))
        return -1;
    rc = ledger_day_sum(day, &of_day, err);
    ledger_day_close(day);
    if (rc)
        return -1;
    return is_over(winc, of_batch, p->max_winc)
               ? over_batch(p, winc, of_batch, err)
           : is_over(winc, of_day, p->max_winc_day)
               ? over_day(p, winc, of_day, err) : 0;
}

/* Where the costs of an upload are put down. */
struct costs {
    char *batch;
    struct ledger_day *day;
};

/* Put down what is about to be handed over, free or not, so that a disk that
 * cannot be written is noticed before anything is paid. */
static int note_price(struct push_send *p, const struct costs *c, struct id id,
                      uint64_t price, struct err *err)
{
    uint64_t was = 0;
    enum ledger_end end = ledger_ask(c->batch, id, price, p->max_winc, &was,
                                     err);

    if (end != LEDGER_NOTED)
        return end == LEDGER_FAILED ? -1 : over_batch(p, price, was, err);
    end = ledger_day_ask(c->day, id, price, p->max_winc_day, &was, err);
    if (end != LEDGER_OVER)
        return end == LEDGER_FAILED ? -1 : 0;
    if (ledger_paid(c->batch, id, 0, err))
        return -1;
    return over_day(p, price, was, err);
}

static int put_paid(const struct costs *c, struct id id, uint64_t winc,
                    struct err *err)
{
    return ledger_paid(c->batch, id, winc, err) ||
           ledger_day_paid(c->day, id, winc, err) ? -1 : 0;
}

static void warn_of_charge(struct push_send *p, const struct push_upload *u,
                           uint64_t price, uint64_t charged)
{
    char *text, paid[WINC_TEXT];

    if (charged <= price)
        return;
    winc_text(paid, charged);
    text = xasprintf("%s says that it charged %s for %s; its price was %"
                     PRIu64, bundler_url(p->bundler), paid, u->name, price);
    caller_note(&p->caller, true, text);
    free(text);
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
    struct receipt r;
    struct buf text;
    bool others;

    buf_init(&text, RECEIPT_MAX);
    others = file_exists(path) && file_read(&text, path, NULL) == 0 &&
             receipt_read(&r, text.data, text.len, u->id, NULL, NULL) == 0 &&
             !id_equal(r.signer, p->info.signer);
    buf_clear(&text);
    free(path);
    return others;
}

/* What became of a POST. */
enum sent { SENT_FAILED, SENT_ALREADY, SENT_PAID_BEFORE, SENT_RECEIPT };

/* Put down what an upload has cost.  What the bundler says was charged counts
 * whatever came of it: the amount is not signed in any receipt.  Where it says
 * nothing the price stands, unless a receipt shows that it was paid before.
 * One that failed, or was there already, may cost its price all the same. */
static int settle(struct push_send *p, const struct push_upload *u,
                  const struct costs *c, uint64_t price, enum sent sent,
                  struct err *err)
{
    uint64_t charged = 0;
    bool says = bundler_charged(p->bundler, &charged);

    warn_of_charge(p, u, price, charged);
    if (sent == SENT_PAID_BEFORE || (says && charged > price) ||
        (says && sent == SENT_RECEIPT))
        return put_paid(c, u->id, charged, err);
    return 0;
}

static int keep_receipt(const char *path, const struct push_upload *u,
                        const struct buf *receipt, struct err *err)
{
    char text[128];
    int n;

    if (receipt->len)
        return file_write(path, receipt->data, receipt->len, err);
    n = snprintf(text, sizeof(text), "{\"id\":\"%s\",\"already\":true}\n",
                 id_text(u->id).s);
    return file_write(path, text, (size_t)n, err);
}

/* Hand it over and keep what came back.  The charge is put down before the
 * receipt is kept: what has a receipt is not handed over again. */
static int hand_over(struct push_send *p, const struct push_upload *u,
                     const char *path, const struct costs *c, uint64_t price,
                     struct err *err)
{
    struct bundler_item it = {
        .head = u->head, .n_head = u->n_head, .path = u->data,
        .n = u->n_data, .progress = u->progress, .self = u->self,
    };
    char *state = xasprintf("%s.upload", path);
    bool had = file_exists(path);
    struct buf receipt;
    int rc;

    it.state = state;
    it.id = u->id;
    buf_init(&receipt, RECEIPT_MAX);
    sys_crash_point();
    rc = bundler_post(p->bundler, &it, &p->info.signer, &receipt, err);
    sys_crash_point();
    if (rc)
        settle(p, u, c, price, SENT_FAILED, NULL);
    else
        rc = settle(p, u, c, price, receipt.len ? SENT_RECEIPT
                    : had ? SENT_PAID_BEFORE : SENT_ALREADY, err);
    if (rc == 0 && (receipt.len || !had))
        rc = keep_receipt(path, u, &receipt, err);
    else if (rc == 0)
        utimensat(AT_FDCWD, path, NULL, 0); /* it is not missed so soon */
    buf_clear(&receipt);
    free(state);
    return rc;
}

int push_send_item(struct push_send *p, const char *batch_path,
                   const struct push_upload *u, bool again, struct err *err)
{
    char *path = receipt_path(batch_path, u);
    struct costs c = { .batch = push_path(batch_path, "costs.jsonl") };
    uint64_t price = 0;
    int rc = 0;

    if (again || !file_exists(path)) {
        rc = push_send_price(p, u->n_head + u->n_data, &price, err) ||
             ledger_day_open(&c.day, p->settings, p->spool_dir, p->node,
                             err) ? -1 : 0;
        rc = rc ? rc : note_price(p, &c, u->id, price, err);
        rc = rc ? rc : hand_over(p, u, path, &c, price, err);
        if (rc)
            err_prefix(err, "%s", u->name);
    }
    ledger_day_close(c.day);
    free(c.batch);
    free(path);
    return rc;
}
