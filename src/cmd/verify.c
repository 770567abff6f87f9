/*
 * apus verify: check everything that a checkpoint claims against what is at
 * hand, and compute its answers again.  One line a claim.  What lies on
 * Arweave: verify_item.c.
 */
#include <config.h>

#include "cmd/verify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/named.h"
#include "cmd/part.h"
#include "spool/request_file.h"
#include "spool/source.h"
#include "spool/spool.h"
#include "store/answer.h"
#include "store/part_file.h"
#include "verify/recompute.h"

void verify_print(void *self, const struct check_claim *c)
{
    struct verify *v = self;

    char *line = c->open ? xasprintf("%s: %s, not checked: %s", c->file,
                                     c->what, c->detail)
                         : xasprintf("%s: %s, against %s: %s", c->file,
                                     c->what, c->against, c->detail);

    progress_clear(&v->progress);
    plain_string(line);
    printf("%s\t%s\n", c->open ? "open" : c->holds ? "ok" : "WRONG", line);
    free(line);
    fflush(stdout);
}

void verify_print_wrong(void *self, const struct check_claim *c)
{
    char *line = xasprintf("%s: %s, against %s: %s", c->file, c->what,
                           c->against, c->detail);

    (void)self;
    plain_string(line);
    if (!c->open && !c->holds)
        log_error("%s", line);
    free(line);
}

void verify_progress(void *self, uint64_t i, uint64_t n)
{
    struct verify *v = self;

    if (!v->begun)
        progress_init(&v->progress, n, false);
    v->begun = true;
    progress_show(&v->progress, i, n, 0);
}

static const char *of_leaf(const struct recompute_step *s, bool holds)
{
    return !s->compared ? "-" : holds ? "ok" : "WRONG";
}

static void print_step(void *self, const struct recompute_step *s)
{
    struct verify *v = self;
    char next[16] = "-";

    if (!v->trace)
        return;
    if (s->next != UINT32_MAX)
        snprintf(next, sizeof(next), "%" PRIu32, s->next);
    printf("position %" PRIu32 "\ttoken %" PRIu32 "\tnext %s\tkv %s\tfin %s"
           "%s\n", s->position, s->token, next, of_leaf(s, s->kv),
           of_leaf(s, s->fin), s->all ? "" : "\tdiffers");
}

/* ---- before -------------------------------------------------------------- */

static int check_use(struct verify *v, struct err *err)
{
    if (!v->what == !v->item_file)
        return err_set(err, ERR_INPUT, "apus verify: %s", v->what
                       ? "--item FILE is instead of BATCH, FILE.h5, OUT.jsonl"
                         " or ID"
                       : "BATCH, FILE.h5, OUT.jsonl, ID or --item FILE"
                         " expected");
    if (v->what && source_is_stdin(v->what))
        return err_set(err, ERR_INPUT, "apus verify: standard input cannot be"
                       " read twice, name a file");
    if (v->key_text && id_parse(&v->key, v->key_text))
        return err_set(err, ERR_INPUT, "apus verify: --key \"%s\": an address"
                       " expected, 43 characters", v->key_text);
    if (v->statement && v->what && part_is_file(v->what) && !v->key_text)
        return err_set(err, ERR_INPUT, "apus verify: --statement of a file"
                       " wants --key ADDRESS: who you expect to have signed"
                       " it");
    if (v->recompute && strcmp(v->recompute, "all") == 0)
        v->o.recompute = CHECK_ALL;
    else if (v->recompute && (json_u64_text(v->recompute, &v->o.recompute) ||
                              v->o.recompute == 0))
        return err_set(err, ERR_INPUT, "apus verify: --recompute \"%s\": a"
                       " number from 1 or \"all\" expected", v->recompute);
    if (v->trace && answer_id_parse(&v->o.trace_id, v->trace))
        return err_set(err, ERR_INPUT, "apus verify: --trace \"%s\": the id"
                       " of a request expected, 43 characters (request_id in"
                       " its answer)", v->trace);
    v->o.trace = v->trace != NULL;
    return 0;
}

/* ---- a part, a batch ----------------------------------------------------- */

/* A part that was sealed in this spool and has changed since is not parsed. */
static enum verdict report_damaged(struct verify *v, const struct err *why)
{
    const char *slash = strrchr(v->what, '/');
    const struct check_claim c = {
        .file = slash ? slash + 1 : v->what, .what = "its size and SHA-256",
        .against = "checkpoint.json", .detail = why->text
    };

