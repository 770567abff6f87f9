/*
 * apus chain verify: the message becomes a line of a file, as it does in the
 * process, the model answers it here, and the two answers are compared.
 */
#include <config.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/gateway.h"
#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/chain_cmd.h"
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "lua/solo.h"
#include "model/models.h"
#include "queue/ask_item.h"
#include "queue/client.h"
#include "queue/onchain.h"
#include "store/request.h"

#define ITEM_MAX (AO_MAX_DATA + ITEM_HEAD_MAX)
#define ANSWER_MAX ((size_t)16 << 20)

struct chain_verify {
    const char *model; /* option */

    const struct settings *settings;
    struct id request, process;
    struct buf raw, line, data;
    struct item item; /* in raw */
    struct onchain_answer answer;
};

/* ---- what was asked and answered ----------------------------------------- */

static int read_kept(struct chain_verify *v, struct err *err)
{
    char *path = chain_kept(v->settings, v->request, "item");
    int rc = file_exists(path) ? file_read(&v->raw, path, NULL) : -1;

    if (rc == 0)
        rc = item_open(&v->item, v->raw.data, v->raw.len, NULL);
    if (rc == 0 && !id_equal(v->item.id, v->request))
        rc = -1;
    if (rc)
        buf_reset(&v->raw);
    free(path);
    (void)err;
    return rc;
}

/* The signed message: the one that was kept, or from Arweave. */
static int find_message(struct chain_verify *v, struct err *err)
{
    struct gateways *g;
    int rc;

    if (read_kept(v, err) == 0)
        return 0;
    if (gateways_new(&g, v->settings, err))
        return -1;
    rc = gateway_item(g, v->request, 0, &v->raw, &v->item, err);
    gateways_free(g);
    return rc ? err_prefix(err, "message %s", id_text(v->request).s) : 0;
}

/* Its line, and to whom it went. */
static int read_message(struct chain_verify *v, struct err *err)
{
    if (find_message(v, err))
        return -1;
    if (!v->item.target)
        return err_set(err, ERR_INPUT, "message %s went to no process",
                       id_text(v->request).s);
    v->process = *v->item.target;
    return ask_item_line(&v->line, &v->item, v->raw.data + v->item.head_n,
                         v->raw.len - v->item.head_n, NULL, 0, err) ||
                   buf_check(&v->line, "the line of the message", err)
               ? -1
               : 0;
}

/* What the process says now. */
static int ask_process(struct chain_verify *v, struct err *err)
{
    struct onchain_status s;
    struct client t;
    int rc;

    if (client_open_ask(&t, v->settings, id_text(v->process).s, err))
        return -1;
    t.is_onchain = true;
    rc = onchain_status(&s, &t, v->request, false, err);
    client_close(&t);
    if (rc)
        return -1;
    if (s.state == ONCHAIN_PENDING)
        rc = err_set(err, ERR_RETRY, "it is not answered yet");
    else if (s.state == ONCHAIN_GONE)
        rc = err_set(err, ERR_INPUT, "process %s does not know message %s: it"
                     " has forgotten the answer, which nobody kept here",
                     id_text(v->process).s, id_text(v->request).s);
    else if (s.why)
        rc = err_set(err, ERR_INPUT, "there is no answer: %s", s.why);
    else
        buf_puts(&v->data, s.data);
    onchain_status_clear(&s);
    return rc;
}

static int find_answer(struct chain_verify *v, struct err *err)
{
    char *path = chain_kept(v->settings, v->request, "answer");
    int rc = file_exists(path) ? file_read(&v->data, path, err)
                               : ask_process(v, err);

    free(path);
    if (rc || buf_check(&v->data, "the answer", err))
        return -1;
    return onchain_answer_parse(&v->answer, v->data.len ? v->data.data : "",
                                v->data.len, err);
}

/* ---- computing it again -------------------------------------------------- */

static int differs(struct err *err, const char *what, const char *said,
                   const char *here)
{
    err_set(err, ERR_INPUT, "the %s differs: the process says %.200s, and it"
            " is %.200s", what, said, here);
    return err_damage(err); /* exit status 3 */
}

static int compare(const struct chain_verify *v, const struct solo *s,
                   struct err *err)
{
    const struct onchain_answer *a = &v->answer;
    struct solo_answer here;

