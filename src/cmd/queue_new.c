/*
 * apus queue new: a process is spawned with the first part of the code and
 * sent the others.  The signed process and, once the network has said it, its
 * id lie in SPOOL/new-queue until the queue is whole, so that the same command
 * continues after any interruption.
 */
#include <config.h>

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ao/ao.h"
#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "base/sys.h"
#include "cmd/cmd.h"
#include "cmd/queue_new.h"
#include "jobs/child.h"
#include "proof/digest.h"
#include "queue/code.h"
#include "queue/client.h"

#define WAIT_S 120  /* for a new process to come alive */
#define ITEM_MAX (((size_t)1 << 20) + ITEM_HEAD_MAX)
#define QUEUE_LUA "queue.lua"

struct queue_making {
    struct client client; /* to the process, from when it is known */
    struct queue_code code;
    char *dir;          /* SPOOL/new-queue */
    char name[ID_TEXT]; /* of the files there */
    char *item_path;    /* the process, signed */
    char *process_path; /* its id as text */
};

/* ---- what was begun before ----------------------------------------------- */

/* Names of the two files: a hash of all that makes a process the one that is
 * wanted, so that other code, another wallet or network begins another. */
static int find_paths(struct queue_making *q, const struct settings *s,
                      struct err *err)
{
    static const char *const setting[] = {
        "ao-network", "ao-node", "ao-mu", "ao-module", "ao-scheduler",
        "ao-authority"
    };
    struct digest *d = digest_new();
    struct id name;

    digest_put(d, &q->client.node, sizeof(q->client.node));
    digest_put(d, &q->code.all, sizeof(q->code.all));
    for (size_t i = 0; i < sizeof(setting) / sizeof(setting[0]); i++) {
        const char *text = settings_text(s, setting[i]);

        digest_put(d, text, strlen(text) + 1);
    }
    digest_end(d, &name);
    q->dir = file_join(settings_text(s, "spool"), "new-queue");
    memcpy(q->name, id_text(name).s, ID_TEXT);
    q->item_path = xasprintf("%s/%s.item", q->dir, q->name);
    q->process_path = xasprintf("%s/%s.process", q->dir, q->name);
    return file_mkdirs(q->dir, err);
}

static int read_process(struct queue_making *q, struct err *err)
{
    struct buf b;
    int rc;

    buf_init(&b, ID_TEXT);
    rc = file_read(&b, q->process_path, err);
    if (rc == 0 &&
        (b.len != ID_TEXT - 1 || id_parse(&q->client.process, b.data)))
        rc = err_set(err, ERR_INPUT, "\"%s\" is damaged: remove it",
                     q->process_path);
    buf_clear(&b);
    return rc;
}

static int sign_process(struct queue_making *q, struct buf *item,
                        struct err *err)
{
    static const struct item_text_tag tag[] = { { "Name", "apus-queue" } };
    const struct buf *first = &q->code.part[0];
    const struct ao_message m = { .tag = tag, .n_tags = 1,
                                  .data = first->data, .n = first->len };
    struct id id;

    return ao_process(q->client.ao, item, &id, &m, err) ||
                   buf_check(item, "a process", err) ||
                   file_write(q->item_path, item->data, item->len, err)
               ? -1 : 0;
}

/* Have a process: the one that was begun, or a new one. */
static int have_process(struct queue_making *q, struct err *err)
{
    struct buf item;
    int rc;

    if (file_exists(q->process_path))
        return read_process(q, err);
    buf_init(&item, ITEM_MAX);
    rc = file_exists(q->item_path) ? file_read(&item, q->item_path, err)
                                   : sign_process(q, &item, err);
    sys_crash_point();
    rc = rc ? rc : ao_spawn(q->client.ao, item.data, item.len,
                            &q->client.process, err);
    sys_crash_point();
    buf_clear(&item);
    if (rc)
        return -1;
    return file_write(q->process_path, id_text(q->client.process).s,
                      ID_TEXT - 1, err);
}

/* It is whole: the same command makes another.  What a write that was cut off
 * has left is beside the two, under a name that has theirs. */
