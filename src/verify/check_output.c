/*
 * Checks the claims of an output file: each line equals the recomputed one.
 * Such a file has no hashes, so each line is made anew, from the request to the
 * last byte.
 */
#include <config.h>

#include "verify/check_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/prompt.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/plural.h"
#include "engine/backend.h"
#include "spool/request_file.h"
#include "store/answer.h"
#include "store/request.h"
#include "store/request_names.h"
#include "store/resume.h"
#include "verify/output_line.h"
#include "verify/recompute_output.h"
#include "verify/request_list.h"

#define OUT_MAX ((size_t)1 << 30)

/* ---- a line -------------------------------------------------------------- */

struct outputs {
    struct check c;
    struct request_list requests;
    bool of_part;        /* apus export of a part: it knows no request .. */
    bool marked;         /* .. and says so, as versions before did not */
    struct recompute_output *recompute; /* NULL: there is no model */
    struct recomputed choice[REQUEST_MAX_CHOICES];
    struct buf want;     /* the line as it should be */
    uint64_t n, n_open;  /* lines, and those that nothing here tells .. */
    uint64_t n_old;      /* .. or that an earlier version refused */
    uint64_t n_equal;    /* that have the id of an equal line */
    uint64_t n_counted;  /* whose error counts lines of a part of the file */
    uint64_t error_at;   /* the last error: its request's line, and .. */
    uint64_t part_begins; /* .. as it says, lines before its part */
    uint32_t at;         /* the line that is looked at, from 0 */
    uint64_t request;    /* the line that it answers, from 1 .. */
    uint64_t lines_before; /* .. in the file that the requests are a part of */
};

/* Report the line as wrong. */
__attribute__((format(printf, 3, 4)))
static void wrong(struct outputs *o, const char *against, const char *fmt, ...)
{
    char what[40], text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(what, sizeof(what), "line %" PRIu64, (uint64_t)o->at + 1);
    check_name_wrong(&o->c, what, against, text);
}

/* Compare the line with o->want. */
static int compare_answer(struct outputs *o, const struct output_line *got,
                          const char *against, struct err *err)
{
    char where[200];
    enum output_same same;

    if (o->marked)
        answer_mark_part(&o->want);
    if (buf_check(&o->want, "an answer", err))
        return -1;
    same = output_line_compare(got, o->want.data, o->want.len, where,
                               sizeof(where), err);
    if (same == OUTPUT_DIFFERS)
        wrong(o, against, "%s is another", *where ? where : "it");
    return same == OUTPUT_FAILED ? -1 : 0;
}

/* Return the line number that an error should have: in the requests, or in the
 * file that they are a part of.  Earlier versions left it out or, after
 * splitting the file, counted from the first line of the part: the part of the
 * error before this one, or one that begins after it. */
static uint64_t error_line(struct outputs *o, const struct output_line *got)
{
    uint64_t line = o->request, before;

    if (!got->has_line)
        return 0;
    before = got->line && got->line < line ? line - got->line : 0;
    if (got->line == line + o->lines_before || line <= o->error_at ||
        (before != o->part_begins && before < o->error_at))
        before = 0;
    o->n_counted += before > 0;
    o->part_begins = before;
    o->error_at = line;
    return got->line == line + o->lines_before ? got->line : line - before;
}

/* Write the line of an error. */
static void put_error(struct outputs *o, const struct output_line *got,
                      const char *name, const char *code, const char *message)
{
    answer_put_error(&o->want, got->request, name, code, message,
                     error_line(o, got));
}

/* Return the custom_id that a line should have; parts may lack them. */
static const char *name_of(const struct outputs *o,
                           const struct output_line *got,
                           const struct request *r)
{
    bool known = !o->of_part || (o->marked && got->has_custom_id);

    return known ? r->custom_id : NULL;
}

