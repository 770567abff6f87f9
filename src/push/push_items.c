/*
 * The journal of a push.
 */
#include <config.h>

#include "push/push_items.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/item.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/statement.h"
#include "publish/kinds.h"
#include "publish/published_statement.h"
#include "publish/results.h"
#include "push/push_bundle.h"

#define HEAD_MAX (ITEM_HEAD_MAX + 32 + 64 * PUSH_BUNDLE_ITEMS)
#define STATEMENT_MAX ((size_t)256 << 20) /* 40 bytes a part */
#define BUNDLES_MAX 10000000

static bool is_there(const char *batch_path, const char *kind, size_t number,
                     const char *suffix)
{
    char *path = push_path_of(batch_path, kind, number, suffix);
    bool there = file_exists(path);

    free(path);
    return there;
}

/* ---- items of whole files ------------------------------------------------ */

static int next_bytes(void *self, void *data, size_t n, size_t *got,
                      struct err *err)
{
    ssize_t some;

    do
        some = read(*(const int *)self, data, n);
    while (some < 0 && errno == EINTR);
    if (some < 0)
        return err_errno(err, ERR_RETRY, "cannot read a part");
    *got = (size_t)some;
    return 0;
}

static int sign_file(const char *path, const char *head_path,
                     const struct item_spec *spec, const struct key *key,
                     struct err *err)
{
    int fd = push_open(path, err), rc;
    struct id id;
    struct buf head;
    uint64_t size;

    if (fd < 0)
        return -1;
    buf_init(&head, ITEM_HEAD_MAX);
    rc = file_size(path, &size, err);
    if (rc == 0)
        rc =
            item_sign_stream(&head, spec, next_bytes, &fd, size, key, &id, err);
    if (rc == 0)
        rc = file_write(head_path, head.data, head.len, err);
    close(fd);
    buf_clear(&head);
    return rc;
}

/* A part (suffix h5) or its index (idx). */
static int make_part(const char *batch_path, const struct results *r,
                     size_t part, const char *suffix, const struct key *key,
                     struct err *err)
{
    bool is_part = strcmp(suffix, "h5") == 0;
    char batch[ID_TEXT], number[24];
    const struct item_text_tag tag[] = {
        { KIND_TAG, is_part ? KIND_PART : KIND_INDEX }, { "Batch", batch },
        { "Part", number },
    };
    struct item_spec spec = { .tag = tag, .n_tags = 3 };
    char *head, *path;
    int rc;

    if (is_there(batch_path, is_part ? "part" : "idx", part, "head"))
        return 0;
    head = push_path_of(batch_path, is_part ? "part" : "idx", part, "head");
    path = seal_part_path(batch_path, part, suffix);
    base64url(batch, results_info(r)->id.b, 32);
    snprintf(number, sizeof(number), "%zu", part);
    rc = sign_file(path, head, &spec, key, err);
    free(head);
    free(path);
    return rc;
}

/* ---- the statement ------------------------------------------------------- */

static void put_statement(struct buf *out, const struct results *r,
                          const struct push_plan *plan)
{
    const struct batch_info *info = results_info(r);
    const struct seal_info *seal = results_seal(r);
    struct statement s = {
        .batch = info->id,
        .root = *results_root(r),
        .count = (uint32_t)results_count(r),
        .process = info->process,
        .node = plan->node,
        .previous = plan->previous,
    };

    published_statement_put(out, &s, seal->part, (uint32_t)seal->n_parts);
}

static int make_statement(const char *batch_path, const struct results *r,
                          const struct push_plan *plan,
                          const struct push_signing *o, struct err *err)
{
    char batch[ID_TEXT], process[ID_TEXT];
    const char *source = results_seal(r)->model_source;
    const struct item_text_tag tag[] = {
        { KIND_TAG, KIND_STATEMENT }, { "Batch", batch },
        { "Process", process }, { "Version", o->version },
        { "Commit", o->commit }, { "Model-Source", source },
    };
    struct item_spec spec = { .tag = tag, .n_tags = 5 + (*source != '\0') };
    char *path = push_path(batch_path, "statement.head");
    struct buf data, item;
    struct id id;
    int rc = 0;

    buf_init(&data, STATEMENT_MAX);
    buf_init(&item, STATEMENT_MAX + ITEM_HEAD_MAX);
    if (file_exists(path))
        goto out;
    base64url(batch, results_info(r)->id.b, 32);
    base64url(process, results_info(r)->process.b, 32);
    put_statement(&data, r, plan);
    rc = buf_check(&data, "a statement", err) ||
                 item_sign(&item, &spec, data.data, data.len, o->key, &id,
                           err) ||
                 file_write(path, item.data, item.len, err)
             ? -1
             : 0;
out:
    buf_clear(&data);
    buf_clear(&item);
    free(path);
    return rc;
}

int push_statement(const char *batch_path, unsigned char record[208],
                   struct id *item, struct err *err)
{
    char *path = push_path(batch_path, "statement.head");
    struct item it;
    struct buf b;
    int rc;

