/*
 * Complete and Release, in messages of at most 80 kB, of a Complete as JSON
 * quotes it.  Where one message ends depends on the results alone, so that a
 * message which was signed is found again.
 */
#include <config.h>

#include "push/acknowledge.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "publish/results.h"
#include "push/complete_answer.h"
#include "push/complete_line.h"
#include "push/ids_asked.h"
#include "push/message_journal.h"
#include "push/push_index.h"
#include "push/push_items.h"
#include "queue/client.h"
#include "queue/lease.h"
#include "spool/request_file.h"
#include "store/request.h"

#define MESSAGE_MAX 80000    /* what the lines of a message count */
#define LINE_BYTES ((size_t)32 * COMPLETE_TEXT)
#define ANSWER_MAX ((size_t)1 << 20)
#define OFFERS_MAX 16        /* conflicts that are named, of a batch */

static const char *const complete_counts[COMPLETE_COUNTS] = {
    "Accepted", "Repeated", "Conflicts", "Unknown", "Refused"
};
static const char *const release_counts[] = { "Count" };

/* What a line with a result counts.  Each way has its kind of messages, so that
 * a message which an older apus signed ends where it did. */
enum counting {
    COUNTS_SHORT, /* its bytes without records */
    COUNTS_BYTES, /* its bytes */
    COUNTS_QUOTED /* .. as JSON quotes them, which AOS pays for */
};

static const char *const kind_of_counting[] = {
    "complete", "results", "quoted"
};

/* A message that is being filled. */
struct saying {
    const struct message_journal *a;
    struct acknowledged *n;
    const struct batch_info *info;
    char batch[ID_TEXT], statement[ID_TEXT];
    size_t number;       /* of the message */
    struct buf data;     /* what a queue before 2.0 takes */
    struct buf records;  /* of a Complete: the same lines with records */
    size_t counted;      /* what it counts, for where it ends */
    enum counting counting;
    struct ids_asked *in_ids; /* which results go with their ids */
    size_t n_lines;
    int takes_later;     /* the queue does, of releases; -1: not asked yet */
    int takes_records;   /* the same, of results */
    size_t n_offers;     /* conflicts that were named */
};

static int stopped(const struct message_journal *a, struct err *err)
{
    if (!caller_stops(&a->caller))
        return 0;
    return err_set(err, ERR_RETRY, "stopped while telling the queue: run it"
                   " again to go on");
}

static void log_note(const struct message_journal *a, const char *text)
{
    caller_note(&a->caller, true, text);
}

/* ---- answers to Complete ------------------------------------------------- */

/* What the queue says of one request when it is asked again: done, with the
 * result that we gave. */
static int judge_status(const struct ao_result *r, const char *request,
                        const char *result, struct err *err)
{
    const char *state = r->n_out ? ao_out_tag(r->out, "State") : NULL;
    const char *is = r->n_out ? ao_out_tag(r->out, "Result") : NULL;

    if (r->error || !state)
        return err_set(err, ERR_RETRY, "the queue does not say how request"
                       " %s stands: its answer is not believed yet", request);
    if ((strcmp(state, "done") != 0 && strcmp(state, "answered") != 0) ||
        !is || strcmp(is, result) != 0)
        return err_set(err, ERR_RETRY, "an answer says that request %s is"
                       " done with our result, and asked again the queue"
                       " says %.20s: it is not believed", request, state);
    return 0;
}

static int ask_status(const struct saying *s, const char *request,
                      struct ao_result *r, struct err *err)
{
    const struct item_text_tag tag[] = {
        { "Action", "Status" }, { "Request", request },
    };
    const struct ao_message m = { .process = s->info->process, .tag = tag,
                                  .n_tags = 2 };
    struct err own = ERR_INIT;
    bool refused = false;
    int rc;

    err = err_or(err, &own);
    memset(r, 0, sizeof(*r));
    rc = ao_ask(s->a->ao, r, &m, &refused, err);
    /* no dry runs: the same as a message, which takes a slot */
    if (rc && refused)
        rc = ao_say(s->a->ao, r, &m, s->a->wait_s, NULL, err);
    if (rc) {
        err_turn(err, ERR_RETRY);
        return err_prefix(err, "asking after request %s", request);
    }
    return 0;
}

