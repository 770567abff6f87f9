/*
 * apus queue: make a queue on AO, and say what its owner may say.  What a
 * message does is doc/queue.md's and contrib/ao/queue's.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "arweave/item.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/queue_model.h"
#include "cmd/queue_new.h"
#include "queue/client.h"

/* ---- what the verbs share ------------------------------------------------ */

static const struct opt no_opts[] = { { .name = NULL } };

/* Say one message of the owner and print what the queue counts as done. */
static int send_owner(const struct settings *s, const struct item_text_tag *tag,
                      size_t n_tags, const char *action, struct err *err)
{
    const struct ao_message m = { .tag = tag, .n_tags = n_tags };
    const struct ao_out *out = NULL;
    struct ao_result r;
    struct client t;
    int rc;

    if (client_open(&t, s, NULL, err))
        return -1;
    rc = client_say(&t, &m, action, &r, &out, err);
    if (rc >= 0)
        ao_result_clear(&r);
    client_close(&t);
    return rc < 0 ? -1 : 0;
}

static int end(int rc, const struct err *err)
{
    return rc ? cmd_fail(err) : CMD_DONE;
}

static int check_id(const char *what, const char *text, struct err *err)
{
    struct id id;

    if (id_parse(&id, text))
        return err_set(err, ERR_INPUT, "%s \"%s\": 43 characters of base64url"
                       " expected", what, text);
    return 0;
}

/* ---- info ---------------------------------------------------------------- */

/* What a dry run says: its tags, then its lines. */
static int print_answer(struct client *t, const char *action, const char *name,
                        struct err *err)
{
    const struct item_text_tag tag[] = { { "Action", action } };
    const struct ao_message m = { .tag = tag, .n_tags = 1 };
    const struct ao_out *out = NULL;
    struct ao_result r;
    char answer[64];
    int rc;

    snprintf(answer, sizeof(answer), "%s-Response", action);
    rc = client_ask(t, &m, answer, &r, &out, err);
    if (rc < 0)
        return -1;
    for (size_t i = 0; !name && i < out->n_tags; i++) {
        const struct ao_tag *g = &out->tag[i];

        if (!queue_is_count(g->name))
            continue;
        plain_write(stdout, g->name, strlen(g->name));
        putchar('\t');
        plain_write(stdout, g->value, strlen(g->value));
        putchar('\n');
    }
    rc = name ? queue_print_lines(name, out->data, err) : 0;
    ao_result_clear(&r);
    return rc;
}

static int info(const struct settings *s, struct err *err)
{
    struct client t;
    int rc;

    if (client_open_ask(&t, s, NULL, err))
        return -1;
    rc = print_answer(&t, "Info", NULL, err) ||
                 print_answer(&t, "Models", "model", err) ||
                 print_answer(&t, "Nodes", "node", err)
             ? -1 : 0;
    if (rc && t.refused)
        err_prefix(err, "nothing is signed for it, so it takes a unit that"
                   " makes dry runs: set ao-node (ao-cu on legacynet) to"
                   " another");
    client_close(&t);
    return rc;
}

static const struct opt_command queue_info_command = {
    .name = "apus queue info",
    .synopsis = "",
    .about = "What the queue says of itself, of its models and of its"
             " nodes, one a line, with tabs\nbetween.  Nothing is"
             " changed by it, and nothing is proved.",
    .opts = no_opts,
};

static int queue_info(struct settings *s, int argc, char **argv)
{
    struct err err = ERR_INIT;
    size_t n;
    int status = cmd_begin(&queue_info_command, s, argc, argv, NULL, NULL, &n);

    return status == CMD_GO ? end(info(s, &err), &err) : status;
}

/* ---- allow, revoke ------------------------------------------------------- */

/* A number that a message has: what the queue refuses is not signed. */
struct bounded {
    const char *option, *text; /* as it was given; NULL: it was not */
    uint64_t least, most;
};

static int check_number(const struct bounded *n, struct err *err)
{
    uint64_t v;

    if (!n->text || (json_u64_text(n->text, &v) == 0 && v >= n->least &&
                     v <= n->most))
        return 0;
    return err_set(err, ERR_INPUT, "%s \"%s\": %" PRIu64 " to %" PRIu64
                   " expected", n->option, n->text, n->least, n->most);
}

/* Say something of one node: ACTION with its address and, if it is given, the
 * value of the one option. */
static int say_of_node(struct settings *s, int argc, char **argv,
                       const struct opt_command *c, const char *action,
                       const char *response, const char *key,
                       struct bounded *value)
{
    struct item_text_tag tag[3] = { { "Action", action }, { "Node", NULL } };
    const char *args[1] = { NULL };
    struct err err = ERR_INIT;
    size_t n;
    int status = cmd_begin(c, s, argc, argv, value, args, &n);

