/*
 * The step of apus drain that answers disputes about this node's answers.  It
 * opens none.  It makes each move from the checkpoint and by recomputing the
 * answer, and keeps no state, since the queue has all moves.
 */
#include <config.h>

#include "node/drain_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/settings.h"
#include "dispute/execution.h"
#include "dispute/pretended.h"
#include "model/model.h"
#include "model/models.h"
#include "node/answered.h"
#include "node/disputes.h"
#include "node/turns.h"

/* Without dry runs each question takes a slot in the schedule. */
#define SIGNED_S 600

static void report_answer(struct drain *d, struct id id,
                          const struct answered *a, const char *what,
                          const struct dispute_end *end)
{
    d->did = true;
    if (!end->over) {
        log_info("dispute %s: this node %s", id_text(id).s, what);
    } else if (end->fault) {
        log_error("dispute %s: this node %s and lost: its answer was wrong%s%s",
                  id_text(id).s, what, *end->statement ? ", statement " : "",
                  end->statement);
        d->failed = true;
        if (a)
            answered_distrust(a);
    } else {
        log_info("dispute %s: this node %s and %s", id_text(id).s, what,
                 end->unjudged ? "no judge decides it: the answer stands"
                               : "won");
    }
}

static int concede(struct drain *d, const struct dispute *s,
                   const struct answered *a, struct err *err)
{
    struct dispute_end end;

    log_error("dispute %s: the recomputed answer to request %s has another"
              " trace than its checkpoint (apus doctor checks this machine)",
              id_text(s->id).s, id_text(s->request).s);
    if (disputes_end(&d->puller.client, s->id, "Concede", &end, err))
        return -1;
    report_answer(d, s->id, a, "conceded", &end);
    return 0;
}

/* Show the records, which need no computation. */
static int show_records(struct drain *d, const struct dispute *s,
                        const struct answered *a, const struct model *m,
                        struct err *err)
{
    unsigned char model[MODEL_RECORD_SIZE];
    char what[DISPUTE_WHAT];
    struct dispute_end end;
    struct buf b;
    int rc;

    buf_init(&b, JUDGE_SHOW_MAX);
    if (s->judge.show != SHOW_AFTER) {
        model_record_pack(model, &m->rec);
        buf_put(&b, a->result, RESULT_RECORD_SIZE);
        buf_put(&b, a->job, JOB_RECORD_SIZE);
        buf_put(&b, model, sizeof(model));
    }
    if (s->judge.show == SHOW_LINE)
        buf_put(&b, a->file->x.line, a->file->x.n_line);
    if (s->judge.show == SHOW_AFTER)
        buf_put(&b, a->file->x.after, a->file->x.n_after);
    snprintf(what, sizeof(what), "shows %s", judge_show_name(s->judge.show));
    rc = disputes_records(&d->puller.client, s, (unsigned char *)b.data, b.len,
                          &end, err);
    buf_clear(&b);
    if (rc == 0)
        report_answer(d, s->id, a, what, &end);
    return rc;
}

/* Compute the answer and its trace. */
static int compute_once(struct drain *d, const struct dispute *s,
                        const struct answered *a, const struct model *m,
                        struct execution **x, struct id *trace,
                        struct err *err)
{
    struct result_record own = a->r;
    struct execution copy;

    if (answered_compute(x, a, m, &s->judge, d->fault ? pretended_alter : NULL,
                         d->fault, err))
        return -1;
    copy = **x;
    execution_seal(&copy, &own);
    *trace = own.trace;
    return 0;
}

/* Make the move that the judge awaits.  A single computing error must not lead
 * to a concession: concede only if the answer differs twice. */
static int compute_move(struct drain *d, const struct dispute *s,
                        const struct answered *a, const struct model *m,
                        struct err *err)
{
    char what[DISPUTE_WHAT];
    struct id trace, before;
    struct dispute_end end;
    struct execution *x;
    int rc;

    for (int i = 0; i < 2; i++) {
        if (compute_once(d, s, a, m, &x, &trace, err))
            return -1;
        if (id_equal(trace, a->r.trace))
            break;
        execution_free(x);
        if (i && id_equal(trace, before))
            return concede(d, s, a, err);
        if (i)
            return err_set(err, ERR_RETRY, "computed twice, the answer to"
                           " request %s has two traces: this machine errs"
                           " (apus doctor)", id_text(s->request).s);
        before = trace;
    }
    rc = disputes_answer(&d->puller.client, s, x, what, &end, err);
    if (rc == 0)
        report_answer(d, s->id, a, what, &end);
    execution_free(x);
    return rc;
}

