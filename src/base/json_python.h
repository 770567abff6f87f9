/*
 * JSON as Python's json module writes it: with NaN, Infinity and -Infinity,
 * which are not JSON (RFC 8259, section 6).
 */
#ifndef APUS_BASE_JSON_PYTHON_H
#define APUS_BASE_JSON_PYTHON_H

#include <stddef.h>

struct err;
struct json;

/* As json_parse, with those three as the strings of their names: a member that
 * nobody asks for does no harm, one that must be a number is none.  Offsets in
 * an error count the quotes around them. */
int json_parse_python(struct json **root, const char *text, size_t n,
                      struct err *err);

#endif
