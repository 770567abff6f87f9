/*
 * apus chain new: a process is spawned that trusts this wallet's attestations,
 * and is sent the Lua that loads a model and answers Infer.
 */
#include <config.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/chain_cmd.h"
#include "cmd/cmd.h"
#include "queue/ask.h"
#include "queue/client.h"

#define WAIT_S 120 /* for a new process to come alive */
#define LUA_MAX 16384
#define ITEM_MAX (LUA_MAX + ITEM_HEAD_MAX)
#define NOBODY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define MOST 10000 /* of serve.lua's bounds */

struct chain_new_options {
    const char *source, *name, *process, *max_open, *per_sender;
    const char **from; /* ends with NULL */
};

/* ---- its Lua ------------------------------------------------------------- */

/* What was checked has no character that Lua's strings escape. */
static void put_from(struct buf *lua, const char *const *from)
{
    buf_puts(lua, ", from = {");
    for (; *from; from++)
        buf_printf(lua, " \"%s\",", *from);
    buf_puts(lua, " }");
}

/* It gives the model's id or a text.  It may run twice, and what is loaded is
 * not loaded again.  It raises no error: a process whose first message fails
 * has no owner. */
static int make_lua(struct buf *lua, const struct chain_new_options *o,
                    struct err *err)
{
    buf_printf(lua, "local good, id, why = pcall(function()\n"
               "    Apus = require(\"apus\")\n"
               "    local done, why = Apus.figures()\n"
               "    if not done then done, why = Apus.load(\"%s%s\") end\n"
               "    if not done then return nil, why end\n"
               "    done, why = Apus.serve({ max_open = %s, per_sender = %s",
               o->source ? "/data/" : "/model", o->source ? o->source : "",
               o->max_open, o->per_sender);
    if (o->name)
        buf_printf(lua, ", name = \"%s\"", o->name);
    if (o->from && o->from[0])
        put_from(lua, o->from);
    buf_puts(lua, " })\n"
             "    if not done then return nil, why end\n"
             "    return Apus.figures().id\n"
             "end)\n"
             "return good and id or tostring(why or id)\n");
    return buf_check(lua, "the Lua of the process", err);
}

/* ---- the process --------------------------------------------------------- */

static int spawn(struct client *t, const struct chain_new_options *o,
                 const struct buf *lua, struct err *err)
{
    const struct id_text owner = id_text(t->node);
    const struct item_text_tag tag[] = {
        { "Name", o->name ? o->name : "apus-chain" },
        { "Attestor", owner.s },
        { "Availability-Type", "Individual" },
    };
    const struct ao_message m = { .tag = tag,
                                  .n_tags = sizeof(tag) / sizeof(tag[0]),
                                  .data = lua->data, .n = lua->len };
    struct buf item;
    struct id id;
    int rc;

    buf_init(&item, ITEM_MAX);
    rc = ao_process(t->ao, &item, &id, &m, err) ||
                 buf_check(&item, "a process", err) ||
                 ao_spawn(t->ao, item.data, item.len, &t->process, err)
             ? -1
             : 0;
    buf_clear(&item);
    return rc;
}

/* There are networks that do not evaluate what a process brings along, and
 * what it loads may have to be there first: it is sent its Lua, too. */
static int begin(struct client *t, const struct buf *lua, struct err *err)
{
    static const struct item_text_tag eval[] = { { "Action", "Eval" } };
    const struct ao_message m = { .process = t->process, .tag = eval,
                                  .n_tags = 1, .data = lua->data,
                                  .n = lua->len };
    struct ao_result r = { .root = NULL };
    struct id model;
    int rc = ao_say(t->ao, &r, &m, WAIT_S, NULL, err);

    if (rc == 0 && r.error)
        rc = err_set(err, ERR_INPUT, "it says: %.400s", r.error);
    else if (rc == 0 && id_parse(&model, r.output))
        rc = err_set(err, ERR_INPUT, "it says: %.400s%s", r.output,
                     strstr(r.output, "module 'apus' not found")
                         ? ": ao-module is none of apus" : "");
    if (rc == 0)
        log_info("it answers by model %s", r.output);
    ao_result_clear(&r);
    return rc;
}

