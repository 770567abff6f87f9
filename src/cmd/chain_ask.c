/*
 * apus chain ask: a signed Infer to a process that answers by itself.  Message
 * and answer are kept, for apus chain verify.
 */
#include <config.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ao/ao.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/chain_cmd.h"
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "queue/ask.h"
#include "queue/client.h"
#include "queue/dapp.h"
#include "queue/onchain.h"

#define ITEM_MAX (AO_MAX_DATA + ITEM_HEAD_MAX)
#define FIRST_S 1   /* between two looks, doubled .. */
#define LAST_S 15   /* .. to this */
#define WAKE_S 660  /* a step that was lost is sent again by a message then */
#define TIMEOUT_MAX 10000000

struct chain_ask_options {
    const char *model, *max_tokens, *temperature, *seed, *system, *timeout;

    const struct settings *settings;
    const char *text;
    struct client client;
    struct id id;
    uint64_t timeout_s;
};

/* ---- what is asked ------------------------------------------------------- */

static void put_number(struct buf *b, const char *name, const char *text)
{
    if (!text)
        return;
    buf_printf(b, "%s\"%s\":%s", b->len > 1 ? "," : "", name, text);
}

static int send_kept(struct chain_ask_options *o, const struct buf *item,
                     struct err *err)
{
    char *path = chain_kept(o->settings, o->id, "item");
    struct err own = ERR_INIT;
    int rc;

    err = err_or(err, &own);
    rc = file_mkdirs(settings_text(o->settings, "requests"), err) ||
                 file_write(path, item->data, item->len, err)
             ? -1
             : 0;
    if (rc == 0) {
        fprintf(stderr, "%s\n", id_text(o->id).s);
        rc = dapp_send(&o->client, item->data, item->len, err);
        if (rc && err->code != ERR_RETRY)
            unlink(path);
    }
    free(path);
    return rc;
}

/* Keep it, say its id, and only then send it. */
static int ask(struct chain_ask_options *o, struct err *err)
{
    struct dapp_request r = { .text = o->text, .n = strlen(o->text),
                              .system = o->system, .model = o->model };
    struct buf options, item;
    int rc;

    buf_init(&options, 1024);
    buf_init(&item, ITEM_MAX);
    buf_putc(&options, '{');
    put_number(&options, "max_tokens", o->max_tokens);
    put_number(&options, "temperature", o->temperature);
    put_number(&options, "seed", o->seed);
    buf_putc(&options, '}');
    r.options = options.len > 2 ? options.data : NULL;
    rc = buf_check(&options, "the options", err) ||
                 dapp_sign(&o->client, &item, &o->id, &r, err) ||
                 send_kept(o, &item, err)
             ? -1
             : 0;
    buf_clear(&item);
    buf_clear(&options);
    return rc;
}

/* ---- the answer ---------------------------------------------------------- */

static int print_answer(const struct chain_ask_options *o,
                        const struct onchain_status *s, struct err *err)
{
    struct onchain_answer a;
    char *path;
    int rc;

    if (s->why)
        return err_set(err, ERR_INPUT, "there is no answer: %s", s->why);
    if (onchain_answer_parse(&a, s->data, strlen(s->data), err))
        return -1;
    path = chain_kept(o->settings, o->id, "answer");
    rc = file_write(path, s->data, strlen(s->data), err);
    free(path);
    if (rc == 0 && isatty(STDOUT_FILENO))
        show_text(a.text, strlen(a.text));
    else if (rc == 0)
        printf("%s\n", a.text);
    onchain_answer_clear(&a);
    return rc;
}

enum waited {
    WAITED_FAILED = -1,
    WAITED_ANSWERED, /* and it is printed */
    WAITED_NOT_YET   /* err says why */
};

/* Look once; `say`: by a message, which wakes a process. */
static enum waited look(const struct chain_ask_options *o, bool say,
                        uint64_t *position, struct err *err)
{
    enum waited waited = WAITED_FAILED;
    struct client t = o->client;
    struct onchain_status s;
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    if (onchain_status(&s, &t, o->id, say, err))
        return err->code == ERR_RETRY ? WAITED_NOT_YET : WAITED_FAILED;
    switch (s.state) {
    case ONCHAIN_DONE:
        if (print_answer(o, &s, err) == 0)
            waited = WAITED_ANSWERED;
        break;
    case ONCHAIN_GONE:
        err_set(err, ERR_INPUT, "the process does not know %s: it did not"
                " arrive, or its answer is forgotten", id_text(o->id).s);
        break;
    case ONCHAIN_PENDING:
        *position = s.position;
        err_set(err, ERR_RETRY, "%u before it, %u positions computed",
                (unsigned)s.before, (unsigned)s.position);
        waited = WAITED_NOT_YET;
    }
    onchain_status_clear(&s);
    return waited;
}

