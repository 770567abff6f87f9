/*
 * As gateways filter: a list of no values does not filter, but one of a tag
 * fits nothing; a block is only known of what is in one.
 */
#include <config.h>

#include "localnet/graphql_filter.h"

#include <string.h>

#include "arweave/item.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "localnet/chain.h"
#include "localnet/stored.h"

#define FIRST 10 /* of a page, if nothing is said */
#define FIRST_MAX 100

static int refuse_filter(struct err *err, const char *name, const char *wanted)
{
    return err_set(err, ERR_INPUT, "%s: %s expected", name, wanted);
}

/* One of a name's texts, or a list of them (one is a list of one). */
static int check_texts(const struct json *v, const char *name,
                       struct err *err)
{
    if (json_type(v) != JSON_ARRAY)
        return json_string(v) ? 0 : refuse_filter(err, name, "a list of texts");
    for (const struct json *e = json_first(v); e; e = json_next(e))
        if (!json_string(e))
            return refuse_filter(err, name, "a list of texts");
    return 0;
}

/* ---- read ---------------------------------------------------------------- */

static int read_tag(const struct json *tag, struct err *err)
{
    const char *op;

    if (!json_string(json_get(tag, "name")) || !json_get(tag, "values"))
        return refuse_filter(err, "tags", "a name and values");
    for (const struct json *v = json_first(tag); v; v = json_next(v)) {
        const char *key = json_key(v);

        if (strcmp(key, "name") != 0 && strcmp(key, "values") != 0 &&
            strcmp(key, "op") != 0 && json_type(v) != JSON_NULL)
            return err_set(err, ERR_INPUT, "\"%s\" of tags is not answered"
                           " here", key);
    }
    op = json_string(json_get(tag, "op"));
    if (op && strcmp(op, "EQ") != 0 && strcmp(op, "NEQ") != 0)
        return err_set(err, ERR_INPUT, "op \"%s\" of tags is not answered"
                       " here, only EQ and NEQ", op);
    return check_texts(json_get(tag, "values"), "values of tags", err);
}

static int read_tags(struct graphql_filter *f, const struct json *v,
                     struct err *err)
{
    f->tags = v;
    if (json_type(v) == JSON_OBJECT)
        return read_tag(v, err);
    if (json_type(v) != JSON_ARRAY)
        return refuse_filter(err, "tags", "a list");
    for (const struct json *t = json_first(v); t; t = json_next(t))
        if (read_tag(t, err))
            return -1;
    return 0;
}

static int read_block(struct graphql_filter *f, const struct json *v,
                      struct err *err)
{
    if (json_type(v) != JSON_OBJECT)
        return refuse_filter(err, "block", "min and max");
    for (const struct json *e = json_first(v); e; e = json_next(e)) {
        uint64_t *to = strcmp(json_key(e), "min") == 0 ? &f->min
                       : strcmp(json_key(e), "max") == 0 ? &f->max : NULL;

        if (!to)
            return err_set(err, ERR_INPUT, "\"%s\" of block is not answered"
                           " here, only min and max", json_key(e));
        if (json_type(e) == JSON_NULL)
            continue;
        if (json_u64(e, to))
            return refuse_filter(err, json_key(e), "a height");
        f->in_block = true;
    }
    return 0;
}

static int read_first(struct graphql_filter *f, const struct json *v,
                      struct err *err)
{
    if (json_u64(v, &f->first))
        return refuse_filter(err, "first", "a number");
    if (f->first > FIRST_MAX)
        f->first = FIRST_MAX;
    return 0;
}

static int read_after(struct graphql_filter *f, const struct json *v,
                      struct err *err)
{
    const char *text = json_string(v);

    if (!text)
        return refuse_filter(err, "after", "a cursor");
    f->from_cursor = *text != '\0';
    if (f->from_cursor && json_u64_text(text, &f->after))
        return refuse_filter(err, "after", "a cursor of this gateway");
    return 0;
}

static int read_sort(struct graphql_filter *f, const struct json *v,
                     struct err *err)
{
    const char *text = json_string(v);

    f->ascending = text && strcmp(text, "HEIGHT_ASC") == 0;
    if (f->ascending || (text && strcmp(text, "HEIGHT_DESC") == 0))
        return 0;
    return refuse_filter(err, "sort", "HEIGHT_DESC or HEIGHT_ASC");
}

