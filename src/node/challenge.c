/*
 * Every move follows from the shows and the answer, so an interrupted
 * challenger makes the same move again; the queue rejects a move number that
 * was used.
 */
#include <config.h>

#include "node/challenge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ao/ao.h"
#include "base/base64.h"
#include "base/bytes.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/settings.h"
#include "dispute/execution.h"
#include "dispute/prover.h"
#include "model/model.h"
#include "node/disputes.h"
#include "proof/digest.h"
#include "publish/published.h"
#include "store/record.h"

/* ---- the answer ---------------------------------------------------------- */

/* Which line of its file it is of, as the node has to show it. */
static void open_line(struct challenge *g, const struct published *p)
{
    struct answered_file *f = xcalloc(1, sizeof(*f));

    f->x.of = g->asked.file;
    set_u64(f->line, g->asked.line);
    memcpy(f->line + 8, p->path, 32 * p->n_path);
    f->x.line = f->line;
    f->x.n_line = 8 + 32 * p->n_path;
    g->answer.file = f;
}

int challenge_init(struct challenge *g, struct id item,
                   const struct published *p, const struct model *m,
                   struct err *err)
{
    struct record r;
    struct id result;

    if (p->hashed)
        return err_set(err, ERR_INPUT, "the answer cannot be recomputed: only"
                       " the hash of its prompt was published");
    if (!id_equal(p->process, g->client->process))
        return err_set(err, ERR_INPUT, "the answer is to a request of the"
                       " queue %s (setting queue)", id_text(p->process).s);
    published_record(p, &r);
    if (asked_find(&g->asked, g->client, p, err) ||
        answered_take(&g->answer, &r, err))
        return -1;
    if (g->asked.file.count)
        open_line(g, p);
    digest(&result, g->answer.result, RESULT_RECORD_SIZE);
    g->model = m;
    g->c.item = item;
    g->c.request = g->asked.request;
    g->c.queue = p->process;
    if (!*g->c.state)
        strcpy(g->c.state, "found");
    asked_dispute(&g->c.dispute, &g->asked, result, g->client->node);
    return 0;
}

void challenge_clear(struct challenge *g)
{
    execution_free(g->x);
    g->x = NULL;
    answered_clear(&g->answer);
}

/* Compute the answer, keeping the rows of the position that the judge has
 * reached. */
static int compute_answer(struct challenge *g, const struct judge *j,
                          struct err *err)
{
    uint32_t at = j->show >= SHOW_LEAF ? j->leaf.position : 0;

    if (g->x && g->at == at)
        return 0;
    execution_free(g->x);
    g->x = NULL;
    g->at = at;
    return answered_compute(&g->x, &g->answer, g->model, j, NULL, NULL, err);
}

/* The records as the node has to show them first, in `bytes`: their length. */
#define FIRST_SHOW (JUDGE_RECORDS + sizeof(((struct answered_file *)0)->line))
static size_t first_show(const struct challenge *g, unsigned char *bytes)
{
    const struct answered *a = &g->answer;
    unsigned char *at = bytes;

    memcpy(at, a->result, RESULT_RECORD_SIZE);
    at += RESULT_RECORD_SIZE;
    memcpy(at, a->job, JOB_RECORD_SIZE);
    at += JOB_RECORD_SIZE;
    model_record_pack(at, &g->model->rec);
    at += MODEL_RECORD_SIZE;
    if (a->file) {
        memcpy(at, a->file->x.line, a->file->x.n_line);
        at += a->file->x.n_line;
    }
    return (size_t)(at - bytes);
}

enum found challenge_first(struct challenge *g, char *choice, struct err *err)
{
    unsigned char bytes[FIRST_SHOW];
    size_t n = first_show(g, bytes);
    struct judge j;
    struct id result;
    enum found found = FOUND_FAILED;
    int rc;

    digest(&result, g->answer.result, RESULT_RECORD_SIZE);
    if (g->asked.file.count)
        judge_init_file(&j, &g->asked.file);
    else
        judge_init(&j, result);
    rc = judge_show(&j, bytes, n, err);
    if (rc && g->asked.file.count) {
        /* no judge takes these records: the node has none to show */
        strcpy(choice, "none: it is of no line of the file");
        judge_clear(&j);
        return FOUND_ONE;
    }
    if (rc == 0 && j.turn != JUDGE_PICKS)
        rc = err_set(err, ERR_INPUT, "the answer cannot be disputed: %s",
                     j.text);
    if (rc == 0)
        rc = compute_answer(g, &j, err);
    if (rc == 0)
        found = prover_pick(choice, g->x, &j, err);
    judge_clear(&j);
    return found;
}

/* ---- what became of it --------------------------------------------------- */

