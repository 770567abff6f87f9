/*
 * Files of numbers.  Which there are, and where, is for others.
 */
#include <config.h>

#include "spool/numbers.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_write.h"
#include "spool/spool.h"

int numbers_parse(struct number *v, size_t n_v, const char *format,
                  const char *text, size_t n, struct err *err)
{
    const char *got;
    struct json *root;
    int rc = 0;

    if (json_parse(&root, text, n, err))
        return -1;
    got = json_string(json_get(root, "format"));
    if (!got || strcmp(got, format) != 0)
        rc = err_set(err, ERR_INPUT, "format \"%s\" expected", format);
    for (size_t i = 0; rc == 0 && i < n_v; i++) {
        if (json_digits(json_get(root, v[i].key), &v[i].value) ||
            v[i].value > NUMBERS_MAX)
            rc = err_set(err, ERR_INPUT, "\"%s\": a text of digits expected",
                         v[i].key);
    }
    json_free(root);
    return rc;
}

int numbers_write(const struct number *v, size_t n_v, const char *format,
                  const char *dir, const char *name, struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, NUMBERS_FILE_MAX);
    buf_putc(&text, '{');
    json_put_text(&text, "format", format);
    for (size_t i = 0; i < n_v; i++)
        json_put_digits(&text, v[i].key, v[i].value);
    buf_puts(&text, "}\n");
    rc = buf_check(&text, name, err) ||
                 batch_file_write(dir, name, text.data, text.len, err)
             ? -1 : 0;
    buf_clear(&text);
    return rc;
}