/* Write an error line if a choice failed. */
static bool put_failed(struct outputs *o, const struct output_line *got,
                       const char *name, const struct prompt *p, size_t n)
{
    struct reason why;

    for (size_t i = 0; i < n; i++) {
        const struct result_record *end = &o->choice[i].end;

        if (end->finish < RESULT_RANGE)
            continue;
        answer_reason(why.code, sizeof(why.code), why.message,
                      sizeof(why.message), end, p->ids.n);
        put_error(o, got, name, why.code, why.message);
        return true;
    }
    return false;
}

/* Write the whole line from the recomputed choices. */
static void put_line(struct outputs *o, const struct output_line *got,
                     const struct request *r, const struct prompt *p)
{
    const char *model = o->c.o->model->id;
    struct answer_choice choice[REQUEST_MAX_CHOICES];
    struct answer_line a = {
        .id = &got->request,
        .custom_id = name_of(o, got, r),
        .chat = !o->of_part && r->chat,
        .model = !o->of_part && r->model ? r->model : model,
        .model_id = model,
        .prompt_tokens = p->ids.n,
        .choice = choice,
        .n_choices = p->n_choices,
    };

    if (put_failed(o, got, a.custom_id, p, p->n_choices))
        return;
    for (size_t i = 0; i < p->n_choices; i++) {
        const struct recomputed *c = &o->choice[i];

        choice[i] = (struct answer_choice){
            .text = c->text.len ? c->text.data : "", .n_text = c->text.len,
            .token = c->token.len ? (const uint32_t *)(void *)c->token.data
                                  : NULL,
            .n_tokens = c->token.len / sizeof(uint32_t),
            .finish = answer_finish(c->end.finish),
            .topk = c->likely.n && !o->of_part ? &c->likely : NULL,
            .top_logprobs = r->top_logprobs,
        };
    }
    answer_put(&o->want, &a);
}

static void format_number(char out[16], uint32_t n)
{
    if (n == UINT32_MAX)
        snprintf(out, 16, "none");
    else
        snprintf(out, 16, "%" PRIu32, n);
}

/* Recompute every choice of the request. */
static enum output_same compute_choices(struct outputs *o,
                                        const struct output_line *got,
                                        const struct prompt *p,
                                        struct err *err)
{
    char theirs[16], mine[16];

    if (!got->code && got->n_choices != p->n_choices) {
        wrong(o, "its request", "it has %zu choices, the request asks for %zu",
              got->n_choices, p->n_choices);
        return OUTPUT_DIFFERS;
    }
    for (size_t i = 0; i < p->n_choices; i++) {
        const struct output_choice *said = got->code ? NULL : &got->choice[i];
        struct recomputed *c = &o->choice[i];
        struct sequence s = p->first;

        s.sampling.choice = (uint32_t)i;
        if (recompute_output_run(o->recompute, &s, said ? said->token : NULL,
                                 said ? said->n_tokens : 0, c, err))
            return OUTPUT_FAILED;
        if (!c->differs)
            continue;
        format_number(theirs, c->theirs);
        format_number(mine, c->mine);
        wrong(o, o->c.o->model->id, "choice %zu: token %zu is %s in the file"
              " and %s computed", i, c->at + 1, theirs, mine);
        return OUTPUT_DIFFERS;
    }
    return OUTPUT_SAME;
}

/* Check the answer to a request that the model accepts. */
static int check_answer(struct outputs *o, const struct output_line *got,
                        const struct request *r, const struct prompt *p,
                        struct err *err)
{
    enum output_same same = compute_choices(o, got, p, err);

    if (same != OUTPUT_SAME)
        return same == OUTPUT_FAILED ? -1 : 0;
    put_line(o, got, r, p);
    return compare_answer(o, got, o->c.o->model->id, err);
}

/* Check everything but the reason, which cannot be known here. */
static int check_open(struct outputs *o, const struct output_line *got,
                      const struct request *r, struct err *err)
{
    put_error(o, got, name_of(o, got, r), got->code, got->message);
    return compare_answer(o, got, "its request", err);
}

