/*
 * renderchat FILE.jinja: read lines of JSON, objects of variables of a chat
 * template; for each print what it renders as a JSON string, or an object
 * {"error": ".."}.  For the comparison with another implementation.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "text/jinja.h"

#define MAX_VARIABLES 16

static void render(const struct jinja *t, const struct json *line)
{
    struct jinja_variable variable[MAX_VARIABLES] = { 0 };
    const char *date = json_string(json_get(line, "date"));
    struct err err = ERR_INIT;
    struct jinja_output out;
    const struct json *v;
    struct buf b;
    size_t n = 0;

    for (v = json_first(line); v && n < MAX_VARIABLES; v = json_next(v), n++) {
        variable[n].name = json_key(v);
        variable[n].json = v;
        variable[n].from_user = true;
    }
    buf_init(&b, 2 * JINJA_MAX_OUTPUT);
    if (jinja_render(t, variable, n, date, &out, &err)) {
        buf_puts(&b, "{\"error\":");
        json_put_string(&b, err.text, strlen(err.text));
        buf_putc(&b, '}');
    } else {
        json_put_string(&b, out.text, out.n);
    }
    printf("%s\n", b.data);
    buf_clear(&b);
    jinja_output_clear(&out);
}

int main(int argc, char **argv)
{
    static char line[1 << 20];
    struct err err = ERR_INIT;
    struct jinja *t;
    struct json *v;
    struct buf b;

    buf_init(&b, 1 << 20);
    if (argc != 2 || file_read(&b, argv[1], &err) ||
        jinja_new(&t, b.data, b.len, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin)) {
        if (json_parse(&v, line, strlen(line), &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        render(t, v);
        json_free(v);
    }
    jinja_free(t);
    buf_clear(&b);
    return 0;
}