static int ask_again(const struct saying *s, const char *request,
                     const char *result, struct err *err)
{
    struct ao_result r;
    int rc;

    if (ask_status(s, request, &r, err))
        return -1;
    rc = judge_status(&r, request, result, err);
    ao_result_clear(&r);
    return rc;
}

/* Name the result that another node gave, for a dispute, which nobody opens but
 * who reads this.  Best effort. */
static void offer_dispute(struct saying *s, const char *request)
{
    const char *node = NULL, *item = NULL;
    struct ao_result r;
    struct id id;
    char *text;

    if (s->n_offers >= OFFERS_MAX || ask_status(s, request, &r, NULL))
        return;
    if (r.n_out && !r.error) {
        node = ao_out_tag(r.out, "Node");
        item = ao_out_tag(r.out, "Item");
    }
    if (node && item && id_parse(&id, node) == 0 && id_parse(&id, item) == 0) {
        s->n_offers++;
        text = xasprintf("batch %s: request %s: node %s gave another result,"
                         " item %s (apus verify %s --recompute 1 tells whether"
                         " it is wrong, apus dispute %s disputes it)",
                         s->batch, request, node, item, item, item);
        log_note(s->a, text);
        free(text);
    }
    ao_result_clear(&r);
}

/* Of each line of the answer that is a conflict. */
static void offer_disputes(struct saying *s, const char *answer)
{
    for (size_t n; *answer; answer += n + (answer[n] == '\n')) {
        struct json *root;
        const char *why;

        n = strcspn(answer, "\n");
        if (n == 0 || json_parse(&root, answer, n, NULL))
            continue;
        why = json_string(json_get(root, "why"));
        if (why && strcmp(why, "conflict") == 0)
            offer_dispute(s, json_string(json_get(root, "request")));
        json_free(root);
    }
}

/* An acknowledgement that did not happen would lose answers: one of the lines,
 * drawn at random, is asked after. */
static int sample(const struct saying *s, const char *answer,
                  struct err *err)
{
    const char *line = s->data.data;
    struct json *root;
    uint32_t k;
    int rc = 0;

    if (key_random(&k, sizeof(k), err))
        return -1;
    for (k %= (uint32_t)s->n_lines; k > 0; k--)
        line = strchr(line, '\n') + 1;
    if (json_parse(&root, line, strcspn(line, "\n"), err))
        return -1;
    /* one that the answer names is a conflict, or unknown */
    if (!strstr(answer, json_string(json_get(root, "request"))))
        rc = ask_again(s, json_string(json_get(root, "request")),
                       json_string(json_get(root, "result")), err);
    json_free(root);
    return rc;
}

static int judge_complete(void *self, const uint64_t *count,
                          const char *answer, struct err *err)
{
    struct saying *s = self;

    if (complete_answer(s->data.data, s->n_lines, count, answer, err) ||
        sample(s, answer, err))
        return -1;
    if (count[COMPLETE_CONFLICTS])
        offer_disputes(s, answer);
    return 0;
}

/* Whether a message was signed, so that only its answer may be missing. */
static bool is_kept(const struct saying *s, const char *kind, size_t number)
{
    char *item = push_path_of(s->a->batch_path, kind, number, "item");
    char *answer = push_path_of(s->a->batch_path, kind, number, "answer");
    bool kept = file_exists(item) || file_exists(answer);

    free(item);
    free(answer);
    return kept;
}

/* The lines in the form that the queue takes. */
static const struct buf *lines_for(struct saying *s, const char *kind,
                                   struct err *err)
{
    bool takes = false;

    if (is_kept(s, kind, s->number))
        return &s->data;
    if (s->takes_records < 0) {
        if (client_takes_records(&takes, s->a->ao, s->info->process,
                                 s->a->wait_s, err))
            return NULL;
        s->takes_records = takes;
    }
    return s->takes_records ? &s->records : &s->data;
}

