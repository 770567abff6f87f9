/*
 * Layers that differ, from config.json to a record.  A window that no position
 * leaves is none, and a layer without RoPE has frequencies of zero: cos is 1
 * then and sin 0, at every position.
 */
#include <config.h>

#include "model/import/hf_layers.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "model/import/hf_values.h"
#include "proof/model_record.h"

#define NO_ROPE_INTERVAL 4 /* of a config without no_rope_layers */

/* ---- RoPE ---------------------------------------------------------------- */

/* no_rope_layers has a 1 for each layer that has RoPE. */
static int parse_no_rope(struct hf_layers *y, const struct json *root,
                         const struct model_record *r, struct err *err)
{
    const struct json *list = json_get(root, "no_rope_layers");
    const struct json *v = json_first(list);
    uint32_t interval = NO_ROPE_INTERVAL;
    uint64_t has;

    if (hf_count(&interval, root, "no_rope_layer_interval", true, err))
        return -1;
    for (uint32_t l = 0; !hf_given(list) && l < r->n_layers; l++)
        y->second[l] = (l + 1) % interval == 0;
    if (!hf_given(list))
        return 0;
    if (json_type(list) != JSON_ARRAY || json_count(list) != r->n_layers)
        return err_set(err, ERR_INPUT, "no_rope_layers must have one number"
                       " for each of %u layers", r->n_layers);
    for (uint32_t l = 0; l < r->n_layers; l++, v = json_next(v)) {
        if (json_u64(v, &has) || has > 1)
            return hf_refuse("no_rope_layers", v, "0 and 1 are known", err);
        y->second[l] = has == 0;
    }
    return 0;
}

/* ---- windows ------------------------------------------------------------- */

static int parse_types(struct hf_layers *y, const struct json *types,
                       const struct model_record *r, struct err *err)
{
    const struct json *v = json_first(types);
    char key[32];

    if (json_type(types) != JSON_ARRAY || json_count(types) != r->n_layers)
        return err_set(err, ERR_INPUT, "layer_types must have one entry for"
                       " each of %u layers", r->n_layers);
    for (uint32_t l = 0; l < r->n_layers; l++, v = json_next(v)) {
        const char *s = json_string(v);

        y->local[l] = s && strcmp(s, "sliding_attention") == 0;
        if (y->local[l] || (s && strcmp(s, "full_attention") == 0))
            continue;
        snprintf(key, sizeof(key), "layer_types[%u]", l);
        return hf_refuse(key, v, "sliding_attention and full_attention are"
                         " known", err);
    }
    return 0;
}

/* Windows from layer max_window_layers on, or of the layers without RoPE. */
static int parse_some(struct hf_layers *y, const struct json *root,
                      const struct model_record *r,
                      const struct hf_layers_how *how, struct err *err)
{
    const struct json *v = json_get(root, "max_window_layers");
    uint64_t first;

    if (how->no_rope) {
        memcpy(y->local, y->second, sizeof(y->local));
        return 0;
    }
    if (json_u64(v, &first))
        return err_set(err, ERR_INPUT, "use_sliding_window is true, and"
                       " max_window_layers is not a whole number");
    for (uint32_t l = 0; l < r->n_layers; l++)
        y->local[l] = l >= first;
    return 0;
}

static int parse_windows(struct hf_layers *y, const struct json *root,
                         const struct model_record *r,
                         const struct hf_layers_how *how, struct err *err)
{
    const struct json *use = json_get(root, "use_sliding_window");
    const struct json *types = json_get(root, "layer_types");
    bool off = how->some && !hf_given(use);
    int rc = 0;

    if (use && json_type(use) != JSON_BOOL && json_type(use) != JSON_NULL)
        return hf_refuse("use_sliding_window", use,
                         "it must be true or false", err);
    if (hf_given(use) && !how->window)
        return hf_refuse("use_sliding_window", use,
                         "this family has no window", err);
    if (!json_get(root, "sliding_window"))
        y->window = how->usual;
    if (hf_count(&y->window, root, "sliding_window",
                 y->window > 0 || how->every == 0, err))
        return -1;
    if (y->window && !how->window)
        return hf_refuse("sliding_window", json_get(root, "sliding_window"),
                         "this family has no window", err);
    for (uint32_t l = 0; l < r->n_layers; l++)
        y->local[l] = y->window > 0 && !off &&
                      !(how->every && (l + 1) % how->every == 0);
    if (hf_given(types))
        rc = parse_types(y, types, r, err);
    else if (how->some && y->window > 0 && !off)
        rc = parse_some(y, root, r, how, err);
    for (uint32_t l = 0; rc == 0 && l < r->n_layers; l++)
        if (y->local[l] && (off || y->window == 0))
            return hf_refuse("layer_types", types, off
                             ? "use_sliding_window is not true"
                             : "there is no sliding_window", err);
    if (y->window >= r->context) /* one that no position leaves is none */
        y->window = 0;
    return rc;
}

int hf_layers_parse(struct hf_layers *y, const struct json *root,
                    const struct model_record *r,
                    const struct hf_layers_how *how, struct err *err)
{
    memset(y, 0, sizeof(*y));
    if (how->no_rope && parse_no_rope(y, root, r, err))
        return -1;
    return parse_windows(y, root, r, how, err);
}

/* ---- to a record --------------------------------------------------------- */

void hf_layer_put(const struct model_record *r,
                  float freq[MODEL_MAX_FREQUENCIES], uint32_t l,
                  const struct hf_layer *layer)
{
    float *of = freq + r->head_dim + (size_t)MODEL_LAYER_NUMBERS * l;

    of[MODEL_LAYER_WINDOW] = (float)layer->window;
    of[MODEL_LAYER_SCALE] = layer->attn_scale;
    of[MODEL_LAYER_TABLE] = layer->second;
    of[MODEL_LAYER_NUMBERS - 1] = 0;
}

void hf_caps_put(const struct model_record *r,
                 float freq[MODEL_MAX_FREQUENCIES], float scores, float logits)
{
    float *cap = freq + model_caps_at(r);

    if (!(r->flags & MODEL_SOFT_CAPS))
        return;
    cap[MODEL_CAP_SCORES] = scores;
    cap[MODEL_CAP_LOGITS] = logits;
}

void hf_layers_put(struct model_record *r, float freq[MODEL_MAX_FREQUENCIES],
                   const struct hf_layers *y)
{
    float scale = r->attn_scale;
    struct hf_layer layer;
    bool differ = false;

    for (uint32_t l = 0; l < r->n_layers; l++)
        differ |= y->second[l] ||
                  (y->window > 0 && y->local[l] != y->local[0]);
    r->window = y->local[0] ? y->window : 0;
    if (!differ)
        return;
    r->flags |= MODEL_LAYERS;
    r->window = 0;
    r->attn_scale = 1;
    memcpy(freq + r->head_dim / 2, y->table,
           r->head_dim / 2 * sizeof(*freq));
    for (uint32_t l = 0; l < r->n_layers; l++) {
        layer.window = y->local[l] ? y->window : 0;
        layer.second = y->second[l];
        layer.attn_scale = y->second[l] && y->attn_scale > 0 ? y->attn_scale
                                                             : scale;
        hf_layer_put(r, freq, l, &layer);
    }
}
