/*
 * Starting and stopping; which unit has a path; wallets and the directory.
 */
#include <config.h>

#include "localnet/localnet.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "localnet/chain.h"
#include "localnet/stored.h"
#include "localnet/journal.h"
#include "localnet/net.h"
#include "localnet/ours.h"
#include "localnet/parts.h"
#include "localnet/routes.h"
#include "localnet/serve.h"
#include "localnet/units.h"
#include "localnet/units_eval.h"

#define CLOCK_OFF_MS (10 * 60 * 1000)
#define CONF_MAX 8192
#define PART_BODY ((size_t)64 << 20)

struct localnet {
    struct net net;
    struct server *server;
};

/* ---- wallets ------------------------------------------------------------- */

static int mark(const char *dir, const struct key *key, struct err *err)
{
    struct id address;
    char *wallets = file_join(dir, "wallets"), *path;
    int rc;

    key_address(key, &address);
    path = net_mark_path(dir, address);
    rc = file_mkdirs(wallets, err) ||
         (!file_exists(path) && file_write(path, "", 0, err));
    free(path);
    free(wallets);
    return rc ? -1 : 0;
}

int localnet_new_wallet(const char *dir, const char *file, struct err *err)
{
    struct key *key = NULL;
    int rc;

    if (file_exists(file))
        return err_set(err, ERR_INPUT, "\"%s\" is there already", file);
    rc = key_new(&key, err) || mark(dir, key, err) ||
         key_save(key, file, err);
    key_free(key);
    return rc ? -1 : 0;
}

/* A wallet of the directory, made if it is missing.  key may be NULL. */
static int own_wallet(const char *dir, const char *name, struct key **key,
                      struct err *err)
{
    char *path = file_join(dir, name);
    struct key *k = NULL;
    int rc = 0;

    if (!file_exists(path))
        rc = localnet_new_wallet(dir, path, err);
    if (rc == 0)
        rc = key_load(&k, path, err) || mark(dir, k, err);
    if (rc == 0 && key)
        *key = k;
    else
        key_free(k);
    free(path);
    return rc ? -1 : 0;
}

/* ---- which unit ---------------------------------------------------------- */

/* The unit of a path; *rest is behind its name and slash. */
static enum unit unit_of(const char *path, const char **rest)
{
    for (int u = UNIT_SECOND; u < UNIT_NONE; u++) {
        size_t n = strlen(unit_name((enum unit)u));

        if (path[0] == '/' && strncmp(path + 1, unit_name((enum unit)u), n)
            == 0 && (path[1 + n] == '/' || path[1 + n] == '\0')) {
            *rest = path + 1 + n + strspn(path + 1 + n, "/");
            return (enum unit)u;
        }
    }
    *rest = path + strspn(path, "/");
    return UNIT_GATEWAY;
}

/* 429 and 500 with the texts that deployed software has; what a proxy on the
 * way says in its place. */
static bool refuse_now(struct net *net, enum unit u, struct response *a)
{
    bool many = faults_now(&net->faults, FAULTS_429, u);
    bool broken = !many && faults_now(&net->faults, FAULTS_500, u);
    bool page = !many && !broken &&
                faults_now(&net->faults, FAULTS_PAGE, u);

    if (many && u == UNIT_MU) {
        /* the messenger wraps what it throws */
        answer_error(a, 500, "Error: Rate limit exceeded");
    } else if (many) {
        answer_error(a, 429, "Rate limit exceeded");
        answer_header(a, "Retry-After", "1");
    } else if (broken) {
        answer_text(a, 500, "<html><body>Internal Server Error</body></html>");
        answer_type(a, "text/html");
    } else if (page) {
        answer_text(a, 200, "<!DOCTYPE html><html>log in first</html>");
        answer_type(a, "text/html");
    }
    return many || broken || page;
}

/* A clock that is off shows in every answer (RFC 9110 section 5.6.7). */
static void report_time(const struct net *net, struct response *a)
{
    time_t now = time(NULL) + net->clock_ms / 1000;
    char text[64];
    struct tm tm;

    if (net->clock_ms && gmtime_r(&now, &tm) &&
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm))
        answer_header(a, "Date", "%s", text);
}

