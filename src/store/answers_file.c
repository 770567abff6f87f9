/*
 * Two output files, read side by side.  Only the beginning of a line, which
 * has the id, and the fingerprint, which has the model's, are looked at.
 */
#include <config.h>

#include "store/answers_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "spool/request_file.h"

#define HEAD "{\"id\":\"batch_req_"
/* In a string its quotes would be escaped. */
#define MODEL "\"system_fingerprint\":\"x1-"

struct answers_file {
    struct request_file *lines;
    bool is_line;           /* what follows is of a line */
    bool has_id;
    char id[ID_TEXT];
    char model[ID_TEXT];    /* "" as long as no line had one */
};

/* The 43 characters after `before`, and a quote. */
static bool take_id(char out[ID_TEXT], const char *at, size_t n)
{
    if (n < ID_TEXT || at[ID_TEXT - 1] != '"')
        return false;
    memcpy(out, at, ID_TEXT - 1);
    out[ID_TEXT - 1] = '\0';
    return true;
}

static int next(struct answers_file *a, struct err *err)
{
    size_t n, n_head = strlen(HEAD), n_model = strlen(MODEL);
    const char *text, *at;

    if (request_file_next(a->lines, &text, &n, err))
        return -1;
    a->is_line = text != NULL;
    a->has_id = false;
    if (!text)
        return 0;
    a->has_id = n > n_head && memcmp(text, HEAD, n_head) == 0 &&
                take_id(a->id, text + n_head, n - n_head);
    at = a->model[0] ? NULL : memmem(text, n, MODEL, n_model);
    if (at)
        take_id(a->model, at + n_model, n - (size_t)(at + n_model - text));
    return 0;
}

/* Each line of `old` is one of `new`, in the same order. */
static int relate(struct answers_file *old, struct answers_file *new,
                  struct err *err)
{
    bool some = false;

    if (next(old, err))
        return -1;
    for (;;) {
        if (next(new, err))
            return -1;
        if (!new->is_line)
            break;
        if (!old->is_line || !old->has_id || !new->has_id ||
            strcmp(old->id, new->id) != 0)
            some = true;
        else if (next(old, err))
            return -1;
    }
    if (old->is_line || (old->model[0] && new->model[0] &&
                         strcmp(old->model, new->model) != 0))
        return ANSWERS_OTHER;
    return some ? ANSWERS_SOME : ANSWERS_SAME;
}

int answers_relate(const char *old, const char *new, struct err *err)
{
    struct answers_file a = { .lines = NULL }, b = { .lines = NULL };
    int rc = -1;

    if (request_file_open(&a.lines, old, err) == 0 &&
        request_file_open(&b.lines, new, err) == 0)
        rc = relate(&a, &b, err);
    request_file_close(a.lines);
    request_file_close(b.lines);
    return rc;
}