    buf_init(&b, STATEMENT_MAX);
    rc = file_read(&b, path, err);
    if (rc == 0 && (item_head(&it, b.data, b.len, err) ||
                    b.len - it.head_n < STATEMENT_SIZE))
        rc = err_set(err, ERR_INPUT, "\"%s\" is damaged", path);
    if (rc == 0) {
        memcpy(record, b.data + it.head_n, STATEMENT_SIZE);
        *item = it.id;
    }
    buf_clear(&b);
    free(path);
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

static bool has_index(const char *batch_path)
{
    char *path = file_join(batch_path, "items.jsonl");
    bool there = file_exists(path);

    free(path);
    return there;
}

/* Indexes of single bundles, which items.jsonl has. */
static void remove_pieces(const char *batch_path)
{
    for (size_t i = 0; is_there(batch_path, "bundle", i, "head"); i++) {
        char *path = push_path_of(batch_path, "bundle", i, "jsonl");

        unlink(path);
        free(path);
    }
}

static int make_bundles(const char *batch_path, struct results *r,
                        const struct push_plan *plan,
                        const struct push_signing *o, struct err *err)
{
    struct bundle_maker *m = bundle_maker_new(r, plan, o);
    size_t n = 0;
    enum found found;
    int rc = -1;

    while ((found = bundle_maker_next(m, batch_path, n, err)) == FOUND_ONE)
        n++;
    if (found == FOUND_NONE)
        rc = bundle_index_join(batch_path, n, err);
    bundle_maker_free(m);
    return rc;
}

int push_items_make(const char *batch_path, struct results *r,
                    const struct push_plan *plan,
                    const struct push_signing *o, struct err *err)
{
    size_t n_parts = plan->hashes ? 0 : results_seal(r)->n_parts;

    if (!has_index(batch_path) &&
        (results_check_files(r, err) ||
         make_bundles(batch_path, r, plan, o, err)))
        return -1;
    remove_pieces(batch_path);
    for (size_t i = 0; i < n_parts; i++) {
        if (make_part(batch_path, r, i, "h5", o->key, err) ||
            make_part(batch_path, r, i, "idx", o->key, err))
            return -1;
        if (caller_stops(&o->caller))
            return err_set(err, ERR_RETRY, "stopped while signing: run it"
                           " again to go on");
    }
    return make_statement(batch_path, r, plan, o, err);
}

static int measure_file(const char *batch_path, size_t part,
                        const char *suffix, push_size_fn *each, void *self,
                        struct err *err)
{
    char *path = seal_part_path(batch_path, part, suffix), name[32];
    uint64_t size;
    int rc = file_size(path, &size, err);

    snprintf(name, sizeof(name), "%s-%04zu",
             strcmp(suffix, "h5") == 0 ? "part" : "idx", part);
    if (rc == 0)
        rc = each(self, name, size + 1200, err);
    free(path);
    return rc;
}

int push_items_measure(const char *batch_path, struct results *r,
                       const struct push_plan *plan,
                       const struct push_signing *o, push_size_fn *each,
                       void *self, struct err *err)
{
    struct bundle_maker *m = bundle_maker_new(r, plan, o);
    size_t n_parts = results_seal(r)->n_parts;
    uint64_t size;
    char name[32];
    enum found found;
    int rc = 0;

    for (size_t n = 0; rc == 0 && (found = bundle_maker_measure(
                                       m, &size, err)) != FOUND_NONE; n++) {
        snprintf(name, sizeof(name), "bundle-%04zu", n);
        rc = found == FOUND_FAILED ? -1 : each(self, name, size, err);
    }
    bundle_maker_free(m);
    for (size_t i = 0; rc == 0 && !plan->hashes && i < n_parts; i++)
        rc = measure_file(batch_path, i, "h5", each, self, err) ||
             measure_file(batch_path, i, "idx", each, self, err) ? -1 : 0;
    if (rc == 0)
        rc = each(self, "statement", 1400 + STATEMENT_SIZE + 40 * n_parts,
                  err);
    return rc;
}

/* ---- uploads ------------------------------------------------------------- */

void push_upload_clear(struct push_upload *u)
{
    free(u->name);
    free(u->head);
    free(u->data);
    memset(u, 0, sizeof(*u));
}

/* Its head, and the file after it, which becomes the upload's. */
static int load_item(struct push_upload *u, const char *head, char *data,
                     struct err *err)
{
    struct buf b;
    struct item it;
    int rc;

    u->data = data;
    buf_init(&b, data ? HEAD_MAX : STATEMENT_MAX + ITEM_HEAD_MAX);
    rc = file_read(&b, head, err);
    if (rc == 0 && item_head(&it, b.data, b.len, err))
        rc = err_prefix(err, "\"%s\"", head);
    if (rc == 0) {
        u->id = it.id;
        u->head = buf_take(&b, &u->n_head);
    }
    buf_clear(&b);
    /* what is confirmed needs its items no more */
    if (rc == 0 && data && file_exists(data))
        rc = file_size(data, &u->n_data, err);
    return rc;
}

static size_t count_bundles(const char *batch_path)
{
    size_t n = 0;

    while (n < BUNDLES_MAX && is_there(batch_path, "bundle", n, "head"))
        n++;
    return n;
}

enum found push_upload_get(struct push_upload *u, const char *batch_path,
                           const struct push_plan *plan, size_t n_parts,
                           size_t number, struct err *err)
{
    size_t parts = plan->hashes ? 0 : n_parts;
    char *data = NULL, *head;
    int rc;

    memset(u, 0, sizeof(*u));
    if (is_there(batch_path, "bundle", number, "head")) {
        u->name = xasprintf("bundle-%04zu", number);
        data = push_path_of(batch_path, "bundle", number, "items");
    } else {
        size_t k = number - count_bundles(batch_path);

        if (k > 2 * parts)
            return FOUND_NONE;
        if (k == 2 * parts) {
            u->name = xstrdup("statement");
        } else {
            u->name = xasprintf("%s-%04zu", k % 2 ? "idx" : "part", k / 2);
            data = seal_part_path(batch_path, k / 2, k % 2 ? "idx" : "h5");
        }
    }
    head = xasprintf("%s/push/%s.head", batch_path, u->name);
    rc = load_item(u, head, data, err);
    free(head);
    if (rc)
        push_upload_clear(u);
    return rc ? FOUND_FAILED : FOUND_ONE;
}