__attribute__((format(printf, 2, 3)))
static void tell(struct challenge *g, const char *fmt, ...)
{
    char text[240];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (g->line)
        g->line(g->self, text);
}

static int keep_case(struct challenge *g, const char *state, struct err *err)
{
    snprintf(g->c.state, sizeof(g->c.state), "%s", state);
    return challenge_case_write(&g->c, settings_text(g->settings, "spool"),
                                err);
}

static enum challenge_end ended(struct challenge *g,
                                const struct dispute_end *end, struct err *err)
{
    const char *what = "holds: this challenger was wrong";

    if (g->forgotten)
        what = "the answer stands: it holds, or no judge decides this";
    if (end->fault)
        what = "fault: the node's answer is wrong";
    else if (end->unjudged)
        what = "unjudged: no judge decides this, and the answer stands";
    if (keep_case(g, end->fault ? "won" : "lost", err))
        return CHALLENGE_FAILED;
    tell(g, "verdict\t%s%s%s", what, *end->statement ? ", statement " : "",
         end->statement);
    return end->fault ? CHALLENGE_WON : CHALLENGE_LOST;
}

/* There is nothing to play: apus watch leaves a case that says so. */
static void leave(struct challenge *g)
{
    const char *spool = settings_text(g->settings, "spool");
    char *path = challenge_case_path(spool, g->c.dispute);

    if (file_exists(path))
        keep_case(g, "refused", NULL);
    free(path);
}

/* The queue has forgotten the dispute.  Whether the answer still exists tells
 * how it ended: to a request a result, to a file the root of its results.  If
 * the request is forgotten, too, nothing does. */
static enum challenge_end look_back(struct challenge *g, struct err *err)
{
    char request[ID_TEXT], mine[ID_TEXT];
    const struct item_text_tag tag[] = { { "Action", "Status" },
                                         { "Request", request } };
    const struct ao_message m = { .tag = tag, .n_tags = 2 };
    const struct ao_out *out;
    struct ao_result r;
    const char *result, *state;
    bool stands, gone;
    struct id id;

    base64url(request, g->c.request.b, 32);
    digest(&id, g->answer.result, RESULT_RECORD_SIZE);
    if (g->asked.file.count)
        id = g->asked.file.root;
    base64url(mine, id.b, 32);
    if (client_ask_or_say(g->client, &m, "Status-Response", &r, &out, err) < 0)
        return CHALLENGE_FAILED;
    result = ao_out_tag(out, "Result");
    state = ao_out_tag(out, "State");
    stands = result && strcmp(result, mine) == 0;
    gone = !state || strcmp(state, "gone") == 0;
    ao_result_clear(&r);
    g->forgotten = true;
    if (!gone)
        return ended(g, &(struct dispute_end){ .over = true,
                                               .fault = !stands }, err);
    leave(g);
    err_set(err, ERR_INPUT, "the queue has no request %s: it is forgotten, and"
            " how the dispute ended", request);
    return CHALLENGE_FAILED;
}

/* ---- moves --------------------------------------------------------------- */

static int refused(struct challenge *g, const char *request, struct err *err)
{
    unsigned code = g->client->code;

    if (code == 404)
        err_set(err, ERR_INPUT, "the queue has no request %s: it is forgotten",
                request);
    if (code == 403 || code == 404 || code == 409)
        leave(g);
    return -1;
}

/* A judge that knows nothing of stop strings takes no pick of one, and the
 * challenger would lose. */
static int check_judged(struct challenge *g, const char *choice,
                        struct err *err)
{
    bool judges = true;

    if (strncmp(choice, "stop ", 5) == 0 &&
        client_judges_stops(&judges, g->client, err))
        return -1;
    if (judges)
        return 0;
    leave(g);
    return err_set(err, ERR_INPUT, "the answer ends where it should not, and"
                   " this queue does not judge stop strings (queues since"
                   " version 2.2 do)");
}

static int open_dispute(struct challenge *g, struct err *err)
{
    char request[ID_TEXT], choice[JUDGE_PICK_MAX + 1], index[16];
    struct item_text_tag tag[4] = { { "Action", "Challenge" },
                                    { "Request", request } };
    struct ao_message m = { .tag = tag, .n_tags = 2 };
    const struct ao_out *out;
    struct ao_result r;
    enum found found = challenge_first(g, choice, err);

    if (found == FOUND_NONE) {
        leave(g);
        return err_set(err, ERR_INPUT, "the answer is what the model gives:"
                       " there is nothing to dispute");
    }
    if (found == FOUND_FAILED || check_judged(g, choice, err))
        return -1;
    /* write the case first, so that every open dispute has one */
    if (keep_case(g, "found", err))
        return -1;
    base64url(request, g->c.request.b, 32);
    snprintf(index, sizeof(index), "%" PRIu32, g->asked.file.index);
    if (g->asked.file.count)
        tag[m.n_tags++] = (struct item_text_tag){ "Index", index };
    if (*g->c.part)
        tag[m.n_tags++] = (struct item_text_tag){ "Part", g->c.part };
    if (client_say(g->client, &m, "Challenge-Response", &r, &out, err) < 0)
        return refused(g, request, err);
    ao_result_clear(&r);
    if (keep_case(g, "open", err))
        return -1;
    tell(g, "challenge\t%s\trequest %s", id_text(g->c.dispute).s, request);
    return 0;
}

