/*
 * X-Options as contrib/ao/queue/30-prompts.lua reads it: ranges of
 * doc/proof.md section 3, numbers by their text.
 */
#include <config.h>

#include "store/ask_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "store/ask.h"

#define MAX_TOKENS 256 /* if nothing is said */
#define SHOWN 32

/* An integer times a million^0 or ^1, within its range. */
static int take_u32(uint32_t *out, const struct json *v, bool millionths,
                    uint32_t min, uint32_t max)
{
    int64_t n;

    if ((millionths ? json_millionths(v, &n) : json_i64(v, &n)) || n < min ||
        n > max)
        return -1;
    *out = (uint32_t)n;
    return 0;
}

static int take_max_tokens(struct ask *a, const struct json *v)
{
    return take_u32(&a->max_tokens, v, false, 1, UINT32_MAX);
}

static int take_temperature(struct ask *a, const struct json *v)
{
    return take_u32(&a->temperature, v, true, 0, 100000000) ||
                   (a->temperature > 0 && a->temperature < 10000)
               ? -1 : 0;
}

static int take_top_p(struct ask *a, const struct json *v)
{
    return take_u32(&a->top_p, v, true, 1, 1000000);
}

static int take_top_k(struct ask *a, const struct json *v)
{
    return take_u32(&a->top_k, v, false, 0, UINT32_MAX);
}

static int take_seed(struct ask *a, const struct json *v)
{
    const char *text = json_string(v);

    a->has_seed = true;
    return text ? json_u64_text(text, &a->seed) : json_u64(v, &a->seed);
}

static int take_stop(struct ask *a, const struct json *v)
{
    const struct json *s = v;
    bool list = json_type(v) == JSON_ARRAY;

    if (list && json_count(v) > REQUEST_MAX_STOPS)
        return -1;
    for (s = list ? json_first(v) : v; s; s = list ? json_next(s) : NULL) {
        const char *text = json_string(s);

        if (!text || ask_add_stop(a, text, strlen(text)))
            return -1;
    }
    return 0;
}

/* What has no `take` is passed over: Apus's SDK sends it there too, beside the
 * tags that count. */
static const struct option {
    const char *name;
    int (*take)(struct ask *a, const struct json *v);
    const char *must;
} options[] = {
    { "max_tokens", take_max_tokens, "an integer from 1 to 4294967295" },
    { "temperature", take_temperature, "0, or 0.01 to 100 with at most 6"
      " decimals" },
    { "top_p", take_top_p, "above 0, at most 1, with at most 6 decimals" },
    { "top_k", take_top_k, "an integer from 0 to 4294967295" },
    { "seed", take_seed, "an integer from 0 to 18446744073709551615, or its"
      " digits" },
    { "stop", take_stop, "a string of 1 to 64 bytes, or an array of at most"
      " 16" },
    { "session", NULL, NULL },
    { "reference", NULL, NULL },
    { NULL, NULL, NULL }
};

static int unknown(const char *key, struct err *err)
{
    char shown[SHOWN + 1];
    size_t n = 0;

    for (; n < SHOWN && key[n]; n++)
        shown[n] = key[n] >= ' ' && key[n] <= '~' ? key[n] : '?';
    shown[n] = '\0';
    return err_set(err, ERR_INPUT, "X-Options: unknown parameter \"%s\"",
                   shown);
}

/* null is the same as absent. */
static int take_member(struct ask *a, const struct json *v, struct err *err)
{
    const struct option *o = options;

    while (o->name && strcmp(o->name, json_key(v)) != 0)
        o++;
    if (!o->name)
        return unknown(json_key(v), err);
    if (o->take && json_type(v) != JSON_NULL && o->take(a, v))
        return err_set(err, ERR_INPUT, "X-Options: %s must be %s", o->name,
                       o->must);
    return 0;
}

int ask_options(struct ask *a, const char *text, size_t n, struct err *err)
{
    struct json *root;
    bool list;
    int rc = 0;

    a->max_tokens = MAX_TOKENS;
    a->temperature = a->top_p = 1000000;
    if (json_parse(&root, text, n, err))
        return err_prefix(err, "X-Options");
    /* Lua writes an empty table as an array */
    list = json_type(root) == JSON_ARRAY && json_count(root) == 0;
    if (!list && json_type(root) != JSON_OBJECT)
        rc = err_set(err, ERR_INPUT, "X-Options: an object expected");
    for (const struct json *v = json_first(root); rc == 0 && v;
         v = json_next(v))
        rc = take_member(a, v, err);
    json_free(root);
    return rc;
}