    tag[1].value = args[0];
    if (status != CMD_GO)
        return status;
    if (check_id("address", tag[1].value, &err) || check_number(value, &err))
        return cmd_misused(&err);
    tag[2] = (struct item_text_tag){ key, value->text };
    return end(send_owner(s, tag, value->text ? 3 : 2, response, &err), &err);
}

static const struct opt queue_allow_opts[] = {
    { 0, "max", "N", "most requests that it may have at once; default:"
      " 1000", offsetof(struct bounded, text) },
    { .name = NULL }
};

static const struct opt_command queue_allow_command = {
    .name = "apus queue allow",
    .synopsis = "ADDRESS [--max N]",
    .about = "Allow the node with this address to pull (apus wallet show"
             " tells it there).",
    .opts = queue_allow_opts, .min_args = 1, .max_args = 1,
};

static int queue_allow(struct settings *s, int argc, char **argv)
{
    struct bounded max = { "--max", NULL, 1, 50000 };

    return say_of_node(s, argc, argv, &queue_allow_command, "Allow",
                       "Allow-Response", "Max", &max);
}

static const struct opt queue_revoke_opts[] = {
    { 0, "block", "HEIGHT", "from this block on; default: at once",
      offsetof(struct bounded, text) },
    { .name = NULL }
};

static const struct opt_command queue_revoke_command = {
    .name = "apus queue revoke",
    .synopsis = "ADDRESS [--block HEIGHT]",
    .about = "Allow a node no longer to pull.  What it has goes back.",
    .opts = queue_revoke_opts, .min_args = 1, .max_args = 1,
};

static int queue_revoke(struct settings *s, int argc, char **argv)
{
    struct bounded block = { "--block", NULL, 0, 999999999999 };

    return say_of_node(s, argc, argv, &queue_revoke_command, "Revoke",
                       "Revoke-Response", "Block", &block);
}

/* ---- drop ---------------------------------------------------------------- */

static const struct opt_command queue_drop_command = {
    .name = "apus queue drop",
    .synopsis = "REQUEST",
    .about = "End a request that will not be answered, by its id.  Its"
             " requester is notified that\nthe owner of the queue dropped"
             " it.",
    .opts = no_opts, .min_args = 1, .max_args = 1,
};

static int queue_drop(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct item_text_tag tag[] = { { "Action", "Drop" },
                                   { "Request", NULL } };
    struct err err = ERR_INIT;
    size_t n;
    int status = cmd_begin(&queue_drop_command, s, argc, argv, NULL, args, &n);

    tag[1].value = args[0];
    if (status != CMD_GO)
        return status;
    if (check_id("request", tag[1].value, &err))
        return cmd_misused(&err);
    return end(send_owner(s, tag, 2, "Drop-Response", &err), &err);
}

/* ---- model --------------------------------------------------------------- */

struct queue_model_options {
    const char *name, *source;
};

static const struct opt queue_model_opts[] = {
    { 0, "name", "NAME", "what requests may call it; default: WHAT if it"
      " is a name", offsetof(struct queue_model_options, name) },
    { 0, "source", "ID", "where it is on Arweave (apus model publish)",
      offsetof(struct queue_model_options, source) },
    { .name = NULL }
};

static const struct opt_command queue_model_command = {
    .name = "apus queue model",
    .synopsis = "WHAT --source ID [--name NAME]",
    .about = "Register a model of the store, so that requests may ask for"
             " it.  The first one is the\nqueue's default; the same again"
             " changes its entry.",
    .opts = queue_model_opts, .min_args = 1, .max_args = 1,
};

static int queue_model(struct settings *s, int argc, char **argv)
{
    struct queue_model_options opt = { .name = NULL };
    const char *args[1] = { NULL };
    struct err err = ERR_INIT;
    struct queue_model m;
    const char *what;
    size_t n;
    int status = cmd_begin(&queue_model_command, s, argc, argv, &opt, args, &n);

    what = args[0];
    if (status != CMD_GO)
        return status;
    if (!opt.source)
        err_set(&err, ERR_INPUT, "apus queue model: where is it on Arweave?"
                " say --source ID (apus model publish brings it there)");
    if (!opt.name)
        opt.name = what;
    if (!opt.source || check_id("--source", opt.source, &err) ||
        queue_model_name(opt.name, &err))
        return cmd_misused(&err);
    if (queue_model_find(&m, s, what, opt.name, opt.source, &err))
        return cmd_fail(&err);
    return end(send_owner(s, m.tag, m.n_tags, "Register-Model-Response", &err),
               &err);
}

/* ---- freeze, pause ------------------------------------------------------- */

struct queue_freeze_options {
    bool yes;
};

static const struct opt queue_freeze_opts[] = {
    { 0, "yes", NULL, "really", offsetof(struct queue_freeze_options, yes) },
    { .name = NULL }
};

static const struct opt_command queue_freeze_command = {
    .name = "apus queue freeze",
    .synopsis = "--yes",
    .about = "Transfer ownership to no one, permanently: its code can no"
             " longer be changed.  This\ncannot be undone.  The"
             " operators remain.",
    .opts = queue_freeze_opts,
};

