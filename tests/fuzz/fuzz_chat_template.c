/*
 * A chat template of any bytes: read, and run over two messages.  No byte of
 * a message is taken for the template's.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "text/jinja.h"

#define MESSAGES                                              \
    "[{\"role\":\"\\u0001\",\"content\":\"\\u0001\\u0001\"}," \
    "{\"role\":\"\\u0001\",\"content\":\"\"}]"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jinja_variable v = { .name = "messages", .from_user = true };
    static struct json *messages;
    struct err err = ERR_INIT;
    struct jinja_output out;
    struct jinja *t;

    if (!messages && json_parse(&messages, MESSAGES, strlen(MESSAGES), NULL))
        abort();
    if (jinja_new(&t, (const char *)data, size, &err))
        return err.code == ERR_INPUT ? 0 : (abort(), 0);
    v.json = messages;
    if (jinja_render(t, &v, 1, NULL, &out, &err) && err.code != ERR_INPUT)
        abort();
    if (!memchr(data, 1, size) && !memchr(data, '\\', size))
        for (size_t i = 0; i < out.n; i++)
            if (out.text[i] == 1 && !out.from_user[i])
                abort();
    jinja_output_clear(&out);
    jinja_free(t);
    return 0;
}
