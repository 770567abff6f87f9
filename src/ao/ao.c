/*
 * Messages to a process: made, sent again and again, and their results waited
 * for.  How the two networks are spoken to is in legacynet.c and hyperbeam.c.
 */
#include <config.h>

#include "ao/ao.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "ao/ao_internal.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"

#define EXCHANGE_S 120  /* most for one exchange: these are small */
#define MAX_TAGS 60     /* our process takes 64 */
#define MAX_LUA (1u << 20)
#define FIRST_MS 1000   /* between two attempts to send, doubled */
#define LAST_MS 60000
#define POLL_MS 50      /* between two looks for a result, and at most .. */
#define POLL_LAST_MS 4000
#define REFUSED_MS 600000 /* a refusal of dry runs is remembered */

/* ---- the network --------------------------------------------------------- */

static int check_url(const char *name, const char *url, struct err *err)
{
    if (!*url)
        return err_set(err, ERR_INPUT, "no URL: give one with the setting"
                       " %s%s", name, strcmp(name, "ao-node") == 0
                       ? " (a queue of the legacynet: set ao-network)" : "");
    return http_url_check(url, err) ? err_prefix(err, "%s", name) : 0;
}

static int check_urls(const struct ao *ao, struct err *err)
{
    if (ao->network == &ao_hyperbeam)
        return check_url("ao-node", ao->node, err);
    return check_url("ao-mu", ao->mu, err) ||
                   check_url("ao-cu", ao->cu, err)
               ? -1 : 0;
}

int ao_new(struct ao **out, const struct settings *s, const struct key *key,
           struct err *err)
{
    struct ao *ao = xcalloc(1, sizeof(*ao));
    const char *network = settings_text(s, "ao-network");

    ao->network = strcmp(network, ao_hyperbeam.name) == 0 ? &ao_hyperbeam
                                                          : &ao_legacynet;
    ao->key = key;
    ao->mu = xstrdup(settings_text(s, "ao-mu"));
    ao->cu = xstrdup(settings_text(s, "ao-cu"));
    ao->su = xstrdup(settings_text(s, "ao-su"));
    ao->node = xstrdup(settings_text(s, "ao-node"));
    ao->module = xstrdup(settings_text(s, "ao-module"));
    ao->scheduler = xstrdup(settings_text(s, "ao-scheduler"));
    ao->authority = xstrdup(settings_text(s, "ao-authority"));
    http_limits_of(&ao->limits, s);
    if (ao->limits.total_s == 0 || ao->limits.total_s > EXCHANGE_S)
        ao->limits.total_s = EXCHANGE_S;
    if (check_urls(ao, err) || http_new(&ao->http, &ao->limits, err)) {
        ao_free(ao);
        return -1;
    }
    *out = ao;
    return 0;
}

void ao_free(struct ao *ao)
{
    if (!ao)
        return;
    http_free(ao->http);
    free(ao->mu);
    free(ao->cu);
    free(ao->su);
    free(ao->node);
    free(ao->module);
    free(ao->scheduler);
    free(ao->authority);
    free(ao);
}

int ao_exchange(struct ao *ao, struct http_answer *a, const char *url,
                const char *const *header, const void *body, size_t n,
                struct err *err)
{
    struct http_request r = {
        .method = body ? "POST" : "GET", .url = url, .header = header,
        .body = body, .body_n = n, .max_body = AO_MAX_ANSWER,
    };

    http_answer_init(a);
    return http_do(ao->http, &r, a, err);
}

/* ---- messages ------------------------------------------------------------ */

/* Names are compared as a process of AO sees them: without letter case, '_'
 * counting as '-'. */
static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char x = *a == '_' ? '-' : *a, y = *b == '_' ? '-' : *b;

        if (strncasecmp(&x, &y, 1) != 0)
            return false;
    }
    return *a == *b;
}

bool ao_tag_reserved(const char *name)
{
    static const char *const reserved[] = {
        "From", "Owner", "From-Process", "From-Module", "Pushed-For", "Id",
        "Timestamp", "Block-Height", "Nonce", "Epoch", "Hash-Chain", "Cron",
        "Reference", "Reply-To", "path", "method", "Data-Protocol",
        "Variant", "Type", "Module", "Scheduler", "Authority", "On-Boot",
        "Target", "Anchor", "Data", "Tags"
    };

    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (same_name(name, reserved[i]))
            return true;
    return false;
}

static bool is_link(const char *text)
{
    size_t n = strlen(text);

    return n >= 5 && strcmp(text + n - 5, "+link") == 0;
}

