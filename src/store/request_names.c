/*
 * The table of members, and the judgement on one by it.  Rows that are read
 * come first: of two names that are equally near, the first is meant.
 */
#include <config.h>

#include "store/request_names.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/nearest.h"

#define MAX_VALUE 64 /* no value in the table has more bytes */
#define MAX_SHOWN 64 /* of an unknown name */

const struct request_name request_names[] = {
    { "model", "+" },
    { "messages", "+" },
    { "prompt", "+" },
    { "max_tokens", "+" },
    { "max_completion_tokens", "+" },
    { "temperature", "+" },
    { "top_p", "+" },
    { "top_k", "+" },
    { "n", "+" },
    { "seed", "+" },
    { "stop", "+" },
    { "ignore_eos", "+" },
    { "logprobs", "+" },
    { "top_logprobs", "+" },
    { "tools", "+" },
    { "documents", "+" },
    { "chat_template_kwargs", "+" },
    { "apus", "+" },
    { "apus.top_k", "+" },
    { "apus.ignore_eos", "+" },
    { "apus.date", "+" },
    { "messages.role", "+" },
    { "messages.content", "+" },
    { "messages.name", "+" },
    { "messages.tool_call_id", "+" },
    { "messages.tool_calls", "+" },
    { "messages.reasoning_content", "+" },
    { "content.type", "+" },
    { "content.text", "+" },
    /* OpenAI's, which only say how or for whom */
    { "user", "*" },
    { "metadata", "*" },
    { "store", "*" },
    { "service_tier", "*" },
    { "safety_identifier", "*" },
    { "prompt_cache_key", "*" },
    { "prompt_cache_retention", "*" },
    { "stream_options", "*" },
    { "parallel_tool_calls", "*" },
    /* OpenAI's, which say what */
    { "audio", "{}" },
    { "best_of", "1" },
    { "echo", "false" },
    { "frequency_penalty", "0" },
    { "function_call", "\"none\" \"auto\" {}" },
    { "functions", "[]" },
    { "logit_bias", "{}" },
    { "modalities", "[] [\"text\"]" },
    { "prediction", "{}" },
    { "presence_penalty", "0" },
    { "reasoning_effort", "\"none\" \"\"" },
    { "response_format", "{\"type\":\"text\"} {}" },
    { "stream", "false" },
    { "suffix", "\"\"" },
    { "tool_choice", "\"none\" \"auto\" {}" },
    { "verbosity", "\"medium\" \"\"" },
    { "web_search_options", "" },
    { "messages.annotations", "[]" },
    { "messages.audio", "{}" },
    { "messages.function_call", "{}" },
    { "messages.refusal", "\"\"" },
    { "content.annotations", "[]" },
    { "content.cache_control", "{}" },
    { "content.file", "{}" },
    { "content.image_url", "{} \"\"" },
    { "content.input_audio", "{}" },
    { "content.logprobs", "[]" },
    { "content.refusal", "\"\"" },
    /* of libraries: how a request travels */
    { "api_base", "*" },
    { "api_version", "*" },
    { "base_url", "*" },
    { "cache_prompt", "*" },
    { "cache_salt", "*" },
    { "custom_llm_provider", "*" },
    { "extra_headers", "*" },
    { "extra_query", "*" },
    { "include_reasoning", "*" },
    { "keep_alive", "*" },
    { "max_retries", "*" },
    { "num_retries", "*" },
    { "priority", "*" },
    { "reference", "*" },
    { "request_id", "*" },
    { "separate_reasoning", "*" },
    { "session", "*" },
    { "timeout", "*" },
    { "usage", "*" },
    { "extra_body", "{}" },
    /* of libraries and other servers: what is computed */
    { "add_generation_prompt", "true" },
    { "add_special_tokens", "" },
    { "allowed_token_ids", "" },
    { "bad_words", "[]" },
    { "chat_template", "\"\"" },
    { "continue_final_message", "false" },
    { "decoder_input_details", "false" },
    { "details", "false" },
    { "detokenize", "true" },
    { "do_sample", "true" },
    { "early_stopping", "false" },
    { "enable_search", "false" },
    { "enable_thinking", "" },
    { "format", "\"\"" },
    { "grammar", "\"\" {}" },
    { "guided_choice", "[]" },
    { "guided_decoding", "{}" },
    { "guided_decoding_backend", "\"\"" },
    { "guided_grammar", "\"\"" },
    { "guided_json", "{} \"\"" },
    { "guided_regex", "\"\"" },
    { "guided_whitespace_pattern", "\"\"" },
    { "images", "[]" },
    { "include_stop_str_in_output", "false" },
    { "json_schema", "{}" },
    { "kv_transfer_params", "{}" },
    { "length_penalty", "1" },
    { "logits_processors", "[]" },
    { "media_io_kwargs", "{}" },
    { "min_p", "0" },
    { "min_tokens", "0" },
    { "mirostat", "0" },
    { "mm_processor_kwargs", "{}" },
    { "model_kwargs", "{}" },
    { "models", "[]" },
    { "n_probs", "0" },
    { "no_repeat_ngram_size", "0" },
    { "num_beams", "1" },
    { "options", "{}" },
    { "plugins", "[]" },
    { "prompt_embeds", "{} \"\"" },
    { "prompt_logprobs", "" },
    { "prompt_mode", "\"\"" },
    { "provider", "{}" },
    { "reasoning", "{} {\"effort\":\"none\"}" },
    { "regex", "\"\"" },
    { "repeat_penalty", "1" },
    { "repetition_penalty", "1" },
    { "return_full_text", "false" },
    { "return_token_ids", "false" },
    { "return_tokens_as_token_ids", "false" },
    { "route", "\"\"" },
    { "safe_prompt", "false" },
    { "skip_special_tokens", "true" },
    { "spaces_between_special_tokens", "true" },
    { "stop_token_ids", "[]" },
    { "streaming", "false" },
    { "structural_tag", "\"\" {}" },
    { "structured_outputs", "{}" },
    { "tfs_z", "1" },
    { "thinking", "{} {\"type\":\"disabled\"}" },
    { "thinking_token_budget", "" },
    { "top_a", "0" },
    { "top_n_tokens", "0" },
    { "transforms", "[]" },
    { "truncate_prompt_tokens", "" },
    { "typical_p", "1" },
    { "use_beam_search", "false" },
    { "vllm_xargs", "{}" },
    { "watermark", "false" },
    { "messages.cache_control", "{}" },
    { "messages.images", "[]" },
    { "messages.parsed", "{}" },
    { "messages.prefix", "false" },
    { "messages.provider_specific_fields", "{}" },
    { "messages.reasoning", "\"\"" },
    { "messages.thinking_blocks", "[]" },
    { "messages.weight", "1" },
    /* what others call what we have */
    { "input", "=prompt" },
    { "inputs", "=prompt" },
    { "system", "=messages" },
    { "system_prompt", "=messages" },
    { "max_length", "=max_tokens" },
    { "max_new_tokens", "=max_tokens" },
    { "max_output_tokens", "=max_tokens" },
    { "max_tokens_to_sample", "=max_tokens" },
    { "n_predict", "=max_tokens" },
    { "num_predict", "=max_tokens" },
    { "num_return_sequences", "=n" },
    { "random_seed", "=seed" },
    { "stop_sequences", "=stop" },
    { "stop_words", "=stop" },
    { "messages.text", "=content" },
    { "content.content", "=text" },
    { NULL, NULL }
};

