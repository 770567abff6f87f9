/*
 * What apus doctor looks at elsewhere: the wallet, which speaks for this node,
 * gateways, the bundler, the queue, and whether clocks agree.  Nothing is
 * signed and nothing is changed.
 */
#include <config.h>

#include "cmd/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ao/ao.h"
#include "arweave/bundler.h"
#include "arweave/key.h"
#include "arweave/wallet.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/remote_fs.h"
#include "base/settings.h"
#include "model/models.h"
#include "net/http.h"
#include "node/drained.h"
#include "push/ledger_day.h"
#include "push/push_send.h"
#include "queue/client.h"
#include "spool/spool.h"

#define ANSWER_MAX 65536
#define CLOCK_S 120
#define PAGES_MAX 100

/* A person waits: short waits, no second attempts. */
static const struct http_limits patience = {
    .connect_s = 5, .stall_s = 10, .total_s = 15, .retries = 0
};

/* ---- wallet ------------------------------------------------------------- */

/* 0 and the wallet's address, -1 there is none or it cannot be used. */
static int wallet_address(struct doctor *d, struct id *address, struct err *err)
{
    struct key *k;
    char *path;
    int rc;

    if (wallet_path(&path, d->settings, err))
        return -1;
    rc = key_load(&k, path, err);
    free(path);
    if (rc == 0) {
        key_address(k, address);
        key_free(k);
    }
    return rc;
}

/* For one that is named and cannot be used. */
static const char *wallet_remedy(const char *path)
{
    struct stat st;

    if (lstat(path, &st))
        return "apus wallet new makes it; or set wallet to where it is";
    if (S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077))
        return "chmod 600 it; if others could read it, use a new one";
    return "set wallet to an RSA-4096 JWK of this user; apus wallet new FILE"
           " makes one";
}

/* Whether all spools of this wallet share the ceiling of a day. */
static void check_ledger(struct doctor *d)
{
    struct err err = ERR_INIT;
    bool in_spool;
    char *dir;

    if (ledger_dir(&dir, &in_spool, d->settings,
                   settings_text(d->settings, "spool"), false, &err)) {
        doctor_bad(d, "ledger", "set ledger to a directory of this user",
                   "%s", err.text);
        return;
    }
    if (in_spool)
        doctor_warn(d, "ledger", "let this user write to ledger beside the"
                    " wallet, or set ledger to a directory that all users of"
                    " the wallet can write", "\"%s\" of this spool alone:"
                    " another spool with this wallet may pay max-winc-day"
                    " once more", dir);
    else
        doctor_ok(d, "ledger", "\"%s\"", dir);
    free(dir);
}

void doctor_wallet(struct doctor *d)
{
    bool needed = *settings_text(d->settings, "queue") != '\0';
    struct id address;
    struct err err = ERR_INIT;
    char *path = NULL, id[ID_TEXT];
    const char *fs;

    if (wallet_path(&path, d->settings, &err)) {
        if (needed)
            doctor_bad(d, "wallet", "apus wallet new, or set wallet",
                       "%s", err.text);
        else
            doctor_skip(d, "wallet", "there is none: batches of files need"
                        " none until apus push");
        return;
    }
    if (wallet_address(d, &address, &err)) {
        doctor_bad(d, "wallet", wallet_remedy(path), "%s", err.text);
        free(path);
        return;
    }
    base64url(id, address.b, 32);
    fs = remote_fs(path);
    if (fs)
        doctor_warn(d, "wallet", "keep it on a local disk of the login node:"
                    " jobs run as the same user", "\"%s\" lies on %s, where"
                    " jobs can read it", path, fs);
    else
        doctor_ok(d, "wallet", "\"%s\", address %s", path, id);
    free(path);
    check_ledger(d);
}

/* ---- gateways and clocks ------------------------------------------------ */

/* The next of several URLs, in url[0..n): where to go on, NULL at the end. */
static const char *next_url(const char *list, char *url, size_t n)
{
    size_t len;

    list += strspn(list, " ,");
    len = strcspn(list, " ,");
    if (len == 0)
        return NULL;
    snprintf(url, n, "%.*s", (int)len, list);
    return list + len;
}