/* Check a line against the request that it answers. */
static int check_pair(struct outputs *o, const struct output_line *got,
                      const char *text, size_t n, struct err *err)
{
    const struct prompt_model *m = o->c.o->model;
    struct err why = ERR_INIT;
    struct prompt p = { .n_choices = 0 };
    struct request r;
    int rc = request_parse(&r, text, n, &why);
    bool old;

    if (rc == 0 && m)
        rc = prompt_make(&p, m, &r, got->request, &why);
    old = got->code && strcmp(got->code, "invalid_request") == 0 &&
          !(rc && strcmp(got->message, why.text) == 0) &&
          request_old_reason(got->message, text, n);
    if (rc && why.code != ERR_INPUT) {
        rc = err_set(err, why.code, "%s", why.text);
    } else if (old) {
        o->n_old++;
        rc = check_open(o, got, &r, err);
    } else if (rc) {
        /* earlier versions dropped the custom_id of invalid JSON */
        const char *name = r.kept_id && !got->has_custom_id ? NULL
                                                            : r.custom_id;
        struct reason reason;

        check_reason(&reason, "invalid_request", why.text);
        put_error(o, got, name, reason.code, reason.message);
        rc = compare_answer(o, got, "its request", err);
    } else if (!got->code && !m) {
        wrong(o, "its request", "it names no model");
    } else if (got->code && (!m || strcmp(got->code, "given_up") == 0)) {
        o->n_open++;
        rc = check_open(o, got, &r, err);
    } else {
        rc = check_answer(o, got, &r, &p, err);
    }
    prompt_clear(&p);
    request_clear(&r);
    return rc;
}

/* Find the request that a line answers; that there is none is reported.  Parts
 * of a file that an earlier version split give equal lines the same id: a
 * second answer then belongs to the next equal line. */
static enum found find_request(struct outputs *o, struct request_line **out,
                               struct id id, struct err *err)
{
    struct request_line *l = request_list_find(&o->requests, id);
    enum found found;

    if (!l) {
        wrong(o, "the requests", "none has its id");
        return FOUND_NONE;
    }
    if (l->answered) {
        found = request_list_equal(&l, &o->requests, l, err);
        if (found == FOUND_NONE)
            wrong(o, "the requests", "another line answers request %" PRIu64
                  ", too", (uint64_t)l->line + 1);
        if (found != FOUND_ONE)
            return found;
        o->n_equal++;
    }
    l->answered = true;
    *out = l;
    return FOUND_ONE;
}

static int check_line(struct outputs *o, const char *text, size_t n,
                      bool drawn, struct err *err)
{
    struct err why = ERR_INIT;
    struct output_line got;
    struct request_line *l;
    char *request;
    enum found found;
    int rc;

    if (output_line_read(&got, text, n, &why)) {
        wrong(o, "the form of an answer", "%.390s", why.text);
        return 0;
    }
    found = find_request(o, &l, got.request, err);
    if (found != FOUND_ONE || !drawn) {
        output_line_clear(&got);
        return found == FOUND_FAILED ? -1 : 0;
    }
    if (o->c.o->progress)
        o->c.o->progress(o->c.o->self, o->c.computed, o->c.of);
    rc = request_list_text(&request, &o->requests, l, err);
    if (rc == 0) {
        buf_reset(&o->want);
        o->request = (uint64_t)l->line + 1;
        rc = check_pair(o, &got, request, l->n, err);
        o->c.computed++;
        free(request);
    }
    output_line_clear(&got);
    return rc;
}

static int check_lines(struct outputs *o, struct request_file *f,
                       struct err *err)
{
    const char *text;
    size_t n;

    for (o->at = 0; o->n < request_file_count(f); o->n++, o->at++)
        if (request_file_next(f, &text, &n, err) ||
            check_line(o, text ? text : "", text ? n : 0,
                       check_draw(&o->c), err))
            return -1;
    return request_file_next(f, &text, &n, err);
}

/* ---- the file ------------------------------------------------------------ */

/* What the lines found among the requests reveal: which ids they use, and
 * whether the file belongs to these requests at all. */
struct first_look {
    bool any, found, has_name; /* any: it answers something */
};

