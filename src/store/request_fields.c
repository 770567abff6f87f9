/*
 * The parameters of a body.  A row of the table says in which requests a
 * parameter may stand and who reads it; what has no row is refused.  Messages
 * and prompts are request.c.
 */
#include <config.h>

#include "store/request_fields.h"

#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"
#include "store/request.h"

#define SHOWN 64
#define MAX_STOP 64

/* What a row is for. */
enum { IN_CHAT = 1, IN_COMPLETION = 2, IN_BOTH = 3 };

struct field {
    const char *name;
    int where;
    int (*take)(struct request *r, const char *name, const struct json *v,
                struct err *err);
};

int request_shown(const char *name)
{
    size_t n = strlen(name);

    if (n > SHOWN) {
        n = SHOWN;
        n -= utf8_pending(name, n);
    }
    return (int)n;
}

int request_must(struct err *err, const char *name, const char *what)
{
    return err_set(err, ERR_INPUT, "\"%s\" must be %s", name, what);
}

/* ---- parameters that are passed over --------------------------------- */

static int take_ignored(struct request *r, const char *name,
                        const struct json *v, struct err *err)
{
    (void)r;
    (void)name;
    (void)v;
    (void)err;
    return 0;
}

/* ---- parameters of which only the neutral value is understood --------- */

static int take_zero(struct request *r, const char *name,
                     const struct json *v, struct err *err)
{
    int64_t millionths;

    (void)r;
    if (json_millionths(v, &millionths) || millionths != 0)
        return request_must(err, name, "0: nothing else is implemented");
    return 0;
}

static int take_false(struct request *r, const char *name,
                      const struct json *v, struct err *err)
{
    (void)r;
    if (json_type(v) != JSON_BOOL || json_true(v))
        return request_must(err, name, "false: nothing else is implemented");
    return 0;
}

static int take_null(struct request *r, const char *name,
                     const struct json *v, struct err *err)
{
    (void)r;
    (void)v;
    return request_must(err, name, "null: nothing else is implemented");
}

static int take_empty_object(struct request *r, const char *name,
                             const struct json *v, struct err *err)
{
    (void)r;
    if (json_type(v) != JSON_OBJECT || json_first(v))
        return request_must(err, name, "{}: nothing else is implemented");
    return 0;
}

static int take_empty_array(struct request *r, const char *name,
                            const struct json *v, struct err *err)
{
    (void)r;
    if (json_type(v) != JSON_ARRAY || json_first(v))
        return request_must(err, name, "[]: nothing else is implemented");
    return 0;
}

static int take_format(struct request *r, const char *name,
                       const struct json *v, struct err *err)
{
    const char *type = json_string(json_get(v, "type"));

    (void)r;
    if (!type || strcmp(type, "text") != 0 || json_count(v) != 1)
        return request_must(
            err, name, "{\"type\":\"text\"}: nothing else is implemented");
    return 0;
}

/* ---- parameters that determine the answer ----------------------------- */

static int take_model(struct request *r, const char *name,
                      const struct json *v, struct err *err)
{
    r->model = json_string(v);
    if (!r->model)
        return request_must(err, name, "a string");
    return 0;
}

static int take_max_tokens(struct request *r, const char *name,
                           const struct json *v, struct err *err)
{
    uint64_t n;

    if (json_u64(v, &n) || n < 1 || n > UINT32_MAX)
        return request_must(err, name, "an integer from 1 to 4294967295");
    if (r->max_tokens && r->max_tokens != n)
        return err_set(err, ERR_INPUT,
                       "\"max_tokens\" and \"max_completion_tokens\" differ:"
                       " give one of them");
    r->max_tokens = (uint32_t)n;
    return 0;
}

static int take_temperature(struct request *r, const char *name,
                            const struct json *v, struct err *err)
{
    int64_t t;

    if (json_millionths(v, &t) ||
        !(t == 0 || (t >= 10000 && t <= 100000000)))
        return request_must(err, name, "0 or a number from 0.01 to 100 with"
                                       " at most 6 decimals");
    r->temperature = (uint32_t)t;
    return 0;
}

static int take_top_p(struct request *r, const char *name,
                      const struct json *v, struct err *err)
{
    int64_t p;

    if (json_millionths(v, &p) || p < 1 || p > 1000000)
        return request_must(err, name, "a number above 0 and at most 1 with"
                                       " at most 6 decimals");
    r->top_p = (uint32_t)p;
    return 0;
}

static int take_n(struct request *r, const char *name, const struct json *v,
                  struct err *err)
{
    uint64_t n;

    if (json_u64(v, &n) || n < 1 || n > REQUEST_MAX_CHOICES)
        return request_must(err, name, "an integer from 1 to 8");
    r->n_choices = (uint32_t)n;
    return 0;
}

static int take_seed(struct request *r, const char *name,
                     const struct json *v, struct err *err)
{
    const char *text = json_string(v);
    int rc = text ? json_u64_text(text, &r->seed) : json_u64(v, &r->seed);

    if (rc)
        return request_must(err, name, "an integer from 0 to"
                                       " 18446744073709551615, or a string"
                                       " of its digits");
    r->has_seed = true;
    return 0;
}

