/*
 * Bundles of result items.  A window of results is made into JSON, signed by
 * as many threads as there are cores, and appended, until a bundle is full.
 * Where one ends depends on the results alone.
 */
#include <config.h>

#include "push/push_bundle.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/bundle.h"
#include "arweave/item.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "publish/kinds.h"
#include "publish/published.h"
#include "publish/results.h"
#include "push/push_index.h"

#define MAX_THREADS 64
#define WINDOW_JOBS 256
#define WINDOW_BYTES ((size_t)8 << 20)
#define ITEM_MAX ((size_t)1 << 30)
#define INDEX_MAX ((size_t)1 << 20)
#define HEAD_MAX (ITEM_HEAD_MAX + 32 + 64 * PUSH_BUNDLE_ITEMS)
#define ITEM_FIXED 1044 /* of an item, without tags and data */

/* One result on its way. */
struct job {
    struct buf json, item;
    struct published_tags tags;
    struct id request, id;
    uint32_t choice;
    int rc;
    struct err err;
};

struct bundle_maker {
    struct results *results;
    const struct push_signing *o;
    struct published_batch batch;
    struct id node;
    unsigned threads;
    size_t max_items;
    struct job *ahead; /* the next result, its JSON made */

    /* the bundle that is being made */
    struct bundle_entry entry[PUSH_BUNDLE_ITEMS];
    struct buf request; /* of each entry: request and choice, 36 bytes */
    size_t n;
    size_t json_bytes;
};

/* ---- results ------------------------------------------------------------- */

static void job_free(struct job *j)
{
    if (!j)
        return;
    buf_clear(&j->json);
    buf_clear(&j->item);
    free(j);
}

/* The next result into `ahead`, if there is one. */
static int look_ahead(struct bundle_maker *m, struct err *err)
{
    struct results_row row;
    struct job *j;
    enum found found;

    if (m->ahead)
        return 0;
    found = results_next(m->results, &row, err);
    if (found != FOUND_ONE)
        return found == FOUND_FAILED ? -1 : 0;
    j = xcalloc(1, sizeof(*j));
    buf_init(&j->json, ITEM_MAX);
    buf_init(&j->item, ITEM_MAX + ITEM_HEAD_MAX);
    j->request = row.request;
    j->choice = row.choice;
    if (published_put(&j->json, &row.row.record, &m->batch, row.index, row.path,
                    row.n_path, err) ||
        published_tags(&j->tags, &row.row.record, *m->batch.batch, err)) {
        job_free(j);
        return err_prefix(err, "line %" PRIu64,
                          (uint64_t)row.row.line + 1);
    }
    m->ahead = j;
    return 0;
}

/* Take it, if it belongs into the bundle that is being made. */
static enum found take_job(struct bundle_maker *m, struct job **j,
                           struct err *err)
{
    if (look_ahead(m, err))
        return FOUND_FAILED;
    if (!m->ahead || m->n == m->max_items ||
        (m->n > 0 &&
         m->json_bytes + m->ahead->json.len > PUSH_BUNDLE_BYTES))
        return FOUND_NONE;
    *j = m->ahead;
    m->ahead = NULL;
    m->json_bytes += (*j)->json.len;
    m->n++;
    return FOUND_ONE;
}

static void begin_bundle(struct bundle_maker *m)
{
    m->n = 0;
    m->json_bytes = 0;
    buf_reset(&m->request);
}

/* ---- signing ------------------------------------------------------------- */

struct bundle_window {
    struct job *job[WINDOW_JOBS];
    size_t n, bytes;
    const struct key *key;
    atomic_size_t next;
};

static void *sign_some(void *self)
{
    struct bundle_window *w = self;
    size_t i;

    while ((i = atomic_fetch_add(&w->next, 1)) < w->n) {
        struct job *j = w->job[i];
        struct item_spec spec = { .tag = j->tags.tag,
                                  .n_tags = PUBLISHED_TAGS };

        j->rc = item_sign(&j->item, &spec, j->json.data, j->json.len, w->key,
                          &j->id, &j->err);
        buf_clear(&j->json);
    }
    return NULL;
}

/* Those of a window, on m->threads threads of which this is one; signals are
 * this one's. */
static int sign_window(const struct bundle_maker *m, struct bundle_window *w,
                       struct err *err)
{
    pthread_t thread[MAX_THREADS];
    sigset_t all, before;
    unsigned n = 0;

    w->key = m->o->key;
    atomic_store(&w->next, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n + 1 < m->threads && n + 1 < w->n &&
           pthread_create(&thread[n], NULL, sign_some, w) == 0)
        n++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sign_some(w);
    while (n > 0)
        pthread_join(thread[--n], NULL);
    for (size_t i = 0; i < w->n; i++)
        if (w->job[i]->rc)
            return err_copy(err, &w->job[i]->err);
    return 0;
}

