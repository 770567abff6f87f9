/*
 * The bundler: whole items by POST /v1/tx, their receipts and status, prices
 * and balances.  Uploads in parts are in parts.c.
 */
#include <config.h>

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/id.h"
#include "localnet/chain.h"
#include "localnet/stored.h"
#include "localnet/net.h"
#include "localnet/parts.h"
#include "localnet/receipts.h"
#include "localnet/route.h"
#include "localnet/routes.h"
#include "localnet/serve.h"

/* Behind the front, or NULL. */
static const char *after(const char *path, const char *front)
{
    size_t n = strlen(front);

    return strncmp(path, front, n) == 0 ? path + n : NULL;
}

static const char *without_v1(const char *path)
{
    const char *rest = after(path, "v1/");

    return rest ? rest : path;
}

bool bundler_takes_item(const char *path)
{
    const char *rest = after(without_v1(path), "tx");

    return rest && (rest[0] == '\0' || (rest[0] == '/' && rest[1] &&
                                        !strchr(rest + 1, '/')));
}

/* ---- taking an item ------------------------------------------------------ */

static void post_item(struct net *net, const struct call *c, struct response *a)
{
    const char *type = call_header(c, "Content-Type");

    net->n_posts++;
    if (!type || strcmp(type, "application/octet-stream") != 0)
        answer_text(a, 400, "Invalid Content-Type");
    else if (!c->sink)
        answer_text(a, 400, "Invalid Data Item! no Content-Length, or one that"
                    " no item has");
    else
        upload_answer(net, c->sink, NULL, a);
}

/* ---- what became of it --------------------------------------------------- */

static void status_of(struct net *net, const struct stored *h,
                      struct response *a)
{
    const struct root *r = h->top->root;
    uint64_t age = r ? net_height(net) - r->height + 1 : 0;
    bool permanent = age >= NET_PERMANENT;

    buf_printf(&a->body, "{\"status\":\"%s\",\"info\":\"%s\"",
               permanent ? "FINALIZED" : "CONFIRMED",
               !r ? "new" : permanent ? "permanent" : "pending");
    if (r) {
        buf_printf(&a->body,
                   ",\"bundleId\":\"%s\","
                   "\"startOffsetInRootBundle\":%" PRIu64
                   ",\"rawContentLength\":%" PRIu64,
                   id_text(r->id).s, h->top->root_at + (h->at - h->top->at),
                   h->size);
    }
    buf_printf(&a->body, ",\"payloadDataStart\":%" PRIu32
               ",\"payloadContentType\":\"application/octet-stream\""
               ",\"payloadContentLength\":%" PRIu64 ",\"winc\":\"%" PRIu64
               "\"}", h->head_n, h->size - h->head_n, h->winc);
}

static void tx_route(struct net *net, const char *path, struct response *a)
{
    struct id id;
    const struct stored *h = NULL;
    const char *rest;

    if (route_id(path, &id, &rest))
        h = stored_get(net, id);
    if (!h)
        answer_text(a, 404, "TX doesn't exist");
    else if (strcmp(rest, "/status") == 0 || strcmp(rest, "/offsets") == 0)
        status_of(net, h, a);
    else
        answer_text(a, 404, "Not Found");
}

/* ---- money, and who we are ----------------------------------------------- */

static void info(struct net *net, struct response *a)
{
    buf_printf(&a->body, "{\"version\":\"0.2.0\",\"addresses\":{\"arweave\":"
               "\"%s\"},\"gateway\":\"%s\",\"freeUploadLimitBytes\":%d}",
               net->address_text, net->url,
               faults_has(&net->faults, FAULTS_NOTHING_FREE)
                   ? 0 : NET_FREE_BYTES);
}

static void price(const struct net *net, const char *bytes, struct response *a)
{
    uint64_t n;

    if (!route_number(bytes, &n) || n > STORED_MAX)
        answer_text(a, 400, "Invalid byte count");
    else
        buf_printf(&a->body, "{\"winc\":\"%" PRIu64 "\",\"adjustments\":[],"
                   "\"fees\":[]}", stored_price(net, n));
}

static void balance(struct net *net, const struct call *c, struct response *a)
{
    const char *address = call_query(c, "address");
    struct id id;
    uint64_t winc;

    if (!address || id_parse(&id, address)) {
        answer_text(a, 400, "Missing wallet address");
        return;
    }
    winc = faults_now(&net->faults, FAULTS_EMPTY_ACCOUNT, UNIT_BUNDLER)
               ? 0 : stored_balance(net, id);
    buf_printf(&a->body, "{\"winc\":\"%" PRIu64 "\",\"controlledWinc\":\"%"
               PRIu64 "\",\"effectiveBalance\":\"%" PRIu64
               "\",\"receivedApprovals\":[],\"givenApprovals\":[]}", winc,
               winc, winc);
}

/* What bundlers sell their credits by. */
static bool is_fiat(const char *path)
{
    static const char *const fronts[] = { "rates/", "price/", "currencies",
                                          "countries", "top-up/", "redeem" };

    for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++)
        if (after(path, fronts[i]))
            return true;
    return false;
}

void bundler_route(struct net *net, const struct call *c, const char *path,
                   struct response *a)
{
    bool post = strcmp(c->method, "POST") == 0;
    const char *p = without_v1(path), *rest;

    if (post && bundler_takes_item(path))
        post_item(net, c, a);
    else if ((rest = after(p, "chunks/")) && strchr(rest, '/'))
        parts_route(net, c, strchr(rest, '/') + 1, a);
    else if (post)
        answer_text(a, 404, "Not Found");
    else if (strcmp(p, "info") == 0 || p[0] == '\0')
        info(net, a);
    else if ((rest = after(p, "tx/")))
        tx_route(net, rest, a);
    else if ((rest = after(p, "price/bytes/")))
        price(net, rest, a);
    else if (after(p, "account/balance"))
        balance(net, c, a);
    else if (strcmp(p, "posts") == 0)
        buf_printf(&a->body, "%" PRIu64, net->n_posts);
    else if (strcmp(p, "rates") == 0)
        buf_printf(&a->body, "{\"winc\":\"%" PRIu64 "\",\"fiat\":{},"
                   "\"adjustments\":[],\"fees\":[]}",
                   (uint64_t)NET_WINC_BYTE << 30);
    else if (is_fiat(p))
        answer_text(a, 404, "this localnet has no money but winston credits");
    else
        answer_text(a, 404, "Not Found");
}
