/*
 * One line of a pull.  Numbers are texts of decimal digits, never JSON
 * numbers; what a line says of whom it is from is only bounded.
 */
#include <config.h>

#include "relay/pull_line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "proof/job_record.h"

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

static int take_id(unsigned char id[32], const struct json *root,
                   const char *key, struct err *err)
{
    const char *text = json_string(json_get(root, key));

    if (!text || base64url_id(id, text))
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

static int take_form(enum pull_form *form, const struct json *root,
                     struct err *err)
{
    static const char *const names[] = {
        "chat", "messages", "prompt", "source", "source-json", "batch"
    };
    const char *text = json_string(json_get(root, "form"));

    for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *form = (enum pull_form)i;
            return 0;
        }
    }
    return must(err, "form", "one that this version knows");
}

static int take_seed(struct pull_line *l, const struct json *root,
                     struct err *err)
{
    const char *text = json_string(json_get(root, "seed"));

    l->has_seed = text && *text;
    if (!text || (*text && json_u64_text(text, &l->seed)))
        return must(err, "seed", "empty or a text of digits below 2^64");
    return 0;
}

static int compare(const char *a, size_t n_a, const char *b, size_t n_b)
{
    int c = memcmp(a, b, n_a < n_b ? n_a : n_b);

    return c ? c : n_a < n_b ? -1 : n_a > n_b;
}

static int take_stops(struct pull_line *l, const struct json *root,
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
        size_t k = l->n_stops, n;

        if (!text || base64url_decode(l->stop[k].text, 64, &n, text) || !n)
            return must(err, "stops", what);
        l->stop[k].n = n;
        if (k > 0 && compare(l->stop[k - 1].text, l->stop[k - 1].n,
                             l->stop[k].text, n) >= 0)
            return must(err, "stops", what);
        l->n_stops++;
    }
    return 0;
}

/* ---- lines --------------------------------------------------------------- */

