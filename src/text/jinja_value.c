/*
 * Values of the template interpreter, and their memory.
 */
#include <config.h>

#include "text/jinja_internal.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

#define BLOCK_SIZE ((size_t)64 << 10)

const struct jinja_value jinja_undefined = { .kind = JINJA_UNDEFINED };
const struct jinja_value jinja_none = { .kind = JINJA_NONE };

struct jinja_block {
    struct jinja_block *next;
    size_t n, cap;
    alignas(max_align_t) char bytes[];
};

void *jinja_alloc(struct jinja_arena *a, size_t n)
{
    struct jinja_block *b = a->block;
    size_t cap;
    void *p;

    n = (n + alignof(max_align_t) - 1) / alignof(max_align_t) *
        alignof(max_align_t);
    if (!b || b->cap - b->n < n) {
        cap = n > BLOCK_SIZE ? n : BLOCK_SIZE;
        b = xcalloc(1, sizeof(*b) + cap);
        b->cap = cap;
        b->next = a->block;
        a->block = b;
        a->used += cap;
    }
    p = b->bytes + b->n;
    b->n += n;
    return p;
}

void jinja_arena_clear(struct jinja_arena *a)
{
    struct jinja_block *b, *next;

    for (b = a->block; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (struct jinja_arena){ 0 };
}

struct jinja_value jinja_bool(bool truth)
{
    return (struct jinja_value){ .kind = JINJA_BOOL, .truth = truth };
}

struct jinja_value jinja_int(int64_t number)
{
    return (struct jinja_value){ .kind = JINJA_INT, .number = number };
}

struct jinja_value jinja_string(struct jinja_text text)
{
    return (struct jinja_value){ .kind = JINJA_STRING, .text = text };
}

struct jinja_text jinja_literal(const char *s)
{
    return (struct jinja_text){ .s = s, .n = strlen(s) };
}

struct jinja_value jinja_new_list(struct jinja_arena *a)
{
    return (struct jinja_value){
        .kind = JINJA_LIST, .list = jinja_alloc(a, sizeof(struct jinja_list))
    };
}

struct jinja_value jinja_new_map(struct jinja_arena *a)
{
    return (struct jinja_value){ .kind = JINJA_MAP,
                                 .map =
                                     jinja_alloc(a, sizeof(struct jinja_map)) };
}

/* `n` elements of `size` bytes in room for more. */
static void *grown(struct jinja_arena *a, const void *old, size_t n, size_t cap,
                   size_t size)
{
    void *p = jinja_alloc(a, cap * size);

    if (n)
        memcpy(p, old, n * size);
    return p;
}

void jinja_push(struct jinja_arena *a, struct jinja_list *l,
                struct jinja_value v)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 8;
        l->v = grown(a, l->v, l->n, l->cap, sizeof(*l->v));
    }
    l->v[l->n++] = v;
}

void jinja_put(struct jinja_arena *a, struct jinja_map *m,
               struct jinja_text key, struct jinja_value v)
{
    struct jinja_value *old = jinja_find(m, key);

    if (old) {
        *old = v;
        return;
    }
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 8;
        m->key = grown(a, m->key, m->n, m->cap, sizeof(*m->key));
        m->v = grown(a, m->v, m->n, m->cap, sizeof(*m->v));
    }
    m->key[m->n] = key;
    m->v[m->n++] = v;
}

struct jinja_value *jinja_find(const struct jinja_map *m, struct jinja_text key)
{
    for (size_t i = 0; i < m->n; i++)
        if (jinja_same_text(m->key[i], key))
            return &m->v[i];
    return NULL;
}

bool jinja_same_text(struct jinja_text x, struct jinja_text y)
{
    return x.n == y.n && (x.n == 0 || memcmp(x.s, y.s, x.n) == 0);
}

bool jinja_is(struct jinja_text x, const char *s)
{
    return jinja_same_text(x, jinja_literal(s));
}

struct jinja_text jinja_part(struct jinja_text t, size_t at, size_t n)
{
    return (struct jinja_text){
        .s = t.s + at,
        .from_user = t.from_user ? t.from_user + at : NULL,
        .n = n,
    };
}

bool jinja_true(struct jinja_value v)
{
    switch (v.kind) {
    case JINJA_BOOL:
        return v.truth;
    case JINJA_INT:
        return v.number != 0;
    case JINJA_FLOAT:
        return strtod(v.text.s, NULL) != 0;
    case JINJA_STRING:
        return v.text.n > 0;
    case JINJA_LIST:
        return v.list->n > 0;
    case JINJA_MAP:
        return v.map->n > 0 || v.map->is_namespace;
    case JINJA_MACRO:
        return true;
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        break;
    }
    return false;
}

static bool is_number(struct jinja_value v)
{
    return v.kind == JINJA_BOOL || v.kind == JINJA_INT || v.kind == JINJA_FLOAT;
}

