/*
 * Checks the claims of a sealed batch: its requests, its parts, and the files
 * around them.  None of these files is signed, so this counts the answers and
 * lines that are there and compares each file's claims with the counts.
 */
#include <config.h>

#include "verify/check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/prompt.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"
#include "base/utf8.h"
#include "proof/statement.h"
#include "spool/request_file.h"
#include "spool/spool.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/request.h"
#include "store/request_names.h"
#include "store/seal.h"
#include "verify/recompute.h"

/* ---- requests.jsonl and batch.json --------------------------------------- */

/* Read a line as the worker does before it computes: 0, or -1 with the reason
 * that it writes (ERR_INPUT).  Without the model, checks that need it are
 * skipped. */
static int read_request(struct request *r, const struct check *c,
                        const struct check_along *along, struct err *err)
{
    struct prompt prompt;
    struct id id;

    request_file_id(along->f, &id);
    if (request_parse(r, along->text, along->n, err) ||
        batch_request_id(&id, c->batch, id, r->custom_id, err))
        return -1;
    if (!c->o->model)
        return 0;
    if (prompt_make(&prompt, c->o->model, r, id, err))
        return -1;
    prompt_clear(&prompt);
    return 0;
}

static int count_lines(struct check *c, struct request_file *f, struct err *err)
{
    const char *text;
    struct id id;
    void *line;
    size_t n;

    c->n_lines = request_file_count(f);
    c->n_requests = request_file_requests(f);
    if (c->n_lines > UINT32_MAX)
        return err_set(err, ERR_INPUT, "\"%s\" has %" PRIu64 " lines, a batch"
                       " has less than 2^32", c->requests, c->n_lines);
    if (mem_big(&line, (size_t)c->n_lines, sizeof(*c->line), "the lines of a"
                " batch", err))
        return -1;
    c->line = line;
    memset(c->line, 0, (size_t)c->n_lines * sizeof(*c->line));
    for (uint32_t i = 0; i < c->n_lines; i++) {
        struct request r;

        if (request_file_next(f, &text, &n, err))
            return -1;
        c->line[i].blank = request_file_is_blank(f);
        request_file_id(f, &id);
        if (request_parse(&r, text, n, NULL) == 0 &&
            batch_request_id(&id, c->batch, id, r.custom_id, NULL) == 0)
            c->line[i].n_choices = (uint8_t)r.n_choices;
        request_clear(&r);
    }
    return request_file_next(f, &text, &n, err);
}

/* Open the requests once more, and check that they are the ones counted
 * before. */
static int open_again(struct request_file **out, const struct check *c,
                      struct err *err)
{
    struct request_file *f;

    if (batch_request_file(&f, c->batch, c->batch_path, err))
        return -1;
    if (!id_equal(request_file_hash(f), c->sha256)) {
        request_file_close(f);
        return err_set(err, ERR_RETRY, "\"%s\" was changed while it was"
                       " read, run it again", c->requests);
    }
    *out = f;
    return 0;
}

static int check_requests(struct check *c, struct err *err)
{
    struct request_file *f;
    char detail[64];
    int rc;

    c->file = "requests.jsonl";
    if (batch_request_file(&f, c->batch, c->batch_path, err))
        return -1;
    c->sha256 = request_file_hash(f);
    if (!id_equal(c->sha256, c->batch->file))
        snprintf(c->wrong, sizeof(c->wrong), "its SHA-256 is another");
    else if (request_file_count(f) != c->batch->n_lines ||
             request_file_requests(f) != c->batch->n_requests)
        snprintf(c->wrong, sizeof(c->wrong),
                 "it has %" PRIu64 " requests in %" PRIu64 " lines",
                 request_file_requests(f), request_file_count(f));
    rc = count_lines(c, f, err);
    request_file_close(f);
    snprintf(detail, sizeof(detail), "%" PRIu64 " line%s", c->n_lines,
             plural_s(c->n_lines));
    if (rc == 0)
        check_report(c, "its SHA-256 and lines", "batch.json", detail);
    return rc;
}

