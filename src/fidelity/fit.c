/*
 * The order of a fitted conversion: the text and what the model writes, layer
 * after layer, the head.
 */
#include <config.h>

#include "fidelity/fit.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cpu/pool.h"
#include "base/err.h"
#include "base/machine.h"
#include "base/mem.h"
#include "fidelity/fit_internal.h"
#include "model/convert.h"
#include "model/import/import.h"
#include "model/model_layout.h"

/* What shown.h does not compute, by name. */
static int check_family(const struct model_record *r, struct err *err)
{
    static const struct {
        uint32_t flag;
        const char *what;
    } no[] = {
        { MODEL_A8, "A8 inputs and without rotation" },
        { MODEL_NORM_AFTER, "norms after its sublayers" },
        { MODEL_NORM_BOTH, "norms after its sublayers" },
        { MODEL_WIDE_NORM, "norms over all heads" },
        { MODEL_GELU, "GELU" },
        { MODEL_SOFT_CAPS, "soft caps" },
        { MODEL_EXPERTS, "experts" },
    };

    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
        if (r->flags & no[i].flag)
            return err_set(err, ERR_INPUT, "--rounding fitted is not for a"
                           " model with %s", no[i].what);
    return 0;
}

/* ---- layers and head ----------------------------------------------------- */

static int head(struct fit *f, struct shown_fault *fault, struct err *err)
{
    const struct model_record *r = &f->source->rec;
    bool tied = r->flags & MODEL_TIED;
    struct fit_plan plan;
    struct fit_matrix m = { tied ? TENSOR_EMBED : TENSOR_HEAD, &plan, NULL,
                            false };
    float *gain = xmalloc(r->dim * sizeof(*gain));
    int rc = fit_read_vector(f, TENSOR_FINAL_NORM, r->dim, gain, err);

    if (rc == 0)
        shown_head(&f->s, fault, &f->k, r, gain, f->n);
    free(gain);
    if (rc || fault->row != SIZE_MAX)
        return rc ? -1 : 1;
    fit_plan_init(f, &plan, f->s.attn, r->dim);
    fit_plan_blocks(f, &plan, f->s.attn);
    fit_note_singular(f, r->n_layers, plan.r.singular);
    rc = fit_matrix(f, &m, err);
    fit_plan_clear(&plan);
    return rc;
}

/* Row `row` of all windows. */
static void note_fault(struct fit *f, uint32_t l, size_t row)
{
    size_t i = 0;

    while (f->w.start[i + 1] <= row)
        i++;
    fit_note_fault(f, l, row - f->w.start[i],
                   i < f->n_text ? i : i - f->n_text,
                   i < f->n_text ? "" : "generated ");
}

static int stopped(const struct fit *f, uint32_t done, struct err *err)
{
    if (!f->o.stop || !f->o.stop())
        return 0;
    return err_set(err, ERR_RETRY, "interrupted after %u of %u layers: the"
                   " same command goes on", done, f->source->rec.n_layers);
}

/* 1 if a number left the range. */
static int all_layers(struct fit *f, uint32_t done, struct err *err)
{
    const struct model_record *r = &f->source->rec;
    size_t n = f->n * r->dim;
    struct shown_fault fault = { SIZE_MAX };

    for (uint32_t l = done; l <= r->n_layers; l++) {
        int rc;

        if (stopped(f, l, err))
            return -1;
        rc = l < r->n_layers ? fit_layer(f, l, &fault, err)
                             : head(f, &fault, err);
        if (rc > 0)
            note_fault(f, l, fault.row);
        if (rc || fit_state_save(&f->st, l + 1, f->s.x, n, err))
            return rc ? rc : -1;
        if (f->o.progress)
            f->o.progress(f->o.user, l + 1, r->n_layers + 1);
    }
    return 0;
}

/* f->s.x as after so many layers, which with 0 needs the ids that the model
 * writes, later how many alone.  What writes them gives its memory back
 * before the rows take theirs.  1 if a number left the range. */
static int begin_rows(struct fit *f, const char *path, uint32_t done,
                      struct err *err)
{
    const struct model_record *r = &f->source->rec;
    int rc = 0;

    if (done == 0) {
        if (f->o.progress)
            f->o.progress(f->o.user, 0, r->n_layers + 1);
        rc = fit_own_words(f, path, err);
    }
    if (rc)
        return rc;
    if (shown_init(&f->s, r, f->n, err))
        return -1;
    return done ? fit_state_rows(&f->st, f->s.x, f->n * r->dim, err)
                : fit_embed(f, err);
}

static int fit_all(struct fit *f, const char *path, struct err *err)
{
    uint32_t done = 0;
    struct id key;
    int rc;

    if (fit_cut_windows(f, err) || fit_state_key(f, path, &key, err) ||
        fit_state_open(&f->st, f->o.state, key,
                       f->n * f->source->rec.dim, &done, err))
        return -1;
    rc = begin_rows(f, path, done, err);
    if (rc == 0)
        rc = all_layers(f, done, err);
    shown_clear(&f->s);
    if (rc > 0)
        fit_state_remove(&f->st);
    f->fitted = rc == 0;
    return rc < 0 ? -1 : 0;
}

/* ---- what convert.h calls ------------------------------------------------ */

static int begin(void *self, const struct convert_source *s, struct err *err)
{
    struct fit *f = self;

    f->source = s->import;
    f->rotated = s->rotated;
    f->tokenizer = s->tokenizer;
    f->lay = s->lay;
    if (check_family(&s->import->rec, err))
        return -1;
    x1_thread_init();
    if (x1_kernels_find(&f->k, f->o.kernel))
        return err_set(err, ERR_INPUT, "this build has no kernel \"%s\" for"
                       " this CPU: apus --version lists those it has",
                       f->o.kernel);
    f->pool = pool_new(f->o.threads ? f->o.threads : machine_cores());
    return fit_all(f, s->path, err);
}

static bool has(void *self, uint32_t tensor)
{
    const struct fit *f = self;
    const struct model_record *r = &f->source->rec;

    if (!f->fitted || tensor == TENSOR_INV_FREQ || tensor == TENSOR_FINAL_NORM)
        return false;
    if (tensor == TENSOR_EMBED)
        return r->flags & MODEL_TIED;
    return true;
}

static int get(void *self, uint32_t tensor, uint64_t at, void *out, size_t n,
               struct err *err)
{
    struct fit *f = self;

    return fit_state_get(&f->st, f->lay->offset[tensor] + at, out, n, err);
}

static void end(void *self)
{
    struct fit *f = self;

    f->source = NULL;
    f->rotated = NULL;
    f->tokenizer = NULL;
    f->lay = NULL;
}

static unsigned rule(void *self)
{
    const struct fit *f = self;

    return f->fitted ? FIT_RULE : 0;
}

struct fit *fit_new(const struct fit_options *o)
{
    struct fit *f = xcalloc(1, sizeof(*f));

    f->o = *o;
    f->st.fd = -1;
    windows_init(&f->w);
    return f;
}

void fit_rounding(struct convert_rounding *r, struct fit *f)
{
    *r = (struct convert_rounding){ .begin = begin, .has = has, .get = get,
                                    .rule = rule, .end = end, .self = f };
}

void fit_end(struct fit *f, const struct err *err)
{
    if (f && err->code != ERR_RETRY && err->code != ERR_CLOSED)
        fit_state_remove(&f->st);
}

void fit_free(struct fit *f)
{
    if (!f)
        return;
    fit_state_close(&f->st);
    shown_clear(&f->s);
    windows_clear(&f->w);
    pool_free(f->pool);
    free(f);
}