static int queue_freeze(struct settings *s, int argc, char **argv)
{
    struct queue_freeze_options opt = { .yes = false };
    static const struct item_text_tag tag[] = { { "Action", "Freeze" } };
    struct err err = ERR_INIT;
    size_t n;
    int status =
        cmd_begin(&queue_freeze_command, s, argc, argv, &opt, NULL, &n);

    if (status != CMD_GO)
        return status;
    if (!opt.yes) {
        err_set(&err, ERR_INPUT, "apus queue freeze: this cannot be undone;"
                " say --yes");
        return cmd_misused(&err);
    }
    return end(send_owner(s, tag, 1, "Freeze-Response", &err), &err);
}

static const struct opt_command queue_pause_command = {
    .name = "apus queue pause",
    .synopsis = "[yes|all|no]",
    .about = "yes (the default): no new requests and no pulls; all:"
             " nothing that changes anything;\nno: go on.",
    .opts = no_opts, .max_args = 1,
};

static int queue_pause(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct item_text_tag tag[2] = { { "Action", "Pause" },
                                    { "Mode", "yes" } };
    struct err err = ERR_INIT;
    size_t n = 0;
    int status = cmd_begin(&queue_pause_command, s, argc, argv, NULL, args, &n);

    if (n > 0)
        tag[1].value = args[0];
    if (status != CMD_GO)
        return status;
    if (strcmp(tag[1].value, "yes") != 0 && strcmp(tag[1].value, "all") != 0 &&
        strcmp(tag[1].value, "no") != 0) {
        err_set(&err, ERR_INPUT, "\"%s\": yes, all or no expected",
                tag[1].value);
        return cmd_misused(&err);
    }
    return end(send_owner(s, tag, 2, "Pause-Response", &err), &err);
}

/* ---- set ----------------------------------------------------------------- */

/* What Set takes (doc/queue.md). */
static const char *const set_names[] = {
    "Max-Open", "Max-Requester", "Max-Prompt", "Max-Size", "Max-Done",
    "Pending-Days", "Idle-Days", "Audit-Rate", "Default-Model", "Price",
    "Token", "Operators", "Window", "Turn", "Challengers"
};
#define N_SET (sizeof(set_names) / sizeof(*set_names))

static const struct opt_command queue_set_command = {
    .name = "apus queue set",
    .synopsis = "NAME=VALUE...",
    .about = "Change limits, windows and names of the queue, such as"
             " Window=86400 or\nChallengers=ADDRESS,ADDRESS.",
    .opts = no_opts, .min_args = 1, .max_args = N_SET,
};

/* A tag of "NAME=VALUE", whose text is taken apart. */
static int set_tag(struct item_text_tag *tag, char *text, struct err *err)
{
    char *equals = strchr(text, '=');

    if (equals)
        *equals = '\0';
    for (size_t i = 0; equals && i < N_SET; i++)
        if (strcmp(text, set_names[i]) == 0) {
            *tag = (struct item_text_tag){ set_names[i], equals + 1 };
            return 0;
        }
    return err_set(err, ERR_INPUT, "apus queue set \"%s\": NAME=VALUE"
                   " expected, NAME being Max-Open, Window, Turn, Challengers"
                   " or another that Set has (man apus-queue)", text);
}

static int queue_set(struct settings *s, int argc, char **argv)
{
    struct item_text_tag tag[N_SET + 1] = { { "Action", "Set" } };
    const char *args[N_SET];
    char *text[N_SET];
    struct err err = ERR_INIT;
    size_t n = 0, i = 0;
    int status = cmd_begin(&queue_set_command, s, argc, argv, NULL, args, &n);

    if (status != CMD_GO)
        return status;
    for (; i < n && status == CMD_GO; i++) {
        text[i] = xstrdup(args[i]);
        if (set_tag(&tag[1 + i], text[i], &err))
            status = cmd_misused(&err);
    }
    if (status == CMD_GO)
        status = end(send_owner(s, tag, 1 + n, "Set-Response", &err), &err);
    while (i-- > 0)
        free(text[i]);
    return status;
}

/* ---- the command --------------------------------------------------------- */

const struct command cmd_queue_verbs[] = {
    { "new", "make a queue", .run = queue_new },
    { "info", "what a queue says of itself", .run = queue_info },
    { "allow", "let a node pull", .run = queue_allow },
    { "revoke", "let a node pull no longer", .run = queue_revoke },
    { "model", "register a model", .run = queue_model },
    { "drop", "end a request that will not be answered", .run = queue_drop },
    { "set", "change its limits, windows and who may dispute",
      .run = queue_set },
    { "pause", "stop it for a while", .run = queue_pause },
    { "freeze", "make its code permanent", .run = queue_freeze },
    { .name = NULL },
};