static const char *results_kind(const struct saying *s)
{
    return kind_of_counting[s->counting];
}

/* Messages are signed in order, so each may be of a later kind than the one
 * before; what is not signed is of the last. */
static void choose_counting(struct saying *s, size_t number)
{
    while (s->counting < COUNTS_QUOTED &&
           !is_kept(s, results_kind(s), number))
        s->counting++;
}

/* Say what is in the message so far, and begin the next. */
static int complete(struct saying *s, struct err *err)
{
    const struct item_text_tag tag[] = {
        { "Action", "Complete" }, { "Batch", s->batch },
        { "Statement", s->statement },
    };
    const struct kept_message x = {
        .kind = results_kind(s),
        .number = s->number,
        .process = &s->info->process,
        .tag = tag,
        .n_tags = 3,
        .action = "Complete-Response",
        .count = complete_counts,
        .n_counts = COMPLETE_COUNTS,
        .n_always = COMPLETE_REFUSED,
        .n_lines = s->n_lines,
        .judge = judge_complete,
        .self = s,
    };
    const struct buf *lines;
    uint64_t count[COMPLETE_COUNTS];

    if (s->n_lines == 0)
        return 0;
    if (stopped(s->a, err) || !(lines = lines_for(s, x.kind, err)) ||
        message_send(s->a, &x, lines, count, err))
        return -1;
    s->n->accepted += count[COMPLETE_ACCEPTED];
    s->n->repeated += count[COMPLETE_REPEATED];
    s->n->conflicts += count[COMPLETE_CONFLICTS];
    s->n->unknown += count[COMPLETE_UNKNOWN];
    s->n->refused += count[COMPLETE_REFUSED];
    s->number++;
    s->n_lines = 0;
    s->counted = 0;
    buf_reset(&s->data);
    buf_reset(&s->records);
    return 0;
}

/* ---- lines --------------------------------------------------------------- */

/* Append a line that counts so many bytes, in a message of its own if this one
 * is full. */
static int put_line(struct saying *s, const struct buf *line, size_t counts,
                    int (*say)(struct saying *s, struct err *err),
                    struct err *err)
{
    if (buf_check(line, "a line for the queue", err))
        return -1;
    if (s->counted + counts > MESSAGE_MAX && say(s, err))
        return -1;
    buf_put(&s->data, line->data, line->len);
    s->counted += counts;
    s->n_lines++;
    return buf_check(&s->data, "a message to the queue", err);
}

static size_t line_counts(const struct saying *s, const struct buf *line,
                          const struct buf *longer)
{
    switch (s->counting) {
    case COUNTS_SHORT:
        return line->len;
    case COUNTS_BYTES:
        return longer->len;
    default:
        return complete_line_quoted(longer);
    }
}

/* End the message if a line has no room in it, and see how the next counts. */
static int make_room(struct saying *s, const struct buf *line,
                     const struct buf *longer, struct err *err)
{
    if (s->n_lines && s->counted + line_counts(s, line, longer) > MESSAGE_MAX &&
        complete(s, err))
        return -1;
    if (!s->n_lines)
        choose_counting(s, s->number);
    return 0;
}

/* A line in both forms, which counts as the longer one: where a message ends
 * must not depend on the queue. */
static int put_both(struct saying *s, const struct results_row *row,
                    struct id item, struct err *err)
{
    struct buf line, longer;
    int rc;

    buf_init(&line, LINE_BYTES);
    buf_init(&longer, LINE_BYTES);
    complete_line(&line, row, item);
    complete_line_records(&longer, row, item,
                          ids_asked_has(s->in_ids, row->request));
    rc = make_room(s, &line, &longer, err) ||
                 put_line(s, &line, line_counts(s, &line, &longer), complete,
                          err)
             ? -1 : 0;
    if (rc == 0)
        buf_put(&s->records, longer.data, longer.len);
    rc = rc || buf_check(&longer, "a line for the queue", err) ||
                 buf_check(&s->records, "a message to the queue", err)
             ? -1 : 0;
    buf_clear(&line);
    buf_clear(&longer);
    return rc;
}

