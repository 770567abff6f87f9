/*
 * From the answers in wire/ to a batch in todo: requests.jsonl, with what
 * requests name on Arweave, batch.json and the lease.  What cannot be had or
 * cannot be answered goes back to the queue.
 */
#include <config.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "arweave/gateway.h"
#include "arweave/item.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"
#include "queue/pull_internal.h"
#include "queue/pull_line.h"
#include "queue/client.h"
#include "spool/request_file.h"

void pulling_note(const struct pulling *x, const char *fmt, ...)
{
    struct err text = ERR_INIT;
    char line[480];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    err_set(&text, ERR_NONE, "%s", line); /* one line, whatever is in it */
    caller_note(&x->p->caller, true, text.text);
}

void pulling_note_release(const struct pulling *x, size_t n,
                          const struct err *why)
{
    char *what;

    what = n ? xasprintf("%zu request%s of batch %s", n, plural_s(n),
                         id_text(x->b.id).s)
             : xasprintf("the lease of batch %s", id_text(x->b.id).s);
    if (x->p->client->sent)
        pulling_note(x, "%s: the message that gives back was sent, and its"
                     " answer cannot be read; if the queue did not take it,"
                     " the lease ends by itself: %s", what, why->text);
    else
        pulling_note(x, "%s: not given back, the lease ends by itself: %s",
                     what, why->text);
    free(what);
}

char *pulling_wire(size_t k, const char *suffix)
{
    return xasprintf("wire/%04zu.%s", k, suffix);
}

enum found pulling_answer(const struct pulling *x, size_t k,
                          struct ao_result *r, const struct ao_out **out,
                          struct err *err)
{
    char *name = pulling_wire(k, "answer");
    struct buf text;
    enum found found;

    buf_init(&text, AO_MAX_KEPT);
    found = batch_file_read(&text, x->b.path, name, err);
    if (found == FOUND_ONE &&
        ao_result_parse(r, text.data ? text.data : "", text.len, err))
        found = err_prefix(err, "\"%s/%s\"", x->b.path, name);
    if (found == FOUND_ONE && r->n_out != 1) {
        found = err_set(err, ERR_INPUT, "\"%s/%s\" is not an answer",
                        x->b.path, name);
        ao_result_clear(r);
    }
    if (found == FOUND_ONE)
        *out = &r->out[0];
    buf_clear(&text);
    free(name);
    return found;
}

/* What came of a request's own bytes is its fault. */
static void blame(struct pulling *x, struct id request, const char *reason)
{
    pulling_note(x, "request %s goes back: %s", id_text(request).s, reason);
    releases_blame(&x->back, request, reason);
}

static unsigned later_of(const struct err *why)
{
    return why->code == ERR_RETRY ? LATER_SOON_S : LATER_MENDED_S;
}

/* What we lack is not: others may have it. */
static void put_off(struct pulling *x, struct id request, const char *why,
                    unsigned later_s)
{
    pulling_note(x, "request %s goes back, for others: %s", id_text(request).s,
                 why);
    releases_put_off(&x->back, request, later_s);
}

/* ---- requests ------------------------------------------------------------ */

void pulling_touch(struct pulling *x)
{
    uint64_t now = clock_ms();

    if (x->touched_ms && now - x->touched_ms < 60000)
        return;
    x->touched_ms = now;
    owner_touch(x->b.path, NULL);
}

/* One request, into the file or back: 0, -1 if neither can be. */
static int put_request(struct pulling *x, struct file_out *f,
                       const struct pull_line *l, struct err *err)
{
    struct err why = ERR_INIT;
    struct item *it = xcalloc(1, sizeof(*it));
    const char *source = "";
    struct buf raw, line;
    bool is_here = true;
    size_t n = 0;
    int rc = 0;

    buf_init(&raw, PULL_MAX_SOURCE + ITEM_HEAD_MAX);
    buf_init(&line, 2 * REQUEST_MAX_LINE);
    if (ask_has_source(&l->ask)) {
        rc = gateway_item(x->p->gateways, l->ask.source, 0, &raw, it, &why);
        if (rc == 0) {
            source = raw.data + it->head_n;
            n = raw.len - it->head_n;
        }
        is_here = rc == 0;
    }
    if (rc == 0)
        rc = pull_line_put(&line, l, source, n, &why);
    if (!is_here) {
        put_off(x, l->id, why.text, later_of(&why));
        rc = 0;
    } else if (rc) {
        blame(x, l->id, why.text);
        rc = 0;
    } else {
        rc = file_out_put(f, line.data, line.len, err);
        x->n_requests++;
    }
    buf_clear(&line);
    buf_clear(&raw);
    free(it);
    return rc;
}

static int put_answer(struct pulling *x, struct file_out *f, size_t k,
                      struct err *err)
{
    struct ao_result r = { .root = NULL };
    const struct ao_out *out = NULL;
    const char *at;
    enum found found = pulling_answer(x, k, &r, &out, err);
    int rc = 0;

    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_NONE)
        return err_set(err, ERR_RETRY, "an answer in \"%s/wire\" is gone",
                       x->b.path);
    at = out->data;
    for (;;) {
        struct pull_line l;

        if (caller_stops(&x->p->caller)) {
            rc = err_set(err, ERR_RETRY, "interrupted: what was pulled is"
                         " kept, run it again");
            break;
        }
        found = pull_next_line(&l, &at, err);
        if (found != FOUND_ONE) {
            rc = found == FOUND_FAILED ? -1 : 0;
            break;
        }
        rc = put_request(x, f, &l, err);
        pull_line_clear(&l);
        if (rc)
            break;
        pulling_touch(x);
    }
    ao_result_clear(&r);
    return rc;
}