static double to_double(struct jinja_value v)
{
    if (v.kind == JINJA_FLOAT)
        return strtod(v.text.s, NULL);
    return v.kind == JINJA_INT ? (double)v.number : v.truth;
}

static bool same_numbers(struct jinja_value x, struct jinja_value y)
{
    if (x.kind == JINJA_FLOAT || y.kind == JINJA_FLOAT)
        return to_double(x) == to_double(y);
    return (x.kind == JINJA_INT ? x.number : x.truth) ==
           (y.kind == JINJA_INT ? y.number : y.truth);
}

static bool same_lists(const struct jinja_list *x, const struct jinja_list *y)
{
    bool same = x->n == y->n;

    for (size_t i = 0; same && x != y && i < x->n; i++)
        same = jinja_equal(x->v[i], y->v[i]);
    return same;
}

static bool same_maps(const struct jinja_map *x, const struct jinja_map *y)
{
    bool same = x->n == y->n && !x->is_namespace && !y->is_namespace;

    for (size_t i = 0; same && i < x->n; i++) {
        const struct jinja_value *v = jinja_find(y, x->key[i]);

        same = v && jinja_equal(x->v[i], *v);
    }
    return same;
}

bool jinja_equal(struct jinja_value x, struct jinja_value y)
{
    if (is_number(x) && is_number(y))
        return same_numbers(x, y);
    if (x.kind != y.kind)
        return false;
    switch (x.kind) {
    case JINJA_STRING:
        return jinja_same_text(x.text, y.text);
    case JINJA_LIST:
        return same_lists(x.list, y.list);
    case JINJA_MAP:
        return x.map == y.map || same_maps(x.map, y.map);
    case JINJA_MACRO:
        return x.macro == y.macro;
    default:
        return true;
    }
}

bool jinja_is_space(uint32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0d) || (cp >= 0x1c && cp <= 0x20) ||
           cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

/* A copy of s, all of it from one source. */
static struct jinja_text copy(struct jinja_arena *a, const char *s,
                              bool from_user)
{
    struct jinja_text t = { .n = strlen(s) };
    char *p = jinja_alloc(a, t.n + 1);
    unsigned char *marks;

    memcpy(p, s, t.n + 1);
    t.s = p;
    if (from_user && t.n > 0) {
        marks = jinja_alloc(a, t.n);
        memset(marks, 1, t.n);
        t.from_user = marks;
    }
    return t;
}

static struct jinja_value number_value(struct jinja_arena *a,
                                       const struct json *v)
{
    const char *text = json_number(v);
    int64_t i;

    if (!strpbrk(text, ".eE") && json_i64(v, &i) == 0)
        return jinja_int(i);
    return (struct jinja_value){ .kind = JINJA_FLOAT,
                                 .text = copy(a, text, false) };
}

struct jinja_value jinja_from_json(struct jinja_arena *a, const struct json *v,
                                   bool from_user)
{
    struct jinja_value out = jinja_none;
    const struct json *e;

    switch (json_type(v)) {
    case JSON_BOOL:
        return jinja_bool(json_true(v));
    case JSON_NUMBER:
        return number_value(a, v);
    case JSON_STRING:
        return jinja_string(copy(a, json_string(v), from_user));
    case JSON_ARRAY:
        out = jinja_new_list(a);
        for (e = json_first(v); e; e = json_next(e))
            jinja_push(a, out.list, jinja_from_json(a, e, from_user));
        return out;
    case JSON_OBJECT:
        out = jinja_new_map(a);
        for (e = json_first(v); e; e = json_next(e))
            jinja_put(a, out.map, copy(a, json_key(e), from_user),
                      jinja_from_json(a, e, from_user));
        return out;
    case JSON_NULL:
        break;
    }
    return out;
}

/* ---- texts in the making ------------------------------------------------ */

static void make_room(struct jinja_writer *w, size_t n)
{
    if (w->cap - w->n >= n)
        return;
    w->cap = 2 * w->cap + n + 64;
    w->s = grown(w->arena, w->s, w->n, w->cap, 1);
    w->from_user = grown(w->arena, w->from_user, w->n, w->cap, 1);
}

void jinja_write(struct jinja_writer *w, struct jinja_text t)
{
    if (!t.n)
        return;
    make_room(w, t.n);
    memcpy(w->s + w->n, t.s, t.n);
    if (t.from_user)
        memcpy(w->from_user + w->n, t.from_user, t.n);
    else
        memset(w->from_user + w->n, 0, t.n);
    w->n += t.n;
}

void jinja_write_bytes(struct jinja_writer *w, const char *s, size_t n,
                       bool from_user)
{
    if (!n)
        return;
    make_room(w, n);
    memcpy(w->s + w->n, s, n);
    memset(w->from_user + w->n, from_user, n);
    w->n += n;
}

struct jinja_text jinja_written(const struct jinja_writer *w)
{
    return (struct jinja_text){ .s = w->n ? w->s : "",
                                .from_user = w->from_user,
                                .n = w->n };
}
