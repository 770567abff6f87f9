/*
 * Chat templates of a Hugging Face directory.
 */
#include <config.h>

#include "model/import/hf_template.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "model/import/import.h"
#include "model/model_layout.h"
#include "text/chat.h"

/* What a directory has; NULL where it has none. */
struct templates {
    char *file, *tool_file; /* of the files, ours */
    const char *text, *tool_use; /* the ones that hold */
};

/* *out = a file of the directory, NULL if there is none. */
static int read_file(char **out, const char *dir, const char *name,
                     struct err *err)
{
    char *path = file_join(dir, name);
    struct buf b;
    int rc = 0;

    buf_init(&b, (size_t)MODEL_MAX_TEMPLATE);
    if (file_exists(path))
        rc = file_read(&b, path, err);
    if (rc == 0 && b.len > 0 &&
        (!utf8_valid(b.data, b.len) || memchr(b.data, '\0', b.len)))
        rc = err_set(err, ERR_INPUT, "\"%s\" is not UTF-8", path);
    if (rc == 0 && b.len > 0)
        *out = buf_take(&b, NULL);
    buf_clear(&b);
    free(path);
    return rc;
}

/* The templates of tokenizer_config.json. */
static void take_config(struct templates *t, struct import *m,
                        const struct json *config)
{
    const struct json *v = json_get(config, "chat_template"), *e;

    t->text = json_string(v);
    if (!t->text && json_type(v) != JSON_NULL && json_type(v) != JSON_ARRAY)
        buf_puts(&m->notes, "the chat_template of tokenizer_config.json is"
                 " neither a text nor a list: it is left out\n");
    for (e = json_type(v) == JSON_ARRAY ? json_first(v) : NULL; e;
         e = json_next(e)) {
        const char *name = json_string(json_get(e, "name"));
        const char *text = json_string(json_get(e, "template"));

        if (name && strcmp(name, "default") == 0)
            t->text = text;
        else if (name && strcmp(name, "tool_use") == 0)
            t->tool_use = text;
        else if (name && !t->file)
            buf_printf(&m->notes, "the chat template \"%.64s\" is left out:"
                       " no request can name it\n", name);
    }
}

int hf_template_read(struct import *m, const char *dir,
                     const struct json *config, struct err *err)
{
    struct templates t = { NULL, NULL, NULL, NULL };
    int rc;

    rc = read_file(&t.file, dir, "chat_template.jinja", err) ||
                 read_file(&t.tool_file, dir,
                           "additional_chat_templates/tool_use.jinja", err)
             ? -1
             : 0;
    if (rc == 0 && config)
        take_config(&t, m, config);
    if (t.file) {
        if (t.text && strcmp(t.text, t.file) != 0)
            buf_puts(&m->notes, "chat_template.jinja is the chat template;"
                     " tokenizer_config.json has another\n");
        t.text = t.file;
        t.tool_use = NULL;
    }
    if (t.tool_file)
        t.tool_use = t.tool_file;
    if (rc == 0) {
        chat_join(&m->chat_template, t.text, t.tool_use);
        rc = buf_check(&m->chat_template, "the chat template", err);
    }
    free(t.file);
    free(t.tool_file);
    return rc;
}
