/*
 * The tree of a JSON text, for json*.c.
 */
#ifndef APUS_BASE_JSON_INTERNAL_H
#define APUS_BASE_JSON_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

/* A value.  Its key and text lie in the same block of memory. */
struct json {
    enum json_type type;
    bool truth;
    char *key;         /* of a member, or NULL */
    char *text;        /* a string decoded; a number as it stood */
    size_t n;          /* bytes of the block that hold key and texts */
    struct json *next, *child;

    /* An array of n_span numbers without nodes: the text between its
     * brackets.  json_first makes the nodes. */
    const char *span, *span_end;
    size_t n_span;
};

#endif
