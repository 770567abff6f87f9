/*
 * A case as JSON: {"apus":"case-1","dispute","item","request","queue","part",
 * "state"}.
 */
#include <config.h>

#include "node/challenge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"

#define FORMAT "case-1"

/* A text of at most size - 1 bytes. */
static int take_text(char *out, size_t size, const struct json *v)
{
    const char *text = json_string(v);

    if (!text || strlen(text) >= size)
        return -1;
    strcpy(out, text);
    return 0;
}

static bool is_state(const char *text)
{
    return strcmp(text, "found") == 0 || strcmp(text, "open") == 0 ||
           strcmp(text, "won") == 0 || strcmp(text, "lost") == 0 ||
           strcmp(text, "refused") == 0;
}

int challenge_case_parse(struct challenge_case *c, const char *text, size_t n,
                         struct err *err)
{
    struct challenge_case got;
    struct json *root;
    const char *format;
    int rc = 0;

    if (json_parse(&root, text, n, err))
        return -1;
    format = json_string(json_get(root, "apus"));
    if (!format || strcmp(format, FORMAT) != 0 ||
        json_id(json_get(root, "dispute"), &got.dispute) ||
        json_id(json_get(root, "item"), &got.item) ||
        json_id(json_get(root, "request"), &got.request) ||
        json_id(json_get(root, "queue"), &got.queue) ||
        take_text(got.part, sizeof(got.part), json_get(root, "part")) ||
        take_text(got.state, sizeof(got.state), json_get(root, "state")) ||
        !is_state(got.state))
        rc = err_set(err, ERR_INPUT, "this is not a case of a dispute");
    else
        *c = got;
    json_free(root);
    return rc;
}

enum found challenge_case_read(struct challenge_case *c, const char *path,
                               struct err *err)
{
    struct buf text;
    int rc;

    if (!file_exists(path))
        return FOUND_NONE;
    buf_init(&text, CHALLENGE_CASE_MAX);
    rc = file_read(&text, path, err);
    if (rc == 0 &&
        challenge_case_parse(c, text.data ? text.data : "", text.len, err))
        rc = err_prefix(err, "\"%s\"", path);
    buf_clear(&text);
    return rc ? FOUND_FAILED : FOUND_ONE;
}

char *challenge_case_path(const char *spool, struct id dispute)
{
    return xasprintf("%s/disputes/%s.json", spool, id_text(dispute).s);
}

int challenge_case_write(const struct challenge_case *c, const char *spool,
                         struct err *err)
{
    char *dir = file_join(spool, "disputes");
    char *path = challenge_case_path(spool, c->dispute);
    struct buf b;
    int rc;

    buf_init(&b, CHALLENGE_CASE_MAX);
    buf_putc(&b, '{');
    json_put_text(&b, "apus", FORMAT);
    json_put_id(&b, "dispute", c->dispute);
    json_put_id(&b, "item", c->item);
    json_put_id(&b, "request", c->request);
    json_put_id(&b, "queue", c->queue);
    json_put_text(&b, "part", c->part);
    json_put_text(&b, "state", c->state);
    buf_puts(&b, "}\n");
    rc = file_mkdirs(dir, err) || file_write(path, b.data, b.len, err) ? -1 : 0;
    buf_clear(&b);
    free(path);
    free(dir);
    return rc;
}
