/*
 * Chat templates: the part of Jinja that they are written in, run within
 * bounds.  A template is data from strangers, and so are the messages: there is
 * no file, no import and no attribute of an object in it, and a run is bounded
 * in steps, depth, memory and output.  Nothing of the clock reaches a prompt.
 *
 * As transformers sets Jinja up: trim_blocks, lstrip_blocks, loop controls,
 * tojson without escapes for HTML, raise_exception, strftime_now.
 *
 * What is known:
 *   statements  for (else, if, break, continue), if, set (block, namespace),
 *               macro, filter, generation (its contents), comments
 *   operators   or and not == != < > <= >= in + - ~ * // % if-else slices
 *   filters     default first indent items join last length list lower map
 *               reject rejectattr replace safe select selectattr string tojson
 *               trim unique upper
 *   tests       boolean defined divisibleby eq equalto even false float in
 *               integer iterable mapping ne none number odd sequence string
 *               true undefined
 *   methods     endswith get items keys lower lstrip replace rstrip split
 *               startswith strip upper values
 *   functions   namespace raise_exception range strftime_now
 */
#ifndef APUS_TEXT_JINJA_H
#define APUS_TEXT_JINJA_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct json;
struct jinja;

#define JINJA_MAX_TEMPLATE ((size_t)1 << 20)
#define JINJA_MAX_OUTPUT ((size_t)4 << 20)
#define JINJA_MAX_MEMORY ((size_t)64 << 20)
#define JINJA_MAX_STEPS 1000000u
#define JINJA_MAX_DEPTH 64

/* Parse a template of n bytes, which are copied.  ERR_INPUT names the line and
 * what is wrong or not known there. */
int jinja_new(struct jinja **out, const char *text, size_t n, struct err *err);
void jinja_free(struct jinja *t); /* NULL is allowed */

/* Whether the template has a name on its own, as that of a variable .. */
bool jinja_reads(const struct jinja *t, const char *variable);
/* .. or a word so, as an attribute, or as a whole text in quotes. */
bool jinja_mentions(const struct jinja *t, const char *word);
/* Of such names the nearest one to what was typed (base/nearest.h), which the
 * caller frees; NULL if none is near. */
char *jinja_near(const struct jinja *t, const char *typed);

/* A variable of the template: JSON, or else a text.  What the user gave is
 * marked in the output. */
struct jinja_variable {
    const char *name;
    const struct json *json;
    const char *text;
    bool from_user;
};

/* A rendered text, and of each byte whether it comes from the user. */
struct jinja_output {
    char *text;
    unsigned char *from_user;
    size_t n;
};

/* Run it.  `date` is what strftime_now counts from, "YYYY-MM-DD", or NULL: then
 * a template that asks for it is refused.  ERR_INPUT: the template refuses
 * the messages (its own words), or a bound is reached.  out is to be cleared,
 * also after an error. */
int jinja_render(const struct jinja *t, const struct jinja_variable *variable,
                 size_t n_variables, const char *date,
                 struct jinja_output *out, struct err *err);
void jinja_output_clear(struct jinja_output *out);

#endif