static int answer_dispute(struct drain *d, const struct dispute *s,
                          struct err *err)
{
    struct answered a = { .prompt = NULL };
    struct model *m;
    enum found found = answered_find(&a, d->spool, s->request, &s->judge.file,
                                     err);
    int rc;

    if (found == FOUND_NONE)
        return err_set(err, ERR_INPUT, "no batch of this spool has the answer"
                       " to request %s: was it removed?",
                       id_text(s->request).s);
    if (found == FOUND_FAILED)
        return -1;
    rc = models_open_hashed(&m, settings_text(d->settings, "models"),
                            id_text(a.r.model).s, NULL, err);
    if (rc == 0) {
        rc = s->judge.turn == JUDGE_SHOWS && s->judge.show <= SHOW_AFTER
                 ? show_records(d, s, &a, m, err)
                 : compute_move(d, s, &a, m, err);
        model_close(m);
    }
    answered_clear(&a);
    return rc;
}

/* Say that a move comes late.  A queue that does not tell the length of a turn
 * is no reason to make none. */
static void warn_late(struct drain *d, const struct dispute *s)
{
    char left[TURNS_LEFT];
    struct err err = ERR_INIT;

    if (d->turn_s == 0 &&
        turns_length(&d->turn_s, &d->puller.client, &err)) {
        log_debug("%s", err.text);
        return;
    }
    if (turns_late(s->until_ms, d->turn_s))
        log_warning("dispute %s: more than half of this node's turn is over,"
                    " %s: run apus drain more often", id_text(s->id).s,
                    turns_left(left, s->until_ms));
}

static int look_at(struct drain *d, struct id id, struct err *err)
{
    struct dispute_end end;
    struct dispute s;
    enum found found = disputes_get(&d->puller.client, &s, id, err);
    int rc = 0;

    if (found != FOUND_ONE)
        return found == FOUND_FAILED ? -1 : 0;
    if (s.node_turn) {
        warn_late(d, &s);
        rc = answer_dispute(d, &s, err);
    } else if (disputes_past(&s) &&
               disputes_end(&d->puller.client, id, "Overdue", &end,
                            NULL) == 0) {
        report_answer(d, id, NULL, "reports a silent challenger", &end);
    }
    dispute_clear(&s);
    return rc;
}

/* For apus clean, until the queue has said it.  Each request keeps the window
 * of the day when it arrived, and each dispute its turn, so that shorter ones
 * change nothing here. */
static void ask_times(struct drain *d)
{
    struct err err = ERR_INIT;
    uint64_t window_s, turn_s;

    if (d->asked_times)
        return;
    if (turns_times(&window_s, &turn_s, &d->puller.client, &err)) {
        log_debug("%s", err.text);
        return;
    }
    d->asked_times = true;
    if (window_s > d->window_s)
        d->window_s = window_s;
    if (turn_s > d->longest_turn_s)
        d->longest_turn_s = turn_s;
}

void drain_disputes(struct drain *d)
{
    struct err err = ERR_INIT;
    struct id *id = NULL;
    size_t n = 0;

    if (!d->has_queue || clock_s() < d->disputes_s)
        return;
    if (!d->takes_disputes &&
        client_takes_records(&d->takes_disputes, d->puller.client.ao,
                             d->puller.client.process,
                             d->puller.client.wait_s, &err)) {
        log_debug("%s", err.text);
        return;
    }
    if (!d->takes_disputes)
        return;
    ask_times(d);
    if (disputes_list(&d->puller.client, true, &id, &n, &err)) {
        err_prefix(&err, "disputes");
        drain_trouble(d, &err);
        return;
    }
    if (d->puller.client.refused)
        d->disputes_s = clock_s() + SIGNED_S;
    for (size_t i = 0; i < n && !d->caller->stop(); i++)
        if (look_at(d, id[i], &err)) {
            err_prefix(&err, "dispute %s", id_text(id[i]).s);
            drain_trouble(d, &err);
        }
    free(id);
}
