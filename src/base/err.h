/*
 * Errors as values.  A function that can fail returns 0 or -1 and takes
 * `struct err *err` last.  Nothing below cmd and worker prints or exits;
 * the text travels up and one place reports it, once.
 */
#ifndef APUS_BASE_ERR_H
#define APUS_BASE_ERR_H

#include <stdbool.h>

/* What to do about it, not what happened. */
enum err_code {
    ERR_NONE = 0,
    ERR_RETRY, /* the world may change: run it again later */
    ERR_INPUT, /* this input is bad, the next may be good */
    ERR_FATAL, /* stop */
    ERR_CLOSED /* nobody reads the output any more: stop, say nothing */
};

struct err {
    enum err_code code;
    bool damage;    /* the input is a checkpoint, which was right once */
    char text[480]; /* lower case, no full stop, cut if it is too long */
};

#define ERR_INIT { ERR_NONE, false, "" }

/* Every `struct err *err` may be NULL, of whoever needs no reason. */

/* Fill `err` and return -1, so that a caller can write
 * `return err_set(err, ERR_INPUT, "...")`.  Control bytes that came in with
 * a name are shown as '?', so that a message is always one line. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, followed by ": " and the text of the current errno. */
int err_errno(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The code of an errno of the file system: what a caller can do about it. */
enum err_code err_code_of(int why);

/* Hand over an error that was made elsewhere.  Returns -1. */
int err_copy(struct err *err, const struct err *from);

/* Give what `err` holds another code. */
void err_turn(struct err *err, enum err_code code);

/* Mark an error of ERR_INPUT as damage to a checkpoint; no other is changed.
 * Return -1. */
int err_damage(struct err *err);

/* For a function that looks at what went wrong, since its caller may not care:
 * `err`, or *own if that is NULL. */
struct err *err_or(struct err *err, struct err *own);

/* Put "text: " before the text that `err` holds already.  Returns -1. */
int err_prefix(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