static int read_argument(struct graphql_filter *f, const struct json *v,
                         struct err *err)
{
    const char *name = json_key(v);
    const struct {
        const char *name;
        const struct json **list;
        int (*read)(struct graphql_filter *f, const struct json *v,
                    struct err *err);
    } rows[] = {
        { "ids", &f->ids, NULL }, { "owners", &f->owners, NULL },
        { "recipients", &f->recipients, NULL },
        { "bundledIn", &f->bundled_in, NULL }, { "tags", NULL, read_tags },
        { "block", NULL, read_block }, { "first", NULL, read_first },
        { "after", NULL, read_after }, { "sort", NULL, read_sort },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(name, rows[i].name) != 0)
            continue;
        /* what is null was not given, but in this one place */
        if (json_type(v) == JSON_NULL) {
            f->unbundled |= rows[i].list == &f->bundled_in;
            return 0;
        }
        if (rows[i].read)
            return rows[i].read(f, v, err);
        *rows[i].list = v;
        return check_texts(v, name, err);
    }
    return err_set(err, ERR_INPUT, "\"%s\" of transactions is not answered"
                   " here, only ids, owners, recipients, tags, bundledIn,"
                   " block, first, after and sort", name);
}

int graphql_filter_read(struct graphql_filter *f, const struct json *args,
                        struct err *err)
{
    memset(f, 0, sizeof(*f));
    f->first = FIRST;
    f->max = UINT64_MAX;
    for (const struct json *v = json_first(args); v; v = json_next(v))
        if (read_argument(f, v, err))
            return -1;
    return 0;
}

/* ---- fits ---------------------------------------------------------------- */

/* The next text of a list, or the one that is none; NULL at the end. */
static const struct json *first_text(const struct json *v)
{
    return v && json_type(v) == JSON_ARRAY ? json_first(v) : v;
}

static bool is_id(const struct json *v, const struct id *id)
{
    struct id want;

    return json_id(v, &want) == 0 && id_equal(want, *id);
}

/* A filter of ids: absent, of none, or one of them is id (NULL: none is). */
static bool one_of(const struct json *list, const struct id *id)
{
    const struct json *v = first_text(list);

    if (!v)
        return true;
    for (; v && id; v = v == list ? NULL : json_next(v))
        if (is_id(v, id))
            return true;
    return false;
}

static bool is_text(const char *bytes, size_t n, const char *text)
{
    return strlen(text) == n && memcmp(bytes, text, n) == 0;
}

static bool has_value(const struct item_tag *t, const struct json *list)
{
    const struct json *v = first_text(list);

    for (; v; v = v == list ? NULL : json_next(v))
        if (is_text(t->value, t->n_value, json_string(v)))
            return true;
    return false;
}

static bool passes_tag(const struct item *it, const struct json *filter)
{
    const char *name = json_string(json_get(filter, "name"));
    const char *op = json_string(json_get(filter, "op"));
    bool wanted = !op || strcmp(op, "EQ") == 0;

    for (size_t i = 0; i < it->n_tags; i++)
        if (is_text(it->tag[i].name, it->tag[i].n_name, name) &&
            has_value(&it->tag[i], json_get(filter, "values")))
            return wanted;
    return !wanted;
}

static bool passes_tags(const struct item *it, const struct json *tags)
{
    if (tags && json_type(tags) == JSON_OBJECT)
        return passes_tag(it, tags);
    for (const struct json *t = json_first(tags); t; t = json_next(t))
        if (!passes_tag(it, t))
            return false;
    return true;
}

bool graphql_filter_fits(const struct graphql_filter *f, const struct stored *h,
                         const struct item *it)
{
    const struct root *r = h->top->root;
    const struct id *bundle = chain_bundle(h);

    if (f->in_block && (!r || r->height < f->min || r->height > f->max))
        return false;
    if (f->unbundled && bundle)
        return false;
    return one_of(f->ids, &it->id) && one_of(f->owners, &it->address) &&
           one_of(f->recipients, it->target) && one_of(f->bundled_in, bundle) &&
           passes_tags(it, f->tags);
}
