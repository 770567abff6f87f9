/*
 * Publishing a model: sign, price, send.
 */
#include <config.h>

#include "push/model_publish.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/bundler.h"
#include "arweave/item.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/model_stream.h"
#include "publish/kinds.h"
#include "push/model_fetch.h"
#include "push/push_items.h"
#include "push/push_send.h"

void model_publish_init(struct model_publish *p)
{
    memset(p, 0, sizeof(*p));
    buf_init(&p->head, ITEM_HEAD_MAX);
    buf_init(&p->attest, ITEM_HEAD_MAX);
}

void model_publish_clear(struct model_publish *p)
{
    buf_clear(&p->head);
    buf_clear(&p->attest);
    free(p->path);
    free(p->dir);
    model_publish_init(p);
}

static void sending(void *self, uint64_t done, uint64_t size)
{
    struct model_publish *p = self;

    if (p->progress)
        p->progress(p->self, "sending", done, size);
}

/* ---- signing ----- */

/* The file while it is signed: every byte is checked on its way. */
struct file_source {
    struct model_publish *p;
    struct model_stream *check; /* NULL: it is no model */
    int fd;
    uint64_t done;
};

static int next(void *self, void *data, size_t n, size_t *got,
                struct err *err)
{
    struct file_source *s = self;
    ssize_t len;

    do
        len = read(s->fd, data, n);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", s->p->path);
    if (s->check && model_stream_put(s->check, data, (size_t)len, err))
        return err_prefix(err, "\"%s\"", s->p->path);
    *got = (size_t)len;
    s->done += (uint64_t)len;
    if (s->p->progress)
        s->p->progress(s->p->self, "signing", s->done, s->p->n_data);
    return 0;
}

/* The head of the item with this file. */
static int sign_file(struct model_publish *p, const struct item_spec *spec,
                     struct model_stream *check, const struct key *k,
                     struct err *err)
{
    struct file_source s = { p, check, -1, 0 };
    struct id id;
    int rc = -1;

    s.fd = open(p->path, O_RDONLY | O_CLOEXEC);
    if (s.fd < 0) {
        err_errno(err, ERR_INPUT, "cannot open \"%s\"", p->path);
        goto out;
    }
    if (item_sign_stream(&p->head, spec, next, &s, p->n_data, k, &p->id, err))
        goto out;
    rc = check ? model_stream_end(check, &id, err) : 0;
    if (rc)
        err_prefix(err, "\"%s\"", p->path);
out:
    if (s.fd >= 0)
        close(s.fd);
    return rc;
}

static int sign_model(struct model_publish *p, const struct key *k,
                      struct err *err)
{
    const struct id_text model = id_text(p->model);
    const struct item_text_tag tags[] = {
        { KIND_TAG, KIND_MODEL },
        { MODEL_TAG, model.s },
        { "Content-Type", "application/octet-stream" },
    };
    const struct item_spec spec = { NULL, NULL, tags, 3 };
    struct model_stream *check = model_stream_new(&p->model);
    int rc = sign_file(p, &spec, check, k, err);

    model_stream_free(check);
    return rc;
}

/* What push_send hands over. */
static void make_upload(struct push_upload *u, struct model_publish *p)
{
    memset(u, 0, sizeof(*u));
    u->name = (char *)"model";
    u->id = p->id;
    u->head = p->head.data;
    u->n_head = p->head.len;
    u->data = p->path;
    u->n_data = p->n_data;
    u->progress = sending;
    u->self = p;
}

static void make_attest_upload(struct push_upload *u, struct model_publish *p)
{
    memset(u, 0, sizeof(*u));
    u->name = (char *)"attestation";
    u->id = p->attestation;
    u->head = p->attest.data;
    u->n_head = p->attest.len;
}

int model_publish_attest(struct model_publish *p, const struct key *k,
                         struct err *err)
{
    const struct id_text id = id_text(p->id);
    const struct item_text_tag tags[] = {
        { "Data-Protocol", "WeaveDrive" },
        { "Type", "Available" },
        { "ID", id.s },
    };
    const struct item_spec spec = { NULL, NULL, tags, 3 };
    struct push_upload u;

