/*
 * apus status: the batches of the spool, how far each is and who has it.  A
 * batch whose worker is dead goes back to todo on the way.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/owners.h"
#include "relay/push.h"
#include "store/spool.h"

#define PROGRESS_MAX ((size_t)4 << 20)
#define OUT_MAX ((size_t)64 << 20)
#define WATCH_S 2

struct status {
    struct settings *settings;
    struct spool *spool;
    const char **names;
    size_t n_names;
    bool json, watch;
    struct buf out;
};

/* What is told of a batch. */
struct row {
    char id[ID_TEXT];
    const char *state;
    struct batch_info info;
    uint64_t done, total, tok_s;
    struct buf progress;  /* as it lies there */
    char owner[320], when[FREE_AT];
};

/* ---- gathering ----------------------------------------------------------- */

static void read_progress(struct row *r, const struct batch *b)
{
    struct err unused = ERR_INIT;
    struct json *root;

    buf_init(&r->progress, PROGRESS_MAX);
    r->total = r->info.n_requests;
    if (progress_read(b->path, &r->progress, &unused) ||
        r->progress.len == 0 ||
        json_parse(&root, r->progress.data, r->progress.len, &unused)) {
        buf_reset(&r->progress);
        return;
    }
    json_u64(json_get(root, "done"), &r->done);
    json_u64(json_get(root, "total"), &r->total);
    json_u64(json_get(root, "tok_s"), &r->tok_s);
    json_free(root);
}

static void read_owner(struct row *r, const struct batch *b)
{
    struct err unused = ERR_INIT;
    struct owner o;

    r->owner[0] = '\0';
    if (b->state != SPOOL_RUNNING && b->state != SPOOL_SENDING)
        return;
    if (owner_read(&o, b->path, &unused) != 1)
        return;
    owner_text(r->owner, sizeof(r->owner), &o);
}

/* A worker that nobody can look at, and that misses its touches. */
static void read_free_at(struct row *r, const struct batch *b)
{
    r->when[0] = '\0';
    if (b->state == SPOOL_RUNNING || b->state == SPOOL_SENDING)
        owner_free_at(r->when, sizeof(r->when), b, true);
    if (r->when[0] && !r->owner[0])
        snprintf(r->owner, sizeof(r->owner), "unknown");
}

/* 0, or -1 where there is no such batch any more. */
static int row_init(struct row *r, const struct batch *b)
{
    struct err err = ERR_INIT;

    memset(r, 0, sizeof(*r));
    if (batch_info_read(&r->info, b->path, &err)) {
        if (access(b->path, F_OK) == 0)
            log_err(&err);
        return -1;
    }
    base64url(r->id, b->id, 32);
    r->state = spool_state_name(b->state);
    if (b->state == SPOOL_SENT && push_is_confirmed(b->path))
        r->state = "confirmed";
    read_progress(r, b);
    read_owner(r, b);
    read_free_at(r, b);
    if (b->state == SPOOL_DONE || b->state == SPOOL_SENDING ||
        b->state == SPOOL_SENT)
        r->done = r->total;
    return 0;
}

static void row_clear(struct row *r)
{
    buf_clear(&r->progress);
    batch_info_clear(&r->info);
}

/* ---- showing ------------------------------------------------------------- */

/* Control bytes of a path would break the line. */
static void put_path(struct buf *out, const char *path)
{
    if (path)
        plain_put(out, path, strlen(path));
}

static void put_line(struct buf *out, const struct row *r)
{
    buf_printf(out, "%s\t%s\t%" PRIu64 " of %" PRIu64, r->id, r->state,
               r->done, r->total);
    if (r->owner[0])
        buf_printf(out, "\t%" PRIu64 " tok/s\t%s%s%s\t", r->tok_s, r->owner,
                   r->when[0] ? ", " : "", r->when);
    else
        buf_puts(out, "\t\t\t");
    put_path(out, r->info.source);
    buf_putc(out, '\n');
}

static void put_text(struct buf *out, const char *key, const char *text)
{
    buf_printf(out, ",\"%s\":", key);
    if (text)
        json_put_string(out, text, strlen(text));
    else
        buf_puts(out, "null");
}