    verify_print(v, &c);
    return VERDICT_FAILS;
}

static enum verdict verify_part(struct verify *v, const struct spool *s,
                                struct err *err)
{
    enum verdict verdict = VERDICT_NONE;
    struct id model = { 0 }, batch;
    struct err own = ERR_INIT;
    struct part_file *f;

    err = err_or(err, &own);
    if (part_open(&f, s, v->what, v->trust, err))
        return err->damage ? report_damaged(v, err) : VERDICT_NONE;
    if (!verify_needs_model(v) ||
        check_part_ids(&model, &batch, f, err) == 0)
        verdict = verify_opened(v, f, model, err);
    part_file_close(f);
    return verdict;
}

static enum verdict verify_batch(struct verify *v, const struct batch *b,
                                 struct err *err)
{
    struct batch_info info;
    int rc = 0;

    /* those of one file have one model */
    if (verify_needs_model(v) && !v->o.model) {
        rc = batch_info_read(&info, b->path, err);
        if (rc == 0) {
            rc = verify_open_model(v, &info.model, err);
            batch_info_clear(&info);
        }
    }
    return rc ? VERDICT_NONE : check_batch(b->path, &v->o, err);
}

/* Find a line of a batch that has the id of the request to be traced. */
static enum found find_line(const struct verify *v, const struct batch *b,
                            struct err *err)
{
    struct request_file *f = NULL;
    struct batch_info info;
    const char *text = "";
    bool found = false;
    struct id id;
    size_t n;
    int rc;

    if (batch_info_read(&info, b->path, err))
        return FOUND_FAILED;
    rc = batch_request_file(&f, &info, b->path, err);
    while (rc == 0 && text && !found) {
        rc = request_file_next(f, &text, &n, err);
        if (rc || !text)
            break;
        request_file_id(f, &id);
        found = id_equal(id, v->o.trace_id);
    }
    request_file_close(f);
    batch_info_clear(&info);
    if (rc)
        return FOUND_FAILED;
    return found ? FOUND_ONE : FOUND_NONE;
}

/* The batch of a file with the request to be traced, n->n if there is none. */
static int find_traced(size_t *at, const struct verify *v,
                       const struct named *n, struct err *err)
{
    enum found found = FOUND_NONE;

    for (*at = 0; *at < n->n && found == FOUND_NONE;
         *at += found == FOUND_NONE)
        found = find_line(v, &n->batch[*at], err);
    if (found == FOUND_NONE)
        return err_set(err, ERR_INPUT, "no request of \"%s\" has the id that is"
                       " to be traced", v->what);
    return found == FOUND_FAILED ? -1 : 0;
}

/* A batch, or those that answer a file of requests: the worst verdict. */
static enum verdict verify_batches(struct verify *v, const struct spool *s,
                                   struct err *err)
{
    enum verdict verdict = VERDICT_HOLDS;
    struct named n;
    size_t traced = 0;

    if (named_find(&n, s, v->what, NULL, err))
        return VERDICT_NONE;
    if (v->trace && n.n > 1 && find_traced(&traced, v, &n, err))
        verdict = VERDICT_NONE;
    for (size_t i = 0; verdict != VERDICT_NONE && i < n.n; i++) {
        enum verdict one;

        if (n.n > 1)
            log_info("batch %s", id_text(n.batch[i].id).s);
        v->begun = false;
        v->o.trace = v->trace && i == traced;
        one = verify_batch(v, &n.batch[i], err);
        if (one != VERDICT_HOLDS)
            verdict = one;
    }
    named_clear(&n);
    return verdict;
}

enum verify_kind { ITEM, OUTPUT, PART, BATCH };

/* An option that this kind of thing has no use for is not a check of it. */
static int check_kind(struct verify *v, enum verify_kind kind, struct err *err)
{
    static const char *const names[] = {
        "an item", "an output file", "a part", "a batch"
    };
    const char *name = NULL;

    if (v->all && (kind == OUTPUT || kind == BATCH))
        name = "--all";
    else if (v->all && kind == PART && !v->key_text)
        name = "--all without --key";
    else if (v->key_text && (kind == OUTPUT || kind == BATCH))
        name = "--key";
    else if (v->statement && (kind == OUTPUT || kind == BATCH))
        name = "--statement";
    else if (v->requests && kind != OUTPUT)
        name = "--requests";
    else if (v->trace && (kind == OUTPUT || kind == ITEM))
        name = "--trace";
    else if (v->model_name && kind == ITEM && !v->recompute)
        name = "--model without --recompute";
    if (!name)
        return 0;
    v->misused = true;
    return err_set(err, ERR_INPUT, "apus verify: %s is not for %s", name,
                   names[kind]);
}