    /* there are bundlers that refuse an item without data */
    if (item_sign(&p->attest, &spec, id.s, ID_TEXT - 1, k, &p->attestation,
                  err) ||
        buf_check(&p->attest, "an attestation", err))
        return -1;
    make_attest_upload(&u, p);
    p->attested = push_send_is_done(p->dir, &u);
    return 0;
}

/* What was signed, to STORE/publish/ID. */
static int keep_head(struct model_publish *p, const char *store,
                     struct err *err)
{
    struct push_upload u;
    char *dir, *head;
    int rc;

    p->size = p->head.len + p->n_data;
    p->dir = xasprintf("%s/publish/%s", store, id_text(p->id).s);
    dir = file_join(p->dir, "push");
    head = file_join(dir, "model.head");
    rc = file_mkdirs(dir, err);
    rc = rc ? rc : file_write(head, p->head.data, p->head.len, err);
    make_upload(&u, p);
    p->done = !rc && push_send_is_done(p->dir, &u);
    free(dir);
    free(head);
    return rc;
}

int model_publish_sign(struct model_publish *p, const char *store,
                       const char *path, const struct key *k,
                       struct err *err)
{
    struct model_record rec;

    if (model_peek(&rec, &p->model, path, err) ||
        file_size(path, &p->n_data, err))
        return -1;
    p->path = xstrdup(path);
    key_address(k, &p->address);
    return sign_model(p, k, err) ? -1 : keep_head(p, store, err);
}

/* As WebAssembly begins (core specification 5.5.16), version 1. */
static int check_module(const char *path, struct err *err)
{
    static const char begin[] = { '\0', 'a', 's', 'm', 1, 0, 0, 0 };
    char bytes[sizeof(begin)];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : file_read_at(fd, bytes, sizeof(bytes), 0);
    int rc = 0;

    if (n < 0)
        rc = err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
    else if (n < (ssize_t)sizeof(bytes) ||
             memcmp(bytes, begin, sizeof(bytes)) != 0)
        rc = err_set(err, ERR_INPUT, "\"%s\" is not a module: WebAssembly"
                     " begins otherwise", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

int model_publish_module(struct model_publish *p, const char *store,
                         const char *path, const struct item_text_tag *tag,
                         size_t n_tags, const struct key *k, struct err *err)
{
    const struct item_spec spec = { NULL, NULL, tag, n_tags };

    if (check_module(path, err) || file_size(path, &p->n_data, err))
        return -1;
    p->path = xstrdup(path);
    key_address(k, &p->address);
    return sign_file(p, &spec, NULL, k, err) ? -1 : keep_head(p, store, err);
}

/* ---- the bundler ----- */

static int payment_required(uint64_t winc, uint64_t have, const char *url,
                            struct err *err)
{
    char cost[WINC_TEXT];

    winc_text(cost, winc);
    return err_set(err, ERR_INPUT, "payment required: publishing costs %s and"
                   " the node's wallet has %" PRIu64 " at \"%s\"", cost, have,
                   url);
}

int model_publish_price(struct model_publish *p, struct push_send *to,
                        uint64_t *winc, struct err *err)
{
    struct bundler *b = push_send_bundler(to);
    bool attest = p->attest.len && !p->attested;
    uint64_t have, more = 0;

    *winc = 0;
    if (p->done && !attest)
        return 0;
    if ((!p->done && push_send_price(to, p->size, winc, err)) ||
        (attest && push_send_price(to, p->attest.len, &more, err)))
        return -1;
    *winc = *winc > UINT64_MAX - more ? UINT64_MAX : *winc + more;
    if (push_send_allows(to, p->dir, *winc, err))
        return -1;
    if (!*winc)
        return 0;
    if (bundler_balance(b, p->address, &have, err))
        return -1;
    if (have < *winc)
        return payment_required(*winc, have, bundler_url(b), err);
    return 0;
}

int model_publish_send(struct model_publish *p, struct push_send *to,
                       struct err *err)
{
    struct push_upload u;

    make_upload(&u, p);
    if (!p->done && push_send_item(to, p->dir, &u, false, err))
        return -1;
    p->done = true;
    if (!p->attest.len || p->attested)
        return 0;
    make_attest_upload(&u, p);
    if (push_send_item(to, p->dir, &u, false, err))
        return -1;
    p->attested = true;
    return 0;
}
