/*
 * Answers to Complete.
 */
#include <config.h>

#include "push/complete_answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

/* Whether a line of our message is of this request. */
static bool is_ours(const char *message, const char *request)
{
    char key[ID_TEXT + 16];
    size_t n = (size_t)snprintf(key, sizeof(key), "{\"request\":\"%s\"",
                                request);

    for (const char *p = message; p && *p; p = strchr(p, '\n')) {
        p += *p == '\n';
        if (strncmp(p, key, n) == 0)
            return true;
    }
    return false;
}

/* A line {"request","why"}. */
static int take_line(const char *message, const char *line, size_t n,
                     uint64_t *seen, struct err *err)
{
    const char *request, *why;
    struct json *root;
    struct id id;
    bool conflict;
    int rc = 0;

    if (json_parse(&root, line, n, err)) {
        err_turn(err, ERR_RETRY);
        return err_prefix(err, "its answer");
    }
    request = json_string(json_get(root, "request"));
    why = json_string(json_get(root, "why"));
    conflict = why && strcmp(why, "conflict") == 0;
    if (!request || !why || id_parse(&id, request) ||
        !is_ours(message, request) ||
        (!conflict && strcmp(why, "unknown") != 0))
        rc = err_set(err, ERR_RETRY, "its answer names a request that is not"
                     " in our message");
    else
        seen[conflict ? COMPLETE_CONFLICTS : COMPLETE_UNKNOWN]++;
    json_free(root);
    return rc;
}

int complete_answer(const char *message, size_t n_lines,
                    const uint64_t count[COMPLETE_COUNTS], const char *data,
                    struct err *err)
{
    uint64_t seen[COMPLETE_COUNTS] = { 0 }, all = 0;
    bool many = false;

    for (int i = 0; i < COMPLETE_COUNTS; i++) {
        many = many || count[i] > n_lines;
        all += count[i];
    }
    if (many || all != n_lines)
        return err_set(err, ERR_RETRY, "its answer counts other results than"
                       " the %zu of our message: it is not believed",
                       n_lines);
    while (*data) {
        size_t n = strcspn(data, "\n");

        if (n > 0 && take_line(message, data, n, seen, err))
            return -1;
        data += n + (data[n] == '\n');
    }
    if (seen[COMPLETE_CONFLICTS] != count[COMPLETE_CONFLICTS] ||
        seen[COMPLETE_UNKNOWN] != count[COMPLETE_UNKNOWN])
        return err_set(err, ERR_RETRY, "its answer names other conflicts than"
                       " it counts: it is not believed");
    return 0;
}