enum step {
    STEP_FAILED = -1,
    STEP_WAITS, /* for the node */
    STEP_ENDED, /* with a verdict */
    STEP_MOVED,
    STEP_GONE   /* it ended without us */
};

/* Send our pick or proof. */
static enum step move(struct challenge *g, const struct dispute *d,
                      struct dispute_end *end, struct err *err)
{
    char what[DISPUTE_WHAT];
    int rc;

    if (compute_answer(g, &d->judge, err))
        return STEP_FAILED;
    rc = d->judge.turn == JUDGE_PICKS
             ? disputes_pick(g->client, d, g->x, what, end, err)
             : disputes_answer(g->client, d, g->x, what, end, err);
    if (rc)
        return STEP_FAILED;
    tell(g, "%" PRIu32 "\tchallenger\t%s", d->judge.number, what);
    g->told = d->judge.number + 1;
    return end->over ? STEP_ENDED : STEP_MOVED;
}

/* Report the node's move, which is the judge's latest. */
static void tell_shown(struct challenge *g, const struct dispute *d)
{
    uint32_t number = d->judge.number;

    if (number > g->told && d->judge.turn == JUDGE_PICKS)
        tell(g, "%" PRIu32 "\tnode\tshows %s", number - 1,
             judge_show_name(d->judge.show));
    g->told = number > g->told ? number : g->told;
}

/* Wait while it is the node's turn. */
static enum step wait_for_node(struct challenge *g, const struct dispute *d,
                               struct dispute_end *end, struct err *err)
{
    struct err why = ERR_INIT;

    if (!disputes_past(d))
        return STEP_WAITS;
    if (disputes_end(g->client, d->id, "Overdue", end, &why))
        return why.code == ERR_RETRY ? STEP_WAITS : err_copy(err, &why);
    tell(g, "%" PRIu32 "\tchallenger\treports a silent node",
         d->judge.number);
    return STEP_ENDED;
}

static enum step step(struct challenge *g, struct dispute_end *end,
                      struct err *err)
{
    struct dispute d;
    enum found found = disputes_get(g->client, &d, g->c.dispute, err);
    enum step done;

    if (found == FOUND_FAILED)
        return STEP_FAILED;
    if (found == FOUND_NONE && strcmp(g->c.state, "found") != 0)
        return STEP_GONE;
    if (found == FOUND_NONE)
        return open_dispute(g, err) ? STEP_FAILED : STEP_MOVED;
    /* an interrupted command opened it */
    if (strcmp(g->c.state, "found") == 0 && keep_case(g, "open", err)) {
        dispute_clear(&d);
        return STEP_FAILED;
    }
    tell_shown(g, &d);
    if (d.judge.turn == JUDGE_PICKS || d.judge.turn == JUDGE_PROVES)
        done = move(g, &d, end, err);
    else
        done = wait_for_node(g, &d, end, err);
    dispute_clear(&d);
    return done;
}

enum challenge_end challenge_play(struct challenge *g, struct err *err)
{
    const struct timespec second = { .tv_sec = 1 };
    double until = clock_s() + (double)g->for_s;
    struct err own = ERR_INIT;
    struct dispute_end end;

    err = err_or(err, &own);
    if (strcmp(g->c.state, "refused") == 0)
        strcpy(g->c.state, "found"); /* who asks again may be let now */
    for (;;) {
        enum step done = step(g, &end, err);

        if (done == STEP_FAILED)
            return err->code == ERR_RETRY ? CHALLENGE_OPEN : CHALLENGE_FAILED;
        if (done == STEP_ENDED)
            return ended(g, &end, err);
        if (done == STEP_GONE)
            return look_back(g, err);
        if (caller_stops(g->caller) ||
            (done == STEP_WAITS && clock_s() >= until)) {
            err_set(err, ERR_RETRY, "dispute %s: it is the node's turn",
                    id_text(g->c.dispute).s);
            return CHALLENGE_OPEN;
        }
        if (done == STEP_WAITS)
            nanosleep(&second, NULL);
    }
}
