/*
 * One line of a batch file into a request: the line's own keys, messages and
 * prompts, ids and default seeds.  The other parameters of the body are
 * request_fields.c.
 */
#include <config.h>

#include "store/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "store/request_fields.h"
#include "store/request_names.h"

#define MAX_CUSTOM_ID 512
#define PATH_SIZE 64 /* "messages[N].content" */

/* ---- messages ---------------------------------------------------------- */

/* All members of a message, or of a part of its content, by the table. */
static int judge_all(const struct json *v, const char *group,
                     const char *path, struct err *err)
{
    for (const struct json *m = json_first(v); m; m = json_next(m))
        if (request_name_judge(group, path, m, err) == REQUEST_MEMBER_BAD)
            return -1;
    return 0;
}

static bool is_role(const char *role)
{
    static const char *const names[] = { "system", "developer", "user",
                                         "assistant", "tool" };

    for (size_t i = 0; role && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(role, names[i]) == 0)
            return true;
    return false;
}

static bool is_call(const struct json *v)
{
    return json_string(
               json_get(json_get(v, "function"), "name")) != NULL;
}

/* Members that only one role has, of others empty. */
static int check_members(const struct request_message *msg, const char *path,
                         struct err *err)
{
    static const struct {
        const char *name, *role, *what;
    } members[] = {
        { "name", "tool", "a string" },
        { "tool_call_id", "tool", "a string" },
        { "reasoning_content", "assistant", "a string" },
        { "tool_calls", "assistant", "an array of {\"type\":\"function\","
          "\"function\":{\"name\":\"...\",\"arguments\":\"...\"}}" },
    };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const struct json *v = json_get(msg->more, members[i].name), *c;
        bool calls = strcmp(members[i].name, "tool_calls") == 0;
        bool good = v && json_type(v) == (calls ? JSON_ARRAY : JSON_STRING);

        if (request_is_empty(v))
            continue;
        if (strcmp(msg->role, members[i].role) != 0)
            return err_set(err, ERR_INPUT, "\"%s%s\" belongs in a message of"
                           " role \"%s\"", path, members[i].name,
                           members[i].role);
        for (c = calls ? json_first(v) : NULL; c && good; c = json_next(c))
            good = is_call(c);
        if (!good)
            return err_set(err, ERR_INPUT, "\"%s%s\" must be %s", path,
                           members[i].name, members[i].what);
    }
    return 0;
}

/* Text parts, joined at *room, which moves on. */
static int join_parts(const char **content, const struct json *parts,
                      const char *path, char **room, struct err *err)
{
    char *start = *room, *at = start, inside[PATH_SIZE + 1];

    if (!json_first(parts))
        return request_must(err, path, "a string or an array of text parts");
    snprintf(inside, sizeof(inside), "%s.", path);
    for (const struct json *p = json_first(parts); p; p = json_next(p)) {
        const char *type = json_string(json_get(p, "type"));
        const char *text = json_string(json_get(p, "text"));
        size_t n;

        if (!type || strcmp(type, "text") != 0 || !text)
            return err_set(err, ERR_INPUT,
                           "a part of \"%s\" must be {\"type\":\"text\","
                           "\"text\":\"...\"}", path);
        if (judge_all(p, "content.", inside, err))
            return -1;
        n = strlen(text);
        memcpy(at, text, n);
        at += n;
    }
    *at = '\0';
    *content = start;
    *room = at + 1;
    return 0;
}

static int take_message(struct request_message *msg, const struct json *m,
                        size_t i, char **room, struct err *err)
{
    const struct json *content = json_get(m, "content");
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "messages[%zu]", i);
    if (json_type(m) != JSON_OBJECT)
        return request_must(err, path, "an object");
    snprintf(path, sizeof(path), "messages[%zu].", i);
    if (judge_all(m, "messages.", path, err))
        return -1;
    msg->more = m;
    msg->role = json_string(json_get(m, "role"));
    if (!is_role(msg->role))
        return err_set(err, ERR_INPUT,
                       "\"%srole\" must be system, developer, user, assistant"
                       " or tool: no other is implemented", path);
    if (check_members(msg, path, err))
        return -1;
    if ((!content || json_type(content) == JSON_NULL) &&
        !request_is_empty(json_get(m, "tool_calls")))
        return 0;
    snprintf(path, sizeof(path), "messages[%zu].content", i);
    if (content && json_type(content) == JSON_ARRAY)
        return join_parts(&msg->content, content, path, room, err);
    msg->content = json_string(content);
    if (!msg->content)
        return request_must(err, path, "a string or an array of text parts");
    return 0;
}

