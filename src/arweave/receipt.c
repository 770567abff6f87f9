/*
 * Receipts of bundlers: three numbers and an id are signed, with the key that
 * the receipt names itself.
 */
#include <config.h>

#include "arweave/receipt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arweave/deephash.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"

#define RECEIPT_MAX ((size_t)1 << 20)
#define KEY_TEXT ((KEY_BYTES * 4 + 2) / 3 + 1)

static void hash_receipt(unsigned char acc[DEEPHASH_SIZE],
                         const struct receipt *r)
{
    char number[24];

    deephash_list(acc, 5);
    deephash_puts(acc, "Bundlr");
    deephash_puts(acc, r->version);
    deephash_puts(acc, id_text(r->id).s);
    snprintf(number, sizeof(number), "%" PRIu64, r->deadline_height);
    deephash_puts(acc, number);
    snprintf(number, sizeof(number), "%" PRIu64, r->timestamp_ms);
    deephash_puts(acc, number);
}

/* A number, or the text of one: bundlers do both. */
static int get_number(const struct json *root, const char *key, uint64_t *v)
{
    const struct json *value = json_get(root, key);
    const char *text = json_string(value);

    return text ? json_u64_text(text, v) : json_u64(value, v);
}

static int get_key_bytes(unsigned char out[KEY_BYTES],
                         const struct json *root, const char *key,
                         struct err *err)
{
    const char *text = json_string(json_get(root, key));
    size_t n;

    if (!text || base64url_decode(out, KEY_BYTES, &n, text) || n != KEY_BYTES)
        return err_set(err, ERR_INPUT, "receipt: its \"%s\" is not base64url of"
                       " %d bytes", key, KEY_BYTES);
    return 0;
}

static int get_fields(struct receipt *r, const struct json *root,
                      struct err *err)
{
    const char *version = json_string(json_get(root, "version"));

    if (json_id(json_get(root, "id"), &r->id))
        return err_set(err, ERR_INPUT, "receipt: it has no \"id\"");
    if (!version || strlen(version) >= sizeof(r->version))
        return err_set(err, ERR_INPUT, "receipt: it has no \"version\" that"
                       " we know");
    memcpy(r->version, version, strlen(version) + 1);
    if (get_number(root, "deadlineHeight", &r->deadline_height) ||
        get_number(root, "timestamp", &r->timestamp_ms))
        return err_set(err, ERR_INPUT, "receipt: its \"deadlineHeight\" or"
                       " \"timestamp\" is not a number");
    if (json_get(root, "winc") && get_number(root, "winc", &r->winc))
        return err_set(err, ERR_INPUT, "receipt: its \"winc\" is not a number");
    return 0;
}

static int check_receipt(struct receipt *r, const struct json *root,
                         struct id id, const struct id *pinned, struct err *err)
{
    unsigned char public[KEY_BYTES], sig[KEY_BYTES], acc[DEEPHASH_SIZE];
    char text[ID_TEXT];

    if (json_type(root) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "receipt: no JSON object");
    if (get_fields(r, root, err) ||
        get_key_bytes(public, root, "public", err) ||
        get_key_bytes(sig, root, "signature", err))
        return -1;
    base64url(text, r->id.b, 32);
    if (!id_equal(r->id, id))
        return err_set(err, ERR_INPUT, "receipt: it is of another item, %s",
                       text);
    hash_receipt(acc, r);
    if (!key_check(public, sig, acc, sizeof(acc)))
        return err_set(err, ERR_INPUT, "receipt: its signature is wrong");
    key_address_of(&r->signer, public);
    if (pinned && !id_equal(r->signer, *pinned)) {
        base64url(text, r->signer.b, 32);
        return err_set(err, ERR_INPUT, "receipt: signed by %s, which is not"
                       " the bundler's address that we know", text);
    }
    return 0;
}

int receipt_read(struct receipt *r, const char *json, size_t n, struct id id,
                 const struct id *pinned, struct err *err)
{
    struct receipt made = { .winc = 0 };
    struct json *root = NULL;
    int rc;

    if (n > RECEIPT_MAX)
        return err_set(err, ERR_INPUT, "receipt: over %zu bytes",
                       RECEIPT_MAX);
    if (json_parse(&root, json, n, err))
        return err_prefix(err, "receipt");
    rc = check_receipt(&made, root, id, pinned, err);
    if (rc == 0)
        *r = made;
    json_free(root);
    return rc;
}

bool receipt_winc(const char *json, size_t n, uint64_t *winc)
{
    struct json *root = NULL;
    bool says;

    if (n == 0 || n > RECEIPT_MAX || json_parse(&root, json, n, NULL))
        return false;
    says = json_get(root, "winc");
    if (says && get_number(root, "winc", winc))
        *winc = UINT64_MAX;
    json_free(root);
    return says;
}

int receipt_sign(struct buf *json, const struct receipt *r,
                 const struct key *key, struct err *err)
{
    unsigned char modulus[KEY_BYTES], sig[KEY_BYTES], acc[DEEPHASH_SIZE];
    struct id address;
    char public[KEY_TEXT], signature[KEY_TEXT];

    hash_receipt(acc, r);
    if (key_sign(key, sig, acc, sizeof(acc), err))
        return -1;
    key_modulus(key, modulus);
    key_address(key, &address);
    base64url(public, modulus, KEY_BYTES);
    base64url(signature, sig, KEY_BYTES);
    buf_putc(json, '{');
    json_put_id(json, "id", r->id);
    json_put_number(json, "timestamp", r->timestamp_ms);
    json_put_digits(json, "winc", r->winc);
    json_put_text(json, "version", r->version);
    json_put_number(json, "deadlineHeight", r->deadline_height);
    buf_puts(json, ",\"dataCaches\":[],\"fastFinalityIndexes\":[]");
    json_put_text(json, "public", public);
    json_put_text(json, "signature", signature);
    json_put_id(json, "owner", address);
    buf_putc(json, '}');
    return buf_check(json, "a receipt", err);
}
