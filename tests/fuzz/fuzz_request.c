/*
 * request_parse on any line.  What is accepted is within the limits that the
 * header promises, what is refused leaves nothing but the custom_id, and an
 * error's message makes a line of JSON.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"
#include "store/answer.h"
#include "store/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void check_stops(const struct request *r)
{
    must(r->n_stops <= REQUEST_MAX_STOPS);
    for (size_t i = 0; i < r->n_stops; i++) {
        const struct request_stop *s = &r->stop[i];

        must(s->n >= 1 && s->n <= 64 && strlen(s->text) == s->n);
        must(i == 0 || strcmp(s[-1].text, s->text) < 0);
    }
}

static void check(const struct request *r)
{
    size_t n = 0;

    must(r->custom_id && *r->custom_id && strlen(r->custom_id) <= 512);
    must(r->n_choices >= 1 && r->n_choices <= REQUEST_MAX_CHOICES);
    must(r->temperature == 0 ||
         (r->temperature >= 10000 && r->temperature <= 100000000));
    must(r->top_p >= 1 && r->top_p <= 1000000);
    check_stops(r);
    must(r->chat ? r->n_messages > 0 : !r->message);
    must(r->chat ? !r->prompt && !r->prompt_id : !r->prompt == !!r->prompt_id);
    for (size_t i = 0; i < r->n_messages; i++) {
        const struct request_message *m = &r->message[i];

        must(strcmp(m->role, "system") == 0 || strcmp(m->role, "user") == 0 ||
             strcmp(m->role, "assistant") == 0 ||
             strcmp(m->role, "developer") == 0 || strcmp(m->role, "tool") == 0);
        must(m->content ? utf8_valid(m->content, strlen(m->content))
                        : json_count(json_get(m->more, "tool_calls")) > 0);
    }
    must(r->chat || (!r->tools && !r->documents && !r->kwargs && !r->date));
    must(!r->date || strlen(r->date) == 10);
    for (size_t i = 0; i < r->n_prompt; i++)
        n += r->prompt_id[i] != 0;
    must(n <= r->n_prompt);
}

static void check_error(const struct request *r, const struct err *err)
{
    static const struct id id;
    struct err unused = ERR_INIT;
    struct json *root = NULL;
    struct buf out;

    must(err->code == ERR_INPUT && !r->message && !r->prompt &&
         !r->prompt_id && !r->n_stops);
    buf_init(&out, 1u << 20);
    answer_put_error(&out, id, r->custom_id, "invalid_request", err->text,
                     1);
    must(!out.full && json_parse(&root, out.data, out.len, &unused) == 0);
    json_free(root);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct request r;

    if (request_parse(&r, (const char *)data, size, &err) == 0)
        check(&r);
    else
        check_error(&r, &err);
    request_clear(&r);
    return 0;
}
