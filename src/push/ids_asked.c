/*
 * The ids of such requests, sorted.
 */
#include <config.h>

#include "push/ids_asked.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/vec.h"
#include "spool/request_file.h"
#include "spool/spool.h"
#include "store/request.h"

struct ids_asked {
    struct id *id;
    size_t n, capacity;
};

static int compare_asked(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id));
}

/* A line that is no request has no answer either. */
static int add_line(struct ids_asked *x, const struct request_file *f,
                    const struct batch_info *info, const char *text,
                    size_t n, struct err *err)
{
    struct request r;
    struct id id;
    int rc = 0;

    if (request_parse(&r, text, n, NULL))
        return 0;
    if (r.n_prompt > 0) {
        request_file_id(f, &id);
        rc = batch_request_id(&id, info, id, r.custom_id, err);
        if (rc == 0) {
            VEC_RESERVE(x->id, x->capacity, x->n + 1);
            x->id[x->n++] = id;
        }
    }
    request_clear(&r);
    return rc;
}

int ids_asked_open(struct ids_asked **out, const char *batch_path,
                   const struct batch_info *info, struct err *err)
{
    char *path = file_join(batch_path, "requests.jsonl");
    struct ids_asked *x = xcalloc(1, sizeof(*x));
    struct request_file *f = NULL;
    const char *text;
    size_t n;
    int rc = request_file_open(&f, path, err);

    while (rc == 0) {
        rc = request_file_next(f, &text, &n, err);
        if (rc || !text)
            break;
        rc = add_line(x, f, info, text, n, err);
    }
    if (rc == 0 && x->n > 0)
        qsort(x->id, x->n, sizeof(*x->id), compare_asked);
    request_file_close(f);
    free(path);
    if (rc)
        ids_asked_close(x);
    else
        *out = x;
    return rc;
}

void ids_asked_close(struct ids_asked *x)
{
    if (!x)
        return;
    free(x->id);
    free(x);
}

bool ids_asked_has(const struct ids_asked *x, struct id request)
{
    return x->n > 0 && bsearch(&request, x->id, x->n, sizeof(*x->id),
                               compare_asked) != NULL;
}