static void forget(const struct queue_making *q)
{
    DIR *d = opendir(q->dir);
    const struct dirent *e;
    char *path;

    while (d && (e = readdir(d))) {
        if (!strstr(e->d_name, q->name))
            continue;
        path = file_join(q->dir, e->d_name);
        if (sys_unlink(path))
            log_warning("cannot remove \"%s\": the same command prints this"
                        " queue again", path);
        free(path);
    }
    if (d)
        closedir(d);
    rmdir(q->dir); /* which other queues may be in */
}

/* ---- what the process says of itself ------------------------------------- */

enum loaded {
    LOADED_NONE, /* it does not answer, or raised an error: err says */
    LOADED_PART, /* some parts are missing */
    LOADED_ALL
};

/* The answer of Info: which parts are missing, as bits, or the code's hash
 * ("" if it does not say). */
static enum loaded read_info(const struct ao_result *r, uint32_t *missing,
                             char code[ID_TEXT], struct err *err)
{
    const struct ao_out *out = NULL;
    const char *text;

    for (size_t i = 0; !out && i < r->n_out; i++) {
        text = ao_out_tag(&r->out[i], "Action");
        if (text && strcmp(text, "Info-Response") == 0)
            out = &r->out[i];
    }
    if (!out) {
        err_set(err, ERR_INPUT, r->error ? "it raised an error: %.200s"
                                         : "it has no answer to Info",
                r->error);
        return LOADED_NONE;
    }
    text = ao_out_tag(out, "Missing");
    *missing = 0;
    while (text && *text) {
        unsigned long k = strtoul(text, NULL, 10);

        if (k >= 2 && k <= QUEUE_CODE_PARTS)
            *missing |= UINT32_C(1) << k;
        text += strcspn(text, ",");
        text += strspn(text, ",");
    }
    if (*missing)
        return LOADED_PART;
    text = ao_out_tag(out, "Code-Sha256");
    snprintf(code, ID_TEXT, "%s", text ? text : "");
    return LOADED_ALL;
}

static enum loaded ask_info(struct queue_making *q, uint32_t *missing,
                            char code[ID_TEXT], struct err *err)
{
    static const struct item_text_tag info[] = { { "Action", "Info" } };
    const struct ao_message m = { .process = q->client.process, .tag = info,
                                  .n_tags = 1 };
    struct ao_result r = { .root = NULL };
    enum loaded loaded = LOADED_NONE;

    if (ao_say(q->client.ao, &r, &m, WAIT_S, NULL, err) == 0)
        loaded = read_info(&r, missing, code, err);
    ao_result_clear(&r);
    return loaded;
}

/* ---- the parts ----------------------------------------------------------- */

/* Send part k as a message of its own. */
static int send_part(struct queue_making *q, size_t k, struct err *err)
{
    static const struct item_text_tag eval[] = { { "Action", "Eval" } };
    const struct buf *part = &q->code.part[k - 1];
    const struct ao_message m = { .process = q->client.process, .tag = eval,
                                  .n_tags = 1, .data = part->data,
                                  .n = part->len };
    struct ao_result r = { .root = NULL };
    int rc;

    sys_crash_point();
    rc = ao_say(q->client.ao, &r, &m, WAIT_S, NULL, err);
    sys_crash_point();
    if (rc == 0 && r.error)
        rc = err_set(err, ERR_INPUT, "part %zu of the queue's code raised an"
                     " error: %.200s", k, r.error);
    ao_result_clear(&r);
    return rc;
}

/* The process has the code that was read, all of it. */
static int check_code(const struct queue_making *q, const char *code,
                      struct err *err)
{
    if (q->code.n > 1 && strcmp(code, id_text(q->code.sha256).s) != 0)
        return err_set(err, ERR_INPUT, "it says that its code has the hash"
                       " \"%.43s\", which is %s here", code,
                       id_text(q->code.sha256).s);
    return 0;
}

/* Send what is missing.  There are networks that do not evaluate what a process
 * brings along: those are sent the first part, too. */
