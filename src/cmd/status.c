/*
 * apus status: the batches of the spool, how far each is and who has it.  A
 * batch whose worker is dead goes back to todo on the way.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/plural.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/columns.h"
#include "cmd/named.h"
#include "cmd/status_row.h"
#include "node/answered.h"
#include "node/drained.h"
#include "node/owners.h"
#include "node/turns.h"
#include "queue/client.h"
#include "spool/spool.h"

#define OUT_MAX ((size_t)64 << 20)
#define WATCH_S 2
#define ID_SHORT 10

struct status {
    struct settings *settings;
    struct spool *spool;
    const char **names;
    size_t n_names;
    bool json, watch;
    size_t width;             /* of the terminal; 0: there is none */
    struct buf out;
    struct columns table;     /* of a terminal, as is: */
    struct totals {
        uint64_t batches[SPOOL_STATES], done, total, refused, tok_s;
        size_t n;
    } totals;
    bool computing;
    struct turns turns;       /* of this node in disputes .. */
    bool has_turns;           /* .. if the queue has said */
    bool *named_turn;         /* of turns.list: a batch has it */
};

/* ---- disputes ------------------------------------------------------------ */

/* A person waits for the prompt. */
static void be_impatient(struct settings *s)
{
    settings_set(s, "http-connect-timeout", "3", NULL);
    settings_set(s, "http-stall-timeout", "5", NULL);
    settings_set(s, "http-timeout", "10", NULL);
    settings_set(s, "http-retries", "0", NULL);
}

/* Only a node that has sent answers has disputes.  A queue that does not answer
 * does not change the exit status. */
static void ask_turns(struct status *s)
{
    struct err err = ERR_INIT;
    struct client c;

    if (s->n_names || s->watch || !*settings_text(s->settings, "queue"))
        return;
    be_impatient(s->settings);
    if (client_open_ask(&c, s->settings, NULL, &err)) {
        log_debug("disputes are not shown: %s", err.text);
        return;
    }
    s->has_turns = c.key && turns_ask(&s->turns, &c, &err) == 0;
    if (c.key && !s->has_turns)
        log_debug("disputes are not shown: %s", err.text);
    s->named_turn = xcalloc(s->turns.n + 1, sizeof(*s->named_turn));
    client_close(&c);
}

/* A dispute may be about a batch that was removed since. */
static bool may_have_turns(const struct status *s, bool any_sent)
{
    struct drained last;

    return any_sent || drained_read(&last, s->spool, NULL) == FOUND_ONE;
}

static void warn_turns(const struct status *s)
{
    const struct turns *t = &s->turns;
    char left[TURNS_LEFT];

    for (size_t i = 0; s->has_turns && i < t->n; i++)
        if (turns_late(t->list[i].until_ms, t->length_s))
            log_warning("dispute %s waits for this node's move, %s of its turn:"
                        " run apus drain", id_text(t->list[i].dispute).s,
                        turns_left(left, t->list[i].until_ms));
}

/* ---- showing ------------------------------------------------------------- */

static const struct column columns[] = {
    { "BATCH", ID_SHORT, COLUMN_LEFT },
    { "STATE", 0, COLUMN_LEFT },
    { "DONE", 0, COLUMN_LEFT },
    { "TOK/S", 0, COLUMN_RIGHT },
    { "WORKER", 24, COLUMN_LEFT },
    { "FILE", 12, COLUMN_END },
};
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* What stands in a column: a string for free(). */
static char *cell(const struct status_row *r, size_t i, bool unit)
{
    struct buf b;
    char *text;

    buf_init(&b, OUT_MAX);
    switch (i) {
    case 0:
        buf_puts(&b, r->id);
        break;
    case 1:
        buf_puts(&b, r->state);
        break;
    case 2:
        status_row_done(r, &b);
        break;
    case 3:
        if (r->computing)
            buf_printf(&b, "%" PRIu64 "%s", r->tok_s, unit ? " tok/s" : "");
        break;
    case 4:
        status_row_worker(r, &b);
        break;
    default:
        /* control bytes of a path would break the line */
        if (r->info.source)
            plain_put(&b, r->info.source, strlen(r->info.source));
    }
    text = b.len ? buf_take(&b, NULL) : xstrdup("");
    buf_clear(&b);
    return text;
}

/* With tabs, for programs. */
static void put_line(struct buf *out, const struct status_row *r)
{
    for (size_t i = 0; i < N_COLUMNS; i++) {
        char *text = cell(r, i, true);

        buf_printf(out, "%s%s", i ? "\t" : "", text);
        free(text);
    }
    buf_putc(out, '\n');
}