static enum waited wait_for(const struct chain_ask_options *o, struct err *err)
{
    double end = clock_s() + (double)o->timeout_s, moved = clock_s();
    uint64_t at = 0, last = 0;
    unsigned pause = FIRST_S;

    for (;;) {
        struct err why = ERR_INIT;
        enum waited waited = look(o, clock_s() - moved > WAKE_S, &at, &why);

        if (waited != WAITED_NOT_YET) {
            if (waited == WAITED_FAILED)
                err_copy(err, &why);
            return waited;
        }
        if (at != last || clock_s() - moved > WAKE_S)
            moved = clock_s();
        last = at;
        if (cmd_interrupted() || clock_s() >= end) {
            log_warning("no answer yet: %s; apus chain verify %s looks again",
                        why.text, id_text(o->id).s);
            return WAITED_NOT_YET;
        }
        sleep(pause);
        pause = 2 * pause < LAST_S ? 2 * pause : LAST_S;
    }
}

/* ---- the command --------------------------------------------------------- */

static int check_number(const char *option, const char *name, const char *text,
                        struct err *err)
{
    if (!text || ask_check_number(name, text, err) == 0)
        return 0;
    return err_prefix(err, "%s \"%s\"", option, text);
}

static int check_options(struct chain_ask_options *o, struct err *err)
{
    uint64_t seed;

    if (!*o->text)
        return err_set(err, ERR_INPUT, "apus chain ask: the text is empty");
    if (o->seed && json_u64_text(o->seed, &seed))
        return err_set(err, ERR_INPUT, "--seed \"%s\": a number below 2^64"
                       " expected", o->seed);
    if (o->model && !ask_is_model(o->model))
        return err_set(err, ERR_INPUT, "--model \"%s\": the name that the"
                       " process has for it, or its id of 43 characters",
                       o->model);
    if (json_u64_text(o->timeout, &o->timeout_s) ||
        o->timeout_s > TIMEOUT_MAX)
        return err_set(err, ERR_INPUT, "--timeout \"%s\": seconds expected",
                       o->timeout);
    return check_number("--max-tokens", "max_tokens", o->max_tokens, err) ||
                   check_number("--temperature", "temperature",
                                o->temperature, err)
               ? -1
               : 0;
}

static const struct opt chain_ask_opts[] = {
    { 'm', "model", "MODEL", "name or id of the model; default: whichever it"
      " has", offsetof(struct chain_ask_options, model) },
    { 0, "max-tokens", "N", "most tokens of the answer; default: 256",
      offsetof(struct chain_ask_options, max_tokens) },
    { 0, "temperature", "T", "0 is greedy; default: 1",
      offsetof(struct chain_ask_options, temperature) },
    { 0, "seed", "N", "of what is drawn; default: from the request's id",
      offsetof(struct chain_ask_options, seed) },
    { 0, "system", "TEXT", "a system message before the text",
      offsetof(struct chain_ask_options, system) },
    { 0, "timeout", "SECONDS", "how long to wait; default: 3600",
      offsetof(struct chain_ask_options, timeout) },
    { .name = NULL }
};

static const struct opt_command chain_ask_command = {
    .name = "apus chain ask",
    .synopsis = "PROCESS TEXT [-m MODEL] [--max-tokens N] [--temperature T]"
                " [--seed N] [--system TEXT] [--timeout SECONDS]",
    .about = "Ask a process that answers by itself, and print the text of its"
             " answer; the id\nof the message goes to standard error."
             "  Nothing is proved by it: apus chain\nverify does that.  Exit"
             " status 75: no answer yet.",
    .opts = chain_ask_opts, .min_args = 2, .max_args = 2,
};

static int do_ask(struct chain_ask_options *o, const char *process)
{
    struct err err = ERR_INIT;
    struct id id;
    enum waited waited = WAITED_FAILED;

    if (id_parse(&id, process))
        err_set(&err, ERR_INPUT, "\"%s\" is not the id of a process (43"
                " characters)", process);
    if (err.code || check_options(o, &err))
        return cmd_misused(&err);
    cmd_catch_signals();
    if (client_open(&o->client, o->settings, process, &err))
        return cmd_fail(&err);
    o->client.is_onchain = true;
    if (ask(o, &err) == 0)
        waited = wait_for(o, &err);
    client_close(&o->client);
    if (waited == WAITED_FAILED)
        return cmd_fail_retry(&err);
    return waited == WAITED_ANSWERED ? CMD_DONE : CMD_SAVED;
}

int chain_ask(struct settings *s, int argc, char **argv)
{
    struct chain_ask_options o = { .settings = s, .timeout = "3600" };
    const char *args[2] = { NULL };
    size_t n;
    int status = cmd_begin(&chain_ask_command, s, argc, argv, &o, args, &n);

    o.text = args[1];
    return status == CMD_GO ? do_ask(&o, args[0]) : status;
}
