/*
 * Fetching a model.  The head of the item says which model it is; nobody has
 * proven that yet, but each piece is verified against it.  The bytes grow in
 * STORE/ARWEAVE-ID.part, which belongs to one process at a time.  When all
 * are there, head and bytes are verified against the signature: if that fails,
 * the head was a lie, and the next gateway is asked for one.
 */
#include <config.h>

#include "push/model_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arweave/gateway.h"
#include "arweave/item.h"
#include "base/base64.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"
#include "model/model_stream.h"
#include "model/models.h"
#include "publish/kinds.h"

#define PIECE ((size_t)1 << 20)

struct model_fetching {
    const struct model_fetch *f;
    const struct id *arweave;
    char *part;
    int fd;
    size_t source;             /* the gateway whose head this is */
    struct gateway_data data;
    struct id id; /* the model's, as the head says */
    struct model_stream *stream;
    bool bad;                  /* a part was wrong */
    bool local;                /* no gateway's fault: none else is asked */
    bool doubt;                /* gateways disagree about the size */
    bool strict;               /* no part is of two gateways any more */
};

static int fail_model(const struct model_fetching *x, const char *what,
                      struct err *err)
{
    return err_errno(err, ERR_RETRY, "cannot %s \"%s\"", what, x->part);
}

static bool stopped(const struct model_fetching *x)
{
    return caller_stops(&x->f->caller);
}

static void log_gateway(const struct model_fetching *x, const char *text)
{
    caller_note(&x->f->caller, true, text);
}

/* ---- which model ----- */

/* The model id in the tags of the item's head. */
static int read_tags(struct id *id, const struct gateway_data *d,
                     struct err *err)
{
    char kind[32];
    struct item it;

    if (d->is_tx)
        return err_set(err, ERR_INPUT, "it is a transaction and no item with "
                       "a model");
    if (item_head(&it, d->head.data, d->head.len, err))
        return -1;
    if (item_tag_text(&it, KIND_TAG, kind, sizeof(kind)) ||
        strcmp(kind, KIND_MODEL) != 0 ||
        item_tag_id(&it, MODEL_TAG, id))
        return err_set(err, ERR_INPUT, "it is not a model: its tags are not "
                       KIND_TAG ": " KIND_MODEL " and " MODEL_TAG);
    return 0;
}

static int find_source(struct gateways *g, size_t i, void *self,
                       struct err *err)
{
    struct model_fetching *x = self;
    char text[ID_TEXT];
    uint64_t have;

    if (gateway_find(g, i, *x->arweave, &x->data, err))
        return -1;
    if (read_tags(&x->id, &x->data, err)) {
        base64url(text, x->arweave, 32);
        return err_prefix(err, "\"%s\" has %s", gateways_url(g, i), text);
    }
    x->source = i;
    if (file_size(x->part, &have, NULL))
        have = 0;
    return room_check(x->f->store,
                      x->data.size > have ? x->data.size - have : 0,
                      "make room there, or name another directory with the"
                      " setting models", err);
}

/* ---- bytes ----- */

