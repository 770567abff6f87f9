/*
 * The JSON of a result, by hand.
 */
#include <config.h>

#include "tests/published_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"
#include "tests/record_util.h"

const char *const pub_key[PUB_KEYS] = {
    "apus", "request", "process", "model", "job", "params", "prompt",
    "tokens", "text", "finish", "error", "trace", "n", "level", "batch_id",
    "batch_root", "index", "count", "path", "node"
};

const char *const pub_param[PUB_PARAMS] = {
    "choice", "max_tokens", "temperature", "top_p", "top_k", "flags", "seed",
    "stops"
};

char **pub_at(struct pub *p, const char *key)
{
    for (int i = 0; i < PUB_KEYS; i++)
        if (strcmp(key, pub_key[i]) == 0)
            return &p->value[i];
    for (int i = 0; i < PUB_PARAMS; i++)
        if (strcmp(key, pub_param[i]) == 0)
            return &p->param[i];
    abort();
}

void pub_set(struct pub *p, const char *key, const char *json)
{
    char **at = pub_at(p, key);

    free(*at);
    *at = xstrdup(json);
}

void pub_set_id(struct pub *p, const char *key, struct id id)
{
    char text[ID_TEXT], quoted[ID_TEXT + 2];

    base64url(text, id.b, 32);
    snprintf(quoted, sizeof(quoted), "\"%s\"", text);
    pub_set(p, key, quoted);
}

void pub_init(struct pub *p, const struct id *node)
{
    static const struct id zeros;
    struct result_leaf leaf;
    struct made m;

    memset(p, 0, sizeof(*p));
    made_init(&m);
    made_commit(&m);
    digest(&p->job, m.job, sizeof(m.job));
    digest(&p->result, m.result, sizeof(m.result));
    p->model = m.j.model;
    p->request = m.r.request;
    memset(p->batch.b, 8, 32);
    if (node)
        p->node = *node;
    else
        memset(p->node.b, 10, 32);
    result_leaf(&leaf, &m.r);
    p->root = leaf.hash;
    pub_set(p, "apus", "\"result-1\"");
    pub_set_id(p, "request", p->request);
    pub_set_id(p, "process", zeros);
    pub_set_id(p, "model", p->model);
    pub_set_id(p, "job", p->job);
    pub_set(p, "prompt", "[1,15043,29991]");
    pub_set(p, "tokens", "[306,2]");
    pub_set(p, "text", "\" the\"");
    pub_set(p, "finish", "0");
    pub_set(p, "error", "[]");
    pub_set_id(p, "trace", m.r.trace);
    pub_set(p, "n", "4");
    pub_set(p, "level", "0");
    pub_set_id(p, "batch_id", p->batch);
    pub_set_id(p, "batch_root", p->root);
    pub_set(p, "index", "0");
    pub_set(p, "count", "1");
    pub_set(p, "path", "[]");
    pub_set_id(p, "node", p->node);
    pub_set(p, "choice", "0");
    pub_set(p, "max_tokens", "256");
    pub_set(p, "temperature", "700000");
    pub_set(p, "top_p", "950000");
    pub_set(p, "top_k", "40");
    pub_set(p, "flags", "0");
    pub_set(p, "seed", "\"1234567890123456789\"");
    pub_set(p, "stops", "[\"Cgo\"]");
}

void pub_hash(struct pub *p)
{
    char id[ID_TEXT], text[128];
    struct made m;

    made_init(&m);
    made_commit(&m);
    base64url(id, m.j.prompt.b, 32);
    snprintf(text, sizeof(text), "[3,\"%s\"]", id);
    pub_set(p, "prompt", text);
    base64url(id, m.r.output.b, 32);
    snprintf(text, sizeof(text), "[2,\"%s\"]", id);
    pub_set(p, "tokens", text);
    base64url(id, m.r.text.b, 32);
    snprintf(text, sizeof(text), "[\"%s\"]", id);
    pub_set(p, "text", text);
}

void pub_clear(struct pub *p)
{
    for (int i = 0; i < PUB_KEYS; i++)
        free(p->value[i]);
    for (int i = 0; i < PUB_PARAMS; i++)
        free(p->param[i]);
}

void pub_json_params(struct buf *out, const struct pub *p)
{
    const char *comma = "{";

    for (int k = 0; k < PUB_PARAMS; k++) {
        if (!*p->param[k])
            continue;
        buf_printf(out, "%s\"%s\":%s", comma, pub_param[k], p->param[k]);
        comma = ",";
    }
    buf_puts(out, "}");
}

void pub_json(struct buf *out, const struct pub *p)
{
    const char *comma = "{";

    for (int i = 0; i < PUB_KEYS; i++) {
        const char *before = comma;

        comma = ",";
        if (i == 5 && !p->value[i]) { /* params are in pieces */
            buf_puts(out, ",\"params\":");
            pub_json_params(out, p);
        } else if (*p->value[i]) {
            buf_printf(out, "%s\"%s\":%s", before, pub_key[i], p->value[i]);
        } else {
            comma = before;
        }
    }
    buf_puts(out, "}");
}
