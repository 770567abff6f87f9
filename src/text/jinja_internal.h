/*
 * What the files of the template interpreter share: memory, values, the tree
 * of a template, and a run.
 */
#ifndef APUS_TEXT_JINJA_INTERNAL_H
#define APUS_TEXT_JINJA_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/jinja.h"

/* ---- memory: given back all at once ------------------------------------- */

struct jinja_block;

struct jinja_arena {
    struct jinja_block *block;
    size_t used; /* bytes of all blocks */
};

/* Zeroed memory.  Never NULL: the caller bounds `used`. */
void *jinja_alloc(struct jinja_arena *a, size_t n);
void jinja_arena_clear(struct jinja_arena *a);

/* ---- values ------------------------------------------------------------- */

enum jinja_kind {
    JINJA_UNDEFINED, JINJA_NONE, JINJA_BOOL, JINJA_INT, JINJA_FLOAT,
    JINJA_STRING, JINJA_LIST, JINJA_MAP, JINJA_MACRO
};

/* UTF-8; from_user has a byte for each of s, or is NULL: all the template's. */
struct jinja_text {
    const char *s;
    const unsigned char *from_user;
    size_t n;
};

struct jinja_node;
struct jinja_list;
struct jinja_map;

struct jinja_value {
    enum jinja_kind kind;
    union {
        bool truth;
        int64_t number;
        struct jinja_text text; /* of a float: as it was written */
        struct jinja_list *list;
        struct jinja_map *map;
        const struct jinja_node *macro;
    };
};

struct jinja_list {
    struct jinja_value *v;
    size_t n, cap;
};

struct jinja_map {
    struct jinja_text *key;
    struct jinja_value *v;
    size_t n, cap;
    bool is_namespace;
};

extern const struct jinja_value jinja_undefined, jinja_none;

struct jinja_value jinja_bool(bool truth);
struct jinja_value jinja_int(int64_t number);
struct jinja_value jinja_string(struct jinja_text text);
struct jinja_text jinja_literal(const char *s); /* not copied */
struct jinja_value jinja_new_list(struct jinja_arena *a);
struct jinja_value jinja_new_map(struct jinja_arena *a);
void jinja_push(struct jinja_arena *a, struct jinja_list *l,
                struct jinja_value v);
void jinja_put(struct jinja_arena *a, struct jinja_map *m,
               struct jinja_text key, struct jinja_value v);
/* NULL if there is no such key. */
struct jinja_value *jinja_find(const struct jinja_map *m,
                               struct jinja_text key);
bool jinja_same_text(struct jinja_text x, struct jinja_text y);
bool jinja_is(struct jinja_text x, const char *s);
/* s[at..at+n) with its marks. */
struct jinja_text jinja_part(struct jinja_text t, size_t at, size_t n);
bool jinja_true(struct jinja_value v);
/* Code points, elements or members; 0 of others. */
size_t jinja_length(struct jinja_value v);
bool jinja_equal(struct jinja_value x, struct jinja_value y);
/* Python's white space, which strip and trim take away. */
bool jinja_is_space(uint32_t cp);

/* A value of JSON, copied. */
struct jinja_value jinja_from_json(struct jinja_arena *a, const struct json *v,
                                   bool from_user);

/* ---- texts in the making ------------------------------------------------ */

struct jinja_writer {
    struct jinja_arena *arena;
    char *s;
    unsigned char *from_user;
    size_t n, cap;
};

void jinja_write(struct jinja_writer *w, struct jinja_text t);
void jinja_write_bytes(struct jinja_writer *w, const char *s, size_t n,
                       bool from_user);
struct jinja_text jinja_written(const struct jinja_writer *w);

/* ---- the tree ----------------------------------------------------------- */

enum jinja_node_kind {
    /* statements; lists of them by `next` */
    NODE_TEXT, NODE_PRINT, NODE_FOR, NODE_IF, NODE_SET, NODE_SET_BLOCK,
    NODE_MACRO, NODE_FILTER_BLOCK, NODE_BREAK, NODE_CONTINUE,
    /* expressions */
    NODE_VALUE, NODE_NAME, NODE_LIST, NODE_MAP, NODE_OR, NODE_AND, NODE_NOT,
    NODE_NEGATE, NODE_BINARY, NODE_CHOICE, NODE_ATTRIBUTE, NODE_ITEM,
    NODE_SLICE, NODE_CALL, NODE_METHOD, NODE_FILTER, NODE_TEST,
    /* an argument, a member of a map, a parameter: name or a, and value b */
    NODE_PAIR
};

enum jinja_operator {
    OP_EQUAL, OP_UNEQUAL, OP_LESS, OP_LESS_EQUAL, OP_GREATER, OP_GREATER_EQUAL,
    OP_IN, OP_NOT_IN, OP_ADD, OP_SUBTRACT, OP_JOIN, OP_TIMES, OP_DIVIDE,
    OP_MODULO
};