/* Append the caller's tags to those of the protocol. */
static int add_tags(struct item_text_tag *all, size_t *n,
                    const struct ao_message *m, struct err *err)
{
    const struct item_text_tag *tag = m->tag;

    if (m->n_tags > MAX_TAGS - *n)
        return err_set(err, ERR_INPUT, "%zu tags, a message has at most %d",
                       m->n_tags, MAX_TAGS);
    for (size_t i = 0; i < m->n_tags; i++) {
        if (ao_tag_reserved(tag[i].name))
            return err_set(err, ERR_INPUT, "a tag \"%s\" is not ours to"
                           " write", tag[i].name);
        if (is_link(tag[i].name) || is_link(tag[i].value))
            return err_set(err, ERR_INPUT, "tag \"%s\": schedulers refuse"
                           " what ends with \"+link\"", tag[i].name);
        for (size_t k = 0; k < *n; k++)
            if (same_name(all[k].name, tag[i].name))
                return err_set(err, ERR_INPUT, "tag \"%s\" is there twice",
                               tag[i].name);
        all[(*n)++] = tag[i];
    }
    return 0;
}

/* Sign with a new anchor: equal messages must be two. */
static int sign_message(struct ao *ao, struct buf *item, struct id *id,
                        struct item_spec spec, const struct ao_message *m,
                        struct err *err)
{
    struct id anchor;

    if (!ao->key)
        return err_set(err, ERR_INPUT, "no wallet to sign with");
    if (key_random(anchor.b, sizeof(anchor), err))
        return -1;
    spec.anchor = &anchor;
    return item_sign(item, &spec, m->n ? m->data : "", m->n, ao->key, id,
                     err);
}

int ao_sign(struct ao *ao, struct buf *item, struct id *id,
            const struct ao_message *m, struct err *err)
{
    struct item_text_tag all[MAX_TAGS] = {
        { "Data-Protocol", "ao" },
        { "Variant", ao->network->variant },
        { "Type", "Message" },
    };
    struct item_spec spec = { .target = &m->process, .tag = all, .n_tags = 3 };

    if (m->n > AO_MAX_DATA)
        return err_set(err, ERR_INPUT, "%zu bytes of data, a message has at"
                       " most %d: upload them and name their id", m->n,
                       AO_MAX_DATA);
    if (add_tags(all, &spec.n_tags, m, err))
        return -1;
    return sign_message(ao, item, id, spec, m, err);
}

static void put_tag(struct item_text_tag *all, size_t *n, const char *name,
                    const char *value)
{
    all[(*n)++] = (struct item_text_tag){ name, value };
}

void ao_set_unit(char **unit, const char *address)
{
    if (**unit)
        return;
    free(*unit);
    *unit = xstrdup(address);
}

int ao_process(struct ao *ao, struct buf *item, struct id *id,
               const struct ao_message *m, struct err *err)
{
    const struct item_text_tag *own = ao->network->process_tag;
    struct item_text_tag all[MAX_TAGS] = {
        { "Data-Protocol", "ao" },
        { "Variant", ao->network->variant },
        { "Type", "Process" },
        { "Module", ao->module },
    };
    struct item_spec spec = { .tag = all, .n_tags = 4 };

    if (m->n > MAX_LUA)
        return err_set(err, ERR_INPUT, "%zu bytes of Lua, at most %u are"
                       " sent", m->n, MAX_LUA);
    if (!*ao->module)
        return err_set(err, ERR_INPUT, "a new process needs the setting"
                       " ao-module");
    if (ao->network->find_units(ao, err))
        return -1;
    put_tag(all, &spec.n_tags, "Scheduler", ao->scheduler);
    put_tag(all, &spec.n_tags, "Authority", ao->authority);
    if (m->n > 0)
        put_tag(all, &spec.n_tags, "On-Boot", "Data");
    for (; own->name; own++)
        put_tag(all, &spec.n_tags, own->name, own->value);
    if (add_tags(all, &spec.n_tags, m, err))
        return -1;
    return sign_message(ao, item, id, spec, m, err);
}

/* ---- sending ------------------------------------------------------------- */