static int look_at_lines(struct first_look *l, struct outputs *o,
                         struct request_file *f, struct err *err)
{
    const char *text;
    size_t n;

    for (;;) {
        const struct request_line *line;
        struct output_line got;
        struct request r;
        char *request;

        if (request_file_next(f, &text, &n, err))
            return -1;
        if (!text)
            return 0;
        if (output_line_read(&got, text, n, NULL))
            continue;
        l->any = true;
        line = request_list_find(&o->requests, got.request);
        l->found = line != NULL;
        l->has_name = got.has_custom_id;
        o->of_part = o->marked = got.of_part;
        output_line_clear(&got);
        if (!line || o->marked)
            return 0;
        if (request_list_text(&request, &o->requests, line, err))
            return -1;
        request_parse(&r, request, line->n, NULL);
        o->of_part = r.custom_id && !l->has_name;
        n = r.custom_id != NULL;
        request_clear(&r);
        free(request);
        if (n)
            return 0;
    }
}

/* Open the requests with the kind of ids that the file uses. */
static int open_requests(struct outputs *o, const char *path,
                         const struct check_requests *r, struct err *err)
{
    struct first_look l = { .found = false };
    struct request_file *f = NULL;
    int rc = -1;

    for (int ids = r->ids ? REQUEST_LIST_IDS_LISTED
                          : r->model ? REQUEST_LIST_IDS_2 : REQUEST_LIST_IDS_1;
         ids < REQUEST_LIST_KINDS && !l.found; ids++) {
        request_file_close(f);
        f = NULL;
        request_list_close(&o->requests);
        if (request_list_open(&o->requests, r, (enum request_list_ids)ids,
                              err) ||
            request_file_open(&f, path, err) || look_at_lines(&l, o, f, err))
            goto out;
    }
    rc = 0;
    if (!l.found && l.any && !r->model)
        rc = err_set(err, ERR_INPUT, "\"%s\" names no model, and its requests"
                     " may have their ids by one: name it with -m", path);
out:
    request_file_close(f);
    return rc;
}

static void report_lines(struct outputs *o)
{
    const struct check_options *co = o->c.o;
    char text[160];

    snprintf(text, sizeof(text), "of %" PRIu64 " line%s%s%s", o->n,
             plural_s(o->n), co->model ? ", kernel " : "",
             co->model ? co->backend->name : "");
    check_report_some(&o->c, "answers computed again",
                      co->model ? co->model->id : "the requests",
                      o->c.computed, text);
    snprintf(text, sizeof(text), "%" PRIu64 " line%s", o->n - o->c.computed,
             plural_s(o->n - o->c.computed));
    if (o->c.computed < o->n && !o->c.failed)
        check_report_open(&o->c, text, "only computing them again tells");
    snprintf(text, sizeof(text), "why %" PRIu64 " request%s no answer",
             o->n_open, plural(o->n_open, " has", "s have"));
    if (o->n_open)
        check_report_open(&o->c, text, "nothing here shows that workers died"
                          " of them");
    snprintf(text, sizeof(text), "why %" PRIu64 " request%s no answer",
             o->n_old, plural(o->n_old, " has", "s have"));
    if (o->n_old)
        check_report_open(&o->c, text, "an earlier version refused them, which"
                          " knew fewer parameters and values");
    snprintf(text, sizeof(text), "%" PRIu64 " id%s, which %s that of an earlier"
             " equal line", o->n_equal, plural_s(o->n_equal),
             o->n_equal == 1 ? "is" : "are");
    if (o->n_equal)
        check_report_open(&o->c, text, "an earlier version gave it to both"
                          " where it split a file");
    snprintf(text, sizeof(text), "the line in %" PRIu64 " error%s",
             o->n_counted, plural_s(o->n_counted));
    if (o->n_counted)
        check_report_open(&o->c, text, "an earlier version counted it in the"
                          " part of the file that it made a batch of");
    if (o->of_part)
        check_report_open(&o->c, o->marked ? "the form and the model's name"
                                 : "custom_id, the form and the model's name",
                          "it has none: it is of a part by itself");
}