/* a, b, c, d by kind: see the functions that make and run them. */
struct jinja_node {
    enum jinja_node_kind kind;
    unsigned line;
    int number; /* operator, or which filter, test, method, function */
    bool negated;
    struct jinja_text name;
    struct jinja_value value;
    struct jinja_node *a, *b, *c, *d, *next;
    struct jinja_node *made; /* the one made before, of the whole template */
};

struct jinja {
    struct jinja_arena arena;
    struct jinja_node *body;
    struct jinja_node *made; /* the last one that was made */
};

/* ---- the words of a template -------------------------------------------- */

enum jinja_token_kind {
    TOKEN_END, TOKEN_TEXT, TOKEN_PRINT, TOKEN_PRINT_END, TOKEN_TAG,
    TOKEN_TAG_END, TOKEN_NAME, TOKEN_STRING, TOKEN_INT, TOKEN_FLOAT,
    TOKEN_SIGN
};

struct jinja_token {
    enum jinja_token_kind kind;
    unsigned line;
    struct jinja_text text; /* of a string: without escapes */
};

/* All tokens of a template, the last one TOKEN_END. */
int jinja_lex(struct jinja_token **out, struct jinja_arena *a,
              const char *text, size_t n, struct err *err);

/* Numbers of what is known by name, or -1. */
int jinja_filter_number(struct jinja_text name);
int jinja_test_number(struct jinja_text name);
int jinja_method_number(struct jinja_text name);
int jinja_function_number(struct jinja_text name);

/* ---- a run -------------------------------------------------------------- */

struct jinja_scope {
    struct jinja_scope *parent;
    struct jinja_map *variables;
};

struct jinja_run {
    struct jinja_arena arena;
    struct jinja_scope *scope, *top;
    struct jinja_writer *out;
    const char *date;
    unsigned steps, depth, line;
    struct err *err;
};

/* The arguments of a call, evaluated. */
struct jinja_arguments {
    struct jinja_list *list;
    struct jinja_map *named;
};

/* An error with the line, ERR_INPUT; returns -1. */
int jinja_fail(struct jinja_run *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Count n steps and look at the bounds. */
int jinja_step(struct jinja_run *r, size_t n);

int jinja_eval(struct jinja_run *r, const struct jinja_node *n,
               struct jinja_value *out);
/* The values of a list of arguments, NODE_PAIRs or NULL. */
int jinja_eval_arguments(struct jinja_run *r, const struct jinja_node *n,
                         struct jinja_arguments *args);
/* Run statements into r->out. */
int jinja_run_body(struct jinja_run *r, const struct jinja_node *n);
/* Call a macro. */
int jinja_call_macro(struct jinja_run *r, const struct jinja_node *macro,
                     const struct jinja_arguments *args,
                     struct jinja_value *out);
int jinja_filter(struct jinja_run *r, int number, struct jinja_value v,
                 const struct jinja_arguments *args, struct jinja_value *out);
int jinja_test(struct jinja_run *r, int number, struct jinja_value v,
               const struct jinja_arguments *args, bool *out);
int jinja_method(struct jinja_run *r, int number, struct jinja_value self,
                 const struct jinja_arguments *args, struct jinja_value *out);
int jinja_function(struct jinja_run *r, int number,
                   const struct jinja_arguments *args,
                   struct jinja_value *out);
/* x OP y. */
int jinja_binary(struct jinja_run *r, enum jinja_operator op,
                 struct jinja_value x, struct jinja_value y,
                 struct jinja_value *out);
/* The attribute or member of a value: undefined if it has none. */
int jinja_member(struct jinja_run *r, struct jinja_value v,
                 struct jinja_value key, struct jinja_value *out);
int jinja_slice(struct jinja_run *r, struct jinja_value v,
                const struct jinja_value bound[3], struct jinja_value *out);
/* The elements of what can be walked over: a list of its own. */
int jinja_elements(struct jinja_run *r, struct jinja_value v,
                   struct jinja_list **out);
/* Append what {{ v }} prints. */
int jinja_print(struct jinja_run *r, struct jinja_writer *w,
                struct jinja_value v);
/* The text of a value that is printed. */
int jinja_to_text(struct jinja_run *r, struct jinja_value v,
                  struct jinja_text *out);
/* JSON as Python's json.dumps writes it; indent < 0: in one line. */
int jinja_to_json(struct jinja_run *r, struct jinja_writer *w,
                  struct jinja_value v, int64_t indent, unsigned level);

/* Argument i, or that of a name, or `absent`. */
struct jinja_value jinja_argument(const struct jinja_arguments *args, size_t i,
                                  const char *name,
                                  struct jinja_value absent);

#endif
