/*
 * One message to the queue and its answer.
 */
#include <config.h>

#include "queue/client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/key.h"
#include "arweave/wallet.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/settings.h"

#define SHOWN 200 /* bytes of what the queue says, in a message */

/* ---- opening ------------------------------------------------------------- */

static int find_process(struct client *t, const struct settings *s,
                        const char *process, struct err *err)
{
    const char *text = process ? process : settings_text(s, "queue");

    if (!*text)
        return err_set(err, ERR_INPUT, "no queue: give the id of its process"
                       " with the setting queue (apus queue new makes one)");
    if (id_parse(&t->process, text))
        return err_set(err, ERR_INPUT, "queue \"%s\": an id of 43 characters"
                       " expected", text);
    return 0;
}

static int load_key(struct client *t, const struct settings *s, struct err *err)
{
    char *path;
    int rc;

    if (wallet_path(&path, s, err))
        return -1;
    rc = key_load(&t->key, path, err);
    free(path);
    if (rc == 0)
        key_address(t->key, &t->node);
    return rc;
}

static int open_network(struct client *t, const struct settings *s,
                        const char *process, struct err *err)
{
    t->wait_s = (unsigned)settings_count(s, "ao-timeout");
    if (find_process(t, s, process, err) ||
        ao_new(&t->ao, s, t->key, err)) {
        client_close(t);
        return -1;
    }
    return 0;
}

int client_open(struct client *t, const struct settings *s, const char *process,
                struct err *err)
{
    memset(t, 0, sizeof(*t));
    if (load_key(t, s, err))
        return -1;
    return open_network(t, s, process, err);
}

int client_open_ask(struct client *t, const struct settings *s,
                    const char *process, struct err *err)
{
    memset(t, 0, sizeof(*t));
    load_key(t, s, NULL);
    return open_network(t, s, process, err);
}

void client_close(struct client *t)
{
    ao_free(t->ao);
    key_free(t->key);
    memset(t, 0, sizeof(*t));
}

/* ---- answers ------------------------------------------------------------- */

static const char *noun(const struct client *t)
{
    return t->is_onchain ? "process" : "queue";
}

static int refuse_sender(const struct client *t, const char *text,
                         struct err *err)
{
    const struct id_text node = id_text(t->node);

    if (t->is_onchain)
        return err_set(err, ERR_INPUT, "the process does not answer %s: its"
                       " owner can let it, with apus chain new --from and"
                       " --process %s (it says \"%.*s\")", node.s,
                       id_text(t->process).s, SHOWN, text);
    return err_set(err, ERR_INPUT, "the queue does not allow %s: its owner"
                   " can, with apus queue allow %s (it says \"%.*s\")",
                   node.s, node.s, SHOWN, text);
}

/* Who must do what, for the codes of doc/queue.md. */
static int refuse_code(const struct client *t, const struct ao_out *o,
                       uint64_t code, struct err *err)
{
    const char *text = ao_out_tag(o, "Message");

    if (!text)
        text = o->data;
    switch (code) {
    case 403:
        return refuse_sender(t, text, err);
    case 503:
        return err_set(err, ERR_RETRY, "the %s does not serve now: \"%.*s\"",
                       noun(t), SHOWN, text);
    case 429:
        return err_set(err, ERR_RETRY, "the %s is full: \"%.*s\"", noun(t),
                       SHOWN, text);
    default:
        return err_set(err, ERR_INPUT, "the %s answered %" PRIu64
                       ": \"%.*s\"", noun(t), code, SHOWN, text);
    }
}

int client_number(uint64_t *v, const struct ao_out *o, const char *name,
                  uint64_t max, struct err *err)
{
    const char *text = ao_out_tag(o, name);
    uint64_t got;

    if (!text || json_u64_text(text, &got) || got > max)
        return err_set(err, ERR_INPUT, "the answer of the process has no %s"
                       " that can be (\"%.30s\")", name, text ? text : "");
    *v = got;
    return 0;
}

/* The answer among the messages of a result: to us, but that of a dry run, in
 * which the network may know nobody to answer to. */
static const struct ao_out *find_answer(const struct client *t,
                                        const struct ao_result *r,
                                        const char *action, bool dry)
{
    for (size_t i = 0; i < r->n_out; i++) {
        const char *a = ao_out_tag(&r->out[i], "Action");

        if (a && strcmp(a, action) == 0 &&
            (dry || strcmp(r->out[i].target, id_text(t->node).s) == 0))
            return &r->out[i];
    }
    return NULL;
}

static int judge_reply(struct client *t, const struct ao_result *r,
                       const char *action, bool dry, const struct ao_out **out,
                       struct err *err)
{
    uint64_t code = 200;

