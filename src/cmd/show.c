/*
 * apus show: what a batch, a part of a checkpoint, an answer or a log holds,
 * for people.
 */
#include <config.h>

#include "cmd/show.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/named.h"
#include "cmd/part.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "proof/statement.h"
#include "push/push.h"
#include "push/push_items.h"
#include "store/answer.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/resume.h"
#include "store/refusals.h"
#include "store/seal.h"
#include "spool/spool.h"
#include "store/worklog.h"

#define WHY_MAX 4096

struct show_command {
    const struct settings *settings;
    const char *what, *request;
    const char *item_file;   /* instead of what */
    struct id id;            /* of the request */
    bool trust;
    bool found;
    bool damaged;            /* the log said so, behind what was shown */
    uint64_t lines_before;   /* of the batch that the part at hand is of */
};

/* A path in a line, which control bytes would break. */
static void print_path(const char *key, const char *path)
{
    if (!path)
        return;
    printf("%s\t", key);
    plain_write(stdout, path, strlen(path));
    putchar('\n');
}

/* ---- an answer ----------------------------------------------------------- */

static void print_hex(const char *key, struct id h)
{
    char text[65];

    digest_hex(text, h);
    printf("%s\t%s\n", key, text);
}

/* Natural logarithms, one for each token. */
static void print_logprobs(const struct topk *t)
{
    if (!t->n)
        return;
    printf("logprobs");
    for (size_t i = 0; i < t->n; i++)
        printf("%c%.6f", i ? ' ' : '\t', topk_logprob(t, i));
    putchar('\n');
}

/* Everything that is short, and the text last: it may have lines. */
static void print_answer(const struct checkpoint_row *row, uint64_t line,
                         const struct result_record *res)
{
    const struct record *r = &row->record;
    struct job_record job;
    struct id id;

    show_id("request", res->request);
    if (row->custom_id_size) {
        printf("custom_id\t");
        plain_write(stdout, row->custom_id, row->custom_id_size);
        putchar('\n');
    }
    printf("line\t%" PRIu64 "\nchoice\t%" PRIu32 "\nfinish\t%s\n",
           line, res->choice, result_finish_name(res->finish));
    if (job_record_unpack(&job, r->job) == 0)
        printf("max_tokens\t%" PRIu32 "\ntemperature\t%" PRIu32 ".%06" PRIu32
               "\ntop_p\t%" PRIu32 ".%06" PRIu32 "\ntop_k\t%" PRIu32
               "\nseed\t%" PRIu64 "\nstop_strings\t%" PRIu32 "\n",
               job.max_tokens, job.temperature / 1000000,
               job.temperature % 1000000, job.top_p / 1000000,
               job.top_p % 1000000, job.top_k, job.seed, job.n_stops);
    print_hex("job", res->job);
    print_hex("trace", res->trace);
    digest(&id, r->result, RECORD_RESULT);
    print_hex("result", id);
    printf("positions\t%" PRIu32 "\n", res->n);
    show_tokens("prompt", r->prompt, r->n_prompt);
    show_tokens("tokens", r->output, r->n_output);
    print_logprobs(&row->topk);
    printf("text\t%zu bytes\n", r->text_size);
    show_text((const char *)r->text, r->text_size);
}

static void print_row(const struct checkpoint_row *row, uint64_t line,
                      const struct result_record *res)
{
    printf("%" PRIu64 "\t%" PRIu32 "\t%s\t%s\t%zu\t%zu\n", line, res->choice,
           id_text(res->request).s, result_finish_name(res->finish),
           row->record.n_prompt, row->record.n_output);
}

/* ---- a part -------------------------------------------------------------- */

/* All rows, or those of the request.  A row that cannot be read only matters
 * if the request is in none of the others. */
static int show_rows(struct show_command *s, struct checkpoint *c,
                     const char *path, struct err *err)
{
    struct err damage = ERR_INIT, why = ERR_INIT;
    struct checkpoint_row row;
    struct result_record res;
    uint64_t line;

    for (uint64_t i = 0;
         i < checkpoint_head(c)->n_rows && !cmd_output_closed(); i++) {
        if (checkpoint_row(c, i, &row, &why)) {
            if (!s->request || why.code != ERR_INPUT)
                return err_copy(err, &why);
            damage = why;
            continue;
        }
        if (result_record_unpack(&res, row.record.result))
            return err_set(err, ERR_INPUT, "row %" PRIu64 " has no result"
                           " record", i + 1);
        line = s->lines_before + row.line + 1;
        if (!s->request) {
            print_row(&row, line, &res);
        } else if (id_equal(res.request, s->id)) {
            if (record_check_untraced(&row.record, err))
                return err_prefix(err, "\"%s\": the answer in row %" PRIu64
                                  " is damaged", path, i + 1);
            print_answer(&row, line, &res);
            s->found = true;
        }
    }
    return damage.code && !s->found ? err_copy(err, &damage) : 0;
}

static int show_part(struct show_command *s, const struct part_file *f,
                     struct err *err)
{
    const struct checkpoint_head *h;
    struct checkpoint *c;
    int rc;