/* All results, with their items' ids from the index beside them. */
static int complete_results(struct saying *s, struct results *r,
                            struct err *err)
{
    struct push_index *x = NULL;
    struct push_index_line l;
    struct results_row row;
    enum found found, line;
    int rc = 0;

    if (ids_asked_open(&s->in_ids, s->a->batch_path, s->info, err) ||
        push_index_open(&x, s->a->batch_path, err))
        return -1;
    results_rewind(r);
    while ((found = results_next(r, &row, err)) == FOUND_ONE) {
        line = push_index_next(x, &l, err);
        if (line == FOUND_NONE ||
            (line == FOUND_ONE && (l.choice != row.choice ||
                                   !id_equal(l.request, row.request))))
            line = err_set(err, ERR_INPUT, "items.jsonl in \"%s\" is not the"
                           " index of its results", s->a->batch_path);
        rc = line == FOUND_FAILED ? -1 : put_both(s, &row, l.item, err);
        if (rc)
            break;
    }
    if (rc == 0)
        rc = found == FOUND_FAILED ? -1 : complete(s, err);
    push_index_close(x);
    return rc;
}

/* One Infer-Batch: its root, and the statement as the item. */
static int complete_file(struct saying *s, const struct results *r,
                         struct id statement, struct err *err)
{
    struct buf line;
    int rc;

    buf_init(&line, LINE_BYTES);
    complete_line_file(&line, s->info->request, *results_root(r), statement);
    complete_line_file_records(&s->records, s->info->request,
                               *results_root(r), results_count(r), statement);
    rc = put_line(s, &line, line.len, complete, err) || complete(s, err)
             ? -1 : 0;
    buf_clear(&line);
    return rc;
}

/* ---- Release ------------------------------------------------------------- */

/* A lease that has ended is released already. */
static int judge_release(void *self, const uint64_t *count, const char *data,
                         struct err *err)
{
    const struct saying *s = self;

    (void)data;
    if (s->n_lines && count[0] > s->n_lines)
        return err_set(err, ERR_RETRY, "its answer releases more than the"
                       " %zu requests of our message: it is not believed",
                       s->n_lines);
    return 0;
}

static int release(struct saying *s, struct err *err)
{
    const struct item_text_tag tag[] = {
        { "Action", "Release" }, { "Batch", s->batch },
    };
    const struct kept_message x = {
        .kind = "release",
        .number = s->number,
        .process = &s->info->process,
        .tag = tag,
        .n_tags = 2,
        .action = "Release-Response",
        .count = release_counts,
        .n_counts = 1,
        .n_always = 1,
        .n_lines = s->n_lines,
        .judge = judge_release,
        .self = s,
    };
    uint64_t count = 0;

    if (stopped(s->a, err) || message_send(s->a, &x, &s->data, &count, err))
        return -1;
    s->n->released += count;
    s->number++;
    s->n_lines = 0;
    s->counted = 0;
    buf_reset(&s->data);
    return 0;
}

/* A line is as long as with `later`, whatever the queue takes: where a message
 * ends must not depend on it. */
static int put_release(struct saying *s, struct id request, const char *reason,
                       struct err *err)
{
    struct buf line, longest;
    int rc;

    if (s->takes_later < 0)
        s->takes_later = client_takes_later(s->a->ao, s->info->process,
                                            s->a->wait_s);
    buf_init(&line, LINE_BYTES);
    buf_init(&longest, LINE_BYTES);
    release_put(&line, request, reason, s->takes_later ? LATER_MENDED_S : 0);
    release_put(&longest, request, reason, LATER_MENDED_S);
    rc = put_line(s, &line, longest.len, release, err);
    buf_clear(&longest);
    buf_clear(&line);
    return rc;
}

/* No worker could read the request; else this node lacks what it takes: its
 * workers died, or it has not the model. */
static bool is_to_blame(const struct reason *why)
{
    return strcmp(why->code, "invalid_request") == 0;
}