static void put_json(struct buf *out, const struct row *r, bool first)
{
    char model[ID_TEXT];
    size_t n = r->progress.len;

    base64url(model, r->info.model, 32);
    buf_printf(out, "%s{\"batch\":\"%s\",\"state\":\"%s\",\"model\":\"%s\","
               "\"requests\":%" PRIu64 ",\"done\":%" PRIu64, first ? "" : ",",
               r->id, r->state, model, r->info.n_requests, r->done);
    put_text(out, "source", r->info.source);
    put_text(out, "output", r->info.output);
    put_text(out, "owner", r->owner[0] ? r->owner : NULL);
    put_text(out, "free", r->when[0] ? r->when : NULL);
    while (n > 0 && r->progress.data[n - 1] == '\n')
        n--;
    buf_puts(out, ",\"progress\":");
    if (n > 0)
        buf_put(out, r->progress.data, n);
    else
        buf_puts(out, "null");
    buf_puts(out, "}\n");
}

static void put_batch(struct status *s, const struct batch *b, bool *first)
{
    struct row r;

    if (row_init(&r, b) == 0) {
        if (s->json)
            put_json(&s->out, &r, *first);
        else
            put_line(&s->out, &r);
        *first = false;
    }
    row_clear(&r);
}

/* ---- the batches --------------------------------------------------------- */

struct found {
    struct batch *list;
    size_t n;
};

static void found_add(struct found *f, struct batch *list, size_t n)
{
    f->list = xrealloc(f->list, (f->n + n + 1) * sizeof(*f->list));
    if (n)
        memcpy(f->list + f->n, list, n * sizeof(*list));
    f->n += n;
}

static int find_all(struct status *s, struct found *f, struct err *err)
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

static int find_named(struct status *s, struct found *f, struct err *err)
{
    for (size_t i = 0; i < s->n_names; i++) {
        struct batch b;

        if (spool_find(s->spool, s->names[i], &b, err))
            return -1;
        found_add(f, &b, 1);
    }
    return 0;
}

/* What its worker has left goes back to where another takes it. */
static void adopt(struct status *s, struct found *f)
{
    struct owners *o = owners_ask(f->list, f->n);

    for (size_t i = 0; i < f->n; i++) {
        struct err err = ERR_INIT;
        enum spool_state was = f->list[i].state;

        if (owners_adopt(s->spool, &f->list[i], o, &err) < 0)
            log_err(&err);
        else if (f->list[i].state != was)
            log_info("\"%s\": its worker is gone, it is in %s again",
                     f->list[i].path, spool_state_name(f->list[i].state));
    }
    owners_free(o);
}

static int show_once(struct status *s, struct err *err)
{
    struct found f = { .n = 0 };
    bool first = true;
    int rc = s->n_names ? find_named(s, &f, err) : find_all(s, &f, err);

    buf_reset(&s->out);
    if (rc == 0) {
        adopt(s, &f);
        if (s->json)
            buf_putc(&s->out, '[');
        for (size_t i = 0; i < f.n; i++)
            put_batch(s, &f.list[i], &first);
        if (s->json)
            buf_puts(&s->out, "]\n");
        fwrite(s->out.data ? s->out.data : "", 1, s->out.len, stdout);
        fflush(stdout);
    }
    for (size_t i = 0; i < f.n; i++)
        batch_clear(&f.list[i]);
    free(f.list);
    return rc;
}

static int do_status(struct status *s, struct err *err)
{
    const struct timespec pause = { .tv_sec = WATCH_S };

    if (spool_open(&s->spool, settings_text(s->settings, "spool"), err))
        return -1;
    if (!s->watch)
        return show_once(s, err);
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

int cmd_status(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct status st = { .settings = s, .names = args };
    const struct opt opts[] = {
        { 0, "json", NULL, "print an array of objects", NULL, &st.json },
        { 0, "watch", NULL, "again each two seconds, until Ctrl-C", NULL,
          &st.watch },
        { 0, NULL, NULL, NULL, NULL, NULL }
    };
    const struct opt_command command = {
        .name = "apus status",
        .synopsis = "[BATCH ...] [--json] [--watch]",
        .about = "Print where each batch stands: id, state, requests done,"
                 " rate, who has it, where it\nis from.  One whose worker is"
                 " dead goes back to todo.",
        .opts = opts, .max_args = SIZE_MAX,
    };
    struct err err = ERR_INIT;
    int status = cmd_begin(&command, s, argc, argv, args, &st.n_names);

    buf_init(&st.out, OUT_MAX);
    if (status == CMD_GO)
        status = do_status(&st, &err) ? cmd_fail(&err) : CMD_DONE;
    buf_clear(&st.out);
    spool_close(st.spool);
    free(args);
    return status;
}