static int load_parts(struct queue_making *q, struct err *err)
{
    char code[ID_TEXT] = "";
    uint32_t missing = 0;
    enum loaded loaded = ask_info(q, &missing, code, NULL);

    if (loaded == LOADED_NONE) {
        if (send_part(q, 1, err))
            return -1;
        loaded = ask_info(q, &missing, code, err);
    }
    if (loaded == LOADED_PART) {
        for (size_t k = 2; k <= q->code.n; k++)
            if (missing >> k & 1 && send_part(q, k, err))
                return -1;
        loaded = ask_info(q, &missing, code, err);
    }
    if (loaded == LOADED_PART)
        return err_set(err, ERR_RETRY, "parts of its code are missing, though"
                       " they were sent: run the same command again");
    return loaded == LOADED_ALL ? check_code(q, code, err) : -1;
}

/* ---- the command --------------------------------------------------------- */

static int allow_self(struct queue_making *q, struct err *err)
{
    const struct id_text node = id_text(q->client.node);
    const struct item_text_tag tag[] = { { "Action", "Allow" },
                                         { "Node", node.s } };
    const struct ao_message m = { .tag = tag, .n_tags = 2 };
    const struct ao_out *out = NULL;
    struct ao_result r;

    if (client_say(&q->client, &m, "Allow-Response", &r, &out, err) < 0)
        return -1;
    ao_result_clear(&r);
    return 0;
}

static int spawn(struct queue_making *q, bool self, struct err *err)
{
    struct id_text process;

    if (have_process(q, err))
        return -1;
    process = id_text(q->client.process);
    log_info("process %s is made, loading the queue's code", process.s);
    if (load_parts(q, err) || (self && allow_self(q, err)))
        return err_prefix(err, "process %s is made, and not a queue yet",
                          process.s);
    printf("%s\n", process.s);
    fflush(stdout);
    forget(q);
    log_info("in your apus.conf: queue = %s", process.s);
    return 0;
}

static int make_queue(const struct settings *s, const char *lua, bool self,
                      struct err *err)
{
    static const char nobody[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    struct queue_making q = { .item_path = NULL };
    char *path = lua ? xstrdup(lua) : child_shared(QUEUE_LUA);
    int rc = queue_code_read(&q.code, path, err);

    free(path);
    if (rc)
        return -1;
    /* its id takes this place when it is known */
    rc = client_open(&q.client, s, nobody, err);
    if (rc == 0) {
        q.client.wait_s = WAIT_S;
        rc = find_paths(&q, s, err) || spawn(&q, self, err) ? -1 : 0;
        client_close(&q.client);
    }
    free(q.dir);
    free(q.item_path);
    free(q.process_path);
    queue_code_clear(&q.code);
    return rc;
}

struct queue_new_options {
    const char *lua;
    bool self;
};

static const struct opt queue_new_opts[] = {
    { 0, "allow-self", NULL, "allow this node to pull from it",
      offsetof(struct queue_new_options, self) },
    { 0, "lua", "FILE", "the first part of its code; default: the " QUEUE_LUA
      " that was installed",
      offsetof(struct queue_new_options, lua) },
    { .name = NULL }
};

static const struct opt_command queue_new_command = {
    .name = "apus queue new",
    .synopsis = "[--allow-self] [--lua FILE]",
    .about = "Spawn a process that is a queue, and print its id.  The"
             " wallet owns it.  Then set\nqueue = ID, register a model"
             " (apus queue model) and allow nodes (apus queue allow).\n"
             "After an interruption, run the same command again.",
    .opts = queue_new_opts,
};

int queue_new(struct settings *s, int argc, char **argv)
{
    struct queue_new_options opt = { .lua = NULL };
    struct err err = ERR_INIT;
    size_t n;
    int status = cmd_begin(&queue_new_command, s, argc, argv, &opt, NULL, &n);

    if (status != CMD_GO)
        return status;
    return make_queue(s, opt.lua, opt.self, &err) ? cmd_fail(&err) : CMD_DONE;
}
