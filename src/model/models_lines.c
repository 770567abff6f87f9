/*
 * What a store knows of its models beside their files: text files of lines "id
 * rest", one a model.
 */
#include <config.h>

#include "model/models_internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/id.h"

#define ID (ID_TEXT - 1) /* characters of an id */

static const char *after(const char *line)
{
    size_t n = strcspn(line, "\n");

    return line + n + (line[n] ? 1 : 0);
}

static bool is_of(const char *line, struct id id)
{
    return strncmp(line, id_text(id).s, ID) == 0 && line[ID] == ' ';
}

static void read_lines(struct buf *b, const char *store, const char *file)
{
    buf_init(b, MODELS_MAX_TEXT);
    if (models_read_text(b, store, file, NULL))
        buf_reset(b);
    buf_put(b, "", 0);
}

void models_line_put(const char *store, const char *file, struct id id,
                     const char *rest)
{
    struct buf b, all;

    read_lines(&all, store, file);
    buf_init(&b, MODELS_MAX_TEXT);
    if (rest)
        buf_printf(&b, "%s %s\n", id_text(id).s, rest);
    for (const char *p = all.data; *p; p = after(p))
        if (!is_of(p, id))
            buf_put(&b, p, (size_t)(after(p) - p));
    buf_put(&b, "", 0);
    if (!b.full && strcmp(b.data, all.data) != 0)
        models_write_text(&b, store, file, NULL);
    buf_clear(&all);
    buf_clear(&b);
}

bool models_line_get(struct buf *out, const char *store, const char *file,
                     struct id id)
{
    const char *p;
    struct buf all;
    bool found;

    read_lines(&all, store, file);
    for (p = all.data; *p && !is_of(p, id);)
        p = after(p);
    found = *p;
    if (found)
        buf_put(out, p + ID + 1, strcspn(p + ID + 1, "\n"));
    buf_clear(&all);
    return found;
}
