/*
 * The members that a request may have: OpenAI's, ours, and those that clients
 * write beside them.  contrib/ao/queue/28-names.lua is the same table for the
 * queue: tests/0441-ask.t compares them.
 */
#ifndef APUS_STORE_REQUEST_NAMES_H
#define APUS_STORE_REQUEST_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct json;

/* A row.  `values`: "+" it is read; "*" it is passed over, for no value of it
 * changes an answer; "=NAME" it is unknown, and NAME is meant; else those of
 * its values that change nothing, with blanks between them: no other is
 * implemented.  null is always one of these, and {} stands for [] too. */
struct request_name {
    const char *name; /* what stands inside another member: "apus.top_k" */
    const char *values;
};

extern const struct request_name request_names[]; /* up to a NULL name */

/* What to do with member v.  Its row is `group` and its key ("", "apus.",
 * "messages.", "content."); a message calls it `path` and its key. */
enum request_member {
    REQUEST_MEMBER_BAD = -1, /* unknown or not implemented */
    REQUEST_MEMBER_IDLE,     /* it changes nothing */
    REQUEST_MEMBER_READ      /* to be read */
};
enum request_member request_name_judge(const char *group, const char *path,
                                       const struct json *v,
                                       struct err *err);

/* Whether an earlier version, which knew fewer members and values, may have
 * refused the line text[0..n) with this message: what it names is there. */
bool request_old_reason(const char *message, const char *text, size_t n);

#endif
