/*
 * Prepares the pulling of requests.
 */
#include <config.h>

#include "node/puller.h"

#include <stdlib.h>
#include <string.h>

#include "arweave/gateway.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/settings.h"
#include "model/model.h"
#include "model/models.h"
#include "spool/spool.h"

#define MAX_MODELS 64

/* ---- options and settings ------------------------------------------------ */

/* Read a setting, or the option that overrides it. */
static int read_count(uint64_t *v, const struct settings *s, const char *name,
                      const char *option, const char *text, struct err *err)
{
    *v = settings_count(s, name);
    if (text && settings_check(s, name, text, v, err))
        return err_prefix(err, "%s", option);
    return 0;
}

int puller_init(struct puller *puller, const struct settings *s,
                const struct puller_use *c, const struct caller *caller,
                struct err *err)
{
    struct pull *p = &puller->pull;

    memset(puller, 0, sizeof(*puller));
    p->caller = *caller;
    p->per_message = settings_count(s, "pull-max");
    if (read_count(&p->total, s, "pull-total", "--max", c->max, err) ||
        read_count(&p->ttl_s, s, "lease", "--ttl", c->ttl, err))
        return -1;
    p->max_file = settings_count(s, "pull-size");
    return 0;
}

/* ---- models -------------------------------------------------------------- */

static int find_model(struct id *id, const struct settings *s, const char *name,
                      struct err *err)
{
    struct model_record rec;
    char *path;
    int rc;

    if (models_resolve(&path, settings_text(s, "models"), name, log_line, err))
        return -1;
    rc = model_peek(&rec, id, path, err);
    free(path);
    return rc;
}

/* Find the named models (separated by commas), or all models of the store. */
static int find_models(struct id **ids, size_t *n, const struct settings *s,
                       const char *names, struct err *err)
{
    char *copy, *at = NULL;
    int rc = 0;

    if (!names)
        return models_ids(ids, n, settings_text(s, "models"), err);
    copy = xstrdup(names);
    *ids = xcalloc(MAX_MODELS, sizeof(**ids));
    *n = 0;
    for (char *name = strtok_r(copy, ",", &at); name && rc == 0;
         name = strtok_r(NULL, ",", &at)) {
        if (*n == MAX_MODELS)
            rc = err_set(err, ERR_INPUT, "over %d models", MAX_MODELS);
        else
            rc = find_model(&(*ids)[(*n)++], s, name, err);
    }
    free(copy);
    return rc;
}

int puller_find_models(struct puller *p, const struct settings *s,
                       const struct puller_use *use, struct err *err)
{
    struct id *ids = NULL;
    size_t n = 0;

    if (find_models(&ids, &n, s, use->model, err)) {
        free(ids);
        return -1;
    }
    free(p->models);
    p->models = ids;
    p->pull.model = ids;
    p->pull.n_models = n;
    return 0;
}

int puller_open(struct puller *p, const struct settings *s,
                const struct spool *spool, struct err *err)
{
    if (gateways_new(&p->gateways, s, err) ||
        client_open(&p->client, s, NULL, err))
        return -1;
    p->pull.client = &p->client;
    p->pull.spool = spool;
    p->pull.gateways = p->gateways;
    return 0;
}

void puller_clear(struct puller *p)
{
    if (p->pull.client)
        client_close(&p->client);
    gateways_free(p->gateways);
    free(p->models);
    memset(p, 0, sizeof(*p));
}

/* ---- the spool ----------------------------------------------------------- */

int puller_open_spool(struct spool **out, const struct settings *s,
                      struct err *err)
{
    const char *dir = settings_text(s, "spool");
    bool makes = *settings_text(s, "queue") &&
                 (!settings_from_flag(s, "spool") || file_is_dir(dir));

    return makes ? spool_open(out, dir, err)
                 : spool_open_there(out, dir, err);
}