    if (solo_answer(s, &here, err))
        return -1;
    if (!id_equal(a->request, v->request))
        return differs(err, "request", id_text(a->request).s,
                       id_text(v->request).s);
    if (!id_equal(a->process, v->process))
        return differs(err, "process", id_text(a->process).s,
                       id_text(v->process).s);
    if (!id_equal(a->result, here.result_id))
        return differs(err, "result", id_text(a->result).s,
                       id_text(here.result_id).s);
    if (!id_equal(a->job, here.result.job))
        return differs(err, "job", id_text(a->job).s,
                       id_text(here.result.job).s);
    if (strlen(a->text) != here.record.text_size ||
        memcmp(a->text, here.record.text, here.record.text_size) != 0)
        return differs(err, "text", a->text, "another");
    return 0;
}

static int compute(const struct chain_verify *v, struct solo *s,
                   struct err *err)
{
    size_t n_prompt, computed;
    bool done = false;

    if (!id_equal(*solo_model_hash(s), v->answer.model))
        return differs(err, "model", id_text(v->answer.model).s,
                       solo_model_id(s));
    if (solo_start(s, v->line.data, v->line.len, v->request, &n_prompt, err))
        return err_prefix(err, "the line of the message");
    while (!done) {
        if (cmd_interrupted())
            return err_set(err, ERR_RETRY, "interrupted");
        if (solo_step(s, 64, &computed, &done, err))
            return -1;
    }
    return compare(v, s, err);
}

static int recompute(const struct chain_verify *v, struct err *err)
{
    const char *kernel = settings_text(v->settings, "kernel");
    struct id_text id = id_text(v->answer.model);
    struct solo *s;
    char *path;
    int rc;

    if (models_resolve(&path, settings_text(v->settings, "models"),
                       v->model ? v->model : id.s, log_line, err))
        return err_prefix(err, "the process says that it has model %s", id.s);
    rc = solo_open(&s, path, strcmp(kernel, "cuda") == 0 ? "auto" : kernel,
                   UINT64_MAX, err);
    free(path);
    if (rc)
        return -1;
    rc = compute(v, s, err);
    solo_close(s);
    return rc;
}

static void report(const struct chain_verify *v)
{
    printf("message\t%s\n", id_text(v->request).s);
    printf("process\t%s\n", id_text(v->process).s);
    printf("model\t%s\n", id_text(v->answer.model).s);
    printf("result\t%s\tthe same\n", id_text(v->answer.result).s);
    printf("text\t%zu bytes\n", strlen(v->answer.text));
    show_text(v->answer.text, strlen(v->answer.text));
    log_info("this answer is right; the owner of the process can change its"
             " Lua, so it says nothing of others");
}

/* ---- the command --------------------------------------------------------- */

static int verify(struct chain_verify *v)
{
    struct err err = ERR_INIT;
    int rc;

    cmd_catch_signals();
    buf_init(&v->raw, ITEM_MAX);
    buf_init(&v->line, REQUEST_MAX_LINE);
    buf_init(&v->data, ANSWER_MAX);
    rc = read_message(v, &err) || find_answer(v, &err) || recompute(v, &err)
             ? cmd_fail_retry(&err)
             : CMD_DONE;
    if (rc == CMD_DONE)
        report(v);
    onchain_answer_clear(&v->answer);
    buf_clear(&v->raw);
    buf_clear(&v->line);
    buf_clear(&v->data);
    return rc;
}

static const struct opt chain_verify_opts[] = {
    { 'm', "model", "MODEL", "name or file of the model (default: the one of"
      " the store with the id that the process says)",
      offsetof(struct chain_verify, model) },
    { .name = NULL }
};

static const struct opt_command chain_verify_command = {
    .name = "apus chain verify",
    .synopsis = "MESSAGE [-m MODEL]",
    .about = "Compute the answer of a process to MESSAGE (an Infer, whose id"
             " apus chain ask\nprints) again, with the model of the store, and"
             " compare model, result and\ntext, which is printed.  The request"
             " is made from the signed message itself.\nExit status 3: it is"
             " another; 75: there is none yet.",
    .opts = chain_verify_opts, .min_args = 1, .max_args = 1,
};

int chain_verify(struct settings *s, int argc, char **argv)
{
    struct chain_verify v = { .settings = s };
    const char *args[1] = { NULL };
    struct err err = ERR_INIT;
    size_t n;
    int status = cmd_begin(&chain_verify_command, s, argc, argv, &v, args, &n);

    if (status != CMD_GO)
        return status;
    if (id_parse(&v.request, args[0])) {
        err_set(&err, ERR_INPUT, "\"%s\" is not the id of a message (43"
                " characters)", args[0]);
        return cmd_misused(&err);
    }
    return verify(&v);
}
