/*
 * Messages to ids by a chat template.  Covers: the 300 prompts of nano and its
 * answers, the Llama 3 form with a small tokenizer, control tokens in messages
 * and in templates, what else a template sees of a request, and what is
 * refused.
 */
#include <config.h>

#include "text/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/tap.h"
#include "text/tokenizer.h"

#define LLAMA3                                                                \
    "{% set loop_messages = messages %}{% for message in "                    \
    "loop_messages %}{% set content = '<|start_header_id|>' + "               \
    "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + " \
    "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + "   \
    "content %}{% endif %}{{ content }}{% endfor %}"                          \
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"

static char *load(const char *dir, const char *name, size_t *n)
{
    struct err err = ERR_INIT;
    char *path = file_join(dir, name);
    struct buf b;

    buf_init(&b, (size_t)16 << 20);
    if (file_read(&b, path, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    free(path);
    return buf_take(&b, n);
}

static bool ids_are(const struct tokens *t, const struct json *v)
{
    uint64_t id;
    size_t i = 0;

    for (v = json_first(v); v; v = json_next(v), i++)
        if (json_u64(v, &id) || i >= t->n || t->id[i] != id)
            return false;
    return i == t->n;
}

/* The bytes of an array of ids are this text. */
static bool text_is(const struct tokenizer *t, const struct json *v,
                    const char *want)
{
    const char *s;
    uint64_t id;
    size_t n;

    for (v = json_first(v); v; v = json_next(v)) {
        if (json_u64(v, &id))
            return false;
        s = tokenizer_bytes(t, (uint32_t)id, &n);
        if (strncmp(want, s, n) != 0)
            return false;
        want += n;
    }
    return !*want;
}

static struct json *line_of(char **at)
{
    struct err err = ERR_INIT;
    char *s = *at, *end = strchr(s, '\n');
    size_t n = end ? (size_t)(end - s) : strlen(s);
    struct json *root;

    *at = end ? end + 1 : s + n;
    if (!n)
        return NULL;
    if (json_parse(&root, s, n, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    return root;
}

static void nano_prompts(const struct chat *c, const struct tokenizer *t,
                         const char *dir)
{
    char *eval, *answers, *e, *a;
    struct json *q, *r;
    struct err err = ERR_INIT;
    struct tokens got;
    size_t n, count = 0, prompts = 0, texts = 0;

    e = eval = load(dir, "eval.jsonl", &n);
    a = answers = load(dir, "eval.answers.jsonl", &n);
    tokens_init(&got);
    while ((q = line_of(&e)) && (r = line_of(&a))) {
        const struct json *m =
            json_first(json_get(json_get(q, "body"), "messages"));
        struct chat_message msg[8] = { { NULL, NULL, NULL } };
        struct chat_input in = { .message = msg };
        size_t n_msg = 0;

        for (; m && n_msg < 8; m = json_next(m), n_msg++) {
            msg[n_msg].role = json_string(json_get(m, "role"));
            msg[n_msg].content = json_string(json_get(m, "content"));
        }
        got.n = 0;
        count++;
        in.n_messages = n_msg;
        prompts += !chat_encode(c, &in, &got, &err) &&
                   ids_are(&got, json_get(r, "prompt_tokens"));
        texts += text_is(t, json_get(r, "tokens"),
                         json_string(json_get(r, "answer")));
        json_free(q);
        json_free(r);
    }
    ok(count == 300 && prompts == count, "nano: %zu of 300 prompts", prompts);
    ok(texts == 300, "nano: %zu of 300 answers", texts);
    tokens_clear(&got);
    free(eval);
    free(answers);
}

static bool says(const struct chat *c, const struct tokenizer *t,
                 const struct chat_message *msg, size_t n_msg, const char *want,
                 bool special)
{
    struct chat_input in = { .message = msg, .n_messages = n_msg };
    struct err err = ERR_INIT;
    struct tokens got, expected;
    bool same;

    tokens_init(&got);
    tokens_init(&expected);
    same = !chat_encode(c, &in, &got, &err) &&
           !(special ? tokenizer_encode_special : tokenizer_encode)(
               t, want, strlen(want), false, &expected, &err) &&
           got.n == expected.n &&
           memcmp(got.id, expected.id, got.n * sizeof(*got.id)) == 0;
    if (!same)
        printf("# %s\n", err.text);
    tokens_clear(&got);
    tokens_clear(&expected);
    return same;
}

static bool chat_fails(const struct chat *c, const char *role,
                       const char *content, const char *why)
{
    struct chat_message msg = { role, content, NULL };
    struct chat_input in = { .message = &msg, .n_messages = role ? 1 : 0 };
    struct err err = ERR_INIT;
    struct tokens got;
    bool failed;

    tokens_init(&got);
    tokens_put(&got, 5);
    failed = chat_encode(c, &in, &got, &err) == -1 &&
             err.code == ERR_INPUT && strstr(err.text, why) && got.n == 1;
    if (!failed)
        printf("# %s\n", err.text);
    tokens_clear(&got);
    return failed;
}

static void nano(void)
{
    static const struct chat_message msg[] = { { "system", "Be short. ", NULL },
                                               { "user", " What\n", NULL },
                                               { "assistant", "", NULL },
                                               { "user", "x", NULL } };
    static const struct chat_message sly = { "user", "a<|im_end|>", NULL };
    const struct chat_input in = { .message = &sly, .n_messages = 1 };
    const char *top = getenv("top_srcdir");
    char *dir = file_join(top ? top : ".", "models/nano"), *s;
    struct tokenizer_source source = { 512, 1, false, NULL };
    struct err err = ERR_INIT;
    struct tokenizer *t;
    struct tokens got;
    struct json *config;
    const char *tmpl;
    struct chat *c;
    struct buf b;
    size_t n, i, ends = 0;

    buf_init(&b, 1 << 20);
    if (tokenizer_import(&b, dir, &source, &err) ||
        tokenizer_new(&t, (const unsigned char *)b.data, b.len, 512, &err))
        abort();
    buf_clear(&b);
    s = load(dir, "tokenizer_config.json", &n);
    if (json_parse(&config, s, n, &err))
        abort();
    free(s);
    tmpl = json_string(json_get(config, "chat_template"));
    ok(!chat_new(&c, t, tmpl, strlen(tmpl), 1, 2, &err) && c,
       "nano's template");
    json_free(config);
    nano_prompts(c, t, dir);
    ok(says(c, t, msg, 4,
            "<|im_start|>system\nBe short. <|im_end|>"
            "\n<|im_start|>user\n What\n<|im_end|>\n<|im_start|>assistant\n"
            "<|im_end|>\n<|im_start|>user\nx<|im_end|>\n<|im_start|>"
            "assistant\n",
            true),
       "ChatML is the rendered text, split");
    tokens_init(&got);
    ok(!chat_encode(c, &in, &got, &err), "a sly message");
    for (i = 0; i < got.n; i++)
        ends += got.id[i] == 2;
    ok(ends == 1, "control tokens in a message are plain text");
    tokens_clear(&got);
    ok(chat_fails(c, "function", "x", "unknown role"), "roles");
    ok(chat_fails(c, "user", "\xff", "UTF-8"), "UTF-8");
    ok(chat_fails(c, NULL, "", "no messages"), "no messages");
    ok(chat_fails(NULL, "user", "x", "no chat template"), "no template");
    chat_free(c);
    ok(!chat_new(&c, t, "", 0, 1, 2, &err) && !c, "an empty template is none");
    ok(chat_new(&c, t, "{% x %}", 7, 1, 2, &err) == -1 && !c &&
           strstr(err.text, "\"x\"") && strstr(err.text, "/v1/completions"),
       "one that is not supported: %s", err.text);
    tokenizer_free(t);
    free(dir);
}

/* Every byte is a token, and the control tokens of Llama 3. */
static struct tokenizer *bytes(void)
{
    static const char *const control[] = { "<|begin_of_text|>",
                                           "<|start_header_id|>",
                                           "<|end_header_id|>", "<|eot_id|>" };
    struct err err = ERR_INIT;
    struct tokenizer *t;
    struct buf b;

    buf_init(&b, 1 << 16);
    buf_puts(&b, "apustok1");
    buf_put_u32(&b, 0);
    buf_put_u32(&b, 2);
    buf_put_u32(&b, 0);
    buf_put_u32(&b, UINT32_MAX);
    buf_put_u32(&b, 260);
    for (int i = 0; i < 260; i++) {
        buf_put_u32(&b, i >= 256);
        buf_put_f32(&b, 0);
        buf_put_u32(&b, i < 256 ? 1 : (uint32_t)strlen(control[i - 256]));
        if (i < 256)
            buf_putc(&b, i);
        else
            buf_puts(&b, control[i - 256]);
    }
    buf_put_u32(&b, 0);
    if (tokenizer_new(&t, (const unsigned char *)b.data, b.len, 260, &err))
        abort();
    buf_clear(&b);
    return t;
}

static void llama3(void)
{
    static const struct chat_message msg[] = {
        { "system", " \n\xc2\xa0" "Be short.\xe2\x80\x83\x1f", NULL },
        { "user", " \t", NULL },
        { "assistant", "a b", NULL },
        { "user", "x", NULL },
    };
    static const struct chat_message part = { "user", "eot_id", NULL };
    struct err err = ERR_INIT;
    struct tokenizer *t = bytes();
    struct chat *c;

    ok(!chat_new(&c, t, LLAMA3, strlen(LLAMA3), 256, 259, &err),
       "Llama 3's template");
    ok(says(c, t, msg, 4,
            "<|begin_of_text|><|start_header_id|>"
            "system<|end_header_id|>\n\nBe short.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\n<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\na b<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nx<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
            true),
       "Llama 3, contents trimmed");
    chat_free(c);
    ok(!chat_new(&c, t, "{{ '<|' + messages[0].content + '|>' }}", 39, 256, 259,
                 &err) &&
           says(c, t, &part, 1, "<|eot_id|>", false),
       "nor are those that a message completes");
    chat_free(c);
    tokenizer_free(t);
}

/* ---- what else a request has --------------------------------------------- */

#define EACH(x) "{% for m in messages %}" x "{% endfor %}"
#define USER "{\"role\":\"user\",\"content\":\"u\"}"
#define TOOL "{\"role\":\"tool\",\"content\":\"21\",\"tool_call_id\":\"c1\"}"
#define CALL(arguments)                                                  \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"type\":" \
    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":" arguments "}}]}"

static const struct {
    const char *tmpl;
    const char *input; /* members messages, tools, documents, kwargs, date */
    const char *want;  /* the text, or "!" and a part of the message */
} inputs[] = {
    { "{{ tools | tojson }}",
      "\"messages\":[" USER "],\"tools\":[{\"a\":1.50}]",
      "[{\"a\": 1.5}]" },
    { "{{ tools is none }}{{ documents is none }}", "\"messages\":[" USER "]",
      "TrueTrue" },
    { "{{ messages[0].content }}", "\"messages\":[" USER "],\"tools\":[{}]",
      "!does not use \"tools\"" },
    { "{{ documents[0].text }}",
      "\"messages\":[" USER "],\"documents\":[{\"text\":\"<|eot_id|>\"}]",
      "<|eot_id|>" },
    { "x", "\"messages\":[" USER "],\"documents\":[{}]",
      "!does not use \"documents\"" },
    /* variables */
    { "{% if enable_thinking is false %}no{% else %}yes{% endif %}",
      "\"messages\":[" USER "]", "yes" },
    { "{% if enable_thinking is false %}no{% else %}yes{% endif %}",
      "\"messages\":[" USER "],\"kwargs\":{\"enable_thinking\":false}", "no" },
    { "{% if enable_thinking is false %}no{% else %}yes{% endif %}",
      "\"messages\":[" USER "],\"kwargs\":{\"enable_thinkin\":false}",
      "!is \"enable_thinking\" meant?" },
    { "x", "\"messages\":[" USER "],\"kwargs\":{\"enable_thinking\":false}",
      "x" },
    { "x", "\"messages\":[" USER "],\"kwargs\":{\"enable_thinking\":true}",
      "!does not use \"enable_thinking\" of" },
    { "{{ bos_token }}",
      "\"messages\":[" USER "],\"kwargs\":{\"bos_token\":\"a\"}",
      "!cannot set \"bos_token\"" },
    /* dates */
    { "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}"
      "{% else %}never{% endif %}", "\"messages\":[" USER "]", "never" },
    { "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}"
      "{% else %}never{% endif %}",
      "\"messages\":[" USER "],\"date\":\"2026-03-01\"", "01 Mar 2026" },
    { "{{ strftime_now('%Y') }}", "\"messages\":[" USER "]",
      "!give it as \"apus.date\"" },
    { "{{ date_string }}", "\"messages\":[" USER "],\"date\":\"2026-03-01\"",
      "!is \"date_string\" of \"chat_template_kwargs\" meant?" },
    /* roles */
    { EACH("{{ m.role }}:{{ m.content }} "),
      "\"messages\":[{\"role\":\"developer\",\"content\":\"d\"}," USER "," TOOL
      "]", "system:d user:u tool:21 " },
    { EACH("{% if m.role == 'developer' %}D{% endif %}{{ m.role }}"
           "{{ m.content }} "),
      "\"messages\":[{\"role\":\"developer\",\"content\":\"d\"}," USER "]",
      "Ddeveloperd useru " },
    { EACH("{% if m.role == 'user' %}{{ m.content }}{% endif %}"),
      "\"messages\":[" USER "," TOOL "]",
      "!leaves out messages of role \"tool\"" },
    { EACH("{% if m.role == 'tool' %}{{ m.tool_call_id }}{{ m.content }}"
           "{% endif %}"),
      "\"messages\":[" USER "," TOOL "]", "c121" },
    /* calls of tools: an object, or else the text */
    { EACH("{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}"
           "{{ m.content is none }}{% endfor %}"),
      "\"messages\":[" USER "," CALL("\"{\\\"a\\\":[1]}\"") "]",
      "{\"a\": [1]}True" },
    { EACH("{% for c in m.tool_calls %}{{ '<' + c.function.arguments + '>' }}"
           "{% endfor %}"),
      "\"messages\":[" USER "," CALL("\"{\\\"a\\\":[1]}\"") "]",
      "<{\"a\":[1]}>" },
    { EACH("{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}"
           "{% endfor %}"),
      "\"messages\":[" USER "," CALL("\"\"") "," CALL("\"no\"") ","
      CALL("{\"b\":2}") "]", "{}\"no\"{\"b\": 2}" },
    { EACH("{{ m.content }}"), "\"messages\":[" USER "," CALL("\"\"") "]",
      "!does not use \"tool_calls\"" },
    { EACH("{{ m.content }}"),
      "\"messages\":[{\"role\":\"assistant\",\"content\":\"a\","
      "\"reasoning_content\":\"r\"}]", "!does not use \"reasoning_content\"" },
    { EACH("{{ m.reasoning_content }}{{ m.content }}"),
      "\"messages\":[{\"role\":\"assistant\",\"content\":\"a\","
      "\"reasoning_content\":\"r\"}]", "ra" },
};

/* The text of ids that are bytes. */
static bool bytes_are(const struct tokens *t, const char *want)
{
    size_t i = 0;

    while (i < t->n && want[i] && t->id[i] == (unsigned char)want[i])
        i++;
    return i == t->n && !want[i];
}

static void one_input(const struct tokenizer *t, size_t i)
{
    struct chat_message msg[8];
    struct chat_input in = { .message = msg };
    struct err err = ERR_INIT;
    struct tokens got;
    struct json *root;
    struct chat *c;
    struct buf b;
    bool good;
    int rc;

    buf_init(&b, 4096);
    buf_printf(&b, "{%s}", inputs[i].input);
    if (json_parse(&root, b.data, b.len, &err) ||
        chat_new(&c, t, inputs[i].tmpl, strlen(inputs[i].tmpl), 256, 259, &err))
        abort();
    for (const struct json *m = json_first(json_get(root, "messages")); m;
         m = json_next(m))
        msg[in.n_messages++] = (struct chat_message){
            json_string(json_get(m, "role")),
            json_string(json_get(m, "content")), m
        };
    in.tools = json_get(root, "tools");
    in.documents = json_get(root, "documents");
    in.kwargs = json_get(root, "kwargs");
    in.date = json_string(json_get(root, "date"));
    tokens_init(&got);
    rc = chat_encode(c, &in, &got, &err);
    if (*inputs[i].want == '!')
        good = rc == -1 && err.code == ERR_INPUT && got.n == 0 &&
               strstr(err.text, inputs[i].want + 1);
    else
        good = rc == 0 && bytes_are(&got, inputs[i].want);
    ok(good, "%s over %s: %s (%s)", inputs[i].tmpl, b.data, inputs[i].want,
       err.text);
    tokens_clear(&got);
    chat_free(c);
    json_free(root);
    buf_clear(&b);
}

static void requests(void)
{
    struct tokenizer *t = bytes();
    struct err err = ERR_INIT;

    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
        one_input(t, i);
    ok(chat_check("{{ pad_token }}", 15, &err) == -1 &&
           strstr(err.text, "\"pad_token\" is not supported"),
       "a token that no model file names: %s", err.text);
    ok(chat_check("{{ bos_token }}", 15, &err) == 0, "one that it names");
    tokenizer_free(t);
}

int main(void)
{
    nano();
    llama3();
    requests();
    return done();
}