static void answer_call(void *self, const struct call *c, struct response *a)
{
    struct net *net = self;
    const char *rest;
    enum unit u = unit_of(c->path, &rest);
    bool refused, locked = u <= UNIT_BUNDLER;

    report_time(net, a);
    pthread_mutex_lock(&net->lock);
    /* POST /mine is how tests drive the net */
    refused = strncmp(rest, "mine/", 5) != 0 && refuse_now(net, u, a);
    if (!refused && u == UNIT_BUNDLER)
        bundler_route(net, c, rest, a);
    else if (!refused && locked && strcmp(rest, "graphql") == 0 &&
             strcmp(c->method, "POST") == 0)
        graphql_route(net, c, a);
    else if (!refused && locked)
        gateway_route(net, c, rest, u, a);
    pthread_mutex_unlock(&net->lock);
    if (refused || locked)
        return;
    if (u == UNIT_MU)
        mu_route(net, c, rest, a);
    else if (u == UNIT_CU)
        cu_route(net, c, rest, a);
    else if (u == UNIT_SU)
        su_route(net, c, rest, a);
    else
        hb_route(net, c, rest, a);
}

static void *sink_new(void *self, const struct call *c, uint64_t size)
{
    struct net *net = self;
    const char *rest;

    if (unit_of(c->path, &rest) != UNIT_BUNDLER || !bundler_takes_item(rest))
        return NULL;
    return upload_new(net, size, NULL);
}

static void sink_put(void *sink, const void *data, size_t n)
{
    upload_put(sink, data, n);
}

static void sink_free(void *sink)
{
    upload_free(sink);
}

static size_t body_max(void *self, const struct call *c)
{
    const char *rest;

    (void)self;
    return unit_of(c->path, &rest) == UNIT_BUNDLER ? PART_BODY
                                                   : SERVE_MAX_BODY;
}

/* ---- start --------------------------------------------------------------- */

static int replay(void *self, const struct journal_record *r,
                  struct err *err)
{
    struct net *net = self;

    switch (r->type) {
    case JOURNAL_START:
        if (r->n != 8)
            return err_set(err, ERR_FATAL, "no time of the start");
        net->began_ms = get_u64(r->data);
        return 0;
    case JOURNAL_ITEM:
    case JOURNAL_FILE:
    case JOURNAL_NESTED:
        return stored_replay(net, r, err);
    case JOURNAL_BLOCK:
    case JOURNAL_MINE:
        return chain_replay(net, r, err);
    case JOURNAL_MESSAGE:
    case JOURNAL_FAILED:
        return units_replay(net, r, err);
    }
    return err_set(err, ERR_FATAL, "a record of unknown type %d",
                   (int)r->type);
}

static int open_journal(struct net *net, struct err *err)
{
    unsigned char bytes[8];

    net->replaying = true;
    if (journal_open(&net->journal, net->journal_path, replay, net, err))
        return -1;
    net->replaying = false;
    stored_replayed(net);
    if (net->began_ms)
        return 0;
    net->began_ms = net_now_ms(net);
    set_u64(bytes, net->began_ms);
    return journal_put(net->journal, JOURNAL_START, bytes, 8, NULL, 0, true,
                       NULL, err);
}

static int write_conf(struct net *net, struct err *err)
{
    const char *u = net->url, *a = net->address_text;
    char *path;
    struct id id;
    struct buf b;
    int rc;

    if (ours_put(net, &id, err))
        return -1;
    path = file_join(net->dir, "apus.conf");
    buf_init(&b, CONF_MAX);
    buf_printf(&b, "# made by apus localnet, and written anew each time that"
               " it starts\nwallet = %s/wallet.json\n"
               "gateways = %s %s/second\nbundler = %s/bundler\n"
               "bundler-payment = %s/bundler\nbundler-key = %s\n", net->dir,
               u, u, u, u, a);
    buf_printf(&b,
               "ao-mu = %s/mu\nao-cu = %s/cu\nao-su = %s/su\n"
               "ao-node = %s/hb/\nao-module = %s\nao-scheduler = %s\n"
               "ao-authority = %s\n",
               u, u, u, u, id_text(id).s, a, a);
    rc = buf_check(&b, path, err) || file_write(path, b.data, b.len, err);
    buf_clear(&b);
    free(path);
    return rc ? -1 : 0;
}

static int write_pid(const struct net *net, struct err *err)
{
    char *path = file_join(net->dir, "pid"), text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    int rc = file_write(path, text, (size_t)n, err);

    free(path);
    return rc;
}