static const char *const request_keys[] = {
    "id", "from", "reference", "model", "form", "prompt", "max_tokens",
    "temperature", "top_p", "top_k", "flags", "seed", "stops", "fee", NULL
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
static int take_parameters(struct pull_line *l, struct err *err)
{
    const struct json *r = l->root;

    if (take_u32(&l->max_tokens, r, "max_tokens", 1, UINT32_MAX, err) ||
        take_u32(&l->temperature, r, "temperature", 0, 100000000, err) ||
        take_u32(&l->top_p, r, "top_p", 1, 1000000, err) ||
        take_u32(&l->top_k, r, "top_k", 0, UINT32_MAX, err) ||
        take_u32(&l->flags, r, "flags", 0, UINT32_MAX, err))
        return -1;
    if (l->temperature > 0 && l->temperature < 10000)
        return must(err, "temperature", "0 or 10000 to 100000000");
    return take_seed(l, r, err) || take_stops(l, r, err) ? -1 : 0;
}

static int take_line(struct pull_line *l, struct err *err)
{
    const struct json *r = l->root;
    const char *unused;
    bool batch;

    if (json_type(r) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "it is no object");
    if (take_form(&l->form, r, err))
        return -1;
    batch = l->form == PULL_BATCH;
    if (only(r, batch ? batch_keys : request_keys, err) ||
        take_id(l->id, r, "id", err) || take_id(l->model, r, "model", err) ||
        take_text(&unused, r, "from", MAX_NAME, err) ||
        take_text(&unused, r, "reference", MAX_NAME, err) ||
        take_text(&l->prompt, r, "prompt", PULL_MAX_PROMPT, err) ||
        check_fee(r, err))
        return -1;
    if (l->form >= PULL_SOURCE && take_id(l->source, r, "prompt", err))
        return -1;
    if (!batch)
        return take_parameters(l, err);
    return take_number(&l->count, r, "count", 1, UINT32_MAX, err) ||
                   take_id(l->sha256, r, "sha256", err)
               ? -1 : 0;
}

int pull_line_parse(struct pull_line *l, const char *text, size_t n,
                    struct err *err)
{
    struct pull_line *got;
    int rc = -1;

    if (n > PULL_MAX_LINE)
        return err_set(err, ERR_INPUT, "it has %zu bytes, at most %u are"
                       " taken", n, PULL_MAX_LINE);
    got = xcalloc(1, sizeof(*got));
    if (json_parse(&got->root, text, n, err) == 0)
        rc = take_line(got, err);
    if (rc)
        pull_line_clear(got);
    else
        *l = *got;
    free(got);
    return rc;
}

void pull_line_clear(struct pull_line *l)
{
    json_free(l->root);
    memset(l, 0, sizeof(*l));
}

/* ---- the line for the worker --------------------------------------------- */

static void put_chat(struct buf *out, const char *text, size_t n)
{
    buf_puts(out, "\"messages\":[{\"role\":\"user\",\"content\":");
    json_put_string(out, text, n);
    buf_puts(out, "}]");
}

/* "messages" or "prompt" from the JSON of a source. */
static int put_object(struct buf *out, const struct json *root, bool *chat,
                      struct err *err)
{
    const struct json *messages = json_get(root, "messages");
    const struct json *prompt = json_get(root, "prompt");

    if (json_type(root) != JSON_OBJECT || json_count(root) != 1 ||
        (!messages && !json_string(prompt)))
        return err_set(err, ERR_INPUT, "an object with \"messages\" or"
                       " \"prompt\" expected, and nothing else");
    *chat = messages != NULL;
    buf_puts(out, *chat ? "\"messages\":" : "\"prompt\":");
    json_put(out, *chat ? messages : prompt);
    return 0;
}

static int put_json(struct buf *out, enum pull_form form, const char *text,
                    size_t n, bool *chat, struct err *err)
{
    struct json *root;
    int rc = 0;

    if (json_parse(&root, text, n, err))
        return -1;
    if (form == PULL_SOURCE_JSON) {
        rc = put_object(out, root, chat, err);
    } else {
        buf_puts(out, "\"messages\":");
        json_put(out, root);
    }
    json_free(root);
    return rc;
}

/* The prompt's member of the body. */
static int put_prompt(struct buf *out, const struct pull_line *l,
                      const char *source, size_t n, bool *chat,
                      struct err *err)
{
    *chat = l->form != PULL_PROMPT;
    switch (l->form) {
    case PULL_CHAT:
        put_chat(out, l->prompt, strlen(l->prompt));
        return 0;
    case PULL_PROMPT:
        buf_puts(out, "\"prompt\":");
        json_put_string(out, l->prompt, strlen(l->prompt));
        return 0;
    case PULL_MESSAGES:
        return put_json(out, l->form, l->prompt, strlen(l->prompt), chat,
                        err);
    case PULL_SOURCE:
        if (!utf8_valid(source, n) || memchr(source, '\0', n))
            return err_set(err, ERR_INPUT, "the source is no UTF-8");
        put_chat(out, source, n);
        return 0;
    case PULL_SOURCE_JSON:
        return put_json(out, l->form, source, n, chat, err);
    case PULL_BATCH:
        break;
    }
    return err_set(err, ERR_FATAL, "the lines of a batch are in its file");
}

/* Millionths as a decimal number. */
static void put_millionths(struct buf *out, const char *key, uint32_t v)
{
    buf_printf(out, ",\"%s\":%" PRIu32 ".%06" PRIu32, key, v / 1000000,
               v % 1000000);
}

static int put_stops(struct buf *out, const struct pull_line *l,
                     struct err *err)
{
    for (size_t i = 0; i < l->n_stops; i++) {
        const char *text = l->stop[i].text;
        size_t n = l->stop[i].n;

        if (!utf8_valid(text, n) || memchr(text, '\0', n))
            return err_set(err, ERR_INPUT, "a stop string is no UTF-8");
        buf_puts(out, i ? "," : ",\"stop\":[");
        json_put_string(out, text, n);
    }
    if (l->n_stops)
        buf_putc(out, ']');
    return 0;
}

static int put_line(struct buf *out, const struct pull_line *l,
                    const char *source, size_t n, struct err *err)
{
    char id[ID_TEXT], model[ID_TEXT];
    struct buf body;
    bool chat;
    int rc;

    base64url(id, l->id, 32);
    base64url(model, l->model, 32);
    buf_init(&body, REQUEST_MAX_LINE);
    rc = put_prompt(&body, l, source, n, &chat, err);
    if (rc == 0)
        rc = buf_check(&body, "the prompt", err);
    if (rc == 0) {
        buf_printf(out, "{\"custom_id\":\"%s\",\"method\":\"POST\",\"url\":"
                   "\"/v1/%s\",\"body\":{\"model\":\"%s\",", id,
                   chat ? "chat/completions" : "completions", model);
        buf_put(out, body.data, body.len);
        buf_printf(out, ",\"max_tokens\":%" PRIu32, l->max_tokens);
        put_millionths(out, "temperature", l->temperature);
        put_millionths(out, "top_p", l->top_p);
        if (l->has_seed)
            buf_printf(out, ",\"seed\":\"%" PRIu64 "\"", l->seed);
        rc = put_stops(out, l, err);
        buf_printf(out, ",\"apus\":{\"top_k\":%" PRIu32 "%s}}}", l->top_k,
                   l->flags & JOB_IGNORE_EOS ? ",\"ignore_eos\":true" : "");
    }
    buf_clear(&body);
    return rc ? -1 : buf_check(out, "a request", err);
}

/* The worker reads the line as we do, so what it would refuse is refused
 * here, where it can still be released. */
static int check_line(const struct pull_line *l, const char *text, size_t n,
                      struct err *err)
{
    struct request r;
    int rc = request_parse(&r, text, n, err);

    if (rc == 0 && (r.max_tokens != l->max_tokens ||
                    r.temperature != l->temperature || r.top_p != l->top_p ||
                    r.top_k != l->top_k || r.n_stops != l->n_stops ||
                    r.has_seed != l->has_seed || r.seed != l->seed ||
                    r.n_choices != 1))
        rc = err_set(err, ERR_INPUT, "its parameters cannot be written");
    request_clear(&r);
    return rc;
}

int pull_line_put(struct buf *out, const struct pull_line *l,
                  const char *source, size_t n, struct err *err)
{
    struct buf line;
    int rc;

    if (l->flags & ~(uint32_t)JOB_IGNORE_EOS)
        return err_set(err, ERR_INPUT, "flags %" PRIu32 ": this version knows"
                       " 0 and 1", l->flags);
    buf_init(&line, REQUEST_MAX_LINE);
    rc = put_line(&line, l, source, n, err);
    if (rc == 0)
        rc = check_line(l, line.data, line.len, err);
    if (rc == 0) {
        buf_put(out, line.data, line.len);
        buf_putc(out, '\n');
        rc = buf_check(out, "the requests", err);
    }
    buf_clear(&line);
    return rc;
}