/* GET base/path: 0 and the answer if it is 200. */
static int get_url(const char *base, const char *path, struct http_answer *a,
                   struct err *err)
{
    struct http_request r = { .method = "GET", .max_body = ANSWER_MAX };
    char *url = http_url_join(base, path);
    struct http *h = NULL;
    int rc;

    r.url = url;
    http_answer_init(a);
    rc = http_new(&h, &patience, err) || http_do(h, &r, a, err) ? -1 : 0;
    if (rc == 0 && a->status != 200) {
        rc = err_set(err, ERR_RETRY, "\"%s\" answers %d", url, a->status);
        http_answer_clear(a);
    }
    http_free(h);
    free(url);
    return rc;
}

void doctor_gateways(struct doctor *d)
{
    const char *at = settings_text(d->settings, "gateways");
    char url[512];
    size_t n = 0;

    while ((at = next_url(at, url, sizeof(url))) != NULL) {
        struct http_answer a;
        struct err err = ERR_INIT;

        n++;
        if (get_url(url, "info", &a, &err)) {
            doctor_bad(d, "gateway", "is this machine on the network, and the"
                       " URL right? set gateways", "%s", err.text);
            continue;
        }
        doctor_ok(d, "gateway", "\"%s\" answers", url);
        http_answer_clear(&a);
    }
    if (n == 0)
        doctor_bad(d, "gateway", "set gateways", "none is set");
    else if (n == 1)
        doctor_warn(d, "gateway", "set a second one in gateways", "only one"
                    " is set: uploads are read back from a second one");
}

/* Seconds that the other's clock is ahead of ours, by the header Date (RFC
 * 9110 section 5.6.7): 0 or -1 where it gives none. */