static int open_part(struct model_fetching *x, struct err *err)
{
    x->fd = open(x->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (x->fd < 0)
        return fail_model(x, "open", err);
    /* ends with the process; where a file system has none, two processes
     * write the same bytes twice */
    if (flock(x->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return err_set(err, ERR_RETRY, "another process is fetching \"%s\"",
                       x->part);
    return 0;
}

/* What an earlier process left: all of it that is the model's. */
static int begin_stream(struct model_fetching *x, struct err *err)
{
    char *piece = xmalloc(PIECE);
    ssize_t got;
    int rc = 0;

    model_stream_free(x->stream);
    x->stream = model_stream_new(&x->id);
    x->strict = false;
    for (;;) {
        got = file_read_at(x->fd, piece, PIECE, model_stream_at(x->stream));
        if (got < 0)
            rc = fail_model(x, "read", err);
        if (got <= 0)
            break;
        if (!model_stream_put(x->stream, piece, (size_t)got, NULL))
            continue;
        model_stream_back(x->stream);
        break;
    }
    free(piece);
    return rc;
}

/* Behind what is proven other bytes may still lie; they are written over. */
static int write_span(void *self, const void *data, size_t n, struct err *err)
{
    struct model_fetching *x = self;

    if (sys_pwrite(x->fd, data, n, (off_t)model_stream_at(x->stream))) {
        x->local = true;
        return room_fail(err, ERR_FATAL, "write", x->part);
    }
    x->bad = model_stream_put(x->stream, data, n, err) != 0;
    if (x->bad)
        return -1;
    if (model_stream_size(x->stream) &&
        model_stream_size(x->stream) != x->data.size) {
        x->doubt = true;
        return err_set(err, ERR_INPUT, "the model has %" PRIu64 " bytes and "
                       "its item %" PRIu64, model_stream_size(x->stream),
                       x->data.size);
    }
    if (x->f->progress)
        x->f->progress(x->f->caller.self, model_stream_at(x->stream),
                       x->data.size);
    return 0;
}

/* What is missing, from gateway i. */
static int read_rest(struct gateways *g, size_t i, void *self,
                     struct err *err)
{
    struct model_fetching *x = self;
    struct gateway_data d;
    struct err why = ERR_INIT;
    uint64_t at;
    int rc = -1;

    gateway_data_init(&d);
    if (gateway_find(g, i, *x->arweave, &d, err))
        goto out;
    if (d.is_tx || d.size != x->data.size) {
        x->doubt = true;
        err_set(err, ERR_INPUT, "\"%s\" has %" PRIu64 " bytes instead of %"
                PRIu64, gateways_url(g, i), d.size, x->data.size);
        goto out;
    }
    if (x->strict)
        model_stream_back(x->stream);
    at = model_stream_at(x->stream);
    x->bad = false;
    rc = gateway_read(g, i, &d, at, d.size - at, write_span, x, &why);
    if (x->bad) { /* by this gateway or the one before it */
        model_stream_back(x->stream);
        x->strict = true;
        err_prefix(&why, "\"%s\" at byte %" PRIu64, gateways_url(g, i),
                   model_stream_good(x->stream));
    }
    if (rc)
        err_copy(err, &why);
out:
    gateway_data_clear(&d);
    return rc;
}

static int read_all(struct model_fetching *x, struct err *err)
{
    struct gateways *g = x->f->gateways;
    uint64_t before;
    int rc = 0;

    x->doubt = false;
    if (begin_stream(x, err))
        return -1;
    if (model_stream_at(x->stream) >= x->data.size)
        return 0;
    do { /* while it goes forward, the limits of attempts begin anew */
        before = model_stream_good(x->stream);
        rc = gateways_each(g, 0, gateways_count(g), read_rest, x, err);
    } while (rc && !x->local && model_stream_good(x->stream) > before &&
             !stopped(x));
    return rc;
}

/* ---- proof ----- */

/* The bytes of a file, all of them, as the data of the item: *wrong where they
 * are not what was signed. */
static int check_signature(struct model_fetching *x, int fd, bool *wrong,
                           struct err *err)
{
    struct item_stream *s = item_stream_new(x->data.head.len + x->data.size);
    char *piece = xmalloc(PIECE);
    const struct item *it;
    uint64_t at = 0;
    ssize_t got;
    int rc = item_stream_put(s, x->data.head.data, x->data.head.len, NULL,
                             NULL, err);

    while (!rc) {
        got = file_read_at(fd, piece, PIECE, at);
        if (got <= 0)
            break;
        at += (uint64_t)got;
        rc = item_stream_put(s, piece, (size_t)got, NULL, NULL, err);
    }
    *wrong = rc || item_stream_end(s, &it, err);
    if (!*wrong && !id_equal(it->id, *x->arweave)) {
        *wrong = true;
        err_set(err, ERR_INPUT, "it is another item");
    }
    item_stream_free(s);
    free(piece);
    return *wrong ? -1 : 0;
}

/* It is in the store, by another way: then only the signature is new. */
static int use_stored(struct model_fetching *x, const char *path, bool *wrong,
                      struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return err_errno(err, ERR_RETRY, "cannot open \"%s\"", path);
    rc = check_signature(x, fd, wrong, err);
    close(fd);
    return rc;
}

/* All bytes, and their proof. */
static int read_model(struct model_fetching *x, bool *wrong, struct err *err)
{
    struct id id;

    if (read_all(x, err)) {
        *wrong = x->doubt;
        return -1;
    }
    /* more may lie there, of an earlier lie */
    if (sys_ftruncate(x->fd, (off_t)x->data.size))
        return fail_model(x, "write", err);
    *wrong = model_stream_end(x->stream, &id, err) != 0;
    return *wrong ? -1 : check_signature(x, x->fd, wrong, err);
}

static int commit(struct model_fetching *x, struct err *err)
{
    if (sys_fsync(x->fd))
        return fail_model(x, "write", err);
    return models_adopt(x->f->store, x->part, x->id, err);
}

/* With the head of one of the gateways [first, ..): *wrong where that is not
 * what was signed, so that the next is to be asked. */
static int fetch_with(struct model_fetching *x, size_t first, bool *wrong,
                      struct err *err)
{
    struct gateways *g = x->f->gateways;
    char *path;
    int rc;

    *wrong = false;
    if (gateways_each(g, first, gateways_count(g), find_source, x, err))
        return -1;
    path = models_path(x->f->store, x->id);
    if (file_exists(path)) {
        rc = use_stored(x, path, wrong, err);
    } else {
        rc = open_part(x, err);
        rc = rc ? rc : read_model(x, wrong, err);
        rc = rc ? rc : commit(x, err);
    }
    free(path);
    return rc;
}

static void close_part(struct model_fetching *x)
{
    if (x->fd >= 0)
        close(x->fd);
    x->fd = -1;
}

static int fetch_model(struct model_fetching *x, struct err *err)
{
    size_t n = gateways_count(x->f->gateways);
    bool wrong = true;
    int rc = -1;

    for (size_t first = 0; rc && wrong && first < n && !stopped(x);
         first = x->source + 1) {
        struct err why = ERR_INIT;

        x->source = n;
        rc = fetch_with(x, first, &wrong, &why);
        if (rc && wrong) {
            err_prefix(&why, "\"%s\" gave a head that is not of the item",
                       gateways_url(x->f->gateways, x->source));
            log_gateway(x, why.text);
        }
        if (rc)
            err_copy(err, &why);
        close_part(x);
    }
    return rc;
}

int model_fetch(const struct model_fetch *f, struct id arweave, struct id *id,
                struct err *err)
{
    struct model_fetching x = { .f = f, .arweave = &arweave, .fd = -1 };
    char *path;
    enum found found;
    int rc;

    if ((f->name && models_name_check(f->name, err)) ||
        file_mkdirs(f->store, err))
        return -1;
    found = models_pointed(&x.id, f->store, arweave, err);
    if (found == FOUND_FAILED)
        return -1;
    path = models_path(f->store, x.id);
    if (found == FOUND_ONE && file_exists(path)) {
        free(path);
        *id = x.id;
        return f->name ? models_name(f->store, f->name, x.id, err) : 0;
    }
    free(path);
    x.part = xasprintf("%s/%s.part", f->store, id_text(arweave).s);
    gateway_data_init(&x.data);
    gateways_caller(f->gateways, &f->caller);
    rc = fetch_model(&x, err);
    if (rc && x.local)
        err_turn(err, ERR_RETRY);
    if (!rc)
        rc = models_point(f->store, arweave, x.id, err);
    if (!rc && f->name)
        rc = models_name(f->store, f->name, x.id, err);
    if (!rc)
        *id = x.id;
    model_stream_free(x.stream);
    gateway_data_clear(&x.data);
    free(x.part);
    return rc;
}