    if (checkpoint_open_file(&c, f, err))
        return -1;
    h = checkpoint_head(c);
    s->lines_before = part_lines_before(part_file_path(f));
    if (!s->request) {
        show_id("batch", h->batch);
        show_id("model", h->model);
        show_id("root", h->part_root);
        printf("first\t%" PRIu64 "\nrequests\t%" PRIu64 "\nanswers\t%" PRIu64
               "\nlast_rows\t%s\nleaves\t%s\nlogprobs\t%" PRIu64
               "\n\n",
               s->lines_before + h->first + 1, h->count, h->n_rows,
               h->with_last ? "yes" : "no", h->without_leaves ? "no" : "yes",
               h->n_topk);
        puts("line\tchoice\trequest\tfinish\tprompt\ttokens");
    }
    rc = show_rows(s, c, part_file_path(f), err);
    checkpoint_close(c);
    return rc ? rc : part_file_unchanged(f, err);
}

static int show_file(struct show_command *s, const struct spool *spool,
                     const char *path, bool trust, struct err *err)
{
    struct part_file *f;
    int rc;

    if (part_open(&f, spool, path, trust, err))
        return -1;
    rc = show_part(s, f, err);
    part_file_close(f);
    return rc;
}

/* ---- a log --------------------------------------------------------------- */

static const char *frame_name(enum frame_type t)
{
    switch (t) {
    case FRAME_OPEN: return "open";
    case FRAME_RECORD: return "record";
    case FRAME_GIVEN_UP: return "given-up";
    case FRAME_PARKED: return "parked";
    case FRAME_PARTIAL: return "partial";
    case FRAME_WITHDRAWN: return "withdrawn";
    case FRAME_LAST: return "last";
    case FRAME_TOPK: return "topk";
    case FRAME_HIDDEN: return "hidden";
    case FRAME_LOGITS: return "logits";
    default: return "unknown";
    }
}

static int show_log(const char *path, struct err *err)
{
    struct worklog_reader *r;
    struct frame f;
    uint64_t at;
    enum found found = FOUND_NONE;

    if (worklog_open(&r, path, NULL, err))
        return -1;
    worklog_skip_above(r, 4096);
    if (worklog_withdrawn(r, &at))
        printf("%" PRIu64 "\twithdrawn\n", at);
    while (!cmd_output_closed() &&
           (found = worklog_next(r, &f, err)) == FOUND_ONE)
        printf("%" PRIu64 "\t%s\t%" PRIu64 "\t%" PRIu32 "\t%zu\n", f.at,
               frame_name(f.type), (f.index & UINT32_MAX) + 1,
               (uint32_t)(f.index >> 32), f.n);
    if (found == FOUND_NONE && worklog_damaged(r, &at))
        printf("%" PRIu64 "\tdamage\n", at);
    worklog_reader_close(r);
    return found == FOUND_FAILED ? -1 : 0;
}

/* ---- a batch ------------------------------------------------------------- */

static void show_why(const char *batch_path)
{
    char *path = file_join(batch_path, "why");
    struct buf text;

    buf_init(&text, WHY_MAX);
    if (file_exists(path) && file_read(&text, path, NULL) == 0 && text.len) {
        printf("why\t");
        show_text(text.data, text.len);
    }
    buf_clear(&text);
    free(path);
}

static int show_checkpoint(const char *batch_path, uint64_t lines_before,
                           struct err *err)
{
    struct refusals r;
    struct seal_info i;

    if (!seal_is_done(batch_path) && !seal_is_due(batch_path))
        return 0;
    if (refusals_read(&r, batch_path, false, err) ||
        seal_info_read(&i, batch_path, err))
        return -1;
    if (i.model_source[0])
        printf("model_source\t%s\n", i.model_source);
    printf("answers\t%" PRIu64 "\nrefused\t%" PRIu64 "\n",
           r.n_requests - r.n, r.n);
    for (size_t k = 0; k < i.n_parts; k++) {
        printf("part\tpart-%04zu.h5\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
               "\t%s\n",
               k, lines_before + i.part[k].first + 1, i.part[k].count,
               i.part[k].size, id_text(i.part[k].sha256).s);
    }
    seal_info_clear(&i);
    return 0;
}

/* The item that speaks for a batch which was pushed. */
static void show_statement(const struct batch *b)
{
    struct id item;
    unsigned char record[STATEMENT_SIZE];

    if (push_is_begun(b->path) &&
        push_statement(b->path, record, &item, NULL) == 0)
        show_id("statement", item);
}

static int show_info(const struct batch *b, struct err *err)
{
    struct start_logs logs;
    struct batch_info i;

    if (batch_info_read(&i, b->path, err))
        return -1;
    show_id("batch", b->id);
    printf("state\t%s\n", spool_state_name(b->state));
    print_path("path", b->path);
    show_id("model", i.model);
    print_path("source", i.source);
    print_path("output", i.output);
    printf("requests\t%" PRIu64 "\n", i.n_requests);
    batch_info_clear(&i);
    if (start_logs_find(&logs, b->path, err) == 0) {
        if (logs.n_starts)
            printf("starts\t%" PRIu32 "\nlogs\t%zu\n", logs.n_starts, logs.n);
        start_logs_clear(&logs);
    }
    show_why(b->path);
    show_statement(b);
    return show_checkpoint(b->path, i.lines_before, err);
}

