/*
 * What an evaluation gave, from the JSON of a compute unit or a node.  Neither
 * is believed: every value is looked at before it is used, numbers of elements
 * are bounded.  What a message means is not judged here.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ao/ao_internal.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"

#define SEEN_MAX 12 /* names of members in a message */

/* A member by its name, or by the same in lower case: some processes of
 * HyperBEAM have only those. */
static const struct json *member(const struct json *v, const char *name)
{
    const struct json *got = json_get(v, name);
    char lower[32];
    size_t i = 0;

    if (got)
        return got;
    for (; name[i] && i < sizeof(lower) - 1; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32
                                                           : name[i]);
    lower[i] = '\0';
    return json_get(v, lower);
}

/* A string, or a number as it stood; NULL for anything else. */
static const char *text_of(const struct json *v)
{
    const char *text = json_string(v);

    return text ? text : json_number(v);
}

static bool is_list(const struct json *v)
{
    return json_type(v) == JSON_ARRAY || json_type(v) == JSON_OBJECT;
}

/* A Lua table without elements is written [] or {}. */
static int take_tags(struct ao_out *o, const struct json *tags,
                     struct err *err)
{
    size_t n = tags && is_list(tags) ? json_count(tags) : 0;

    if (n > AO_MAX_TAGS)
        return err_set(err, ERR_INPUT, "a message of a result has %zu tags,"
                       " at most %d are read", n, AO_MAX_TAGS);
    o->tag = xcalloc(n + 1, sizeof(*o->tag));
    for (const struct json *t = json_first(tags); t; t = json_next(t)) {
        const char *name = json_string(member(t, "name"));
        const char *value = text_of(member(t, "value"));

        if (!name || !value)
            continue; /* a tag that is a table: none of ours */
        o->tag[o->n_tags].name = name;
        o->tag[o->n_tags++].value = value;
    }
    return 0;
}

static int take_out(struct ao_out *o, const struct json *v, struct err *err)
{
    const char *data = text_of(member(v, "Data"));
    const char *target = json_string(member(v, "Target"));

    if (json_type(v) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "a message of a result is not an"
                       " object");
    o->target = target ? target : "";
    o->data = data ? data : "";
    return take_tags(o, member(v, "Tags"), err);
}

static int take_messages(struct ao_result *r, const struct json *list,
                         struct err *err)
{
    size_t n;

    if (!list || json_type(list) == JSON_NULL)
        return 0;
    if (!is_list(list))
        return err_set(err, ERR_INPUT, "the messages of a result are no"
                       " list");
    n = json_count(list);
    if (n > AO_MAX_OUT)
        return err_set(err, ERR_INPUT, "a result has %zu messages, at most"
                       " %d are read", n, AO_MAX_OUT);
    r->out = xcalloc(n + 1, sizeof(*r->out));
    for (const struct json *m = json_first(list); m; m = json_next(m))
        if (take_out(&r->out[r->n_out++], m, err))
            return -1;
    return 0;
}

/* `Error` is a text, or something made of a thrown object. */
static const char *error_of(const struct json *v)
{
    const char *text = json_string(v);

    if (!v || json_type(v) == JSON_NULL || (text && !*text))
        return NULL;
    if (is_list(v) && !json_first(v))
        return NULL;
    return text ? text : "an error that is not text";
}

static bool is_result(const struct json *v)
{
    return json_type(v) == JSON_OBJECT &&
           (member(v, "Messages") || member(v, "Error") ||
            member(v, "Output"));
}

static int take_result(struct ao_result *r, const struct json *v,
                       struct err *err)
{
    const struct json *output = member(v, "Output");
    const char *data;

    if (!is_result(v))
        return err_set(err, ERR_INPUT, "it is not a result of an evaluation");
    r->error = error_of(member(v, "Error"));
    data = text_of(output);
    if (!data)
        data = text_of(member(output, "data"));
    r->output = data ? data : "";
    return take_messages(r, member(v, "Messages"), err);
}

void ao_result_clear(struct ao_result *r)
{
    for (size_t i = 0; i < r->n_out; i++)
        free(r->out[i].tag);
    free(r->out);
    json_free(r->root);
    memset(r, 0, sizeof(*r));
}

int ao_result_parse(struct ao_result *r, const char *text, size_t n,
                    struct err *err)
{
    struct ao_result got = { .root = NULL };

    if (json_parse(&got.root, text, n, err))
        return -1;
    if (take_result(&got, got.root, err)) {
        ao_result_clear(&got);
        return -1;
    }
    *r = got;
    return 0;
}