static int put_requests(struct pulling *x, const char *path, struct err *err)
{
    struct file_out *f;

    if (file_out_open(&f, path, err))
        return -1;
    for (size_t k = 0; k < x->n_answers; k++) {
        if (put_answer(x, f, k, err)) {
            file_out_abort(f);
            return -1;
        }
    }
    return file_out_commit(f, err);
}

/* ---- a file of requests -------------------------------------------------- */

static void on_progress(void *self, uint64_t done, uint64_t size)
{
    (void)done;
    (void)size;
    pulling_touch(self);
}

/* Its hash and its lines are what the request says: ERR_INPUT if not. */
static int check_file(const struct pull_line *l, const char *path,
                      struct err *err)
{
    struct request_file *f;
    int rc = 0;

    if (request_file_open(&f, path, err)) {
        err_turn(err, ERR_RETRY);
        return -1;
    }
    if (!id_equal(request_file_hash(f), l->ask.sha256))
        rc = err_set(err, ERR_INPUT, "the file has another SHA-256 than the"
                     " request says");
    else if (request_file_count(f) != l->ask.count)
        rc = err_set(err, ERR_INPUT, "the file has %" PRIu64 " lines and not"
                     " %" PRIu64, request_file_count(f), l->ask.count);
    request_file_close(f);
    return rc;
}

/* The one line of a batch of its own, to be cleared. */
static int the_line(const struct pulling *x, struct pull_line *l,
                    struct err *err)
{
    struct ao_result r = { .root = NULL };
    const struct ao_out *out = NULL;
    const char *at;
    enum found found = pulling_answer(x, 0, &r, &out, err);

    if (found == FOUND_ONE) {
        at = out->data;
        found = pull_next_line(l, &at, err);
        ao_result_clear(&r);
    }
    if (found == FOUND_NONE)
        err_set(err, ERR_RETRY, "the answer in \"%s/wire\" is gone",
                x->b.path);
    return found == FOUND_ONE ? 0 : -1;
}

static int put_file(struct pulling *x, const char *path,
                    struct batch_info *info, struct err *err)
{
    struct err why = ERR_INIT;
    struct pull_line l;

    if (the_line(x, &l, err))
        return -1;
    info->is_file_of_ao = true;
    info->request = l.id;
    if (gateway_file(x->p->gateways, l.ask.source, path, x->p->max_file,
                     NULL, on_progress, x, &why))
        put_off(x, l.id, why.text, later_of(&why));
    else if (check_file(&l, path, &why) == 0)
        x->n_requests = l.ask.count;
    else if (why.code == ERR_INPUT)
        blame(x, l.id, why.text);
    else
        put_off(x, l.id, why.text, later_of(&why));
    pull_line_clear(&l);
    return 0;
}

/* ---- the batch ----------------------------------------------------------- */

static int write_info(struct pulling *x, const char *path,
                      struct batch_info *info, struct err *err)
{
    struct request_file *f;

    if (request_file_open(&f, path, err))
        return -1;
    info->from_ao = true;
    info->id = x->b.id;
    info->model = x->answers.model;
    info->process = x->p->client->process;
    info->file = request_file_hash(f);
    info->n_requests = info->n_lines = request_file_count(f);
    request_file_close(f);
    return batch_info_write(x->b.path, info, err);
}

/* A lease that cannot be given back ends by itself. */
static void release(struct pulling *x)
{
    struct err why = ERR_INIT;

    if (x->back.n && lease_release(x->p->client, x->b.id, &x->back, NULL, &why))
        pulling_note_release(x, x->back.n, &why);
}

/* Its requests are written and those that go back have gone. */
static enum pull_end to_todo(struct pulling *x, const char *path,
                             struct batch_info *info, struct err *err)
{
    if (x->n_requests == 0)
        return spool_remove(x->p->spool, &x->b, err) < 0 ? PULL_FAILED
                                                         : PULL_NONE;
    if (write_info(x, path, info, err) ||
        (!x->is_left && lease_write(x->b.path, x->answers.until_ms,
                                    x->p->ttl_s, err)) ||
        spool_leave(x->p->spool, &x->b, SPOOL_TODO, err))
        return PULL_FAILED;
    return PULL_BATCH;
}

enum pull_end pulling_finish(struct pulling *x, struct err *err)
{
    struct batch_info info = { .n_requests = 0 };
    char *path = file_join(x->b.path, "requests.jsonl");
    int rc = x->answers.is_file ? put_file(x, path, &info, err)
                                : put_requests(x, path, err);
    enum pull_end end = PULL_FAILED;

    if (rc == 0) {
        release(x);
        end = to_todo(x, path, &info, err);
    }
    free(path);
    return end;
}