static void add_totals(struct status *s, const struct status_row *r,
                       enum spool_state state)
{
    struct totals *t = &s->totals;

    t->batches[state]++;
    t->n++;
    t->done += r->done;
    t->total += r->total;
    t->refused += r->refused;
    if (r->computing) {
        t->tok_s += r->tok_s;
        s->computing = true;
    }
}

static void put_turn(struct status *s, size_t i, struct buf *out)
{
    const struct turn *t = &s->turns.list[i];

    buf_puts(out, out->len > 1 ? ",{" : "{");
    json_put_id(out, "dispute", t->dispute);
    json_put_id(out, "request", t->request);
    json_put_number(out, "number", t->number);
    json_put_number(out, "until_ms", t->until_ms);
    json_put_number(out, "left_s", turns_left_s(t->until_ms));
    json_put_number(out, "turn_s", s->turns.length_s);
    buf_putc(out, '}');
    s->named_turn[i] = true;
}

/* The disputes over answers of a batch that wait for this node (of no batch
 * here: b NULL) as JSON for free(); NULL if nothing is known. */
static char *json_turns(struct status *s, const struct batch *b,
                        const struct batch_info *info)
{
    struct buf out;

    if (!s->has_turns)
        return NULL;
    buf_init(&out, OUT_MAX);
    buf_putc(&out, '[');
    for (size_t i = 0; i < s->turns.n; i++)
        if (b ? answered_has(b, info, s->turns.list[i].request)
              : !s->named_turn[i])
            put_turn(s, i, &out);
    buf_puts(&out, "]");
    return buf_take(&out, NULL);
}

/* Disputes that no batch here has: with its checkpoint they are lost. */
static void put_other_turns(struct status *s)
{
    char *turns = json_turns(s, NULL, NULL);

    if (turns && strcmp(turns, "[]") != 0)
        buf_printf(&s->out, "%s{\"batch\":null,\"disputes\":%s}\n",
                   s->totals.n ? "," : "", turns);
    free(turns);
}

static void put_row(struct status *s, const struct status_row *r,
                    const struct batch *b)
{
    char *turns;

    add_totals(s, r, b->state);
    if (s->json) {
        turns = json_turns(s, b, &r->info);
        buf_puts(&s->out, s->totals.n > 1 ? "," : "");
        status_row_json(r, turns, &s->out);
        buf_putc(&s->out, '\n');
        free(turns);
    } else if (s->width) {
        for (size_t i = 0; i < N_COLUMNS; i++)
            columns_take(&s->table, cell(r, i, false));
    } else {
        put_line(&s->out, r);
    }
}

/* "3 batches: 1 running, 2 done; 40 of 60 requests, 3 refused; 95 tok/s" */
static void put_totals(struct status *s)
{
    const struct totals *t = &s->totals;
    const char *before = ": ";

    buf_printf(&s->out, "%zu %s", t->n, plural(t->n, "batch", "batches"));
    for (int i = 0; i < SPOOL_STATES; i++) {
        if (!t->batches[i])
            continue;
        buf_printf(&s->out, "%s%" PRIu64 " %s", before, t->batches[i],
                   spool_state_name((enum spool_state)i));
        before = ", ";
    }
    buf_printf(&s->out, "; %" PRIu64 " of %" PRIu64 " request%s", t->done,
               t->total, plural_s(t->total));
    if (t->refused)
        buf_printf(&s->out, ", %" PRIu64 " refused", t->refused);
    if (s->computing)
        buf_printf(&s->out, "; %" PRIu64 " tok/s", t->tok_s);
    buf_putc(&s->out, '\n');
}

/* What was gathered, to standard output. */
static void put_all(struct status *s)
{
    if (s->json)
        buf_puts(&s->out, "]\n");
    if (!s->json && s->width) {
        columns_print(&s->table, s->width, &s->out);
        if (s->totals.n > 1)
            put_totals(s);
    }
    fwrite(s->out.data ? s->out.data : "", 1, s->out.len, stdout);
    fflush(stdout);
}

/* ---- the batches --------------------------------------------------------- */

struct status_found {
    struct batch *list;
    size_t n;
};

static void found_add(struct status_found *f, struct batch *list, size_t n)
{
    f->list = xrealloc(f->list, (f->n + n + 1) * sizeof(*f->list));
    if (n)
        memcpy(f->list + f->n, list, n * sizeof(*list));
    f->n += n;
}

static int find_all(struct status *s, struct status_found *f, struct err *err)
{
    for (int i = SPOOL_TODO; i < SPOOL_STATES; i++) {
        struct batch *list;
        size_t n;

        if (spool_list(s->spool, (enum spool_state)i, &list, &n, err))
            return -1;
        found_add(f, list, n);
        free(list);
    }
    return 0;
}

