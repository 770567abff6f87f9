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
#include "base/json_python.h"
#include "base/utf8.h"
#include "model/import/import.h"
#include "model/model_layout.h"
#include "text/chat.h"

#define CONFIG "tokenizer_config.json"
#define OLDER "chat_template.json" /* of older models that see, too */

/* What a directory has; NULL where it has none. */
struct templates {
    char *file, *tool_file; /* of the files, ours */
    struct json *older;     /* chat_template.json, ours */
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

static int read_older(struct json **out, const char *dir, struct err *err)
{
    char *text = NULL;
    int rc = read_file(&text, dir, OLDER, err);

    if (rc == 0 && text && json_parse_python(out, text, strlen(text), err)) {
        err_prefix(err, "\"%s/" OLDER "\"", dir);
        rc = -1;
    }
    free(text);
    return rc;
}

static int read_files(struct templates *t, const char *dir, struct err *err)
{
    return read_file(&t->file, dir, "chat_template.jinja", err) ||
                   read_file(&t->tool_file, dir,
                             "additional_chat_templates/tool_use.jinja",
                             err) ||
                   read_older(&t->older, dir, err)
               ? -1 : 0;
}

/* The chat_template of a file of JSON: a text, or a list of named ones. */
static void take_member(struct templates *t, struct import *m,
                        const struct json *config, const char *file)
{
    const struct json *v = json_get(config, "chat_template"), *e;

    t->text = json_string(v);
    if (!t->text && json_type(v) != JSON_NULL && json_type(v) != JSON_ARRAY)
        buf_printf(&m->notes, "the chat_template of %s is neither a text nor"
                   " a list: it is left out\n", file);
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

/* Say that a file has another template than the one that holds. */
static void note_other(struct import *m, const char *text, const char *other,
                       const char *holds, const char *file)
{
    if (text && other && strcmp(text, other) != 0)
        buf_printf(&m->notes, "%s is the chat template; %s has another\n",
                   holds, file);
}

/* The first of chat_template.jinja, tokenizer_config.json and
 * chat_template.json that has one holds. */
static void choose(struct templates *t, struct import *m,
                   const struct json *config)
{
    const char *older = json_string(json_get(t->older, "chat_template"));
    const char *holds = t->file ? "chat_template.jinja" : CONFIG;

    if (config)
        take_member(t, m, config, CONFIG);
    if (t->file) {
        note_other(m, t->file, t->text, holds, CONFIG);
        t->text = t->file;
        t->tool_use = NULL;
    }
    if (t->tool_file)
        t->tool_use = t->tool_file;
    if (t->text || t->tool_use)
        note_other(m, t->text, older, holds, OLDER);
    else if (t->older)
        take_member(t, m, t->older, OLDER);
}

int hf_template_read(struct import *m, const char *dir,
                     const struct json *config, struct err *err)
{
    struct templates t = { NULL, NULL, NULL, NULL, NULL };
    int rc = read_files(&t, dir, err);

    if (rc == 0) {
        choose(&t, m, config);
        chat_join(&m->chat_template, t.text, t.tool_use);
        rc = buf_check(&m->chat_template, "the chat template", err);
    }
    free(t.file);
    free(t.tool_file);
    json_free(t.older);
    return rc;
}