static int make_dirs(struct net *net, const char *dir, struct err *err)
{
    char *path;

    if (file_mkdirs(dir, err))
        return -1;
    path = realpath(dir, NULL);
    if (!path)
        return err_errno(err, ERR_INPUT, "cannot find \"%s\"", dir);
    net->dir = path;
    net->items = file_join(path, "items");
    net->journal_path = file_join(path, "journal");
    return file_mkdirs(net->items, err);
}

/* Whose keys are made by themselves. */
static const char *const wallets[] = { "localnet.json", "wallet.json",
                                       "dapp.json" };

static unsigned missing_wallets(const struct net *net)
{
    unsigned n = 0;

    for (size_t i = 0; i < sizeof(wallets) / sizeof(wallets[0]); i++) {
        char *path = file_join(net->dir, wallets[i]);

        n += !file_exists(path);
        free(path);
    }
    return n;
}

static int make_wallets(struct net *net, const struct localnet_options *o,
                        struct err *err)
{
    unsigned n = missing_wallets(net);

    if (n > 0 && o->making_keys)
        o->making_keys(n);
    if (own_wallet(net->dir, wallets[0], &net->key, err) ||
        own_wallet(net->dir, wallets[1], NULL, err) ||
        own_wallet(net->dir, wallets[2], NULL, err) ||
        (faults_has(&net->faults, FAULTS_OTHER_SIGNER) &&
         own_wallet(net->dir, "other.json", &net->other_key, err)))
        return -1;
    key_address(net->key, &net->address);
    base64url(net->address_text, net->address.b, 32);
    return 0;
}

static int serve(struct localnet *l, unsigned port, struct err *err)
{
    const struct handlers h = { &l->net, answer_call, body_max, sink_new,
                                sink_put, sink_free };

    if (server_start(&l->server, &port, &h, err))
        return -1;
    snprintf(l->net.url, sizeof(l->net.url), "http://127.0.0.1:%u", port);
    return 0;
}

static int set_faults(struct net *net, const struct localnet_options *o,
                      struct err *err)
{
    for (size_t i = 0; o->faults && o->faults[i]; i++)
        if (faults_add(&net->faults, o->faults[i], err))
            return -1;
    if (faults_has(&net->faults, FAULTS_CLOCK_AHEAD))
        net->clock_ms = CLOCK_OFF_MS;
    if (faults_has(&net->faults, FAULTS_CLOCK_BEHIND))
        net->clock_ms = -CLOCK_OFF_MS;
    return 0;
}

int localnet_start(struct localnet **out, const struct localnet_options *o,
                   struct err *err)
{
    struct localnet *l = xcalloc(1, sizeof(*l));
    struct net *net = &l->net;

    pthread_mutex_init(&net->lock, NULL);
    idmap_init(&net->stored);
    idmap_init(&net->roots);
    idmap_init(&net->spent);
    net->old_node = o->old_node;
    /* the process that computes is forked before anything else is open */
    if (set_faults(net, o, err) || units_new(net, o->delay_ms, err) ||
        make_dirs(net, o->dir, err) || make_wallets(net, o, err) ||
        open_journal(net, err) || units_start(net, err) ||
        serve(l, o->port, err) || write_conf(net, err) ||
        write_pid(net, err)) {
        localnet_stop(l);
        return -1;
    }
    *out = l;
    return 0;
}

const char *localnet_url(const struct localnet *l)
{
    return l->net.url;
}

int localnet_tick(struct localnet *l, struct err *err)
{
    int rc;

    pthread_mutex_lock(&l->net.lock);
    rc = chain_tick(&l->net, err);
    if (rc == 0 && l->net.broken.code)
        rc = err_set(err, l->net.broken.code, "%s", l->net.broken.text);
    pthread_mutex_unlock(&l->net.lock);
    return rc;
}

/* ---- stop ---------------------------------------------------------------- */

void localnet_stop(struct localnet *l)
{
    struct net *net;

    if (!l)
        return;
    net = &l->net;
    units_stop(net);
    server_stop(l->server);
    units_free(net);
    parts_free();
    chain_free(net);
    stored_free(net);
    journal_close(net->journal);
    key_free(net->key);
    key_free(net->other_key);
    free(net->dir);
    free(net->items);
    free(net->journal_path);
    pthread_mutex_destroy(&net->lock);
    free(l);
}