static bool has_parts(const struct json *messages)
{
    for (const struct json *m = json_first(messages); m; m = json_next(m)) {
        const struct json *content = json_get(m, "content");

        if (content && json_type(content) == JSON_ARRAY)
            return true;
    }
    return false;
}

/* `n` is the length of the line, which no joined text can be longer than:
 * each part stands in it, and each message takes more than the NUL. */
static int take_messages(struct request *r, const struct json *v, size_t n,
                         struct err *err)
{
    char *room = NULL;
    size_t i = 0;

    if (!v || json_type(v) != JSON_ARRAY || !json_first(v))
        return request_must(err, "messages", "an array of messages, at least"
                                             " one");
    if (has_parts(v))
        room = r->joined = xmalloc(n);
    r->message = xcalloc(json_count(v), sizeof(*r->message));
    for (const struct json *m = json_first(v); m; m = json_next(m), i++)
        if (take_message(&r->message[i], m, i, &room, err))
            return -1;
    r->n_messages = i;
    return 0;
}

static int take_objects(const struct json **out, const struct json *body,
                        const char *name, struct err *err)
{
    const struct json *v = json_get(body, name);
    bool good = v && json_type(v) == JSON_ARRAY;

    if (request_is_empty(v))
        return 0;
    for (const struct json *e = json_first(v); e && good; e = json_next(e))
        good = json_type(e) == JSON_OBJECT;
    if (!good)
        return request_must(err, name, "an array of objects");
    *out = v;
    return 0;
}

int request_chat(struct request *r, const struct json *body, size_t n,
                 struct err *err)
{
    const struct json *kwargs = json_get(body, "chat_template_kwargs");

    if (take_messages(r, json_get(body, "messages"), n, err) ||
        take_objects(&r->tools, body, "tools", err) ||
        take_objects(&r->documents, body, "documents", err))
        return -1;
    if (request_is_empty(kwargs))
        return 0;
    if (json_type(kwargs) != JSON_OBJECT)
        return request_must(err, "chat_template_kwargs", "an object");
    r->kwargs = kwargs;
    return 0;
}

/* ---- prompts ----------------------------------------------------------- */

static int put_id(void *self, uint64_t id)
{
    struct request *r = self;

    r->prompt_id[r->n_prompt++] = (uint32_t)id;
    return 0;
}

/* Of a list of one text or of one list of ids, what is in it. */
static const struct json *only_one(const struct json *v)
{
    const struct json *one;

    if (!v || json_type(v) != JSON_ARRAY || json_count(v) != 1)
        return v;
    one = json_first(v);
    return json_type(one) == JSON_STRING || json_type(one) == JSON_ARRAY
               ? one : v;
}

int request_prompt(struct request *r, const struct json *v, struct err *err)
{
    static const char must[] = "a text or a list of token ids, or a list of"
                               " one of these";
    size_t nbytes;

    v = only_one(v);
    if (!v)
        return request_must(err, "prompt", must);
    r->prompt = json_string(v);
    if (r->prompt)
        return 0;
    if (json_type(v) != JSON_ARRAY)
        return request_must(err, "prompt", must);
    if (mem_mul(json_count(v) + 1, sizeof(*r->prompt_id), &nbytes))
        return request_must(err, "prompt", must);
    r->prompt_id = xmalloc(nbytes);
    if (json_u64_array(v, UINT32_MAX, put_id, r))
        return request_must(err, "prompt", must);
    return 0;
}

/* ---- the line ---------------------------------------------------------- */

static int take_custom_id(struct request *r, struct err *err)
{
    const struct json *v = json_get(r->line, "custom_id");
    const char *id = json_string(v);
    size_t n = id ? strlen(id) : 0;

    if (!v)
        return err_set(err, ERR_INPUT, "\"custom_id\" is missing");
    if (n < 1 || n > MAX_CUSTOM_ID)
        return request_must(err, "custom_id", "a string of 1 to 512 bytes");
    r->custom_id = id;
    return 0;
}