static void check_id(struct check *c, const char *batch_path)
{
    const char *name = check_name(batch_path);
    struct id id, of_file;
    bool same;

    c->file = "batch.json";
    if (*name == 'b' && id_parse(&id, name + 1) == 0 &&
        !id_equal(id, c->batch->id))
        snprintf(c->wrong, sizeof(c->wrong), "the directory has another");
    batch_info_id(&of_file, c->batch);
    same = id_equal(of_file, c->batch->id);
    if (!c->wrong[0] && same == c->batch->from_ao)
        snprintf(c->wrong, sizeof(c->wrong), same
                 ? "it is that of a file, and no batch from AO"
                 : "the id is another");
    check_report(c, "the batch id", c->batch->from_ao
                 ? "its directory" : "the model id and the requests",
                 "the same id");
    if (c->batch->from_ao)
        check_report_open(c, "its process and its requests", "only the"
                          " messages of AO tell: apus verify STATEMENT --all"
                          " compares them");
}

/* ---- parts --------------------------------------------------------------- */

static int check_part_file(struct check *c, const char *path, struct err *err)
{
    struct err why = ERR_INIT;
    struct part_file *f;
    int rc = 0;

    if (part_file_open(&f, path, err))
        return c->sealed ? seal_name_remedy(c->batch->id, err) : -1;
    c->file = check_name(path);
    if (!c->sealed) {
        snprintf(c->wrong, sizeof(c->wrong), "it names no such part");
    } else if (seal_file_check(c->sealed, f, &why) && why.code == ERR_INPUT) {
        seal_name_remedy(c->batch->id, &why);
        snprintf(c->wrong, sizeof(c->wrong), "%.390s", why.text);
    } else if (why.code) {
        rc = err_set(err, why.code, "%s", why.text);
    }
    if (rc == 0)
        check_report(c, "its size and SHA-256", "checkpoint.json",
                     "the same");
    if (rc == 0)
        rc = check_file(c, f, err);
    part_file_close(f);
    return rc;
}

/* Check every part that exists or that checkpoint.json names. */
static int check_parts(struct check *c, const char *batch_path,
                       const struct seal_info *info, struct err *err)
{
    uint64_t n_missing = 0;
    char detail[40];
    bool here = true;
    size_t i = 0;
    int rc = 0;

    for (; rc == 0 && (here || i < info->n_parts); i++) {
        char *path = seal_part_path(batch_path, i, "h5");

        c->sealed = i < info->n_parts ? &info->part[i] : NULL;
        here = file_exists(path);
        if (here)
            rc = check_part_file(c, path, err);
        else if (c->sealed) {
            n_missing++;
            c->next = c->sealed->first + c->sealed->count;
        }
        free(path);
    }
    c->file = "checkpoint.json";
    if (n_missing)
        snprintf(c->wrong, sizeof(c->wrong), "%" PRIu64 " of %zu are missing;"
                 " \"apus seal --again %.8s\" repairs it", n_missing,
                 info->n_parts, id_text(c->batch->id).s);
    else if (c->next != c->n_lines)
        snprintf(c->wrong, sizeof(c->wrong), "they end with line %" PRIu64
                 " of %" PRIu64, c->next, c->n_lines);
    snprintf(detail, sizeof(detail), "%zu part%s", info->n_parts,
             plural_s(info->n_parts));
    if (rc == 0)
        check_report(c, "its parts", "the files here and the lines", detail);
    return rc;
}

/* Count the answers to draw from: those of every readable part. */
static void plan_parts(struct check *c, const char *batch_path)
{
    uint64_t n_rows = 0;
    bool here = true;

    for (size_t i = 0; c->o->recompute && here; i++) {
        char *path = seal_part_path(batch_path, i, "h5");
        struct checkpoint *p;

        here = file_exists(path);
        if (here && checkpoint_open(&p, path, NULL) == 0) {
            n_rows += checkpoint_head(p)->n_rows;
            checkpoint_close(p);
        }
        free(path);
    }
    check_plan(c, n_rows);
}

/* ---- what has no answer -------------------------------------------------- */

/* refused.jsonl, read in step with the requests. */
struct batch_refusals {
    struct refused *file;
    struct check_along along;
    uint64_t n, n_open;       /* reasons, and those that nothing here tells */
    uint64_t n_old;           /* .. and those of an earlier version */
};

void check_reason(struct reason *r, const char *code, const char *message)
{
    struct buf b;

    reason_set(r, code, message);
    buf_init(&b, 3 * sizeof(r->message));
    utf8_scrub(&b, r->message, strlen(r->message));
    buf_putc(&b, '\0');
    reason_set(r, code, b.data);
    buf_clear(&b);
}