/* One request, in whatever part it is.  A part that is damaged only matters
 * if the answer is in none of the others. */
static int show_in_parts(struct show_command *s, const struct batch *b,
                         struct err *err)
{
    struct err damage = ERR_INIT, why = ERR_INIT;
    struct seal_info i;

    if (seal_info_read(&i, b->path, err))
        return -1;
    for (size_t k = 0; !s->found && k < i.n_parts; k++) {
        char *path = seal_part_path(b->path, k, "h5");

        if (show_file(s, NULL, path, true, &why) && !damage.code)
            damage = why;
        free(path);
    }
    seal_info_clear(&i);
    if (s->found || !damage.code)
        return 0;
    err_copy(err, &damage);
    return seal_name_remedy(b->id, err);
}

/* Whether the parts are those that were sealed; said behind what is shown. */
static int check_parts(struct show_command *s, const struct named *named,
                       struct err *err)
{
    struct err why = ERR_INIT;

    fflush(stdout);
    for (size_t i = 0; i < named->n && !cmd_output_closed(); i++) {
        const struct batch *b = &named->batch[i];

        if (!seal_is_done(b->path) ||
            seal_check_parts(b->path, b->id, &why) == 0)
            continue;
        if (why.code != ERR_INPUT)
            return err_copy(err, &why);
        log_err(&why);
        s->damaged = true;
    }
    return 0;
}

/* Each batch of what was named, or the one request in them. */
static int show_named(struct show_command *s, const struct spool *spool,
                      struct err *err)
{
    struct named found;
    int rc = 0;

    if (named_find_all(&found, spool, &s->what, 1, err))
        return -1;
    for (size_t i = 0; rc == 0 && !s->found && i < found.n; i++) {
        const struct batch *b = &found.batch[i];

        if (i && !s->request)
            putchar('\n');
        if (!s->request)
            rc = show_info(b, err);
        else if (found.n == 1 || seal_is_done(b->path))
            rc = show_in_parts(s, b, err);
    }
    if (rc == 0 && !s->request)
        rc = check_parts(s, &found, err);
    named_clear(&found);
    return rc;
}

static bool is_log(const char *what)
{
    size_t n = strlen(what);

    return n > 4 && strcmp(what + n - 4, ".log") == 0;
}

static int check_use(struct show_command *s, struct err *err)
{
    if (!s->what == !s->item_file)
        return err_set(err, ERR_INPUT, "apus show: a batch, a file, an id or"
                       " --item FILE expected");
    if (s->request && answer_id_parse(&s->id, s->request))
        return err_set(err, ERR_INPUT, "--request \"%s\": the id of a request"
                       " expected, 43 characters", s->request);
    return 0;
}

static int do_show(struct show_command *s, struct err *err)
{
    const char *dir = settings_text(s->settings, "spool");
    struct spool *spool;
    int rc;

    if (s->item_file || part_is_item(s->what, dir))
        return show_item(s->settings, s->what ? s->what : s->item_file,
                         s->item_file != NULL, err);
    if (is_log(s->what))
        return show_log(s->what, err);
    if (spool_open_there(&spool, dir, err))
        return -1;
    rc = part_is_file(s->what)
             ? show_file(s, spool, s->what, s->trust, err)
             : show_named(s, spool, err);
    spool_close(spool);
    if (rc == 0 && s->request && !s->found)
        return err_set(err, ERR_INPUT, "no answer to the request \"%s\" in"
                       " \"%s\"", s->request, s->what);
    return rc;
}

static const struct opt show_opts[] = {
    { 0, "request", "ID", "only the answers to this request, whole",
      offsetof(struct show_command, request) },
    { 0, "item", "FILE", "a raw item in a file instead of an id",
      offsetof(struct show_command, item_file) },
    { 0, "trust", NULL, "open a file that was not made in this spool",
      offsetof(struct show_command, trust) },
    { .name = NULL }
};

static const struct opt_command show_command = {
    .name = "apus show",
    .synopsis = "[BATCH|FILE|FILE.h5|FILE.log|ID] [--request ID]"
                " [--item FILE] [--trust]",
    .about = "Print what a batch is, what answers a part of a checkpoint"
             " has, or the frames of a\nlog; with --request an answer with"
             " all that determined it.  Of an item on Arweave:\nits tags"
             " and what it says.",
    .opts = show_opts, .min_args = 0, .max_args = 1,
};

int cmd_show(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct show_command show = { .settings = s };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&show_command, s, argc, argv, &show, args, &n_args);

    if (status == CMD_GO) {
        show.what = n_args ? args[0] : NULL;
        if (check_use(&show, &err))
            status = cmd_misused(&err);
        else
            status = do_show(&show, &err) ? cmd_fail(&err) : CMD_DONE;
        if (show.damaged)
            status = CMD_NO;
    }
    return status;
}