/* Append the names of members, those of `results` too: for people. */
static void put_members(struct buf *b, const struct json *v, bool deeper)
{
    size_t n = 0;

    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        const char *key = json_key(m);

        if (!key || n == SEEN_MAX) {
            buf_puts(b, key ? ", .." : "");
            return;
        }
        buf_printf(b, "%s%.40s", n++ ? ", " : "", key);
        if (deeper && json_type(m) == JSON_OBJECT &&
            strcasecmp(key, "results") == 0) {
            buf_puts(b, " (");
            put_members(b, m, false);
            buf_putc(b, ')');
        }
    }
    buf_puts(b, n ? "" : "nothing");
}

static int no_result(const struct json *root, struct err *err)
{
    struct buf seen;

    buf_init(&seen, 4096);
    if (json_type(root) == JSON_OBJECT)
        put_members(&seen, root, true);
    else
        buf_puts(&seen, "no object");
    err_set(err, ERR_INPUT, "it is not a result of an evaluation: it has %s,"
            " and neither results.raw nor results.json.body", seen.data);
    buf_clear(&seen);
    return -1;
}

/* A unit's own complaint, where its result should be: a text in `error`, and
 * nothing of a result.  The process's is in `Error`, which some processes write
 * in lower case, beside the rest of their result. */
static const char *complaint_of(const struct json *v)
{
    const char *text = json_string(json_get(v, "error"));

    if (json_get(v, "Error") || member(v, "Messages") || member(v, "Output"))
        return NULL;
    return text && *text ? text : NULL;
}

static int unit_failed(const char *complaint, const char *unit,
                       struct err *err)
{
    struct http_answer a = { .status = 0 };

    buf_init(&a.body, strlen(complaint) + 1);
    buf_puts(&a.body, complaint);
    /* what is success for a message is not a result */
    if (ao_judge(&a, unit, err) == AO_SAID_DONE)
        err_set(err, ERR_INPUT, "%s says \"%.200s\" instead of a result",
                unit, complaint);
    buf_clear(&a.body);
    return -1;
}

/* The JSON of an answer.  What does not even begin as an object comes from
 * somebody on the way, and may pass. */
static int parse_answer(struct json **root, const char *text, size_t n,
                        struct err *err)
{
    size_t blank = 0;
    int rc = json_parse(root, text, n, err);

    while (blank < n && strchr(" \t\r\n", text[blank]))
        blank++;
    if (rc && (blank == n || text[blank] != '{'))
        err_turn(err, ERR_RETRY);
    return rc;
}

int ao_result_parse_unit(struct ao_result *r, const char *text, size_t n,
                         struct err *err)
{
    struct ao_result got = { .root = NULL };
    const char *complaint;
    int rc = parse_answer(&got.root, text, n, err);

    if (rc)
        return -1;
    complaint = complaint_of(got.root);
    rc = complaint ? unit_failed(complaint, "compute unit", err)
                   : take_result(&got, got.root, err);
    if (rc) {
        ao_result_clear(&got);
        return -1;
    }
    *r = got;
    return 0;
}

/* Where a node keeps what its compute unit said: decoded, or as text. */
static const struct json *unit_answer(const struct json *results)
{
    const struct json *raw = json_get(results, "raw");

    if (raw && json_type(raw) != JSON_NULL)
        return raw;
    return json_get(json_get(results, "json"), "body");
}

int ao_result_parse_node(struct ao_result *r, const char *text, size_t n,
                         struct err *err)
{
    struct ao_result got = { .root = NULL };
    const struct json *results, *said;
    int rc;

    if (parse_answer(&got.root, text, n, err))
        return -1;
    results = member(got.root, "results");
    if (!results)
        results = got.root;
    said = unit_answer(results);
    if (json_string(said)) {
        struct json *inner = NULL;

        if (parse_answer(&inner, json_string(said),
                         strlen(json_string(said)), err)) {
            json_free(got.root);
            return err_prefix(err, "what the compute unit said");
        }
        json_free(got.root);
        got.root = inner;
        said = inner;
    }
    if (said && complaint_of(said))
        rc = unit_failed(complaint_of(said), "its compute unit", err);
    else if (is_result(said ? said : results))
        rc = take_result(&got, said ? said : results, err);
    else
        rc = no_result(got.root, err);
    if (rc) {
        ao_result_clear(&got);
        return -1;
    }
    *r = got;
    return 0;
}

const char *ao_out_tag(const struct ao_out *o, const char *name)
{
    for (size_t i = 0; i < o->n_tags; i++)
        if (strcasecmp(o->tag[i].name, name) == 0)
            return o->tag[i].value;
    return NULL;
}

void ao_out_put(struct buf *out, const struct ao_out *o)
{
    buf_puts(out, "{\"Messages\":[{");
    json_put_text(out, "Target", o->target);
    json_put_text(out, "Data", o->data);
    json_put_key(out, "Tags");
    buf_putc(out, '[');
    for (size_t i = 0; i < o->n_tags; i++) {
        buf_puts(out, i ? ",{" : "{");
        json_put_text(out, "name", o->tag[i].name);
        json_put_text(out, "value", o->tag[i].value);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}]}");
}
