/*
 * The sampling defaults of a source's generation_config.json: other engines
 * take them unasked, requests here say what they want.  So that a user can say
 * it, the store keeps them, in lines "id text" of `sampling`.
 */
#include <config.h>

#include "model/models.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_python.h"
#include "model/import/formats.h"
#include "model/models_internal.h"

#define MAX_CONFIG ((size_t)1 << 20)
#define MAX_NUMBER 32 /* characters of one that is worth keeping */

static void put_default(struct buf *out, const char *name,
                        const struct json *v)
{
    const char *text = json_number(v);

    if (v && json_type(v) == JSON_BOOL)
        text = json_true(v) ? "true" : "false";
    if (text && strlen(text) < MAX_NUMBER)
        buf_printf(out, "%s%s %s", out->len > 0 ? ", " : "", name, text);
}

void models_sampling_keep(const char *store, struct id id, const char *source)
{
    static const char *const names[] = {
        "do_sample", "temperature", "top_p", "top_k", "min_p",
        "repetition_penalty"
    };
    char *path = file_join(source, "generation_config.json");
    struct json *root = NULL;
    struct buf text, out;

    buf_init(&text, MAX_CONFIG);
    buf_init(&out, MODELS_MAX_TEXT);
    if (file_exists(path) && file_read(&text, path, NULL) == 0 &&
        json_parse_python(&root, text.data, text.len,
                          NULL) == 0)
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            put_default(&out, names[i], json_get(root, names[i]));
    if (formats_known(source)) /* no model file, made elsewhere */
        models_line_put(store, "sampling", id, out.len > 0 ? out.data : NULL);
    json_free(root);
    buf_clear(&text);
    buf_clear(&out);
    free(path);
}

bool models_sampling(struct buf *out, const char *store, struct id id)
{
    return models_line_get(out, store, "sampling", id);
}
