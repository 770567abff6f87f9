/*
 * The names of a journal's files, and what was settled when it began.
 */
#include <config.h>

#include "push/push_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"

#define PLAN_MAX 4096

/* ---- names --------------------------------------------------------------- */

char *push_path(const char *batch_path, const char *name)
{
    return xasprintf("%s/push/%s", batch_path, name);
}

char *push_path_of(const char *batch_path, const char *kind, size_t number,
                   const char *suffix)
{
    return xasprintf("%s/push/%s-%04zu.%s", batch_path, kind, number, suffix);
}

int push_open(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
                  O_NOCTTY);

    if (fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_INPUT : ERR_RETRY,
                         "cannot open \"%s\"", path);
    return fd;
}

/* ---- the plan ------------------------------------------------------------ */

static int parse_plan(struct push_plan *plan, const struct buf *text,
                      const char *path, struct err *err)
{
    const char *publish;
    struct json *root;
    int rc = 0;

    if (json_parse(&root, text->data, text->len, err))
        return err_prefix(err, "\"%s\"", path);
    publish = json_string(json_get(root, "publish"));
    if (!publish || json_id(json_get(root, "node"), &plan->node) ||
        json_id(json_get(root, "previous"), &plan->previous) ||
        (strcmp(publish, "full") != 0 && strcmp(publish, "hashes") != 0))
        rc = err_set(err, ERR_INPUT, "\"%s\" is not what apus push writes",
                     path);
    else
        plan->hashes = strcmp(publish, "hashes") == 0;
    json_free(root);
    return rc;
}

enum found push_plan_read(struct push_plan *plan, const char *batch_path,
                          struct err *err)
{
    char *path = push_path(batch_path, "plan.json");
    struct buf text;
    enum found found = FOUND_NONE;

    buf_init(&text, PLAN_MAX);
    if (file_exists(path))
        found = file_read(&text, path, err) ||
                        parse_plan(plan, &text, path, err)
                    ? FOUND_FAILED : FOUND_ONE;
    buf_clear(&text);
    free(path);
    return found;
}

static int write_plan(const struct push_plan *plan, const char *batch_path,
                      struct err *err)
{
    char *path = push_path(batch_path, "plan.json");
    char *dir = file_join(batch_path, "push");
    struct buf text;
    int rc;

    buf_init(&text, 512);
    buf_putc(&text, '{');
    json_put_text(&text, "format", "apus-push-1");
    json_put_text(&text, "publish", plan->hashes ? "hashes" : "full");
    json_put_id(&text, "node", plan->node);
    json_put_id(&text, "previous", plan->previous);
    buf_puts(&text, "}\n");
    rc = file_mkdirs(dir, err) || file_write(path, text.data, text.len, err)
             ? -1 : 0;
    buf_clear(&text);
    free(dir);
    free(path);
    return rc;
}

int push_plan_settle(struct push_plan *plan, const char *batch_path,
                     struct err *err)
{
    struct push_plan old;
    enum found found = push_plan_read(&old, batch_path, err);

    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_NONE)
        return write_plan(plan, batch_path, err);
    if (!id_equal(old.node, plan->node))
        return err_set(err, ERR_INPUT,
                       "the push of this batch was started with"
                       " wallet %s, this one is %s: name that one with the"
                       " setting wallet",
                       id_text(old.node).s, id_text(plan->node).s);
    if (old.hashes != plan->hashes)
        return err_set(err, ERR_INPUT, "the push of this batch was started with"
                       " publish = %s: resume it with the same",
                       old.hashes ? "hashes" : "full");
    *plan = old;
    return 0;
}