static int put_refused(struct saying *s, struct id request,
                       const struct reason *why, struct err *err)
{
    char text[REASON_CODE + REASON_TEXT + 2];

    if (!is_to_blame(why))
        return put_release(s, request, NULL, err);
    snprintf(text, sizeof(text), "%s: %s", why->code, why->message);
    return put_release(s, request, text, err);
}

/* Release what the queue refused in an answer that was kept: this node has no
 * other result of it, another one may.  The answer's other lines are passed
 * over. */
static int release_lines_of(struct saying *s, const char *data,
                            struct err *err)
{
    int rc = 0;

    while (rc == 0 && *data) {
        size_t n = strcspn(data, "\n");
        struct json *root = NULL;
        const char *why, *id_text;
        struct id id;

        if (n > 0 && json_parse(&root, data, n, err))
            return -1;
        why = json_string(json_get(root, "why"));
        id_text = json_string(json_get(root, "request"));
        if (why && id_text && strcmp(why, "refused") == 0 &&
            id_parse(&id, id_text) == 0)
            rc = put_release(s, id, "result_refused: the queue refuses what"
                             " this node answers", err);
        json_free(root);
        data += n + (data[n] == '\n');
    }
    return rc;
}

/* The same of the answers to all messages with results. */
static int release_answers(struct saying *s, size_t n_messages,
                           struct err *err)
{
    int rc = 0;

    s->counting = COUNTS_SHORT;
    for (size_t i = 0; rc == 0 && i < n_messages; i++) {
        struct json *root = NULL;
        const char *data;
        struct buf b;
        char *path;

        choose_counting(s, i);
        path = push_path_of(s->a->batch_path, results_kind(s), i, "answer");
        buf_init(&b, ANSWER_MAX);
        rc = file_read(&b, path, err) || json_parse(&root, b.data, b.len, err)
                 ? -1 : 0;
        data = json_string(json_get(root, "data"));
        if (rc == 0 && data)
            rc = release_lines_of(s, data, err);
        json_free(root);
        buf_clear(&b);
        free(path);
    }
    return rc;
}

/* The id of line `want`, reading on from `*next`. */
static int find_request(const struct saying *s, struct request_file *f,
                        uint32_t *next, uint32_t want, struct id *id,
                        struct err *err)
{
    const char *text = NULL;
    struct request r;
    size_t n = 0;
    int rc;

    for (; *next <= want; ++*next)
        if (request_file_next(f, &text, &n, err) || !text)
            return text ? -1 : err_set(err, ERR_INPUT, "requests.jsonl of"
                                       " \"%s\" has no line %" PRIu64,
                                       s->a->batch_path,
                                       (uint64_t)want + 1);
    request_parse(&r, text, n, NULL);
    request_file_id(f, id);
    rc = batch_request_id(id, s->info, *id, r.custom_id, err);
    request_clear(&r);
    return rc;
}

static int release_refused(struct saying *s, struct err *err)
{
    char *path = file_join(s->a->batch_path, "requests.jsonl");
    struct refused *no = NULL;
    struct request_file *f = NULL;
    uint32_t line, next = 0;
    struct id id;
    struct reason why, of_file = { .code = "" };
    enum found found;
    int rc = -1;

    if (request_file_open(&f, path, err) ||
        refused_open(&no, s->a->batch_path, err))
        goto out;
    while ((found = refused_next(no, &line, &why, err)) == FOUND_ONE) {
        if (s->info->is_file_of_ao) {
            if (!of_file.code[0] || !is_to_blame(&why))
                of_file = why;
        } else if (find_request(s, f, &next, line, &id, err) ||
                   put_refused(s, id, &why, err)) {
            found = FOUND_FAILED;
            break;
        }
    }
    rc = found == FOUND_FAILED ? -1 : 0;
    if (rc == 0 && s->info->is_file_of_ao)
        rc = put_refused(s, s->info->request, &of_file, err);
    if (rc == 0 && s->n_lines)
        rc = release(s, err);
out:
    refused_close(no);
    request_file_close(f);
    free(path);
    return rc;
}

/* ---- both ---------------------------------------------------------------- */

