/*
 * With which token a chat template closes a turn: a conversation is rendered,
 * and what follows the assistant's words is looked at.
 */
#include <config.h>

#include "text/chat.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/jinja.h"
#include "text/tokenizer.h"

#define NONE UINT32_MAX

/* The text of a token; empty for none. */
static char *text_of(const struct tokenizer *t, uint32_t id)
{
    size_t n = 0;
    const char *s = id == NONE ? "" : tokenizer_text(t, id, &n);

    return xstrndup(s, n);
}

static int render(struct jinja *tmpl, const char *bos, const char *eos,
                  struct jinja_output *out)
{
    static const char talk[] =
        "[[{\"role\":\"user\",\"content\":\"a\"},"
        "{\"role\":\"assistant\",\"content\":\"b\"}],false,null]";
    struct json *root;
    const struct json *v;
    struct jinja_variable var[] = {
        { "messages", NULL, NULL, true },
        { "add_generation_prompt", NULL, NULL, false },
        { "tools", NULL, NULL, true },
        { "documents", NULL, NULL, true },
        { "bos_token", NULL, bos, false },
        { "eos_token", NULL, eos, false },
    };
    int rc;

    if (json_parse(&root, talk, sizeof(talk) - 1, NULL))
        return -1;
    v = json_first(root);
    var[0].json = v;
    v = json_next(v);
    var[1].json = v;
    v = json_next(v);
    var[2].json = var[3].json = v;
    rc = jinja_render(tmpl, var, sizeof(var) / sizeof(*var), "2024-07-01",
                      out, NULL);
    json_free(root);
    return rc;
}

/* The first control token of what the template wrote after the last word of a
 * message, or a user-defined one that it begins with. */
static uint32_t after_words(const struct tokenizer *t,
                            const struct jinja_output *text)
{
    uint32_t found = NONE;
    struct tokens ids;
    size_t at = text->n;

    while (at > 0 && !text->from_user[at - 1])
        at--;
    tokens_init(&ids);
    if (at > 0 && tokenizer_encode_special(t, text->text + at, text->n - at,
                                           false, &ids, NULL) == 0) {
        for (size_t i = 0; i < ids.n && found == NONE; i++)
            if (tokenizer_is_control(t, ids.id[i]) ||
                (i == 0 && tokenizer_is_added(t, ids.id[i])))
                found = ids.id[i];
    }
    tokens_clear(&ids);
    return found;
}

uint32_t chat_turn_end(const struct tokenizer *t, const char *tmpl, size_t n,
                       uint32_t bos, uint32_t eos)
{
    struct jinja_output text = { 0 };
    char *bos_text, *eos_text;
    struct jinja *parsed;
    uint32_t end = NONE;

    if (n == 0 || jinja_new(&parsed, tmpl, n, NULL))
        return NONE;
    bos_text = text_of(t, bos);
    eos_text = text_of(t, eos);
    if (render(parsed, bos_text, eos_text, &text) == 0)
        end = after_words(t, &text);
    jinja_output_clear(&text);
    jinja_free(parsed);
    free(bos_text);
    free(eos_text);
    return end;
}
