/*
 * The models that batches need.  A list is enough: a node has a few.
 */
#include <config.h>

#include "node/drain_models.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/found.h"
#include "base/vec.h"
#include "model/model.h"
#include "model/models.h"

struct drain_model {
    struct id id;
    bool has_known, has;     /* drain_models_has */
    bool found_known, found; /* drain_models_found */
};

static struct drain_model *entry(struct drain_models *k, struct id model)
{
    for (size_t i = 0; i < k->n; i++)
        if (id_equal(k->list[i].id, model))
            return &k->list[i];
    VEC_MORE(k->list, k->n);
    k->list[k->n] = (struct drain_model){ .id = model };
    return &k->list[k->n++];
}

static enum found look_up_model(const char *store, struct id model,
                                struct err *err)
{
    struct id *ids = NULL, got;
    struct model_record rec;
    char *path = models_path(store, model);
    size_t n = 0, i = 0;
    enum found found = FOUND_NONE;
    int rc = models_ids(&ids, &n, store, err);

    if (rc == 0 && n == 0)
        rc = err_set(err, ERR_RETRY, "there is no model in \"%s\": is it"
                     " mounted?", store);
    while (i < n && !id_equal(ids[i], model))
        i++;
    if (rc == 0 && i < n)
        found = model_peek(&rec, &got, path, err) ? FOUND_FAILED : FOUND_ONE;
    if (rc)
        found = FOUND_FAILED;
    if (found == FOUND_FAILED)
        err_turn(err, ERR_RETRY);
    free(ids);
    free(path);
    return found;
}

enum found drain_models_has(struct drain_models *k, const char *store,
                            struct id model, struct err *err)
{
    struct drain_model *m;
    enum found found;

    if (!k)
        return look_up_model(store, model, err);
    m = entry(k, model);
    if (m->has_known)
        return m->has ? FOUND_ONE : FOUND_NONE;
    found = look_up_model(store, model, err);
    m->has_known = found != FOUND_FAILED;
    m->has = found == FOUND_ONE;
    return found;
}

bool drain_models_found(struct drain_models *k, const char *store,
                        struct id model)
{
    struct drain_model *m = entry(k, model);
    char *path;

    if (!m->found_known &&
        models_resolve(&path, store, id_text(model).s, NULL, NULL) == 0) {
        free(path);
        m->found = true;
    }
    m->found_known = true;
    return m->found;
}

void drain_models_forget(struct drain_models *k)
{
    free(k->list);
    *k = (struct drain_models){ .list = NULL };
}