/* Find what is wrong with a reason; *wrong is NULL if nothing is. */
static int judge_refusal(struct check *c, struct batch_refusals *f,
                         uint32_t line, const struct reason *why,
                         const char **wrong, struct err *err)
{
    struct err e = ERR_INIT;
    struct reason want;
    struct request r;
    bool invalid;
    int rc;

    if (check_seek(&f->along, line, err))
        return -1;
    rc = read_request(&r, c, &f->along, &e);
    request_clear(&r);
    if (rc && e.code != ERR_INPUT)
        return err_set(err, e.code, "%s", e.text);
    check_reason(&want, "invalid_request", e.text);
    invalid = strcmp(why->code, want.code) == 0;
    if (rc && invalid && strcmp(why->message, want.message) == 0)
        return 0;
    if (invalid && request_old_reason(why->message, f->along.text,
                                      f->along.n))
        f->n_old++;
    else if (rc)
        *wrong = "the request is refused for another reason";
    else if (strcmp(why->code, "given_up") == 0 ||
             (invalid && !c->o->model))
        f->n_open++;
    else
        *wrong = "the request is a good one";
    return 0;
}

static int check_refusal(struct check *c, struct batch_refusals *f,
                         uint32_t line, bool ordered, const struct reason *why,
                         struct err *err)
{
    const char *wrong = NULL;
    char what[40];

    if (line >= c->n_lines)
        wrong = "requests.jsonl has no such line";
    else if (!ordered)
        wrong = "it is out of order";
    else if (c->line[line].blank)
        wrong = "the line is blank: it is not a request";
    else if (c->line[line].got)
        wrong = "the request has an answer";
    else if (judge_refusal(c, f, line, why, &wrong, err))
        return -1;
    if (line < c->n_lines)
        c->line[line].refused = true;
    f->n++;
    snprintf(what, sizeof(what), "line %" PRIu64, (uint64_t)line + 1);
    if (wrong)
        check_name_wrong(c, what, "requests.jsonl", wrong);
    return 0;
}

static int read_reasons(struct check *c, struct batch_refusals *f,
                        struct err *err)
{
    struct err why = ERR_INIT;
    struct reason reason;
    uint32_t line = 0, before = 0;
    enum found found;

    while ((found = refused_next(f->file, &line, &reason, &why)) == FOUND_ONE) {
        if (check_refusal(c, f, line, f->n == 0 || line > before, &reason,
                         err))
            return -1;
        before = line;
    }
    if (found == FOUND_FAILED && why.code != ERR_INPUT)
        return err_set(err, why.code, "%s", why.text);
    if (found == FOUND_FAILED)
        snprintf(c->wrong, sizeof(c->wrong), "%.390s", why.text);
    return 0;
}

static void report_reasons(struct check *c, const struct batch_refusals *f)
{
    char what[48];

    check_report_some(c, "why requests have no answer", "requests.jsonl", f->n,
                      "reasons");
    if (f->n_old) {
        snprintf(what, sizeof(what), "%" PRIu64 " of its reasons", f->n_old);
        check_report_open(c, what, "an earlier version refused these requests,"
                          " which knew fewer parameters and values");
    }
    if (!f->n_open)
        return;
    snprintf(what, sizeof(what), "%" PRIu64 " of its reasons", f->n_open);
    check_report_open(c, what, c->o->model
        ? "nothing here shows that workers died of the request"
        : "nothing here shows that workers died of the request, and only its"
          " model (--recompute) whether it takes it");
}

static void check_counts(struct check *c, const struct seal_info *info,
                         uint64_t n_refused)
{
    char detail[100];

    c->file = "checkpoint.json";
    if (!id_equal(info->batch, c->batch->id))
        snprintf(c->wrong, sizeof(c->wrong), "the batch is another");
    else if (!id_equal(info->model, c->batch->model))
        snprintf(c->wrong, sizeof(c->wrong), "the model is another");
    else if (info->n_requests != c->n_requests || info->n_rows != c->n_rows ||
             info->n_refused != n_refused)
        snprintf(c->wrong, sizeof(c->wrong), "%" PRIu64 " requests, %" PRIu64
                 " answers, %" PRIu64 " refused; here are %" PRIu64 ", %"
                 PRIu64 " and %" PRIu64, info->n_requests, info->n_rows,
                 info->n_refused, c->n_requests, c->n_rows, n_refused);
    snprintf(detail, sizeof(detail), "%" PRIu64 " request%s, %" PRIu64
             " answer%s, %" PRIu64 " refused", c->n_requests,
             plural_s(c->n_requests), c->n_rows, plural_s(c->n_rows),
             n_refused);
    check_report(c, "its batch, model and counts", "what is here", detail);
}

