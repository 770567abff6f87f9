/*
 * Messages to prompt ids.  A run of text between two control tokens, role and
 * content together, is tokenised as one: that is how a tokenizer would see the
 * rendered text.
 */
#include <config.h>

#include "text/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/chat_internal.h"
#include "text/jinja.h"
#include "text/tokenizer.h"

#define MAX_VARIABLES 64 /* of a request */

struct chat {
    const struct tokenizer *t;
    struct jinja *tmpl;
    char *bos, *eos; /* their texts */
};

/* The text of a token, empty if there is none. */
static char *text_of(const struct tokenizer *t, uint32_t id)
{
    const char *s;
    size_t n = 0;
    char *copy;

    s = id == UINT32_MAX ? "" : tokenizer_text(t, id, &n);
    copy = xmalloc(n + 1);
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

/* Of transformers: the texts of tokens that a model file does not name. */
static int check_names(const struct jinja *t, struct err *err)
{
    static const char *const names[] = { "unk_token", "pad_token", "sep_token",
                                         "cls_token", "mask_token",
                                         "additional_special_tokens" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (jinja_reads(t, names[i]))
            return err_set(err, ERR_INPUT, "the chat template: \"%s\" is not"
                           " supported", names[i]);
    return 0;
}

static int parse_template(struct jinja **out, const char *tmpl, size_t n,
                          struct err *err)
{
    if (jinja_new(out, tmpl, n, err))
        return -1;
    if (check_names(*out, err) == 0)
        return 0;
    jinja_free(*out);
    return -1;
}

int chat_check(const char *tmpl, size_t n, struct err *err)
{
    struct jinja *parsed;

    if (parse_template(&parsed, tmpl, n, err))
        return -1;
    jinja_free(parsed);
    return 0;
}

int chat_new(struct chat **out, const struct tokenizer *t, const char *tmpl,
             size_t n, uint32_t bos, uint32_t eos, struct err *err)
{
    struct err why = ERR_INIT;
    struct jinja *parsed;

    *out = NULL;
    if (!n)
        return 0;
    if (parse_template(&parsed, tmpl, n, &why))
        return err_set(err, ERR_INPUT, "%s; give the prompt as token ids to"
                       " /v1/completions (control tokens in a text are plain"
                       " text)", why.text);
    *out = xcalloc(1, sizeof(**out));
    (*out)->t = t;
    (*out)->tmpl = parsed;
    (*out)->bos = text_of(t, bos);
    (*out)->eos = text_of(t, eos);
    return 0;
}

void chat_free(struct chat *c)
{
    if (!c)
        return;
    jinja_free(c->tmpl);
    free(c->bos);
    free(c->eos);
    free(c);
}

/* Put a template but for the end of its last line, which templates drop. */
static void put_body(struct buf *out, const char *text)
{
    size_t n = strlen(text);

    if (n > 0 && text[n - 1] == '\n')
        n--;
    buf_put(out, text, n);
}

/* The end of a line after a tag, and of `+ else` the blanks before it, belong
 * to the tags: what is between them stays as it was. */
void chat_join(struct buf *out, const char *text, const char *tool_use)
{
    if (!tool_use || !*tool_use || (text && strcmp(text, tool_use) == 0)) {
        buf_puts(out, text ? text : "");
        return;
    }
    buf_puts(out, "{% if tools %}\n");
    put_body(out, tool_use);
    buf_puts(out, "{%+ else %}\n");
    put_body(out, text && *text ? text
                                : "{{ raise_exception('this model only has a"
                                  " chat template for tools') }}");
    buf_puts(out, "{%+ endif %}");
}

/* ---- what a template does not look at ------------------------------------ */

static int unused(const char *name, struct err *err)
{
    return err_set(err, ERR_INPUT, "the model's chat template does not use"
                   " \"%s\"", name);
}

static int check_messages(const struct chat *c, const struct chat_input *in,
                          struct err *err)
{
    static const char *const roles[] = { "system", "developer", "user",
                                         "assistant", "tool" };
    static const char *const members[] = { "tool_calls", "reasoning_content" };

    if (!in->n_messages)
        return err_set(err, ERR_INPUT, "there are no messages");
    for (size_t i = 0; i < in->n_messages; i++) {
        const struct chat_message *m = &in->message[i];
        size_t role = 0;

        while (role < 5 && strcmp(m->role, roles[role]) != 0)
            role++;
        if (role == 5)
            return err_set(err, ERR_INPUT, "message %zu: unknown role "
                           "\"%.40s\": system, developer, user, assistant"
                           " and tool are known", i + 1, m->role);
        for (size_t k = 0; k < 2; k++)
            if (!chat_is_nothing(json_get(m->more, members[k])) &&
                !jinja_mentions(c->tmpl, members[k]))
                return unused(members[k], err);
    }
    return 0;
}

/* A variable that the template does not read is a slip, unless it says nothing
 * and is not near to one that is read. */
static int check_variable(const struct chat *c, const struct json *v,
                          struct err *err)
{
    static const char *const ours[] = { "messages", "tools", "documents",
                                        "add_generation_prompt", "bos_token",
                                        "eos_token", "chat_template" };
    const char *name = json_key(v);
    char *near;

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcmp(name, ours[i]) == 0)
            return err_set(err, ERR_INPUT, "\"chat_template_kwargs\" cannot"
                           " set \"%s\"", name);
    if (jinja_reads(c->tmpl, name))
        return 0;
    near = jinja_near(c->tmpl, name);
    if (near)
        err_set(err, ERR_INPUT, "the model's chat template does not use"
                " \"%.64s\" of \"chat_template_kwargs\": is \"%s\" meant?",
                name, near);
    else if (!chat_is_nothing(v))
        err_set(err, ERR_INPUT, "the model's chat template does not use"
                " \"%.64s\" of \"chat_template_kwargs\"", name);
    else
        return 0;
    free(near);
    return -1;
}

static int check_turns(const struct chat *c, const struct chat_input *in,
                       struct err *err)
{
    if (!c)
        return err_set(err, ERR_INPUT, "the model has no chat template: give "
                       "token ids to /v1/completions (in a text, control "
                       "tokens are text)");
    if (check_messages(c, in, err))
        return -1;
    if (in->tools && !jinja_reads(c->tmpl, "tools"))
        return unused("tools", err);
    if (in->documents && !jinja_reads(c->tmpl, "documents"))
        return unused("documents", err);
    if (in->date && !jinja_reads(c->tmpl, "strftime_now"))
        return err_set(err, ERR_INPUT, "the model's chat template does not use"
                       " \"apus.date\"%s",
                       jinja_reads(c->tmpl, "date_string")
                           ? ": is \"date_string\" of"
                             " \"chat_template_kwargs\" meant?"
                           : "");
    if (json_count(in->kwargs) > MAX_VARIABLES)
        return err_set(err, ERR_INPUT, "\"chat_template_kwargs\" has over %d"
                       " members", MAX_VARIABLES);
    for (const struct json *v = json_first(in->kwargs); v; v = json_next(v))
        if (check_variable(c, v, err))
            return -1;
    return 0;
}

/* ---- rendering ----------------------------------------------------------- */

/* As transformers sets them: tools and documents are none if there are none. */
static int render(const struct chat *c, const struct chat_input *in,
                  const struct json *messages, struct jinja_output *out,
                  struct err *err)
{
    struct jinja_variable v[6 + MAX_VARIABLES] = { 0 };
    struct json *none = NULL, *yes = NULL;
    size_t n = 6;
    int rc;

    if (json_parse(&none, "null", 4, err))
        return -1;
    rc = json_parse(&yes, "true", 4, err);
    v[0] = (struct jinja_variable){ "messages", messages, NULL, true };
    v[1] = (struct jinja_variable){ "add_generation_prompt", yes, NULL, false };
    v[2] = (struct jinja_variable){ "bos_token", NULL, c->bos, false };
    v[3] = (struct jinja_variable){ "eos_token", NULL, c->eos, false };
    v[4] = (struct jinja_variable){ "tools", in->tools ? in->tools : none, NULL,
                                    true };
    v[5] = (struct jinja_variable){
        "documents", in->documents ? in->documents : none, NULL, true
    };
    for (const struct json *k = json_first(in->kwargs); k; k = json_next(k))
        v[n++] = (struct jinja_variable){ json_key(k), k, NULL, true };
    if (rc == 0)
        rc = jinja_render(c->tmpl, v, n, in->date, out, err);
    json_free(none);
    json_free(yes);
    return rc;
}

/* The text of a form of the messages. */
static int render_form(const struct chat *c, const struct chat_input *in,
                       const struct chat_form *form, bool *had_texts,
                       struct jinja_output *out, struct err *err)
{
    struct json *messages;
    int rc;

    *out = (struct jinja_output){ 0 };
    if (chat_messages(&messages, in, form, had_texts, err))
        return -1;
    rc = render(c, in, messages, out, err);
    json_free(messages);
    return rc;
}

/* A template may pass over roles that it does not have: then another content
 * makes no difference. */
static int check_role(const struct chat *c, const struct chat_input *in,
                      const struct chat_form *form, const char *role,
                      const struct jinja_output *text, struct err *err)
{
    struct chat_form altered = *form;
    struct jinja_output other;
    bool same, unused_texts;
    size_t i = 0;

    while (i < in->n_messages && (strcmp(in->message[i].role, role) != 0 ||
                                  !in->message[i].content))
        i++;
    if (i == in->n_messages)
        return 0;
    altered.altered = role;
    same = render_form(c, in, &altered, &unused_texts, &other, NULL) == 0 &&
           other.n == text->n && memcmp(other.text, text->text, text->n) == 0;
    jinja_output_clear(&other);
    if (same)
        return err_set(err, ERR_INPUT, "the model's chat template leaves out"
                       " messages of role \"%s\"", role);
    return 0;
}

int chat_encode(const struct chat *c, const struct chat_input *in,
                struct tokens *out, struct err *err)
{
    struct chat_form form = { .developer = false };
    struct err why = ERR_INIT;
    struct jinja_output text;
    bool had_texts = false;
    int rc;

    if (check_turns(c, in, err))
        return -1;
    form.developer = jinja_mentions(c->tmpl, "developer");
    rc = render_form(c, in, &form, &had_texts, &text, &why);
    if (rc && had_texts) {
        jinja_output_clear(&text);
        form.texts = true;
        rc = render_form(c, in, &form, &had_texts, &text, NULL);
    }
    if (rc)
        err_copy(err, &why);
    if (rc == 0)
        rc = check_role(c, in, &form, "tool", &text, err) ||
                     check_role(c, in, &form, "developer", &text, err)
                 ? -1 : 0;
    if (rc == 0)
        rc = tokenizer_encode_marked(c->t, text.text, text.from_user, text.n,
                                     out, err);
    jinja_output_clear(&text);
    return rc;
}
