/*
 * What bundlers answer.  Numbers come as numbers or as texts.
 */
#include <config.h>

#include "arweave/bundler_answer.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

/* A number, or a text that is one. */
static int read_number(const struct json *v, uint64_t *out)
{
    if (json_string(v))
        return json_u64_text(json_string(v), out);
    return json_u64(v, out);
}

static bool is(const struct json *v, const char *text)
{
    return json_string(v) && strcmp(json_string(v), text) == 0;
}

int bundler_read_info(struct bundler_info *i, const char *json, size_t n,
                      struct err *err)
{
    const struct json *address;
    struct bundler_info out;
    struct json *root;
    int rc = 0;

    if (json_parse(&root, json, n, err))
        return -1;
    address = json_get(json_get(root, "addresses"), "arweave");
    if (json_id(address, &out.signer))
        rc = err_set(err, ERR_INPUT, "no addresses.arweave is there");
    if (read_number(json_get(root, "freeUploadLimitBytes"), &out.free_bytes))
        out.free_bytes = 0;
    if (!rc)
        *i = out;
    json_free(root);
    return rc;
}

int bundler_read_winc(uint64_t *winc, const char *json, size_t n,
                      struct err *err)
{
    struct json *root;
    int rc = 0;

    if (json_parse(&root, json, n, err))
        return -1;
    if (read_number(json_get(root, "winc"), winc))
        rc = err_set(err, ERR_INPUT, "no winc is there that is a number");
    json_free(root);
    return rc;
}

int bundler_read_status(enum bundler_status *status, struct id *root,
                        bool *has_root, const char *json, size_t n,
                        struct err *err)
{
    const struct json *word, *info, *bundle;
    struct json *v;
    int rc = 0;

    if (json_parse(&v, json, n, err))
        return -1;
    word = json_get(v, "status");
    info = json_get(v, "info");
    bundle = json_get(v, "bundleId");
    if (is(word, "FAILED") || is(info, "failed"))
        *status = BUNDLER_FAILED;
    else if (is(word, "FINALIZED") || is(info, "permanent"))
        *status = BUNDLER_PERMANENT;
    else if (is(info, "pending"))
        *status = BUNDLER_PENDING;
    else if (is(word, "CONFIRMED") || is(info, "new"))
        *status = BUNDLER_NEW;
    else
        rc = err_set(err, ERR_INPUT, "no status is there that we know");
    if (!rc)
        *has_root = json_id(bundle, root) == 0;
    json_free(v);
    return rc;
}

/* ---- in parts ----- */

int bundler_read_begin(struct bundler_upload *u, const char *json, size_t n,
                       struct err *err)
{
    struct bundler_upload out;
    const char *id;
    struct json *v;
    size_t len;
    int rc = 0;

    if (json_parse(&v, json, n, err))
        return -1;
    id = json_string(json_get(v, "id"));
    len = id ? strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-") : 0;
    if (!len || id[len] || len >= sizeof(out.id))
        rc = err_set(err, ERR_INPUT, "no id of an upload is there");
    else if (read_number(json_get(v, "chunkSize"), &out.part) ||
             out.part < BUNDLER_MIN_PART || out.part > BUNDLER_MAX_PART)
        rc = err_set(err, ERR_INPUT, "no chunkSize is there that makes "
                     "sense");
    if (!rc) {
        memcpy(out.id, id, len + 1);
        *u = out;
    }
    json_free(v);
    return rc;
}

int bundler_read_list(bool *there, const struct bundler_upload *u,
                      uint64_t size, const char *json, size_t n,
                      struct err *err)
{
    const struct json *part;
    struct json *v;

    if (json_parse(&v, json, n, err))
        return -1;
    for (part = json_first(json_get(v, "chunks")); part;
         part = json_next(part)) {
        const struct json *first = json_first(part);
        uint64_t at, len;

        if (json_count(part) != 2 || read_number(first, &at) ||
            read_number(json_next(first), &len) || at >= size || at % u->part)
            continue;
        if (len == (size - at < u->part ? size - at : u->part))
            there[at / u->part] = true;
    }
    json_free(v);
    return 0;
}

int bundler_read_end(enum bundler_end *end, struct buf *receipt,
                     const char *json, size_t n, struct err *err)
{
    const struct json *word, *r;
    struct json *v;

    if (json_parse(&v, json, n, err))
        return -1;
    word = json_get(v, "status");
    r = json_get(v, "receipt");
    if (is(word, "FINALIZED"))
        *end = BUNDLER_TAKEN;
    else if (is(word, "UNDERFUNDED"))
        *end = BUNDLER_UNPAID;
    else if (is(word, "INVALID") || is(word, "APPROVAL_FAILED") ||
             is(word, "REVOKE_FAILED"))
        *end = BUNDLER_REFUSED;
    else
        *end = BUNDLER_WORKING;
    if (*end == BUNDLER_TAKEN && r && json_type(r) == JSON_OBJECT)
        json_put(receipt, r);
    json_free(v);
    return buf_check(receipt, "a receipt", err);
}