static int fill_window(struct bundle_maker *m, struct bundle_window *w,
                       struct err *err)
{
    w->n = w->bytes = 0;
    while (w->n < WINDOW_JOBS && w->bytes < WINDOW_BYTES) {
        enum found found = take_job(m, &w->job[w->n], err);

        if (found != FOUND_ONE)
            return found == FOUND_FAILED ? -1 : 0;
        w->bytes += w->job[w->n++]->json.len;
    }
    return 0;
}

/* Sign the window's and append them; first is the number of entries before. */
static int put_window(struct bundle_maker *m, struct bundle_window *w,
                      size_t first, struct file_out *f, struct err *err)
{
    if (sign_window(m, w, err))
        return -1;
    for (size_t i = 0; i < w->n; i++) {
        struct job *j = w->job[i];
        struct bundle_entry *e = &m->entry[first + i];

        e->id = j->id;
        e->size = j->item.len;
        buf_put(&m->request, j->request.b, 32);
        buf_put_u32(&m->request, j->choice);
        if (file_out_put(f, j->item.data, j->item.len, err))
            return -1;
    }
    return 0;
}

static int put_items(struct bundle_maker *m, struct file_out *f,
                     struct err *err)
{
    struct bundle_window w = { .n = 0 };
    int rc;

    do {
        size_t first = m->n;

        rc = fill_window(m, &w, err) ||
             (w.n && put_window(m, &w, first, f, err)) ? -1 : 0;
        for (size_t i = 0; i < w.n; i++)
            job_free(w.job[i]);
        if (rc == 0 && caller_stops(&m->o->caller))
            rc = err_set(err, ERR_RETRY, "stopped while signing: run it"
                         " again to go on");
    } while (rc == 0 && w.n);
    return rc;
}

/* ---- the item around them ------------------------------------------------ */

/* Its data: the table, then the file of items. */
struct item_source {
    const struct buf *table;
    size_t at;
    int fd;
};

static int next_data(void *self, void *data, size_t n, size_t *got,
                     struct err *err)
{
    struct item_source *s = self;
    ssize_t some;

    if (s->at < s->table->len) {
        *got = s->table->len - s->at < n ? s->table->len - s->at : n;
        memcpy(data, s->table->data + s->at, *got);
        s->at += *got;
        return 0;
    }
    some = read(s->fd, data, n);
    if (some < 0)
        return err_errno(err, ERR_RETRY, "cannot read a bundle");
    *got = (size_t)some;
    return 0;
}

static int sign_outer(const struct bundle_maker *m, struct buf *head,
                      const struct buf *table, const char *items,
                      uint64_t n_items, struct id *id, struct err *err)
{
    char batch[ID_TEXT];
    const struct item_text_tag tag[] = {
        { "Bundle-Format", "binary" }, { "Bundle-Version", "2.0.0" },
        { KIND_TAG, KIND_BUNDLE }, { "Batch", batch },
    };
    struct item_spec spec = { .tag = tag, .n_tags = 4 };
    struct item_source s = { .table = table, .fd = push_open(items, err) };
    int rc;

    if (s.fd < 0)
        return -1;
    base64url(batch, m->batch.batch, 32);
    rc = item_sign_stream(head, &spec, next_data, &s, table->len + n_items,
                          m->o->key, id, err);
    close(s.fd);
    if (rc == 0)
        buf_put(head, table->data, table->len);
    return rc || buf_check(head, "the head of a bundle", err) ? -1 : 0;
}

/* ---- the index ----------------------------------------------------------- */

static void put_index(const struct bundle_maker *m, struct buf *out,
                      struct id bundle)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct bundle_entry *e = &m->entry[i];
        const char *r = m->request.data + 36 * i;
        const struct push_index_line line = {
            .request = id_at(r), .choice = get_u32(r + 32), .item = e->id,
            .bundle = bundle, .offset = e->at, .size = e->size,
        };

        push_index_put(out, &line);
    }
}

int bundle_index_join(const char *batch_path, size_t n, struct err *err)
{
    char *path = file_join(batch_path, "items.jsonl");
    struct file_out *f = NULL;
    struct buf text;
    int rc = -1;

    buf_init(&text, INDEX_MAX);
    if (file_out_open(&f, path, err))
        goto out;
    for (size_t i = 0; i < n; i++) {
        char *piece = push_path_of(batch_path, "bundle", i, "jsonl");

        buf_reset(&text);
        rc = file_read(&text, piece, err) ||
             file_out_put(f, text.data, text.len, err) ? -1 : 0;
        free(piece);
        if (rc)
            goto out;
    }
    rc = file_out_commit(f, err);
    f = NULL;
out:
    file_out_abort(f);
    buf_clear(&text);
    free(path);
    return rc;
}

/* ---- bundles ------------------------------------------------------------- */