static enum verify_kind kind_of(const struct verify *v, const char *spool_dir)
{
    if (v->item_file || part_is_item(v->what, spool_dir))
        return ITEM;
    if (part_is_output(v->what))
        return !v->requests && named_is_answered(v->what, spool_dir) ? BATCH
                                                               : OUTPUT;
    return part_is_file(v->what) ? PART : BATCH;
}

static enum verdict do_verify(struct verify *v, struct err *err)
{
    const char *dir = settings_text(v->settings, "spool");
    enum verify_kind kind = kind_of(v, dir);
    struct spool *s = NULL;
    enum verdict verdict;

    if (check_kind(v, kind, err))
        return VERDICT_NONE;
    if (kind == ITEM)
        return verify_item(v, err);
    if (kind == OUTPUT)
        return verify_output(v, err);
    if (kind == PART && v->key_text)
        return verify_foreign(v, err);
    if (kind == PART && v->trust)
        return verify_part(v, NULL, err);
    if (spool_open_there(&s, dir, err))
        return VERDICT_NONE;
    verdict = kind == PART ? verify_part(v, s, err)
                           : verify_batches(v, s, err);
    spool_close(s);
    return verdict;
}

static int verify_and_report(struct verify *v)
{
    struct err err = ERR_INIT;
    enum verdict verdict;

    if (check_use(v, &err))
        return cmd_misused(&err);
    verdict = do_verify(v, &err);
    progress_clear(&v->progress);
    if (verdict == VERDICT_NONE)
        return v->misused ? cmd_misused(&err) : cmd_fail(&err);
    if (verdict == VERDICT_HOLDS)
        return CMD_DONE;
    log_error("\"%s\" is not what it claims",
              v->what ? v->what : v->item_file);
    return CMD_NO;
}

static const struct opt verify_opts[] = {
    { 0, "recompute", "N|all", "compute so many answers again, drawn at"
      " random", offsetof(struct verify, recompute) },
    { 0, "trace", "ID", "compute this request again, position by"
      " position", offsetof(struct verify, trace) },
    { 'm', "model", "MODEL", "the model, if it is not in the store",
      offsetof(struct verify, model_name) },
    { 'k', "key", "ADDRESS", "who must have signed it: the node's"
      " address", offsetof(struct verify, key_text) },
    { 0, "statement", "ID|FILE", "the statement of its batch, if no"
      " gateway names it", offsetof(struct verify, statement) },
    { 0, "all", NULL, "of a statement or a part: every answer of the"
      " batch, from Arweave", offsetof(struct verify, all) },
    { 0, "requests", "FILE", "of an output file: the requests that it"
      " answers", offsetof(struct verify, requests) },
    { 0, "item", "FILE", "a raw item in a file instead of an id",
      offsetof(struct verify, item_file) },
    { 0, "trust", NULL, "open a file that was not made in this spool",
      offsetof(struct verify, trust) },
    { .name = NULL }
};

static const struct opt_command verify_command = {
    .name = "apus verify",
    .synopsis = "[BATCH|FILE|FILE.h5|OUT.jsonl|ID] [-k ADDRESS]"
                " [--statement ID|FILE] [--all] [--recompute N|all]"
                " [--trace ID] [--requests FILE] [-m MODEL] [--item FILE]"
                " [--trust]",
    .about = "Check every hash of a batch, of the batches of a file of"
             " requests, of one part of\na checkpoint, or of what lies on"
             " Arweave: a result or a statement, and compute\nanswers"
             " again.  A FILE.h5 from elsewhere is opened if a statement"
             " that --key\nsigned names it.  Of an output file OUT.jsonl"
             " every line is computed again.  One\nline a claim; exit"
             " status 0 if all hold, 3 if one does not.",
    .opts = verify_opts, .min_args = 0, .max_args = 1,
};

int cmd_verify(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct verify v = { .settings = s };
    size_t n_args;
    int status = cmd_begin(&verify_command, s, argc, argv, &v, args, &n_args);

    if (status == CMD_GO) {
        v.what = n_args ? args[0] : NULL;
        v.o.claim = verify_print;
        v.o.progress = verify_progress;
        v.o.step = print_step;
        v.o.self = &v;
        status = verify_and_report(&v);
    }
    backend_close(v.o.backend);
    prompt_model_clear(&v.model);
    return status;
}
