/*
 * Models and lines for apus queue.
 */
#include <config.h>

#include "cmd/queue_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/settings.h"
#include "model/model.h"
#include "model/models.h"

#define LINES_MAX ((size_t)4 << 20)

/* As the queue takes one. */
static bool is_name(const char *text)
{
    size_t n = strlen(text);

    return n >= 1 && n <= QUEUE_MODEL_NAME_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789._-") == n;
}

static void add_tag(struct queue_model *m, const char *name, const char *value)
{
    m->tag[m->n_tags].name = name;
    m->tag[m->n_tags++].value = value;
}

int queue_model_name(const char *name, struct err *err)
{
    if (is_name(name))
        return 0;
    return err_set(err, ERR_INPUT, "\"%s\" is not a name for a queue: 1 to %d"
                   " of A-Z a-z 0-9 . _ -, give one with --name", name,
                   QUEUE_MODEL_NAME_MAX);
}

int queue_model_find(struct queue_model *m, const struct settings *s,
                     const char *what, const char *name, const char *source,
                     struct err *err)
{
    unsigned char record[MODEL_RECORD_SIZE];
    struct model_record rec;
    struct id id;
    uint64_t bytes = 0;
    char *path;
    int rc;

    memset(m, 0, sizeof(*m));
    if (models_resolve(&path, settings_text(s, "models"), what, log_line, err))
        return -1;
    rc = model_peek(&rec, &id, path, err) || file_size(path, &bytes, err);
    free(path);
    if (rc)
        return -1;
    base64url(m->id, id.b, 32);
    model_record_pack(record, &rec);
    base64url(m->record, record, sizeof(record));
    snprintf(m->bytes, sizeof(m->bytes), "%" PRIu64, bytes);
    snprintf(m->context, sizeof(m->context), "%" PRIu32, rec.context);
    add_tag(m, "Action", "Register-Model");
    add_tag(m, "Model", m->id);
    add_tag(m, "Name", name);
    add_tag(m, "Bytes", m->bytes);
    add_tag(m, "Context", m->context);
    add_tag(m, "Record", m->record);
    add_tag(m, "Source", source);
    return 0;
}

bool queue_is_count(const char *name)
{
    static const char *const not[] = {
        "Action", "Code", "Data-Protocol", "Type", "Variant", "Reference",
        "X-Reference", "From-Process", "From-Module", "Pushed-For"
    };

    for (size_t i = 0; i < sizeof(not) / sizeof(not[0]); i++)
        if (strcasecmp(name, not[i]) == 0)
            return false;
    return true;
}

/* A value as text: a string bare, anything else as JSON. */
static void put_value(struct buf *out, const struct json *v)
{
    const char *text = json_string(v);
    struct buf json;

    if (text) {
        plain_put(out, *text ? text : "-", *text ? strlen(text) : 1);
        return;
    }
    buf_init(&json, LINES_MAX);
    json_put(&json, v);
    plain_put(out, json.data, json.len);
    buf_clear(&json);
}

static int print_line(const char *name, const char *line, size_t n,
                      struct err *err)
{
    struct json *root;
    struct buf out;
    int rc;

    if (json_parse(&root, line, n, err))
        return err_prefix(err, "a line of the queue's answer");
    buf_init(&out, LINES_MAX);
    buf_puts(&out, name);
    for (const struct json *v = json_first(root); v; v = json_next(v)) {
        buf_puts(&out, "\t");
        put_value(&out, v);
    }
    rc = buf_check(&out, "a line of the queue's answer", err);
    if (rc == 0)
        puts(out.data);
    buf_clear(&out);
    json_free(root);
    return rc;
}

int queue_print_lines(const char *name, const char *lines, struct err *err)
{
    while (*lines) {
        size_t n = strcspn(lines, "\n");

        if (n && print_line(name, lines, n, err))
            return -1;
        lines += n + (lines[n] == '\n');
    }
    return 0;
}