static void begin_saying(struct saying *s, const struct message_journal *a,
                         const struct batch_info *info, struct acknowledged *n)
{
    memset(s, 0, sizeof(*s));
    s->a = a;
    s->n = n;
    s->info = info;
    s->takes_later = s->takes_records = -1;
    s->counting = COUNTS_SHORT;
    choose_counting(s, 0);
    base64url(s->batch, info->id.b, 32);
    buf_init(&s->data, MESSAGE_MAX + LINE_BYTES);
    buf_init(&s->records, 2 * (MESSAGE_MAX + LINE_BYTES));
}

/* Tell of what did not end well. */
static void report_counts(const struct saying *s)
{
    char *text;

    if (s->n->conflicts) {
        text = xasprintf("batch %s: %" PRIu64 " results differ from what"
                         " another node gave and was believed first; the"
                         " queue keeps both ids (push/%s-*.answer names"
                         " them)", s->batch, s->n->conflicts,
                         results_kind(s));
        log_note(s->a, text);
        free(text);
    }
    if (s->n->refused) {
        text = xasprintf("batch %s: the queue refused %" PRIu64 " results as"
                         " no answers to what it was asked (push/%s-*.answer"
                         " says why); they go back", s->batch,
                         s->n->refused, results_kind(s));
        log_note(s->a, text);
        free(text);
    }
    if (s->n->unknown) {
        text = xasprintf("batch %s: the queue does not know %" PRIu64 " of"
                         " its requests (any more)", s->batch,
                         s->n->unknown);
        log_note(s->a, text);
        free(text);
    }
}

int acknowledge(const struct message_journal *a, struct results *r,
                struct acknowledged *n, struct err *err)
{
    struct id statement;
    unsigned char record[208];
    struct saying s;
    size_t n_messages;
    int rc = 0;

    memset(n, 0, sizeof(*n));
    begin_saying(&s, a, results_info(r), n);
    if (results_count(r) > 0) {
        rc = push_statement(a->batch_path, record, &statement, err);
        if (rc)
            return rc;
        base64url(s.statement, statement.b, 32);
        rc = s.info->is_file_of_ao ? complete_file(&s, r, statement, err)
                                   : complete_results(&s, r, err);
    }
    n_messages = s.number;
    s.number = 0;
    if (rc == 0 && n->refused)
        rc = release_answers(&s, n_messages, err);
    /* a file has its answer now or never */
    if (rc == 0 && (!s.info->is_file_of_ao || results_count(r) == 0))
        rc = release_refused(&s, err);
    if (rc == 0 && s.n_lines)
        rc = release(&s, err);
    if (rc == 0)
        report_counts(&s);
    ids_asked_close(s.in_ids);
    buf_clear(&s.records);
    buf_clear(&s.data);
    return rc;
}

/* All requests of a batch by their ids, so that they can be put off. */
static int release_lines(struct saying *s, struct err *err)
{
    char *path = file_join(s->a->batch_path, "requests.jsonl");
    struct request_file *f = NULL;
    struct id id;
    uint32_t next = 0;
    int rc = request_file_open(&f, path, NULL);

    /* where they cannot be read: all, without their ids */
    if (rc) {
        free(path);
        return release(s, err);
    }
    for (uint64_t i = 0; rc == 0 && i < s->info->n_requests; i++)
        rc = find_request(s, f, &next, (uint32_t)i, &id, err) ||
                     put_release(s, id, NULL, err)
                 ? -1
                 : 0;
    if (rc == 0 && s->n_lines)
        rc = release(s, err);
    request_file_close(f);
    free(path);
    return rc;
}

int acknowledge_release_all(const struct message_journal *a,
                            const struct batch_info *info,
                            struct acknowledged *n, struct err *err)
{
    struct saying s;
    int rc;

    memset(n, 0, sizeof(*n));
    begin_saying(&s, a, info, n);
    if (info->is_file_of_ao)
        rc = put_release(&s, info->request, NULL, err) ||
                     release(&s, err) ? -1 : 0;
    else
        rc = release_lines(&s, err);
    buf_clear(&s.records);
    buf_clear(&s.data);
    return rc;
}
