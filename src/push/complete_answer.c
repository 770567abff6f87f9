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

/* Of which number a line is one more, COMPLETE_COUNTS for none. */
static int number_of(const char *why)
{
    static const struct {
        const char *why;
        int number;
    } of[] = {
        { "conflict", COMPLETE_CONFLICTS },
        { "unknown", COMPLETE_UNKNOWN },
        { "refused", COMPLETE_REFUSED },
    };

    for (size_t i = 0; why && i < sizeof(of) / sizeof(of[0]); i++)
        if (strcmp(why, of[i].why) == 0)
            return of[i].number;
    return COMPLETE_COUNTS;
}

/* A line {"request","why"}, and with a refusal its "reason". */
static int take_line(const char *message, const char *line, size_t n,
                     uint64_t *seen, struct err *err)
{
    const char *request;
    struct json *root;
    struct id id;
    int rc = 0, number;

    if (json_parse(&root, line, n, err)) {
        err_turn(err, ERR_RETRY);
        return err_prefix(err, "its answer");
    }
    request = json_string(json_get(root, "request"));
    number = number_of(json_string(json_get(root, "why")));
    if (!request || number == COMPLETE_COUNTS || id_parse(&id, request) ||
        !is_ours(message, request))
        rc = err_set(err, ERR_RETRY, "its answer names a request that is not"
                     " in our message");
    else
        seen[number]++;
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
    for (int i = COMPLETE_CONFLICTS; i < COMPLETE_COUNTS; i++)
        if (seen[i] != count[i])
            return err_set(err, ERR_RETRY, "its answer names other conflicts"
                           " than it counts: it is not believed");
    return 0;
}