/* ---- rows ---------------------------------------------------------------- */

/* What follows the group in a row's name, NULL if it is of another group. */
static const char *key_in(const struct request_name *row, const char *group)
{
    size_t n = strlen(group);

    if (strncmp(row->name, group, n) != 0 || strchr(row->name + n, '.'))
        return NULL;
    return row->name + n;
}

static const struct request_name *find_row(const char *group, const char *key)
{
    const struct request_name *row = request_names;

    for (; row->name; row++) {
        const char *name = key_in(row, group);

        if (name && strcmp(name, key) == 0)
            return row;
    }
    return NULL;
}

/* ---- names that are meant ------------------------------------------------ */

/* The next letter or digit of a name, in lower case; 0 at the end. */
static char next_sign(const char **at)
{
    while (**at) {
        char c = *(*at)++;

        if (c >= 'A' && c <= 'Z')
            return (char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            return c;
    }
    return 0;
}

/* maxTokens, Max-Tokens and max_tokens. */
static bool same_letters(const char *a, const char *b)
{
    char c;

    do {
        c = next_sign(&a);
        if (c != next_sign(&b))
            return false;
    } while (c);
    return true;
}

/* The name of the group that is meant by an unknown one, or NULL. */
static const char *meant(const char *group, const char *key)
{
    struct nearest n;

    nearest_init(&n, key, strlen(key));
    for (const struct request_name *row = request_names; row->name; row++) {
        const char *name = key_in(row, group);

        if (!name || *row->values == '=')
            continue;
        if (same_letters(name, key))
            return name;
        nearest_offer(&n, name);
    }
    return n.name;
}

/* `name` is what is meant, NULL: look for it. */
static int unknown(const char *group, const char *path, const char *key,
                   const char *name, struct err *err)
{
    char shown[MAX_SHOWN + 1];
    size_t n = 0;

    for (; n < MAX_SHOWN && key[n]; n++)
        shown[n] = key[n] < ' ' || key[n] > '~' || key[n] == '"' ||
                           key[n] == '\\'
                       ? '?' : key[n];
    shown[n] = '\0';
    if (!name)
        name = meant(group, key);
    if (!name)
        return err_set(err, ERR_INPUT, "unknown parameter \"%s%s\"", path,
                       shown);
    return err_set(err, ERR_INPUT, "unknown parameter \"%s%s\": is \"%s%s\""
                   " meant?", path, shown, path, name);
}

/* ---- values -------------------------------------------------------------- */

/* A value as the table has it, "?" for all that cannot stand there. */
static void put_value(struct buf *b, const struct json *v)
{
    int64_t millionths;

    switch (json_type(v)) {
    case JSON_BOOL:
        buf_puts(b, json_true(v) ? "true" : "false");
        break;
    case JSON_STRING:
        json_put_string(b, json_string(v), strlen(json_string(v)));
        break;
    case JSON_NUMBER:
        if (json_nearest_millionths(v, &millionths) || millionths % 1000000)
            buf_putc(b, '?');
        else
            buf_printf(b, "%" PRId64, millionths / 1000000);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        if (json_count(v) == 0)
            buf_puts(b, "{}");
        else if (json_count(v) > 1 || !json_string(json_first(v)))
            buf_putc(b, '?');
        else
            json_put(b, v);
        break;
    case JSON_NULL:
        buf_puts(b, "null");
    }
}

static bool has(const char *values, const char *text)
{
    size_t n = strlen(text);

    for (const char *at = values; (at = strstr(at, text)) != NULL; at++)
        if ((at == values || at[-1] == ' ') && (!at[n] || at[n] == ' '))
            return true;
    return false;
}

static bool is_among(const char *values, const struct json *v)
{
    struct buf b;
    bool among;

    buf_init(&b, MAX_VALUE);
    put_value(&b, v);
    among = !b.full && has(values, b.data);
    if (!among && !b.full && strcmp(b.data, "{}") == 0)
        among = has(values, "[]");
    buf_clear(&b);
    return among;
}

static int not_implemented(const char *path, const char *key,
                           const char *values, struct err *err)
{
    struct buf b;

    buf_init(&b, 4 * MAX_VALUE);
    for (const char *c = values; *c; c++) {
        if (c == values)
            buf_puts(&b, " or ");
        if (*c == ' ')
            buf_puts(&b, " or ");
        else
            buf_putc(&b, *c);
    }
    err_set(err, ERR_INPUT, "\"%s%s\" is not implemented: it must be null%s",
            path, key, b.data ? b.data : "");
    buf_clear(&b);
    return -1;
}

enum request_member request_name_judge(const char *group, const char *path,
                                       const struct json *v,
                                       struct err *err)
{
    const char *key = json_key(v);
    const struct request_name *row = find_row(group, key);

    if (!row)
        return unknown(group, path, key, NULL, err);
    if (*row->values == '=')
        return unknown(group, path, key, row->values + 1, err);
    if (json_type(v) == JSON_NULL || *row->values == '*')
        return REQUEST_MEMBER_IDLE;
    if (*row->values == '+')
        return REQUEST_MEMBER_READ;
    if (is_among(row->values, v))
        return REQUEST_MEMBER_IDLE;
    return not_implemented(path, key, row->values, err);
}

/* ---- reasons of earlier versions ----------------------------------------- */

/* Whether text[0..n) has the key, with its quotes. */
static bool has_key(const char *text, size_t n, const char *key, size_t n_key)
{
    for (size_t i = 0; n >= n_key + 2 && i <= n - n_key - 2; i++)
        if (text[i] == '"' && text[i + n_key + 1] == '"' &&
            memcmp(text + i + 1, key, n_key) == 0)
            return true;
    return false;
}

bool request_old_reason(const char *message, const char *text, size_t n)
{
    static const char *const words[] = {
        "unknown parameter \"", ": nothing else is implemented",
        "at most 6 decimals", "\" differ: give one of them",
        "a string or an array of token ids", "\"seed\" must be an integer",
        "\"stop\" must be a string of 1 to 64", "\"top_k\" must be an integer",
        "\"apus\" must be an object", "developer, user or assistant",
        "is not implemented: it must be null",
        "a string or an array of text parts",
    };
    const char *key = strchr(message, '"'), *end;
    size_t i = 0, n_words = sizeof(words) / sizeof(words[0]);

    while (i < n_words && !strstr(message, words[i]))
        i++;
    end = key ? strchr(key + 1, '"') : NULL;
    if (i == n_words || !end)
        return false;
    key++;
    for (const char *c = key; c < end; c++)
        if (*c == '.')
            key = c + 1;
    return has_key(text, n, key, (size_t)(end - key));
}