static int make_process(const struct settings *s,
                        const struct chain_new_options *o, struct err *err)
{
    struct client t;
    struct buf lua;
    int rc;

    buf_init(&lua, LUA_MAX);
    /* its id takes this place when it is known */
    rc = make_lua(&lua, o, err) ||
                 client_open(&t, s, o->process ? o->process : NOBODY, err)
             ? -1
             : 0;
    if (rc) {
        buf_clear(&lua);
        return -1;
    }
    if (!o->process)
        rc = spawn(&t, o, &lua, err);
    if (rc == 0 && (rc = begin(&t, &lua, err)))
        err_prefix(err, "process %s is made, and does not answer yet (the same"
                   " command with --process %s sets it up)",
                   id_text(t.process).s, id_text(t.process).s);
    if (rc == 0)
        printf("%s\n", id_text(t.process).s);
    buf_clear(&lua);
    client_close(&t);
    return rc;
}

/* ---- the command --------------------------------------------------------- */

static int check_id(const char *what, const char *text, struct err *err)
{
    struct id id;

    if (!text || id_parse(&id, text) == 0)
        return 0;
    return err_set(err, ERR_INPUT, "%s \"%s\": 43 characters of base64url"
                   " expected", what, text);
}

static int check_bound(const char *option, const char *text, struct err *err)
{
    uint64_t n;

    if (json_u64_text(text, &n) == 0 && n >= 1 && n <= MOST)
        return 0;
    return err_set(err, ERR_INPUT, "%s \"%s\": 1 to %d expected", option, text,
                   MOST);
}

static int check_options(const struct chain_new_options *o, struct err *err)
{
    if (check_id("the model's item", o->source, err) ||
        check_id("--process", o->process, err) ||
        check_bound("--max-open", o->max_open, err) ||
        check_bound("--per-sender", o->per_sender, err))
        return -1;
    for (size_t i = 0; o->from && o->from[i]; i++)
        if (check_id("--from", o->from[i], err))
            return -1;
    if (o->name && !ask_is_model(o->name))
        return err_set(err, ERR_INPUT, "--name \"%s\": 1 to 42 of A-Z a-z 0-9"
                       " . _ - expected", o->name);
    return 0;
}

static const struct opt chain_new_opts[] = {
    { 0, "name", "NAME", "what requests may call the model",
      offsetof(struct chain_new_options, name) },
    { 0, "from", "ADDRESS...", "only this wallet or process may ask; default:"
      " anybody", offsetof(struct chain_new_options, from) },
    { 0, "max-open", "N", "most requests that wait; default: 100",
      offsetof(struct chain_new_options, max_open) },
    { 0, "per-sender", "N", "most of one sender; default: 10",
      offsetof(struct chain_new_options, per_sender) },
    { 0, "process", "ID", "set up this process, which was made before",
      offsetof(struct chain_new_options, process) },
    { .name = NULL }
};

static const struct opt_command chain_new_command = {
    .name = "apus chain new",
    .synopsis = "[ITEM] [--name NAME] [--from ADDRESS]... [--max-open N]"
                " [--per-sender N] [--process ID]",
    .about = "Spawn a process of the module of the setting ao-module, which"
             " answers requests\nby itself, and print its id.  ITEM is a model"
             " on Arweave that this wallet\nattested (apus model publish"
             " --attest); without it, the model that is inside\nof the module."
             "  The wallet owns the process.",
    .opts = chain_new_opts, .max_args = 1,
};

int chain_new(struct settings *s, int argc, char **argv)
{
    struct chain_new_options o = { .max_open = "100", .per_sender = "10" };
    const char *args[1] = { NULL }, **from;
    struct err err = ERR_INIT;
    size_t n = 0;
    int status;

    from = xcalloc((size_t)argc + 1, sizeof(*from));
    o.from = from;
    status = cmd_begin(&chain_new_command, s, argc, argv, &o, args, &n);
    o.source = n ? args[0] : NULL;
    if (status == CMD_GO && check_options(&o, &err))
        status = cmd_misused(&err);
    if (status == CMD_GO)
        status = make_process(s, &o, &err) ? cmd_fail_retry(&err) : CMD_DONE;
    free(from);
    return status;
}