static void pause_ms(unsigned ms)
{
    struct timespec t = { .tv_sec = ms / 1000,
                          .tv_nsec = (long)(ms % 1000) * 1000000L };

    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

/* The first wait; tests have shorter ones. */
static unsigned first_ms(const struct ao *ao, unsigned ms)
{
    return ao->limits.wait_ms && ao->limits.wait_ms < ms
               ? ao->limits.wait_ms : ms;
}

/* Up to a quarter more, so that many nodes do not come back at once. */
static unsigned jitter(unsigned ms)
{
    unsigned char r = 0;

    if (key_random(&r, 1, NULL))
        r = 0;
    return ms + ms / 4 * r / 255;
}

static int post_again(struct ao *ao, struct ao_post *p, struct err *why)
{
    unsigned wait = first_ms(ao, FIRST_MS);

    for (unsigned i = 0;; i++) {
        unsigned ms = wait;

        p->again_s = 0;
        if (ao->network->post(ao, p, why) == 0)
            return 0;
        if (why->code != ERR_RETRY || i == ao->limits.retries)
            return -1;
        if (p->again_s && p->again_s <= LAST_MS / 1000)
            ms = p->again_s * 1000;
        pause_ms(jitter(ms));
        wait = wait < LAST_MS / 2 ? 2 * wait : LAST_MS;
    }
}

static int post_signed(struct ao *ao, const void *item, size_t n,
                       struct id *spawned, struct err *err)
{
    struct ao_post p = { .item = item, .n = n, .spawned = spawned };
    struct err why = ERR_INIT;
    struct item *head = xcalloc(1, sizeof(*head));
    int rc = item_head(head, item, n, &why);

    if (rc == ITEM_SHORT)
        rc = err_set(&why, ERR_INPUT, "an item of %zu bytes has no end", n);
    if (rc == 0) {
        p.id = head->id;
        if (head->target)
            base64url(p.process, head->target, 32);
        rc = post_again(ao, &p, &why);
    }
    free(head);
    if (rc)
        err_copy(err, &why);
    return rc;
}

int ao_send(struct ao *ao, const void *item, size_t n, struct err *err)
{
    return post_signed(ao, item, n, NULL, err);
}

int ao_spawn(struct ao *ao, const void *item, size_t n, struct id *id,
             struct err *err)
{
    struct id spawned;

    if (post_signed(ao, item, n, &spawned, err))
        return -1;
    if (id)
        *id = spawned;
    return 0;
}

/* ---- reading ------------------------------------------------------------- */

int ao_result(struct ao *ao, struct ao_result *r, struct id process,
              struct id id, unsigned wait_s, struct err *err)
{
    uint64_t until = clock_ms() + (uint64_t)wait_s * 1000;
    unsigned wait = first_ms(ao, POLL_MS);
    struct err why = ERR_INIT;
    enum ao_said said;

    for (;;) {
        said = ao->network->result(ao, r, id_text(process).s, id, &why);
        if (said != AO_SAID_LATER)
            break;
        if (clock_ms() + wait > until) {
            err_set(&why, ERR_RETRY, "%s", why.text[0] ? why.text
                    : "no result yet");
            err_prefix(&why, "no result within %u s", wait_s);
            break;
        }
        pause_ms(wait);
        wait = wait < POLL_LAST_MS / 2 ? 2 * wait : POLL_LAST_MS;
    }
    return said == AO_SAID_DONE ? 0 : err_copy(err, &why);
}

/* Whether a status says that who answered makes no dry runs.  Everything else
 * may pass, or is no answer to the question: nobody signs messages for it. */
static bool is_refusal(int status)
{
    switch (status) {
    case 403:
    case 404:
    case 405:
    case 410:
    case 429:
    case 501:
        return true;
    default:
        return false;
    }
}

/* Whether dry runs were refused for this process not long ago; and why. */
static bool refused_before(const struct ao *ao, struct id process,
                           struct err *err)
{
    if (clock_ms() >= ao->refused_until ||
        !id_equal(ao->refused_process, process))
        return false;
    err_copy(err, &ao->refused_why);
    return true;
}

static void keep_refusal(struct ao *ao, struct id process, struct err *why)
{
    err_prefix(why, "it makes no dry runs");
    ao->refused_why = *why;
    ao->refused_until = clock_ms() + REFUSED_MS;
    ao->refused_process = process;
}

int ao_ask(struct ao *ao, struct ao_result *r, const struct ao_message *m,
           bool *refused, struct err *err)
{
    unsigned wait = first_ms(ao, FIRST_MS);
    struct err why = ERR_INIT;
    bool no = refused_before(ao, m->process, &why);
    int rc = no ? -1 : 0;

    for (unsigned i = 0; !no; i++) {
        ao->ask_status = 0;
        rc = ao->network->ask(ao, r, m, &why);
        if (rc == 0 || why.code != ERR_RETRY || i == ao->limits.retries)
            break;
        pause_ms(jitter(wait));
        wait = wait < LAST_MS / 2 ? 2 * wait : LAST_MS;
    }
    if (!no && rc && is_refusal(ao->ask_status)) {
        no = true;
        keep_refusal(ao, m->process, &why);
    }
    if (refused)
        *refused = no;
    if (rc)
        err_copy(err, &why);
    return rc;
}

int ao_say(struct ao *ao, struct ao_result *r, const struct ao_message *m,
           unsigned wait_s, bool *sent, struct err *err)
{
    struct id id;
    struct buf item;
    int rc;

    buf_init(&item, AO_MAX_DATA + ITEM_HEAD_MAX);
    rc = ao_sign(ao, &item, &id, m, err) ||
                 ao_send(ao, item.data, item.len, err)
             ? -1
             : 0;
    if (sent)
        *sent = rc == 0;
    if (rc == 0)
        rc = ao_result(ao, r, m->process, id, wait_s, err);
    buf_clear(&item);
    return rc;
}
