/*
 * One line of a pull.  Numbers are texts of decimal digits, never JSON
 * numbers; what a line says of whom it is from is only bounded.
 */
#include <config.h>

#include "queue/pull_line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_NAME 4096  /* bytes of from and reference: a tag's value */
#define MAX_FEE 30     /* digits */

static int must(struct err *err, const char *key, const char *what)
{
    return err_set(err, ERR_INPUT, "\"%s\" must be %s", key, what);
}

/* ---- fields -------------------------------------------------------------- */

static int take_text(const char **out, const struct json *root,
                     const char *key, size_t max, struct err *err)
{
    const char *text = json_string(json_get(root, key));

    if (!text)
        return must(err, key, "a string");
    if (strlen(text) > max)
        return err_set(err, ERR_INPUT, "\"%s\" has %zu bytes, at most %zu are"
                       " taken", key, strlen(text), max);
    *out = text;
    return 0;
}

static int take_id(struct id *id, const struct json *root, const char *key,
                   struct err *err)
{
    if (json_id(json_get(root, key), id))
        return must(err, key, "an id of 43 characters");
    return 0;
}

static int take_number(uint64_t *out, const struct json *root,
                       const char *key, uint64_t min, uint64_t max,
                       struct err *err)
{
    const char *text = json_string(json_get(root, key));
    uint64_t v;

    if (!text || json_u64_text(text, &v) || v < min || v > max)
        return err_set(err, ERR_INPUT, "\"%s\" must be a text of digits, %"
                       PRIu64 " to %" PRIu64, key, min, max);
    *out = v;
    return 0;
}

static int take_u32(uint32_t *out, const struct json *root, const char *key,
                    uint32_t min, uint32_t max, struct err *err)
{
    uint64_t v = 0;

    if (take_number(&v, root, key, min, max, err))
        return -1;
    *out = (uint32_t)v;
    return 0;
}

/* Nothing is made of a fee yet, but it must be a sum. */
static int check_fee(const struct json *root, struct err *err)
{
    const char *text = json_string(json_get(root, "fee"));
    size_t n = text ? strspn(text, "0123456789") : 0;

    if (!text || n < 1 || n > MAX_FEE || text[n] || (n > 1 && *text == '0'))
        return must(err, "fee", "a text of 1 to 30 digits");
    return 0;
}

static int take_form(enum ask_form *form, const struct json *root,
                     struct err *err)
{
    static const char *const names[] = {
        "chat", "messages", "prompt", "ids", "source", "source-json",
        "source-ids", "batch"
    };
    const char *text = json_string(json_get(root, "form"));

    for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *form = (enum ask_form)i;
            return 0;
        }
    }
    return must(err, "form", "one that this version knows");
}

static int take_seed(struct ask *a, const struct json *root, struct err *err)
{
    const char *text = json_string(json_get(root, "seed"));

    a->has_seed = text && *text;
    if (!text || (*text && json_u64_text(text, &a->seed)))
        return must(err, "seed", "empty or a text of digits below 2^64");
    return 0;
}

static int take_stops(struct ask *a, const struct json *root,
                      struct err *err)
{
    static const char what[] = "an array of at most 16 texts in base64url, of"
                               " 1 to 64 bytes, sorted, none twice";
    const struct json *v = json_get(root, "stops");

    /* Lua writes an empty table as [] or {} */
    if (!v || (json_type(v) != JSON_ARRAY &&
               (json_type(v) != JSON_OBJECT || json_first(v))) ||
        json_count(v) > REQUEST_MAX_STOPS)
        return must(err, "stops", what);
    for (const struct json *s = json_first(v); s; s = json_next(s)) {
        const char *text = json_string(s);
        char stop[ASK_MAX_STOP];
        size_t n, before = a->n_stops;

        if (!text || base64url_decode(stop, sizeof(stop), &n, text) ||
            ask_add_stop(a, stop, n) || a->n_stops == before ||
            memcmp(a->stop[before].text, stop, n) != 0 ||
            a->stop[before].n != n)
            return must(err, "stops", what);
    }
    return 0;
}

/* ---- lines --------------------------------------------------------------- */

static const char *const request_keys[] = {
    "id", "from", "reference", "model", "form", "prompt", "max_tokens",
    "temperature", "top_p", "top_k", "flags", "seed", "stops", "fee", NULL
};
static const char *const source_ids_keys[] = {
    "id", "from", "reference", "model", "form", "prompt", "prompt_count",
    "prompt_root", "max_tokens", "temperature", "top_p", "top_k", "flags",
    "seed", "stops", "fee", NULL
};
static const char *const batch_keys[] = {
    "id", "from", "reference", "model", "form", "prompt", "count", "sha256",
    "fee", NULL
};

