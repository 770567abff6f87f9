/*
 * A round of apus drain: reclaim work from dead processes, push, renew, answer
 * disputes, pull, start workers.  Each step can run alone and run again, so it
 * is safe to run two drains concurrently, and a failed step does not keep the
 * next one from running.
 */
#include <config.h>

#include "node/drain_steps.h"

#include <stdlib.h>
#include <time.h>

#include "base/caller.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "node/drained.h"
#include "node/owners.h"
#include "node/rounds.h"
#include "spool/spool.h"

#define PAUSE_S 10

/* ---- what the dead have left --------------------------------------------- */

/* Report a batch whose owner cannot be checked and whose heartbeat is late. */
static void report_silent(const struct batch *b, enum spool_state state)
{
    char who[OWNER_TEXT], when[FREE_AT];

    if (b->state != state || !owner_free_at(when, sizeof(when), b, true))
        return;
    owner_describe(who, sizeof(who), b);
    log_info("\"%s\" is still held by %s", b->path, who);
}

static void adopt_state(struct drain *d, enum spool_state state)
{
    struct err err = ERR_INIT;
    struct batch *list;
    struct owners *o;
    size_t n;

    if (spool_list(d->spool, state, &list, &n, &err)) {
        drain_trouble(d, &err);
        return;
    }
    o = owners_ask(list, n);
    for (size_t i = 0; i < n; i++) {
        if (owners_adopt(d->spool, &list[i], o, &err) == TAKING_FAILED)
            drain_trouble(d, &err);
        else if (list[i].state != state)
            log_info("\"%s\": owner is dead; moved back to %s",
                     list[i].path, spool_state_name(list[i].state));
        else if (state == SPOOL_RUNNING)
            d->n_working++;
        report_silent(&list[i], state);
    }
    owners_free(o);
    spool_list_free(list, n);
}

/* ---- rounds -------------------------------------------------------------- */

/* Note how long nobody has looked, before the first round. */
static void note_start(struct drain *d)
{
    struct drained last;

    if (drained_read(&last, d->spool, NULL) != FOUND_ONE)
        return;
    d->gap_s = drained_since(last.at_s);
    d->window_s = last.window_s;
    d->longest_turn_s = last.turn_s;
}

/* For apus doctor and apus clean; a round without it is none the worse. */
static void note_end(const struct drain *d)
{
    const struct drained now = { .at_s = rounds_now(), .gap_s = d->gap_s,
                                 .window_s = d->window_s,
                                 .turn_s = d->longest_turn_s };
    struct err err = ERR_INIT;

    if (drained_write(&now, d->spool, &err))
        log_debug("%s", err.text);
}

static void one_round(struct drain *d)
{
    d->n_working = 0;
    d->did = false;
    d->answered = false;
    d->lost = false;
    drain_ask_again(d);
    adopt_state(d, SPOOL_RUNNING);
    adopt_state(d, SPOOL_SENDING);
    drain_push(d);
    drain_renew(d);
    drain_disputes(d);
    drain_pull(d);
    drain_start(d);
    note_end(d);
}

static size_t count(struct drain *d, enum spool_state state)
{
    struct batch *list;
    size_t n;

    if (spool_list(d->spool, state, &list, &n, NULL))
        return 0;
    spool_list_free(list, n);
    return n;
}

static void pause_s(const struct drain *d, unsigned seconds)
{
    const struct timespec second = { .tv_sec = 1 };

    for (unsigned i = 0; i < seconds && !d->caller->stop(); i++)
        nanosleep(&second, NULL);
}

static bool is_all_worked(struct drain *d)
{
    drain_count(d);
    return d->n_waiting + count(d, SPOOL_RUNNING) == 0;
}

/* Wait until no batch is pending or running.  Nothing is pulled meanwhile, or
 * that might never happen. */
static void wait_for_workers(struct drain *d)
{
    d->no_pull = true;
    while (!d->caller->stop() && !d->failed && !is_all_worked(d)) {
        pause_s(d, PAUSE_S);
        d->later = false;
        one_round(d);
    }
    if (!d->caller->stop())
        drain_push(d);
}

void drain_rounds(struct drain *d)
{
    double end = clock_s() + (double)d->for_s;

    note_start(d);
    do {
        d->later = false;
        one_round(d);
        /* when idle, look again after a pause */
        if (!d->did && clock_s() + PAUSE_S < end)
            pause_s(d, PAUSE_S);
        else if (!d->did)
            break;
    } while (!d->caller->stop() && clock_s() < end);
    if (d->wait)
        wait_for_workers(d);
}
