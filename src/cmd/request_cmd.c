/*
 * apus request: ask a question as a DApp would, with one's own wallet, and
 * read the answer.  The signed message is kept before it is sent, so that
 * whatever is lost can be taken up again by its id.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ao/ao.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "queue/ask.h"
#include "queue/dapp.h"
#include "queue/client.h"
#include "verify/dapp_answer.h"

#define ITEM_MAX (AO_MAX_DATA + ITEM_HEAD_MAX)
#define ANSWER_MAX ((size_t)16 << 20)
#define FIRST_S 1      /* between two looks, doubled .. */
#define LAST_S 15      /* .. to this: a compute unit counts them */
#define SIGNED_S 300   /* between two that sign a message, each a slot */
#define DEFAULT_WAIT "3600"

struct asking {
    const struct settings *settings;
    const char *text, *file, *source, *system; /* what is asked .. */
    const char *of, *status, *cancel; /* .. or of which request something */
    const char *model, *node, *max_tokens, *temperature, *seed, *timeout;
    bool wait, json;

    struct client client;
    struct id id;
    char id_text[ID_TEXT];
    char *kept;        /* where the signed message is */
    uint64_t timeout_s;
    struct err why;    /* what was said last of an answer that is there */
};

/* ---- what is asked ------------------------------------------------------- */

/* One parameter, if it is given: `option` is --NAME. */
static int check_option(const char *option, const char *name,
                        const char *text, struct err *err)
{
    if (!text || ask_check_number(name, text, err) == 0)
        return 0;
    return err_prefix(err, "%s \"%s\"", option, text);
}

/* Numbers are texts that the queue reads, and were checked. */
static void put_number(struct buf *b, const char *name, const char *text)
{
    if (!text)
        return;
    json_put_key(b, name);
    buf_puts(b, text);
}

static int make_options(struct buf *b, const struct asking *a,
                        struct err *err)
{
    buf_putc(b, '{');
    put_number(b, "max_tokens", a->max_tokens);
    put_number(b, "temperature", a->temperature);
    put_number(b, "seed", a->seed);
    buf_putc(b, '}');
    return buf_check(b, "the options", err);
}

