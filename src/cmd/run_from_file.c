/*
 * The file of requests that apus run --from makes: its lines, and by which
 * model they were answered.
 */
#include <config.h>

#include "cmd/run_from_internal.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/id.h"

int making_put(void *self, const char *line, size_t n, struct err *err)
{
    struct making *m = self;

    m->n++;
    return file_out_put(m->out, line, n, err);
}

void making_is_of(struct making *m, struct id model)
{
    m->f->model = model;
    base64url(m->f->model_id, model.b, 32);
}
