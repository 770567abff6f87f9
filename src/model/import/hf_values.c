/*
 * Values of config.json by their type and range.
 */
#include <config.h>

#include "model/import/hf_values.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

bool hf_given(const struct json *v)
{
    return v && json_type(v) != JSON_NULL &&
           (json_type(v) != JSON_BOOL || json_true(v));
}

/* A value as it is to be shown in a message; b is scratch. */
static const char *show(struct buf *b, const struct json *v)
{
    buf_reset(b);
    json_put(b, v);
    if (b->len > 60)
        return json_type_name(json_type(v));
    return b->len ? b->data : "?";
}

int hf_refuse(const char *key, const struct json *v, const char *known,
              struct err *err)
{
    struct buf b;

    buf_init(&b, 4096);
    err_set(err, ERR_INPUT, "%s is %s; %s", key, show(&b, v), known);
    buf_clear(&b);
    return -1;
}

int hf_count(uint32_t *out, const struct json *root, const char *key,
             bool optional, struct err *err)
{
    const struct json *v = json_get(root, key);
    uint64_t n;

    if (!v || json_type(v) == JSON_NULL) {
        if (optional)
            return 0;
        return err_set(err, ERR_INPUT, "it has no %s", key);
    }
    if (json_u64(v, &n) || n < 1 || n >= UINT32_MAX)
        return hf_refuse(key, v, "it must be a whole number, 1 or more", err);
    *out = (uint32_t)n;
    return 0;
}

int hf_number(double *out, const struct json *root, const char *key,
              double least, struct err *err)
{
    const struct json *v = json_get(root, key);
    double x;

    if (!v || json_type(v) == JSON_NULL)
        return 0;
    if (json_f64(v, &x) || !(x >= least) || x > 1e30)
        return hf_refuse(key, v, "it is out of range", err);
    *out = x;
    return 0;
}

int hf_number_again(double *out, const struct json *root, const char *name,
                    const struct json *second, const char *key, double least,
                    struct err *err)
{
    double first = *out;

    if (hf_number(out, second, key, least, err))
        return -1;
    if (*out == first || !hf_given(json_get(root, name)))
        return 0;
    return err_set(err, ERR_INPUT, "%s is %g, and %g elsewhere in the file;"
                   " only one of them can hold", name, first, *out);
}