static int check_refused(struct check *c, const char *batch_path,
                         const struct seal_info *info, struct err *err)
{
    struct batch_refusals f = { .file = NULL };
    struct err why = ERR_INIT;
    int rc = 0;

    c->file = "refused.jsonl";
    if (refused_open(&f.file, batch_path, &why)) {
        if (why.code != ERR_INPUT)
            return err_copy(err, &why);
        snprintf(c->wrong, sizeof(c->wrong), "%.390s", why.text);
    } else if (open_again(&f.along.f, c, err) ||
               read_reasons(c, &f, err)) {
        rc = -1;
    }
    refused_close(f.file);
    request_file_close(f.along.f);
    if (rc)
        return -1;
    report_reasons(c, &f);
    check_counts(c, info, f.n);
    return 0;
}

/* Check that every line has all its answers, or a reason.  Name the lines that
 * have neither, and list those with a reason. */
static void check_answers(struct check *c)
{
    uint64_t n_refused = 0;
    char text[300], what[40];
    int n = 0;

    c->file = "requests.jsonl";
    for (uint64_t i = 0; i < c->n_lines; i++) {
        const struct check_line *l = &c->line[i];

        if (l->blank)
            continue;
        if (l->refused) {
            if (n_refused++ < CHECK_NAMED)
                n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%" PRIu64,
                              n ? ", " : ": lines ", i + 1);
        } else if (l->n_choices == 0 || l->got != (1u << l->n_choices) - 1) {
            snprintf(what, sizeof(what), "line %" PRIu64, i + 1);
            check_name_wrong(c, what, "the parts and refused.jsonl", l->got
                             ? "some of its answers are missing"
                             : "neither an answer nor a reason");
        }
    }
    text[n] = '\0';
    snprintf(c->row, sizeof(c->row), "lines, %" PRIu64 " without an answer"
             "%s%s", n_refused, text, n_refused > CHECK_NAMED ? ", .." : "");
    check_report_some(c, "an answer or a reason for each line",
                      "the parts and refused.jsonl", c->n_requests, c->row);
    c->row[0] = '\0';
}

/* Check that as many answers were recomputed as requested. */
static void check_drawn(struct check *c)
{
    if (!c->o->recompute || c->o->trace || c->failed ||
        (c->computed == c->of && c->planned == c->n_rows))
        return;
    c->file = "its parts";
    snprintf(c->wrong, sizeof(c->wrong), "%" PRIu64 " of %" PRIu64 ": they"
             " were changed while they were read", c->computed, c->of);
    check_report(c, "answers computed again", c->o->model->id, "");
}

/* Refuse a batch that has fewer answers than the user asked to recompute, even
 * if all of them are right. */
static int check_enough(const struct check *c, struct err *err)
{
    uint64_t n = c->o->recompute;

    if (c->failed || n == CHECK_ALL || n <= c->n_rows || c->n_rows == 0)
        return 0;
    return err_set(err, ERR_INPUT, "--recompute %" PRIu64 ": the batch has %"
                   PRIu64 " answers, which were all computed; ask for"
                   " \"--recompute all\"", n, c->n_rows);
}

enum verdict check_batch(const char *batch_path,
                         const struct check_options *o, struct err *err)
{
    char *requests = file_join(batch_path, "requests.jsonl");
    struct batch_info batch = { .n_requests = 0 };
    struct seal_info info = { .n_parts = 0 };
    struct check c = { .o = o, .batch = &batch, .batch_path = batch_path,
                       .requests = requests };
    int rc = -1;

    if (batch_info_read(&batch, batch_path, err) == 0 &&
        seal_info_read(&info, batch_path, err) == 0 &&
        check_recompute(&c, err) == 0 && check_requests(&c, err) == 0 &&
        open_again(&c.along.f, &c, err) == 0 &&
        (!c.recompute || open_again(&c.again.f, &c, err) == 0)) {
        check_id(&c, batch_path);
        c.is_signed = check_has_statement(batch_path);
        plan_parts(&c, batch_path);
        rc = check_parts(&c, batch_path, &info, err) ||
                     check_refused(&c, batch_path, &info, err) ||
                     (c.is_signed && check_signed(&c, batch_path, &info, err))
                 ? -1 : 0;
        if (rc == 0) {
            check_answers(&c);
            check_drawn(&c);
            rc = check_enough(&c, err);
        }
    }
    check_recompute_end(&c);
    request_file_close(c.along.f);
    request_file_close(c.again.f);
    free(c.line);
    free(c.leaf);
    seal_info_clear(&info);
    batch_info_clear(&batch);
    free(requests);
    return check_result(&c, rc, err);
}