/* A parameter that stands beside "body" belongs in it. */
static int take_keys(struct request *r, struct err *err)
{
    for (const struct json *m = json_first(r->line); m; m = json_next(m)) {
        const char *key = json_key(m);
        const struct request_name *row = request_names;

        if (strcmp(key, "custom_id") == 0 || strcmp(key, "method") == 0 ||
            strcmp(key, "url") == 0 || strcmp(key, "body") == 0)
            continue;
        while (row->name && strcmp(row->name, key) != 0)
            row++;
        if (row->name && *row->values != '=')
            return err_set(err, ERR_INPUT, "\"%s\" belongs in \"body\"",
                           key);
        return err_set(err, ERR_INPUT,
                       "unknown parameter \"%.*s\" beside \"body\"",
                       request_shown(key), key);
    }
    return 0;
}

/* Which of the two. */
static int take_kind(struct request *r, struct err *err)
{
    static const char others[] = "/v1/", what[] = "\"/v1/chat/completions\" or"
                                                  " \"/v1/completions\"";
    const char *method = json_string(json_get(r->line, "method"));
    const char *url = json_string(json_get(r->line, "url"));

    if (!method || strcmp(method, "POST") != 0)
        return request_must(err, "method", "\"POST\"");
    r->chat = url && strcmp(url, "/v1/chat/completions") == 0;
    if (r->chat || (url && strcmp(url, "/v1/completions") == 0))
        return 0;
    if (url && strncmp(url, others, strlen(others)) == 0)
        return err_set(err, ERR_INPUT, "\"%.*s\" is not implemented: \"url\""
                       " must be %s", request_shown(url), url, what);
    return request_must(err, "url", what);
}

static int take_line(struct request *r, size_t n, struct err *err)
{
    const struct json *body = json_get(r->line, "body");

    if (json_type(r->line) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "the line is not a JSON object");
    if (json_get(r->line, "custom_id") && take_custom_id(r, err))
        return -1;
    if (take_keys(r, err) || take_custom_id(r, err) || take_kind(r, err))
        return -1;
    if (!body || json_type(body) != JSON_OBJECT)
        return request_must(err, "body", "an object");
    request_defaults(r);
    if (request_fields(r, body, r->chat ? REQUEST_CHAT : REQUEST_COMPLETION,
                       err))
        return -1;
    if (r->chat)
        return request_chat(r, body, n, err);
    return request_prompt(r, json_get(body, "prompt"), err);
}

static bool is_blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

/* Drop everything but the line and its custom_id. */
static void forget(struct request *r)
{
    struct json *line = r->line;
    const char *custom_id = r->custom_id;
    char *kept_id = r->kept_id;

    free(r->message);
    free(r->joined);
    free(r->prompt_id);
    memset(r, 0, sizeof(*r));
    r->line = line;
    r->custom_id = custom_id;
    r->kept_id = kept_id;
}

/* The custom_id of a line that is not JSON, if it could be one. */
static void keep_id(struct request *r, const char *line, size_t n)
{
    char *id = json_salvage(line, n, "custom_id");

    if (id && *id && strlen(id) <= MAX_CUSTOM_ID)
        r->custom_id = r->kept_id = id;
    else
        free(id);
}

int request_parse(struct request *r, const char *line, size_t n,
                  struct err *err)
{
    memset(r, 0, sizeof(*r));
    if (n > REQUEST_MAX_LINE)
        return err_set(err, ERR_INPUT, "the line is over %u bytes",
                       REQUEST_MAX_LINE);
    if (is_blank(line, n))
        return err_set(err, ERR_INPUT, "the line is empty");
    if (json_parse_over(&r->line, line, n, err)) {
        keep_id(r, line, n);
        return n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0
                   ? err_set(err, ERR_INPUT, "a byte order mark (U+FEFF), which"
                             " is skipped at the beginning of a file alone:"
                             " remove it") : -1;
    }
    if (take_line(r, n, err)) {
        forget(r);
        return -1;
    }
    return 0;
}

void request_clear(struct request *r)
{
    forget(r);
    json_free(r->line);
    free(r->kept_id);
    memset(r, 0, sizeof(*r));
}

/* ---- ids --------------------------------------------------------------- */

uint64_t request_default_seed(struct id id)
{
    struct id h;
    unsigned char b[8 + 32];

    memcpy(b, "apussed1", 8);
    memcpy(b + 8, id.b, 32);
    digest(&h, b, sizeof(b));
    return get_u64(h.b);
}