    t->code = 0;
    if (r->error)
        return err_set(err, ERR_INPUT,
                       "the process %s raised an error:"
                       " %.*s",
                       id_text(t->process).s, SHOWN, r->error);
    *out = find_answer(t, r, action, dry);
    if (!*out)
        return err_set(err, ERR_INPUT, "the process %s has no %s: is it %s?",
                       id_text(t->process).s, action,
                       t->is_onchain ? "one of apus chain new" : "a queue");
    if (ao_out_tag(*out, "Code") &&
        client_number(&code, *out, "Code", 999, err))
        return -1;
    t->code = (unsigned)code;
    if (code == 200 || code == 204)
        return (int)code;
    return refuse_code(t, *out, code, err);
}

int client_judge(struct client *t, const struct ao_result *r,
                 const char *action, const struct ao_out **out,
                 struct err *err)
{
    return judge_reply(t, r, action, false, out, err);
}

/* To our queue. */
static struct ao_message to_queue(const struct client *t,
                                  const struct ao_message *m)
{
    struct ao_message to = *m;

    to.process = t->process;
    return to;
}

int client_say(struct client *t, const struct ao_message *m, const char *action,
               struct ao_result *r, const struct ao_out **out, struct err *err)
{
    const struct ao_message to = to_queue(t, m);
    int rc = -1;

    memset(r, 0, sizeof(*r));
    t->code = 0;
    if (ao_say(t->ao, r, &to, t->wait_s, &t->sent, err) == 0)
        rc = judge_reply(t, r, action, false, out, err);
    if (rc < 0)
        ao_result_clear(r);
    return rc;
}

int client_ask(struct client *t, const struct ao_message *m, const char *action,
               struct ao_result *r, const struct ao_out **out, struct err *err)
{
    const struct ao_message to = to_queue(t, m);
    int rc;

    memset(r, 0, sizeof(*r));
    t->code = 0;
    if (ao_ask(t->ao, r, &to, &t->refused, err))
        return -1;
    rc = judge_reply(t, r, action, true, out, err);
    if (rc < 0)
        ao_result_clear(r);
    return rc;
}

int client_ask_or_say(struct client *t, const struct ao_message *m,
                      const char *action, struct ao_result *r,
                      const struct ao_out **out, struct err *err)
{
    int rc = client_ask(t, m, action, r, out, err);

    if (rc >= 0 || !t->refused)
        return rc;
    if (!t->key)
        return err_prefix(err, "a signed message could ask, and there is no"
                          " wallet");
    return client_say(t, m, action, r, out, err);
}

/* ---- versions ------------------------------------------------------------ */

static bool is_since(const char *version, unsigned long major,
                     unsigned long minor)
{
    char *end;
    unsigned long n;

    if (!version || *version < '0' || *version > '9')
        return false;
    n = strtoul(version, &end, 10);
    if (n != major || *end != '.')
        return n > major;
    return strtoul(end + 1, NULL, 10) >= minor;
}

/* What a queue says of itself, signed where no dry runs are made. */
static int ask_info(struct ao_result *r, struct ao *ao, struct id process,
                    unsigned wait_s, struct err *err)
{
    static const struct item_text_tag info[] = { { "Action", "Info" } };
    const struct ao_message m = { .process = process, .tag = info,
                                  .n_tags = 1 };
    bool refused = false;

    memset(r, 0, sizeof(*r));
    if (ao_ask(ao, r, &m, &refused, err) == 0)
        return 0;
    return refused ? ao_say(ao, r, &m, wait_s, NULL, err) : -1;
}

bool client_takes_later(struct ao *ao, struct id process, unsigned wait_s)
{
    struct ao_result r;
    bool takes;

    if (ask_info(&r, ao, process, wait_s, NULL))
        return false;
    takes = !r.error && r.n_out > 0 &&
            is_since(ao_out_tag(r.out, "Version"), 1, 1);
    ao_result_clear(&r);
    return takes;
}

/* Whether the queue has this version, or a later one. */
static int has_version(bool *has, struct ao *ao, struct id process,
                       unsigned wait_s, unsigned long major,
                       unsigned long minor, struct err *err)
{
    const char *version = NULL;
    struct ao_result r;
    int rc = 0;

    if (ask_info(&r, ao, process, wait_s, err)) {
        err_turn(err, ERR_RETRY);
        return err_prefix(err, "asking the queue for its version");
    }
    if (!r.error && r.n_out > 0)
        version = ao_out_tag(r.out, "Version");
    if (version)
        *has = is_since(version, major, minor);
    else
        rc = err_set(err, ERR_RETRY, "the queue does not say its version");
    ao_result_clear(&r);
    return rc;
}

int client_takes_records(bool *takes, struct ao *ao, struct id process,
                         unsigned wait_s, struct err *err)
{
    return has_version(takes, ao, process, wait_s, 2, 0, err);
}

int client_judges_stops(bool *judges, struct client *t, struct err *err)
{
    return has_version(judges, t->ao, t->process, t->wait_s, 2, 2, err);
}
