/*
 * The reader of templates: what its two files share.
 */
#ifndef APUS_TEXT_JINJA_PARSER_INTERNAL_H
#define APUS_TEXT_JINJA_PARSER_INTERNAL_H

#include "text/jinja_internal.h"

struct jinja_parser {
    struct jinja *t;
    struct jinja_token *at;
    unsigned depth, n_nodes, in_loop;
    /* macros, to know what may be called, and calls that are to be looked at,
     * by d */
    struct jinja_text macro[256];
    size_t n_macros;
    struct jinja_node *calls;
    struct err *err;
};

/* An error with the line and a name; returns NULL, as all these do after an
 * error. */
struct jinja_node *jinja_parse_fail(struct jinja_parser *p, const char *what,
                                    struct jinja_text name);
struct jinja_node *jinja_parse_fail_here(struct jinja_parser *p,
                                         const char *what);
struct jinja_node *jinja_make(struct jinja_parser *p,
                              enum jinja_node_kind kind);
bool jinja_is_sign(const struct jinja_parser *p, const char *s);
bool jinja_is_name(const struct jinja_parser *p, const char *s);
bool jinja_take_sign(struct jinja_parser *p, const char *s);
bool jinja_take_name(struct jinja_parser *p, const char *s);
bool jinja_need_sign(struct jinja_parser *p, const char *s);
bool jinja_enter(struct jinja_parser *p);

struct jinja_node *jinja_value_node(struct jinja_parser *p,
                                    struct jinja_value v);
struct jinja_node *jinja_expression(struct jinja_parser *p);
/* Without if-else: what a loop walks over. */
struct jinja_node *jinja_logic(struct jinja_parser *p);
/* An expression, or several with commas between: a list. */
struct jinja_node *jinja_expressions(struct jinja_parser *p);
/* name or name(..), of a (NULL: of a block). */
struct jinja_node *jinja_parse_filter(struct jinja_parser *p,
                                      struct jinja_node *of);

#endif