static int clock_ahead(const struct http_answer *a, time_t now, long *ahead)
{
    struct tm tm = { 0 };
    char text[64];

    if (!http_header(a, "date", text, sizeof(text)) ||
        !strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return -1;
    *ahead = (long)(timegm(&tm) - now);
    return 0;
}

void doctor_clock(struct doctor *d)
{
    const char *at = settings_text(d->settings, "gateways");
    struct http_answer a;
    char url[512];
    long ahead = 0;

    while ((at = next_url(at, url, sizeof(url))) != NULL) {
        int rc;

        if (get_url(url, "info", &a, NULL))
            continue;
        rc = clock_ahead(&a, time(NULL), &ahead);
        http_answer_clear(&a);
        if (rc)
            continue;
        if (labs(ahead) > CLOCK_S)
            doctor_bad(d, "clock", "set this machine's clock (chronyc"
                       " makestep)", "\"%s\" is %ld s %s it", url,
                       labs(ahead), ahead > 0 ? "ahead of" : "behind");
        else
            doctor_ok(d, "clock", "it agrees with \"%s\"", url);
        return;
    }
    doctor_skip(d, "clock", "no gateway tells its time");
}

/* ---- bundler ------------------------------------------------------------ */

/* Whether push would believe its receipts. */
static void check_signer(struct doctor *d, const char *url,
                         const struct bundler_info *info)
{
    struct err err = ERR_INIT;
    enum found found = push_signer_check(d->settings,
                                         settings_text(d->settings, "spool"),
                                         url, info->signer, &err);

    if (found == FOUND_FAILED)
        doctor_bad(d, "receipts", "ask whoever runs it whether its key is"
                   " another one now; until then push sends nothing", "%s",
                   err.text);
    else if (found == FOUND_NONE)
        doctor_ok(d, "receipts", "the first push will pin %s",
                  id_text(info->signer).s);
    else
        doctor_ok(d, "receipts", "%s signs them, as is pinned",
                  id_text(info->signer).s);
}

static void check_balance(struct doctor *d, struct bundler *b)
{
    struct id address;
    struct err err = ERR_INIT;
    char id[ID_TEXT], text[WINC_TEXT];
    uint64_t winc;

    if (wallet_address(d, &address, &err)) {
        doctor_skip(d, "balance", "there is no wallet that can be used");
        return;
    }
    base64url(id, address.b, 32);
    if (bundler_balance(b, address, &winc, &err)) {
        doctor_bad(d, "balance", "are bundler-payment and bundler right?"
                   " (apus settings)", "%s", err.text);
        return;
    }
    winc_text(text, winc);
    if (winc == 0)
        doctor_warn(d, "balance", "buy credits for this address from the"
                    " bundler, or publish nothing larger than what is free",
                    "the wallet %s has no credits", id);
    else
        doctor_ok(d, "balance", "%s", text);
}

void doctor_bundler(struct doctor *d)
{
    struct err err = ERR_INIT;
    struct bundler_info info;
    struct bundler *b;

    if (bundler_new(&b, d->settings, &err)) {
        doctor_bad(d, "bundler", "set bundler, and bundler-payment (apus"
                   " settings)", "%s", err.text);
        return;
    }
    if (bundler_info(b, &info, &err)) {
        doctor_bad(d, "bundler", "is its URL right, and does it live? set"
                   " bundler", "%s", err.text);
    } else {
        doctor_ok(d, "bundler", "\"%s\" takes %" PRIu64 " bytes an item for"
                  " nothing", bundler_url(b), info.free_bytes);
        check_signer(d, bundler_url(b), &info);
    }
    check_balance(d, b);
    bundler_free(b);
}

/* ---- queue -------------------------------------------------------------- */

enum listed { LISTED_NOT, LISTED, LISTED_REVOKED, LISTED_UNKNOWN };

/* Whether a line of a page has `id` under `key`. */
static enum listed find_line(const char *data, const char *key, const char *id,
                             struct err *err)
{
    enum listed found = LISTED_NOT;

    while (found == LISTED_NOT && *data) {
        size_t n = strcspn(data, "\n");
        const char *has, *revoked;
        struct json *line;

        if (json_parse(&line, data, n, err)) {
            err_prefix(err, "a list of the queue");
            return LISTED_UNKNOWN;
        }
        has = json_string(json_get(line, key));
        revoked = json_string(json_get(line, "revoked"));
        if (has && strcmp(has, id) == 0)
            found = revoked && *revoked ? LISTED_REVOKED : LISTED;
        json_free(line);
        data += n + (data[n] == '\n');
    }
    return found;
}

/* The same of all pages of a list (Nodes, Models). */
static enum listed find_listed(struct client *t, const char *action,
                               const char *key, const char *id,
                               struct err *err)
{
    const char *page = "0";
    char next[24], answer[40];
    enum listed found = LISTED_NOT;

    snprintf(answer, sizeof(answer), "%s-Response", action);
    for (int i = 0; i < PAGES_MAX && found == LISTED_NOT && *page; i++) {
        const struct item_text_tag tag[] = {
            { "Action", action }, { "Page", page }
        };
        const struct ao_message m = { .tag = tag, .n_tags = 2 };
        const struct ao_out *o;
        struct ao_result r;
        const char *tail;

        if (client_ask(t, &m, answer, &r, &o, err) < 0)
            return LISTED_UNKNOWN;
        found = find_line(o->data, key, id, err);
        tail = ao_out_tag(o, "Next");
        snprintf(next, sizeof(next), "%s", tail ? tail : "");
        page = next;
        ao_result_clear(&r);
    }
    return found;
}

static void check_allowed(struct doctor *d, struct client *t)
{
    struct id address;
    struct err err = ERR_INIT;
    char id[ID_TEXT], *remedy;

    if (wallet_address(d, &address, &err)) {
        doctor_skip(d, "node", "there is no wallet that can be used");
        return;
    }
    base64url(id, address.b, 32);
    /* an id may begin as an option does */
    remedy = xasprintf("its owner: apus queue allow %s%s",
                       id[0] == '-' ? "-- " : "", id);
    switch (find_listed(t, "Nodes", "node", id, &err)) {
    case LISTED:
        doctor_ok(d, "node", "the queue allows %s", id);
        break;
    case LISTED_NOT:
        doctor_bad(d, "node", remedy, "the queue does not allow this node");
        break;
    case LISTED_REVOKED:
        doctor_bad(d, "node", remedy, "the queue allows this node no longer");
        break;
    case LISTED_UNKNOWN:
        doctor_bad(d, "node", "try again", "%s", err.text);
        break;
    }
    free(remedy);
}

/* Of the models here, how many the queue takes requests for: 0, -1. */
static int count_served(struct client *t, char *rows, size_t *n,
                        struct err *err)
{
    char *row;

    while ((row = strsep(&rows, "\n")) != NULL) {
        enum listed found = LISTED_NOT;
        const char *id;

        strsep(&row, "\t");
        id = row ? strsep(&row, "\t") : NULL;
        if (id)
            found = find_listed(t, "Models", "model", id, err);
        if (found == LISTED_UNKNOWN)
            return -1;
        *n += found == LISTED;
    }
    return 0;
}

static void check_served(struct doctor *d, struct client *t)
{
    struct err err = ERR_INIT;
    struct buf list;
    size_t n = 0;

    buf_init(&list, 1 << 20);
    /* without a store there is a line of its own (models) */
    if (models_list(settings_text(d->settings, "models"), &list, &err))
        doctor_skip(d, "served", "the models here are not known");
    else if (list.len && count_served(t, list.data, &n, &err))
        doctor_bad(d, "served", "try again", "%s", err.text);
    else if (n == 0)
        doctor_bad(d, "served", "apus queue info lists its models, apus model"
                   " fetch gets one; the owner adds one with apus queue"
                   " model", "the queue knows none of the models here");
    else
        doctor_ok(d, "served", "the queue takes requests for %zu of the"
                  " models here", n);
    buf_clear(&list);
}

/* ---- rounds of drain ----------------------------------------------------- */

/* Moves of a dispute and windows of answers wait for the node: both want a
 * round of drain each Turn / 12 and each Window / 48 (doc/dispute.md).  cron
 * may be late by a minute. */
#define LATE_S 60

/* What a queue says of disputes; window_s 0: it has none. */
struct disputes_wanted {
    uint64_t turn_s, window_s;
};

static struct disputes_wanted read_wanted(const struct ao_out *o)
{
    struct disputes_wanted w;

    if (client_number(&w.turn_s, o, "Turn", UINT32_MAX, NULL) ||
        client_number(&w.window_s, o, "Window", UINT32_MAX, NULL))
        w.window_s = 0;
    return w;
}

/* Seconds between rounds. */
static uint64_t rounds_wanted(const struct disputes_wanted *w)
{
    uint64_t turn = w->turn_s / 12, window = w->window_s / 48;

    return turn < window ? turn : window;
}

static bool has_sent(const struct spool *s)
{
    struct batch *list;
    size_t n;

    if (spool_list(s, SPOOL_SENT, &list, &n, NULL))
        return false;
    spool_list_free(list, n);
    return n > 0;
}

static void compare_rounds(struct doctor *d, const struct drained *last,
                           uint64_t wanted_s)
{
    uint64_t since_s = drained_since(last->at_s);
    uint64_t most_s = since_s > last->gap_s ? since_s : last->gap_s;
    uint64_t every = wanted_s / 60 ? wanted_s / 60 : 1;
    char *remedy = xasprintf("let cron run apus drain every %" PRIu64 " min",
                             every);

    if (most_s > wanted_s + LATE_S)
        doctor_warn(d, "drain", remedy, "the last round was %" PRIu64 " min"
                    " ago and %" PRIu64 " min after the one before: this"
                    " queue's Turn and Window want one every %" PRIu64 " min,"
                    " or a dispute may be lost", since_s / 60,
                    last->gap_s / 60, every);
    else
        doctor_ok(d, "drain", "the last round was %" PRIu64 " min ago, one is"
                  " wanted every %" PRIu64 " min", since_s / 60, every);
    free(remedy);
}

static uint64_t days_of(uint64_t s)
{
    return (s + 86399) / 86400;
}

/* apus clean knows what drain saw: the longest Window and Turn. */
static void compare_kept(struct doctor *d, const struct drained *last,
                         const struct disputes_wanted *w)
{
    uint64_t wanted_s = drained_kept(w->window_s, w->turn_s);
    uint64_t kept_s = drained_kept(last->window_s, last->turn_s);

    if (kept_s < wanted_s)
        doctor_warn(d, "checkpoints", "apus drain, which tells apus clean the"
                    " queue's Window and Turn", "apus clean would remove"
                    " answers that may yet be disputed: they are wanted for %"
                    PRIu64 " days", days_of(wanted_s));
    else
        doctor_ok(d, "checkpoints", "apus clean keeps answers that may be"
                  " disputed for %" PRIu64 " days", days_of(kept_s));
}

/* Only a node that has sent answers has disputes. */
static void check_drained(struct doctor *d, const struct disputes_wanted *w)
{
    struct err err = ERR_INIT;
    struct drained last;
    struct spool *s;

    if (w->window_s == 0 ||
        spool_open_there(&s, settings_text(d->settings, "spool"), NULL))
        return;
    if (has_sent(s)) {
        switch (drained_read(&last, s, &err)) {
        case FOUND_ONE:
            compare_rounds(d, &last, rounds_wanted(w));
            compare_kept(d, &last, w);
            break;
        case FOUND_NONE:
            doctor_warn(d, "drain", "a cron line with apus drain", "it never"
                        " ran in this spool: nobody answers disputes");
            break;
        case FOUND_FAILED:
            doctor_warn(d, "drain", "apus drain", "%s", err.text);
        }
    }
    spool_close(s);
}

/* ---- queue, as it answers ------------------------------------------------ */

/* Work goes on where no dry runs are made: what must be known is asked by a
 * signed message then, which this command does not send. */
static void queue_silent(struct doctor *d, const struct client *t,
                         const struct err *why)
{
    if (t->refused)
        doctor_warn(d, "queue", "set ao-node (ao-cu on legacynet) to one that"
                    " makes dry runs; apus pull shows whether the queue is"
                    " right", "its state is unknown without signing a"
                    " message: %s", why->text);
    else
        doctor_bad(d, "queue", "are queue, ao-network and its URLs right? (apus"
                   " settings)", "%s", why->text);
}

void doctor_queue(struct doctor *d)
{
    const struct item_text_tag tag[] = { { "Action", "Info" } };
    const struct ao_message m = { .tag = tag, .n_tags = 1 };
    const struct ao_out *o;
    struct err err = ERR_INIT;
    struct ao_result r;
    struct id id;
    const char *paused;
    struct disputes_wanted wanted;
    struct client t;

    if (!*settings_text(d->settings, "queue")) {
        doctor_skip(d, "queue", "none is set: only files are answered");
        return;
    }
    if (id_parse(&id, settings_text(d->settings, "queue"))) {
        doctor_bad(d, "queue", "set queue to the id of the process, which apus"
                   " queue new printed", "queue = \"%s\": 43 characters"
                   " expected", settings_text(d->settings, "queue"));
        return;
    }
    if (client_open_ask(&t, d->settings, NULL, &err)) {
        doctor_bad(d, "queue", "are ao-network and its URLs right? (apus"
                   " settings)", "%s", err.text);
        return;
    }
    if (client_ask(&t, &m, "Info-Response", &r, &o, &err) < 0) {
        queue_silent(d, &t, &err);
        client_close(&t);
        return;
    }
    paused = ao_out_tag(o, "Paused");
    if (paused && strcmp(paused, "no") != 0)
        doctor_warn(d, "queue", "its owner: apus queue pause no",
                    "it is paused (%s): nothing is pulled", paused);
    else
        doctor_ok(d, "queue", "it answers, %s requests are pending",
                  ao_out_tag(o, "Pending") ? ao_out_tag(o, "Pending") : "?");
    wanted = read_wanted(o);
    ao_result_clear(&r);
    check_allowed(d, &t);
    check_served(d, &t);
    check_drained(d, &wanted);
    client_close(&t);
}
