/*
 * The model that answers are computed again with, for every kind of thing that
 * apus verify checks.
 */
#include <config.h>

#include "cmd/verify.h"

#include <string.h>

#include "backend/backends.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/id.h"
#include "base/settings.h"
#include "model/model.h"
#include "model/models.h"

bool verify_needs_model(const struct verify *v)
{
    return v->o.recompute || v->o.trace || v->model_name;
}

int verify_open_model(struct verify *v, const struct id *want, struct err *err)
{
    const char *kernel = settings_text(v->settings, "kernel");
    size_t threads = settings_count(v->settings, "threads");
    char id[ID_TEXT];
    struct model *m;

    /* what a GPU has answered is recomputed here */
    if (strcmp(kernel, "cuda") == 0)
        kernel = "auto";
    if (want)
        base64url(id, want, 32);
    if (!v->o.backend &&
        backend_open(&v->o.backend, kernel, threads, err))
        return -1;
    if (models_open_hashed(&m, settings_text(v->settings, "models"),
                           v->model_name ? v->model_name : id,
                           v->o.backend->sink, err))
        return err_prefix(err, v->o.recompute || v->o.trace
                          ? "to compute again" : "to compare the model");
    if (prompt_model_init(&v->model, m, err) == 0) {
        if (!want || id_equal(m->id, *want)) {
            v->o.model = &v->model;
            return 0;
        }
        err_set(err, ERR_INPUT, "\"%s\" is not the model of these answers,"
                " which is %s", v->model_name, id);
    }
    prompt_model_clear(&v->model); /* whoever goes on opens another one */
    return -1;
}

enum verdict verify_opened(struct verify *v, const struct part_file *f,
                           struct id model, struct err *err)
{
    if (verify_needs_model(v) && verify_open_model(v, &model, err))
        return VERDICT_NONE;
    return check_part(f, &v->o, err);
}