static int read_stdin(struct buf *text, struct err *err)
{
    char chunk[4096];
    size_t n;

    errno = 0;
    while (!text->full && (n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
        buf_put(text, chunk, n);
    if (ferror(stdin))
        return err_errno(err, ERR_INPUT, "cannot read standard input");
    return buf_check(text, "standard input", err);
}

static int read_text(struct buf *text, const struct asking *a,
                     struct err *err)
{
    if (!a->file) {
        buf_puts(text, a->text ? a->text : "");
        return buf_check(text, "the request", err);
    }
    return strcmp(a->file, "-") == 0 ? read_stdin(text, err)
                                     : file_read(text, a->file, err);
}

/* ---- asking -------------------------------------------------------------- */

static void set_id(struct asking *a)
{
    char *name;

    base64url(a->id_text, a->id.b, 32);
    name = xasprintf("%s.item", a->id_text);
    a->kept = file_join(settings_text(a->settings, "requests"), name);
    free(name);
}

/* Keep it, say its id, and only then send it. */
static int keep_question(struct asking *a, const struct buf *item,
                         struct err *err)
{
    set_id(a);
    if (file_mkdirs(settings_text(a->settings, "requests"), err) ||
        file_write(a->kept, item->data, item->len, err))
        return -1;
    printf(a->json ? "{\"request\":\"%s\"}\n" : "%s\n", a->id_text);
    fflush(stdout);
    return 0;
}

/* What is refused is not kept.  ERR_RETRY: whether the queue has it is not
 * known. */
static int send_kept(struct asking *a, const struct buf *item,
                     struct err *err)
{
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    if (dapp_send(&a->client, item->data, item->len, err) == 0)
        return 0;
    if (err->code != ERR_RETRY)
        unlink(a->kept);
    return -1;
}

enum asking_end {
    ASKED_NOT = -1,
    ASKED,
    ASKED_PERHAPS /* it is kept and may not have arrived; err says why */
};

static enum asking_end ask_until(struct asking *a, struct err *err)
{
    enum asking_end end = ASKED_NOT;
    struct dapp_request r = { .system = a->system, .model = a->model,
                              .node = a->node };
    struct buf text, options, item;
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    buf_init(&text, AO_MAX_DATA);
    buf_init(&options, 1024);
    buf_init(&item, ITEM_MAX);
    if (read_text(&text, a, err) || make_options(&options, a, err))
        goto out;
    r.text = text.len ? text.data : "";
    r.n = text.len;
    r.source = a->source;
    r.options = options.len > 2 ? options.data : NULL;
    if (dapp_sign(&a->client, &item, &a->id, &r, err) ||
        keep_question(a, &item, err))
        goto out;
    if (send_kept(a, &item, err) == 0)
        end = ASKED;
    else if (err->code == ERR_RETRY)
        end = ASKED_PERHAPS;
out:
    buf_clear(&item);
    buf_clear(&options);
    buf_clear(&text);
    return end;
}

/* ---- waiting ------------------------------------------------------------- */

/* The queue does not know it: it may never have got there. */
static int send_again(struct asking *a, bool *sent, struct err *err)
{
    struct buf item;
    int rc;

    if (*sent || !file_exists(a->kept))
        return err_set(err, ERR_INPUT, "the queue has no request %s (any"
                       " more): it was given up, cancelled, or finished long"
                       " ago", a->id_text);
    buf_init(&item, ITEM_MAX);
    rc = file_read(&item, a->kept, err);
    if (rc == 0)
        rc = send_kept(a, &item, err);
    buf_clear(&item);
    *sent = rc == 0;
    return rc;
}

/* What was asked of one node is not believed from another, whatever the queue
 * is said to say. */
static int check_node(const struct asking *a, const struct dapp_status *s,
                      struct err *err)
{
    if (!a->node || strcmp(a->node, id_text(s->node).s) == 0)
        return 0;
    return err_set(err, ERR_INPUT,
                   "node %s answered, and only %.43s was"
                   " asked",
                   id_text(s->node).s, a->node);
}

static const char *state_text(const struct dapp_status *s)
{
    static const char *const texts[] = { "pending", "leased", "done",
                                         "gone" };

    return s->state == DAPP_DONE && s->until_ms ? "answered"
                                                : texts[s->state];
}

/* What the queue says of a request, as the members of a line of JSON. */
static void put_status(struct buf *b, const struct asking *a,
                       const struct dapp_status *s)
{
    buf_putc(b, '{');
    json_put_text(b, "request", a->id_text);
    json_put_text(b, "state", state_text(s));
    if (s->state == DAPP_LEASED || s->state == DAPP_DONE)
        json_put_id(b, "node", s->node);
    if (s->until_ms)
        json_put_digits(b, "until", s->until_ms);
    if (s->state != DAPP_DONE)
        return;
    json_put_id(b, "result", s->result);
    json_put_id(b, "item", s->item);
    json_put_bool(b, "conflict", s->conflict);
}

static int print_json(struct buf *line, struct err *err)
{
    buf_puts(line, "}\n");
    if (buf_check(line, "a line of JSON", err))
        return -1;
    fwrite(line->data, 1, line->len, stdout);
    return 0;
}

/* The same for people: a line each, with tabs. */
static void print_status(const struct dapp_status *s)
{
    char text[ID_TEXT];

    printf("State\t%s\n", state_text(s));
    if (s->state == DAPP_LEASED || s->state == DAPP_DONE) {
        base64url(text, s->node.b, 32);
        printf("Node\t%s\n", text);
    }
    if (s->until_ms)
        printf("Until\t%" PRIu64 "\n", s->until_ms);
    if (s->state != DAPP_DONE)
        return;
    base64url(text, s->result.b, 32);
    printf("Result\t%s\n", text);
    base64url(text, s->item.b, 32);
    printf("Item\t%s\n", text);
    if (s->conflict)
        printf("Conflict\tanother node had another result\n");
}

static int report_status(struct asking *a, struct err *err)
{
    struct dapp_status s;
    struct buf line;
    int rc = 0;

    if (dapp_status(&a->client, &s, a->id, err))
        return -1;
    buf_init(&line, 4096);
    if (a->json) {
        put_status(&line, a, &s);
        rc = print_json(&line, err);
    } else {
        print_status(&s);
    }
    buf_clear(&line);
    return rc;
}

/* What was kept goes with it: nobody asks for it any more. */
static int cancel(struct asking *a, struct err *err)
{
    if (dapp_cancel(&a->client, a->id, err))
        return err_prefix(err, "request %s is not cancelled", a->id_text);
    unlink(a->kept);
    printf(a->json ? "{\"request\":\"%s\",\"state\":\"cancelled\"}\n"
                   : "%s\n", a->id_text);
    return 0;
}

/* A program gets a text as it is, a terminal must not obey it. */
static int print_text(const struct asking *a, const struct dapp_status *s,
                      const struct buf *text, struct err *err)
{
    const char *data = text->len ? text->data : "";
    struct buf line;
    int rc = 0;

    if (a->json) {
        buf_init(&line, 8 * ANSWER_MAX);
        put_status(&line, a, s);
        json_put_key(&line, "text");
        json_put_string(&line, data, text->len);
        rc = print_json(&line, err);
        buf_clear(&line);
    } else if (text->len && isatty(STDOUT_FILENO)) {
        show_text(data, text->len);
    } else {
        fwrite(data, 1, text->len, stdout);
        putchar('\n');
    }
    return rc;
}

static int print_answer(const struct asking *a, const struct dapp_status *s,
                        struct err *err)
{
    struct err unseen = ERR_INIT;
    struct buf text;
    int rc;

    if (check_node(a, s, err))
        return -1;
    buf_init(&text, ANSWER_MAX);
    rc = dapp_answer_fetch(a->client.process, a->settings, s, a->id, a->kept,
                           &text, &unseen, err);
    if (rc == 0)
        rc = print_text(a, s, &text, err);
    if (rc == 0) {
        if (unseen.code)
            log_warning("whether it answers what was asked is not known: the"
                        " message cannot be had: %s", unseen.text);
        if (s->conflict)
            log_warning("another node had another result for this request");
        unlink(a->kept);
    }
    buf_clear(&text);
    return rc;
}

/* The answer is there, and cannot be had: said once. */
static void report_why(struct asking *a, const struct err *err)
{
    if (strcmp(a->why.text, err->text) == 0)
        return;
    err_copy(&a->why, err);
    log_warning("it is answered, but %s; asking again", err->text);
}

enum waited {
    WAITED_FAILED = -1,
    WAITED_ANSWERED, /* and it is printed */
    WAITED_NOT_YET   /* err says why */
};

/* Look once. */
static enum waited poll_once(struct asking *a, bool *sent, struct err *err)
{
    struct err own = ERR_INIT;
    struct dapp_status s;
    int rc;

    err = err_or(err, &own);
    if (dapp_status(&a->client, &s, a->id, err))
        return err->code == ERR_RETRY ? WAITED_NOT_YET : WAITED_FAILED;
    switch (s.state) {
    case DAPP_GONE:
        rc = send_again(a, sent, err);
        return rc && err->code != ERR_RETRY ? WAITED_FAILED : WAITED_NOT_YET;
    case DAPP_DONE:
        if (print_answer(a, &s, err) == 0)
            return WAITED_ANSWERED;
        if (err->code != ERR_RETRY)
            return WAITED_FAILED;
        report_why(a, err);
        return WAITED_NOT_YET;
    case DAPP_PENDING:
    case DAPP_LEASED:
        break;
    }
    err_set(err, ERR_RETRY, "it is %s", s.state == DAPP_PENDING
            ? "waiting for a node" : "being answered");
    return WAITED_NOT_YET;
}

/* Until the next look: long if that one signs, and not past the end. */
static unsigned pause_of(const struct asking *a, unsigned pause, double left)
{
    if (a->client.refused)
        pause = SIGNED_S;
    if (left < 0)
        left = 0;
    return left < pause ? (unsigned)left + 1 : pause;
}

/* Look again and again. */
static enum waited wait_for(struct asking *a, struct err *err)
{
    double end = clock_s() + (double)a->timeout_s;
    unsigned pause = FIRST_S;
    bool sent = false;

    for (;;) {
        struct err why = ERR_INIT;
        enum waited waited = poll_once(a, &sent, &why);

        if (waited == WAITED_FAILED)
            err_copy(err, &why);
        if (waited != WAITED_NOT_YET)
            return waited;
        if (cmd_interrupted() || clock_s() >= end) {
            log_warning("no answer yet%s%s; apus request --of %s takes it"
                        " up", why.text[0] ? ": " : "", why.text,
                        a->id_text);
            return WAITED_NOT_YET;
        }
        sleep(pause_of(a, pause, end - clock_s()));
        pause = 2 * pause < LAST_S ? 2 * pause : LAST_S;
    }
}

/* ---- the command --------------------------------------------------------- */

static int check_parameters(const struct asking *a, struct err *err)
{
    uint64_t seed;

    if (a->seed && json_u64_text(a->seed, &seed))
        return err_set(err, ERR_INPUT, "--seed \"%s\": a number below 2^64"
                       " expected", a->seed);
    return check_option("--max-tokens", "max_tokens", a->max_tokens, err) ||
                   check_option("--temperature", "temperature",
                                a->temperature, err)
               ? -1 : 0;
}

static int check_named(struct asking *a, const char *option, const char *id,
                       struct err *err)
{
    if (!id || id_parse(&a->id, id) == 0)
        return 0;
    return err_set(err, ERR_INPUT, "%s \"%s\": the id of a request, 43"
                   " characters", option, id);
}

static int check_use(struct asking *a, size_t n_args, struct err *err)
{
    struct id id;

    if (n_args > 0 && !*a->text)
        return err_set(err, ERR_INPUT, "apus request: the text is empty");
    if ((n_args > 0) + (a->file != NULL) + (a->source != NULL) +
            (a->of != NULL) + (a->status != NULL) + (a->cancel != NULL) != 1)
        return err_set(err, ERR_INPUT, "apus request: a text, or -f FILE, or"
                       " --source ID, or --of, --status or --cancel ID");
    if (a->source && id_parse(&id, a->source))
        return err_set(err, ERR_INPUT, "--source \"%s\": an id of 43"
                       " characters", a->source);
    if (a->source && a->system)
        return err_set(err, ERR_INPUT, "--system goes with a text or -f FILE;"
                       " a --source has its own messages");
    if (a->node && id_parse(&id, a->node))
        return err_set(err, ERR_INPUT, "--node \"%s\": the address of a node,"
                       " 43 characters", a->node);
    if (a->model && !ask_is_model(a->model))
        return err_set(err, ERR_INPUT, "--model \"%s\": the name of a model"
                       " of the queue (apus queue info lists them), or its"
                       " id of 43 characters", a->model);
    if (check_parameters(a, err) ||
        check_named(a, "--of", a->of, err) ||
        check_named(a, "--status", a->status, err) ||
        check_named(a, "--cancel", a->cancel, err))
        return -1;
    if (json_u64_text(a->timeout, &a->timeout_s) ||
        a->timeout_s > 10000000)
        return err_set(err, ERR_INPUT, "--timeout \"%s\": seconds expected",
                       a->timeout);
    return 0;
}

/* The steps of a command that may end without an answer so far. */
static int ask_and_wait(struct asking *a, struct err *err)
{
    struct err own = ERR_INIT;
    enum asking_end end;

    err = err_or(err, &own);
    end = a->of ? ASKED : ask_until(a, err);
    if (end == ASKED_NOT)
        return CMD_FAILED;
    if (a->wait || a->of) {
        enum waited waited = wait_for(a, err);

        return waited == WAITED_FAILED ? CMD_FAILED
               : waited == WAITED_ANSWERED ? CMD_DONE : CMD_SAVED;
    }
    if (end == ASKED)
        return CMD_DONE;
    log_warning("the queue may not have the request: %s; apus request --of %s"
                " takes it up", err->text, a->id_text);
    return CMD_SAVED;
}

static int do_request(struct asking *a, size_t n_args)
{
    struct err err = ERR_INIT;
    int rc;

    if (check_use(a, n_args, &err))
        return cmd_misused(&err);
    cmd_catch_signals();
    rc = a->of || a->status
             ? client_open_ask(&a->client, a->settings, NULL, &err)
             : client_open(&a->client, a->settings, NULL, &err);
    if (rc)
        return cmd_fail(&err);
    if (a->of || a->status || a->cancel)
        set_id(a);
    if (a->status)
        rc = report_status(a, &err) ? CMD_FAILED : CMD_DONE;
    else if (a->cancel)
        rc = cancel(a, &err) ? CMD_FAILED : CMD_DONE;
    else
        rc = ask_and_wait(a, &err);
    free(a->kept);
    client_close(&a->client);
    return rc == CMD_FAILED ? cmd_fail(&err) : rc;
}

static const struct opt request_opts[] = {
    { 'f', "file", "FILE", "the text is in this file; - is standard input",
      offsetof(struct asking, file) },
    { 0, "source", "ID", "the text is in this item on Arweave",
      offsetof(struct asking, source) },
    { 'm', "model", "MODEL", "name or id of a model; default: the"
      " queue's", offsetof(struct asking, model) },
    { 0, "node", "ADDRESS", "only this node may answer",
      offsetof(struct asking, node) },
    { 0, "max-tokens", "N", "most tokens of the answer; default: 256",
      offsetof(struct asking, max_tokens) },
    { 0, "temperature", "T", "0 is greedy; default: 1",
      offsetof(struct asking, temperature) },
    { 0, "seed", "N", "of what is drawn; default: from the request's id",
      offsetof(struct asking, seed) },
    { 0, "system", "TEXT", "a system message before the text",
      offsetof(struct asking, system) },
    { 0, "wait", NULL, "wait for the answer and print it",
      offsetof(struct asking, wait) },
    { 0, "of", "ID", "wait for the answer of this request",
      offsetof(struct asking, of) },
    { 0, "status", "ID", "print how far this request is",
      offsetof(struct asking, status) },
    { 0, "cancel", "ID", "give up this request, which no node has begun",
      offsetof(struct asking, cancel) },
    { 0, "json", NULL, "print lines of JSON", offsetof(struct asking, json) },
    { 0, "timeout", "SECONDS", "how long to wait; default: 3600",
      offsetof(struct asking, timeout) },
    { .name = NULL }
};

static const struct opt_command request_command = {
    .name = "apus request",
    .synopsis = "TEXT | -f FILE | --source ID | --of ID | --status ID |"
                " --cancel ID [-m MODEL] [--node ADDRESS]"
                " [--max-tokens N] [--temperature T] [--seed N]"
                " [--system TEXT] [--wait] [--json]"
                " [--timeout SECONDS]",
    .about = "Leave a request with the queue on AO and print its id;"
             " with --wait, its answer too:\nthe text of the item on"
             " Arweave, if it is signed by the node and is what it says"
             " it is.\nExit status 75: no answer yet, take it up with"
             " --of.",
    .opts = request_opts, .min_args = 0, .max_args = 1,
};

int cmd_request(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct asking a = { .settings = s, .timeout = DEFAULT_WAIT };
    size_t n_args = 0;
    int status = cmd_begin(&request_command, s, argc, argv, &a, args, &n_args);

    if (n_args > 0)
        a.text = args[0];
    return status == CMD_GO ? do_request(&a, n_args) : status;
}
