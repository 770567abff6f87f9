/*
 * Reads the fields of an output line that are needed to recompute its answer,
 * and compares the whole line with the recomputed one.
 */
#include <config.h>

#include "verify/output_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"

#define ID_PREFIX "batch_req_"
#define MODEL_PREFIX "x1-"

/* ---- reading ------------------------------------------------------------- */

/* Parse the 32-byte id of a string with this prefix. */
static int get_id(struct id *id, const struct json *v, const char *prefix)
{
    const char *text = json_string(v);
    size_t n = strlen(prefix);

    if (!text || strncmp(text, prefix, n) != 0)
        return -1;
    return id_parse(id, text + n);
}

static int get_tokens(struct output_choice *c, const struct json *v,
                      struct err *err)
{
    const struct json *list = json_get(json_get(v, "apus"), "tokens");
    uint64_t id = 0;

    if (!list || json_type(list) != JSON_ARRAY)
        return err_set(err, ERR_INPUT, "a choice without apus.tokens");
    c->finish = json_string(json_get(v, "finish_reason"));
    c->text = json_string(json_get(v, "text"));
    if (!c->text)
        c->text = json_string(json_get(json_get(v, "message"), "content"));
    c->token = xmalloc((json_count(list) + 1) * sizeof(*c->token));
    for (const struct json *e = json_first(list); e; e = json_next(e)) {
        if (json_u64(e, &id) || id > UINT32_MAX)
            return err_set(err, ERR_INPUT, "apus.tokens has something that is"
                           " not a token id");
        c->token[c->n_tokens++] = (uint32_t)id;
    }
    return 0;
}

static int get_choices(struct output_line *o, const struct json *body,
                       struct err *err)
{
    const struct json *list = json_get(body, "choices");
    size_t n = json_count(list);

    if (n < 1 || n > REQUEST_MAX_CHOICES || json_type(list) != JSON_ARRAY)
        return err_set(err, ERR_INPUT, "neither choices (1 to %d) nor an"
                       " error", REQUEST_MAX_CHOICES);
    for (const struct json *v = json_first(list); v; v = json_next(v))
        if (get_tokens(&o->choice[o->n_choices++], v, err))
            return -1;
    o->has_model = get_id(&o->model, json_get(body, "system_fingerprint"),
                          MODEL_PREFIX) == 0;
    return 0;
}

static int get_line(struct output_line *o, struct err *err)
{
    const struct json *custom_id = json_get(o->root, "custom_id");
    const struct json *error = json_get(o->root, "error");

    if (get_id(&o->request, json_get(o->root, "id"), ID_PREFIX))
        return err_set(err, ERR_INPUT, "\"id\": " ID_PREFIX " and the id of a"
                       " request expected");
    o->has_custom_id = custom_id && json_type(custom_id) != JSON_NULL;
    o->custom_id = json_string(custom_id);
    o->of_part = json_true(json_get(json_get(o->root, "apus"), "part"));
    o->code = json_string(json_get(error, "code"));
    o->message = json_string(json_get(error, "message"));
    o->has_line = json_get(error, "line") != NULL;
    json_u64(json_get(error, "line"), &o->line);
    if (o->code && o->message)
        return 0;
    o->code = o->message = NULL;
    return get_choices(o, json_get(json_get(o->root, "response"), "body"),
                       err);
}

int output_line_read(struct output_line *o, const char *text, size_t n,
                     struct err *err)
{
    memset(o, 0, sizeof(*o));
    if (json_parse(&o->root, text, n, err))
        return -1;
    if (get_line(o, err)) {
        output_line_clear(o);
        return -1;
    }
    return 0;
}

void output_line_clear(struct output_line *o)
{
    for (size_t i = 0; i < o->n_choices; i++)
        free(o->choice[i].token);
    json_free(o->root);
    memset(o, 0, sizeof(*o));
}

/* ---- comparing ----------------------------------------------------------- */

/* The position of a comparison: names of members and numbers of elements. */
struct path {
    char *text;
    size_t n, size;
};

static void enter(struct path *p, const char *key, size_t i)
{
    const char *dot = p->n ? "." : "";
    int n = key ? snprintf(p->text + p->n, p->size - p->n, "%s%.40s", dot, key)
                : snprintf(p->text + p->n, p->size - p->n, "%s%zu", dot, i);

    p->n += (size_t)n < p->size - p->n ? (size_t)n : p->size - p->n - 1;
}

/* Return whether two values are equal; otherwise the path says where they
 * differ. */
static bool same(const struct json *a, const struct json *b, struct path *p);

static bool same_members(const struct json *a, const struct json *b,
                         struct path *p)
{
    size_t at = p->n;

    for (const struct json *m = json_first(b); m; m = json_next(m)) {
        const struct json *other = json_get(a, json_key(m));

        enter(p, json_key(m), 0);
        if (!other || !same(other, m, p))
            return false;
        p->text[p->n = at] = '\0';
    }
    for (const struct json *m = json_first(a); m; m = json_next(m)) {
        if (json_get(b, json_key(m)))
            continue;
        enter(p, json_key(m), 0);
        return false;
    }
    return true;
}

static bool same_elements(const struct json *a, const struct json *b,
                          struct path *p)
{
    size_t at = p->n, i = 0;

    a = json_first(a);
    b = json_first(b);
    for (; a && b; a = json_next(a), b = json_next(b), i++) {
        enter(p, NULL, i);
        if (!same(a, b, p))
            return false;
        p->text[p->n = at] = '\0';
    }
    if (!a && !b)
        return true;
    enter(p, NULL, i);
    return false;
}

static bool same(const struct json *a, const struct json *b, struct path *p)
{
    enum json_type t = json_type(a);

    if (t != json_type(b))
        return false;
    switch (t) {
    case JSON_OBJECT:
        return same_members(a, b, p);
    case JSON_ARRAY:
        return same_elements(a, b, p);
    case JSON_STRING:
        return strcmp(json_string(a), json_string(b)) == 0;
    case JSON_NUMBER:
        return strcmp(json_number(a), json_number(b)) == 0;
    case JSON_BOOL:
        return json_true(a) == json_true(b);
    default:
        return true;
    }
}

enum output_same output_line_compare(const struct output_line *o,
                                     const char *want, size_t n, char *where,
                                     size_t size, struct err *err)
{
    struct path p = { .text = where, .size = size };
    struct json *root;
    enum output_same end;

    where[0] = '\0';
    if (json_parse(&root, want, n, err))
        return OUTPUT_FAILED;
    end = same(o->root, root, &p) ? OUTPUT_SAME : OUTPUT_DIFFERS;
    json_free(root);
    return end;
}