static int compare_stops(const struct request_stop *a,
                         const struct request_stop *b)
{
    int c = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);

    if (c)
        return c;
    return a->n < b->n ? -1 : a->n > b->n;
}

/* Put one stop in its place; one that is there already is not repeated. */
static int add_stop(struct request *r, const char *name,
                    const struct json *v, struct err *err)
{
    struct request_stop s = { json_string(v), 0 };
    size_t at = 0;
    int c = 1;

    if (s.text)
        s.n = strlen(s.text);
    if (s.n < 1 || s.n > MAX_STOP)
        return request_must(err, name, "a string of 1 to 64 bytes, or an"
                                       " array of at most 16 of them");
    while (at < r->n_stops && (c = compare_stops(&r->stop[at], &s)) < 0)
        at++;
    if (at < r->n_stops && c == 0)
        return 0;
    memmove(&r->stop[at + 1], &r->stop[at], (r->n_stops - at) * sizeof(s));
    r->stop[at] = s;
    r->n_stops++;
    return 0;
}

static int take_stop(struct request *r, const char *name,
                     const struct json *v, struct err *err)
{
    if (json_type(v) != JSON_ARRAY)
        return add_stop(r, name, v, err);
    if (json_count(v) > REQUEST_MAX_STOPS)
        return request_must(err, name, "at most 16 strings");
    for (const struct json *s = json_first(v); s; s = json_next(s))
        if (add_stop(r, name, s, err))
            return -1;
    return 0;
}

static int take_top_k(struct request *r, const char *name,
                      const struct json *v, struct err *err)
{
    uint64_t k;

    if (json_u64(v, &k) || k > UINT32_MAX)
        return request_must(err, name, "an integer from 0 to 4294967295");
    r->top_k = (uint32_t)k;
    return 0;
}

static int take_ignore_eos(struct request *r, const char *name,
                           const struct json *v, struct err *err)
{
    if (json_type(v) != JSON_BOOL)
        return request_must(err, name, "true or false");
    r->ignore_eos = json_true(v);
    return 0;
}

/* ---- the tables -------------------------------------------------------- */

static const struct field apus_fields[] = {
    { "top_k", IN_BOTH, take_top_k },
    { "ignore_eos", IN_BOTH, take_ignore_eos },
    { NULL, 0, NULL }
};

static int take_apus(struct request *r, const char *name,
                     const struct json *v, struct err *err);

static const struct field fields[] = {
    { "model", IN_BOTH, take_model },
    { "messages", IN_CHAT, take_ignored },   /* request.c */
    { "prompt", IN_COMPLETION, take_ignored },
    { "max_tokens", IN_BOTH, take_max_tokens },
    { "max_completion_tokens", IN_CHAT, take_max_tokens },
    { "temperature", IN_BOTH, take_temperature },
    { "top_p", IN_BOTH, take_top_p },
    { "n", IN_BOTH, take_n },
    { "seed", IN_BOTH, take_seed },
    { "stop", IN_BOTH, take_stop },
    { "apus", IN_BOTH, take_apus },
    { "presence_penalty", IN_BOTH, take_zero },
    { "frequency_penalty", IN_BOTH, take_zero },
    { "logit_bias", IN_BOTH, take_empty_object },
    { "response_format", IN_CHAT, take_format },
    { "tools", IN_CHAT, take_empty_array },
    { "logprobs", IN_CHAT, take_false },
    { "logprobs", IN_COMPLETION, take_null },
    { "top_logprobs", IN_CHAT, take_zero },
    { "stream", IN_BOTH, take_false },
    { "user", IN_BOTH, take_ignored },
    { "metadata", IN_BOTH, take_ignored },
    { "store", IN_BOTH, take_ignored },
    { "service_tier", IN_BOTH, take_ignored },
    { "safety_identifier", IN_BOTH, take_ignored },
    { "prompt_cache_key", IN_BOTH, take_ignored },
    { NULL, 0, NULL }
};

static const struct field *find(const struct field *f, const char *name,
                                int where)
{
    for (; f->name; f++)
        if ((f->where & where) && strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

/* Every member of v by the table; null is the same as absent. */
static int take_all(struct request *r, const struct field *table,
                    const char *prefix, const struct json *v,
                    struct err *err)
{
    int where = r->chat ? IN_CHAT : IN_COMPLETION;

    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        const char *key = json_key(m);
        const struct field *f = find(table, key, where);

        if (!f)
            return err_set(err, ERR_INPUT, "unknown parameter \"%s%.*s\"",
                           prefix, request_shown(key), key);
        if (json_type(m) == JSON_NULL)
            continue;
        if (f->take(r, key, m, err))
            return -1;
    }
    return 0;
}

static int take_apus(struct request *r, const char *name,
                     const struct json *v, struct err *err)
{
    if (json_type(v) != JSON_OBJECT)
        return request_must(err, name, "an object");
    return take_all(r, apus_fields, "apus.", v, err);
}

int request_fields(struct request *r, const struct json *body,
                   struct err *err)
{
    r->n_choices = 1;
    r->temperature = 1000000;
    r->top_p = 1000000;
    return take_all(r, fields, "", body, err);
}