static int find_named(struct status *s, struct status_found *f, struct err *err)
{
    struct named named;

    if (named_find_all(&named, s->spool, s->names, s->n_names, err))
        return -1;
    found_add(f, named.batch, named.n);
    free(named.batch);
    return 0;
}

/* What its worker has left goes back to where another takes it. */
static void adopt(struct status *s, struct status_found *f, struct owners *o)
{
    for (size_t i = 0; i < f->n; i++) {
        struct err err = ERR_INIT;
        enum spool_state was = f->list[i].state;

        if (owners_adopt(s->spool, &f->list[i], o, &err) == TAKING_FAILED)
            log_err(&err);
        else if (f->list[i].state != was)
            log_info("\"%s\": worker is dead; moved back to %s",
                     f->list[i].path, spool_state_name(f->list[i].state));
    }
}

static bool any_in(const struct status_found *f, enum spool_state state)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->list[i].state == state)
            return true;
    return false;
}

static void show(struct status *s, struct status_found *f)
{
    struct status_jobs jobs = { .local = NULL };
    struct err err = ERR_INIT;
    struct owners *o = owners_ask(f->list, f->n);

    adopt(s, f, o);
    if (any_in(f, SPOOL_TODO) && status_jobs_ask(&jobs, s->settings, &err))
        log_warning("%s: jobs that wait are not shown", err.text);
    if (s->json && may_have_turns(s, any_in(f, SPOOL_SENT)))
        ask_turns(s);
    if (s->json)
        buf_putc(&s->out, '[');
    for (size_t i = 0; i < f->n; i++) {
        struct status_row r;

        if (status_row_init(&r, s->spool, &f->list[i], o, &jobs) == 0)
            put_row(s, &r, &f->list[i]);
        status_row_clear(&r);
    }
    if (s->json)
        put_other_turns(s);
    put_all(s);
    status_jobs_clear(&jobs);
    owners_free(o);
}

static int show_once(struct status *s, struct err *err)
{
    struct status_found f = { .n = 0 };
    int rc = s->n_names ? find_named(s, &f, err) : find_all(s, &f, err);

    buf_reset(&s->out);
    columns_init(&s->table, columns, N_COLUMNS);
    memset(&s->totals, 0, sizeof(s->totals));
    s->computing = false;
    s->width = columns_of_terminal();
    if (rc == 0)
        show(s, &f);
    columns_clear(&s->table);
    for (size_t i = 0; i < f.n; i++)
        batch_clear(&f.list[i]);
    free(f.list);
    return rc;
}

static int do_status(struct status *s, struct err *err)
{
    const struct timespec pause = { .tv_sec = WATCH_S };

    if (spool_open_there(&s->spool, settings_text(s->settings, "spool"), err))
        return -1;
    if (!s->watch) {
        if (show_once(s, err))
            return -1;
        /* people need not wait for the queue to see the batches */
        if (!s->json && may_have_turns(s, s->totals.batches[SPOOL_SENT] > 0))
            ask_turns(s);
        warn_turns(s);
        return 0;
    }
    cmd_catch_signals();
    while (!cmd_interrupted() && !cmd_output_closed()) {
        if (isatty(STDOUT_FILENO) == 1)
            fputs("\033[H\033[2J", stdout);
        if (show_once(s, err))
            return -1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

static const struct opt status_opts[] = {
    { 0, "json", NULL, "print an array of objects",
      offsetof(struct status, json) },
    { 0, "watch", NULL, "again each two seconds, until Ctrl-C",
      offsetof(struct status, watch) },
    { .name = NULL }
};

static const struct opt_command status_command = {
    .name = "apus status",
    .synopsis = "[BATCH|FILE ...] [--json] [--watch]",
    .about = "Print where each batch stands: id, state, requests done"
             " and refused, tokens a\nsecond, who has it or why it waits,"
             " the file.  A table on a terminal, else tabs.\nBatches"
             " of dead workers are moved back to todo.  Warns of"
             " disputes that wait for\nthis node.",
    .opts = status_opts, .max_args = SIZE_MAX,
};

int cmd_status(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct status st = { .settings = s, .names = args };
    struct err err = ERR_INIT;
    int status =
        cmd_begin(&status_command, s, argc, argv, &st, args, &st.n_names);

    buf_init(&st.out, OUT_MAX);
    if (status == CMD_GO)
        status = do_status(&st, &err) ? cmd_fail(&err) : CMD_DONE;
    buf_clear(&st.out);
    turns_clear(&st.turns);
    free(st.named_turn);
    spool_close(st.spool);
    free(args);
    return status;
}