struct bundle_maker *bundle_maker_new(struct results *r,
                                      const struct push_plan *plan,
                                      const struct push_signing *o)
{
    struct bundle_maker *m = xcalloc(1, sizeof(*m));
    const struct batch_info *info = results_info(r);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    m->results = r;
    m->o = o;
    m->max_items = PUSH_BUNDLE_ITEMS;
    if (o->bundle_items && o->bundle_items < m->max_items)
        m->max_items = o->bundle_items;
    m->node = plan->node;
    m->batch = (struct published_batch){
        .process = &info->process,
        .batch = &info->id,
        .root = results_root(r),
        .node = &m->node,
        .count = results_count(r),
        .hashes = plan->hashes,
    };
    m->threads = o->threads ? o->threads : cores > 0 ? (unsigned)cores : 1;
    if (m->threads > MAX_THREADS)
        m->threads = MAX_THREADS;
    buf_init(&m->request, 36 * PUSH_BUNDLE_ITEMS);
    results_rewind(r);
    return m;
}

void bundle_maker_free(struct bundle_maker *m)
{
    if (!m)
        return;
    job_free(m->ahead);
    buf_clear(&m->request);
    free(m);
}

/* How many items a bundle has that is there. */
static int count_items(const char *head, size_t *n, struct err *err)
{
    struct item it;
    struct buf b;
    int rc;

    buf_init(&b, HEAD_MAX);
    rc = file_read(&b, head, err);
    if (rc == 0 && (item_head(&it, b.data, b.len, err) ||
                    b.len < it.head_n + 32))
        rc = err_set(err, ERR_INPUT, "\"%s\" is damaged: remove the"
                     " directory it is in, and push again", head);
    if (rc == 0)
        *n = get_u32(b.data + it.head_n);
    buf_clear(&b);
    return rc;
}

/* Items, index, head, in this order. */
static int write_bundle(struct bundle_maker *m, const char *items,
                        const char *index, const char *head, struct err *err)
{
    struct file_out *f = NULL;
    struct buf table, text;
    struct id id;
    uint64_t n_items;
    int rc = -1;

    buf_init(&table, HEAD_MAX);
    buf_init(&text, INDEX_MAX);
    if (file_out_open(&f, items, err))
        goto out;
    rc = put_items(m, f, err);
    n_items = file_out_size(f);
    if (rc == 0) {
        rc = file_out_commit(f, err);
        f = NULL;
    }
    if (rc || (rc = bundle_head(&table, m->entry, m->n, err)) != 0)
        goto out;
    rc = sign_outer(m, &text, &table, items, n_items, &id, err);
    if (rc)
        goto out;
    buf_reset(&table);
    buf_put(&table, text.data, text.len);
    buf_reset(&text);
    put_index(m, &text, id);
    rc = buf_check(&text, "the index of a bundle", err) ||
         file_write(index, text.data, text.len, err) ||
         file_write(head, table.data, table.len, err) ? -1 : 0;
out:
    file_out_abort(f);
    buf_clear(&table);
    buf_clear(&text);
    return rc;
}

enum found bundle_maker_next(struct bundle_maker *m, const char *batch_path,
                             size_t number, struct err *err)
{
    char *items = push_path_of(batch_path, "bundle", number, "items");
    char *index = push_path_of(batch_path, "bundle", number, "jsonl");
    char *head = push_path_of(batch_path, "bundle", number, "head");
    size_t n = 0;
    enum found found = FOUND_FAILED;

    begin_bundle(m);
    if (file_exists(head)) {
        if (!m->ahead)
            found = count_items(head, &n, err) ||
                    results_skip(m->results, n, err) ? FOUND_FAILED : FOUND_ONE;
        else
            err_set(err, ERR_INPUT, "\"%s\" is there and the one before is"
                    " not", head);
    } else if (look_ahead(m, err) == 0) {
        if (!m->ahead)
            found = FOUND_NONE;
        else if (write_bundle(m, items, index, head, err) == 0)
            found = FOUND_ONE;
    }
    free(items);
    free(index);
    free(head);
    return found;
}

enum found bundle_maker_measure(struct bundle_maker *m, uint64_t *size,
                                struct err *err)
{
    struct job *j;
    enum found found;

    begin_bundle(m);
    *size = ITEM_FIXED + 128 + 32; /* the outer tags are about so long */
    while ((found = take_job(m, &j, err)) == FOUND_ONE) {
        *size += 64 + ITEM_FIXED + j->json.len;
        for (int i = 0; i < PUBLISHED_TAGS; i++)
            *size += strlen(j->tags.tag[i].name) +
                     strlen(j->tags.tag[i].value) + 2;
        job_free(j);
    }
    if (found == FOUND_FAILED)
        return FOUND_FAILED;
    return m->n > 0 ? FOUND_ONE : FOUND_NONE;
}