/* What we do not know would change the answer, or mean nothing: neither is
 * passed over. */
static int only(const struct json *root, const char *const *keys,
                struct err *err)
{
    for (const struct json *m = json_first(root); m; m = json_next(m)) {
        const char *const *k = keys;

        while (*k && strcmp(*k, json_key(m)) != 0)
            k++;
        if (!*k)
            return err_set(err, ERR_INPUT, "unknown member \"%.40s\"",
                           json_key(m));
    }
    return 0;
}

/* Ranges of doc/proof.md section 3. */
static int take_parameters(struct ask *a, const struct json *r,
                           struct err *err)
{
    if (take_u32(&a->max_tokens, r, "max_tokens", 1, UINT32_MAX, err) ||
        take_u32(&a->temperature, r, "temperature", 0, 100000000, err) ||
        take_u32(&a->top_p, r, "top_p", 1, 1000000, err) ||
        take_u32(&a->top_k, r, "top_k", 0, UINT32_MAX, err) ||
        take_u32(&a->flags, r, "flags", 0, UINT32_MAX, err))
        return -1;
    if (a->temperature > 0 && a->temperature < 10000)
        return must(err, "temperature", "0 or 10000 to 100000000");
    return take_seed(a, r, err) || take_stops(a, r, err) ? -1 : 0;
}

/* The text of a prompt in ids goes into a line as it is. */
static int check_ids(const char *text, struct err *err)
{
    const char *at = text;

    if (*at++ != '[')
        return must(err, "prompt", "an array of token ids");
    for (;;) {
        size_t n = strspn(at, "0123456789");

        if (n < 1 || n > 10 || (n > 1 && *at == '0'))
            return must(err, "prompt", "an array of token ids");
        at += n;
        if (at[0] == ']' && at[1] == '\0')
            return 0;
        if (*at++ != ',')
            return must(err, "prompt", "an array of token ids");
    }
}

static int take_line(struct pull_line *l, const struct json *r,
                     struct err *err)
{
    struct ask *a = &l->ask;
    const char *unused, *prompt = "";
    bool batch;

    if (json_type(r) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "it is no object");
    if (take_form(&a->form, r, err))
        return -1;
    batch = a->form == ASK_BATCH;
    if (only(r, batch ? batch_keys
                      : a->form == ASK_SOURCE_IDS ? source_ids_keys
                                                  : request_keys, err) ||
        take_id(&l->id, r, "id", err) || take_id(&l->model, r, "model", err) ||
        take_text(&unused, r, "from", MAX_NAME, err) ||
        take_text(&unused, r, "reference", MAX_NAME, err) ||
        take_text(&prompt, r, "prompt", PULL_MAX_PROMPT, err) ||
        check_fee(r, err))
        return -1;
    if (a->form >= ASK_SOURCE && take_id(&a->source, r, "prompt", err))
        return -1;
    if (batch)
        return take_number(&a->count, r, "count", 1, UINT32_MAX, err) ||
                       take_id(&a->sha256, r, "sha256", err)
                   ? -1
                   : 0;
    if (a->form == ASK_SOURCE_IDS &&
        (take_number(&a->count, r, "prompt_count", 1, UINT32_MAX, err) ||
         take_id(&a->sha256, r, "prompt_root", err)))
        return -1;
    if (take_parameters(a, r, err))
        return -1;
    if (a->form == ASK_IDS && check_ids(prompt, err))
        return -1;
    if (a->form < ASK_SOURCE)
        a->prompt = xstrdup(prompt);
    return 0;
}

int pull_line_parse(struct pull_line *l, const char *text, size_t n,
                    struct err *err)
{
    struct pull_line *got;
    struct json *root;
    int rc;

    if (n > PULL_MAX_LINE)
        return err_set(err, ERR_INPUT, "it has %zu bytes, at most %u are"
                       " taken", n, PULL_MAX_LINE);
    if (json_parse(&root, text, n, err))
        return -1;
    got = xcalloc(1, sizeof(*got));
    rc = take_line(got, root, err);
    if (rc)
        pull_line_clear(got);
    else
        *l = *got;
    free(got);
    json_free(root);
    return rc;
}

void pull_line_clear(struct pull_line *l)
{
    ask_clear(&l->ask);
}

int pull_line_put(struct buf *out, const struct pull_line *l,
                  const char *source, size_t n, struct err *err)
{
    if (ask_put_line(out, &l->ask, l->id, &l->model, source, n, err))
        return -1;
    buf_putc(out, '\n');
    return buf_check(out, "the requests", err);
}