/* Report whether every request has its line. */
static void report_requests(struct outputs *o)
{
    uint64_t n_missing = 0;
    char what[40];

    o->c.file = check_name(o->requests.path);
    request_list_sort(&o->requests);
    for (size_t i = 0; i < o->requests.n; i++) {
        if (o->requests.line[i].answered)
            continue;
        n_missing++;
        snprintf(what, sizeof(what), "line %" PRIu64,
                 (uint64_t)o->requests.line[i].line + 1);
        if (!o->of_part)
            check_name_wrong(&o->c, what, "the answers", "it has none");
    }
    snprintf(what, sizeof(what), "%" PRIu64 " line%s", n_missing,
             plural_s(n_missing));
    if (o->of_part && n_missing) {
        check_report_open(&o->c, what, "they are not in this part");
        return;
    }
    check_report_some(&o->c, "an answer for each line", "the answers",
                      o->requests.n, "lines");
}

enum verdict check_output(const char *path, const struct check_requests *r,
                          const struct check_options *co, struct err *err)
{
    struct outputs o = { .c = { .o = co, .file = check_name(path) },
                         .lines_before = r->lines_before,
                         .requests = { .fd = -1 } };
    struct request_file *f = NULL;
    int rc = -1;

    buf_init(&o.want, OUT_MAX);
    for (size_t i = 0; i < REQUEST_MAX_CHOICES; i++)
        recomputed_init(&o.choice[i]);
    if (open_requests(&o, path, r, err) ||
        request_file_open(&f, path, err) ||
        (co->model && recompute_output_new(&o.recompute, co->model, co->backend,
                                           err)))
        goto out;
    check_plan(&o.c, request_file_count(f));
    rc = check_lines(&o, f, err);
    if (rc == 0) {
        report_lines(&o);
        report_requests(&o);
    }
out:
    recompute_output_free(o.recompute);
    for (size_t i = 0; i < REQUEST_MAX_CHOICES; i++)
        recomputed_clear(&o.choice[i]);
    buf_clear(&o.want);
    request_file_close(f);
    request_list_close(&o.requests);
    return rc ? VERDICT_NONE : verdict_of(o.c.failed);
}

int check_output_head(struct check_output_head *h, const char *path,
                      struct err *err)
{
    struct output_line got;
    struct request_file *f;
    const char *text = "";
    size_t n;
    int rc;

    memset(h, 0, sizeof(*h));
    if (request_file_open(&f, path, err))
        return -1;
    while ((rc = request_file_next(f, &text, &n, err)) == 0 && text &&
           !h->has_model) {
        if (output_line_read(&got, text, n, NULL))
            continue;
        if (!h->has_request)
            h->request = got.request;
        h->has_request = true;
        h->has_model = got.has_model;
        h->model = got.model;
        output_line_clear(&got);
    }
    request_file_close(f);
    return rc;
}

int check_output_ids(const char *path,
                     int (*visit)(void *self, struct id id, struct err *err),
                     void *self, struct err *err)
{
    struct output_line got;
    struct request_file *f;
    const char *text;
    size_t n;
    int rc;

    if (request_file_open(&f, path, err))
        return -1;
    while ((rc = request_file_next(f, &text, &n, err)) == 0 && text) {
        if (output_line_read(&got, text, n, NULL))
            continue;
        rc = visit(self, got.request, err);
        output_line_clear(&got);
        if (rc)
            break;
    }
    request_file_close(f);
    return rc;
}

enum found check_requests_have(const char *requests, struct id id,
                               struct err *err)
{
    const struct check_requests r = { .path = requests };
    struct request_list f;
    bool found;

    if (request_list_open(&f, &r, REQUEST_LIST_IDS_AO, err))
        return FOUND_FAILED;
    found = request_list_find(&f, id) != NULL;
    request_list_close(&f);
    return found ? FOUND_ONE : FOUND_NONE;
}
