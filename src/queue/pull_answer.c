/*
 * Answers to Pull, compared with what was asked for.
 */
#include <config.h>

#include "queue/pull_answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/vec.h"
#include "queue/pull_line.h"
#include "queue/client.h"

#define MAX_MS 9007199254740991u /* 2^53 - 1 */
#define MAX_MORE UINT32_MAX

void pull_answers_init(struct pull_answers *a, struct id batch)
{
    memset(a, 0, sizeof(*a));
    a->batch = batch;
}

void pull_answers_clear(struct pull_answers *a)
{
    free(a->id);
    memset(a, 0, sizeof(*a));
}

enum found pull_next_line(struct pull_line *l, const char **at, struct err *err)
{
    const char *line = *at, *end;

    if (!*line)
        return FOUND_NONE;
    end = strchr(line, '\n');
    *at = end ? end + 1 : line + strlen(line);
    if (!end)
        end = *at;
    return pull_line_parse(l, line, (size_t)(end - line), err) ? FOUND_FAILED
                                                               : FOUND_ONE;
}

/* ---- lines --------------------------------------------------------------- */

/* Put an id in its place; false if it is there. */
static bool add_id(struct pull_answers *a, struct id id)
{
    size_t low = 0, high = a->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = id_compare(a->id[mid], id);

        if (c == 0)
            return false;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    VEC_RESERVE(a->id, a->cap, a->n + 1);
    memmove(&a->id[low + 1], &a->id[low], (a->n - low) * sizeof(*a->id));
    a->id[low] = id;
    a->n++;
    return true;
}

static bool is_wanted(struct id id, const struct id *model, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (id_equal(model[i], id))
            return true;
    return n == 0;
}

/* The first line says which of our models the batch is of. */
static int check_line(struct pull_answers *a, const struct pull_line *l,
                      const struct id *model, size_t n_models, struct err *err)
{
    char text[ID_TEXT];

    base64url(text, l->model.b, 32);
    if (!a->has_model) {
        if (!is_wanted(l->model, model, n_models))
            return err_set(err, ERR_INPUT, "model %s was not asked for",
                           text);
        a->model = l->model;
        a->has_model = true;
    }
    if (!id_equal(a->model, l->model))
        return err_set(err, ERR_INPUT, "a second model, %s", text);
    if ((l->ask.form == ASK_BATCH) != a->is_file)
        return err_set(err, ERR_INPUT, "its form is not of the answer's"
                       " kind");
    base64url(text, l->id.b, 32);
    if (!add_id(a, l->id))
        return err_set(err, ERR_INPUT, "request %s is there twice", text);
    return 0;
}

static int check_lines(struct pull_answers *a, const char *data, uint64_t max,
                       const struct id *model, size_t n_models, struct err *err)
{
    size_t n = 0;

    for (;; n++) {
        struct pull_line l;
        enum found found = pull_next_line(&l, &data, err);
        int rc = -1;

        if (found == FOUND_NONE)
            break;
        if (found == FOUND_ONE) {
            rc = n < max ? check_line(a, &l, model, n_models, err)
                         : err_set(err, ERR_INPUT, "more lines than were"
                                   " asked for");
            pull_line_clear(&l);
        }
        if (rc)
            return err_prefix(err, "line %zu", n + 1);
    }
    if (n == 0)
        return err_set(err, ERR_INPUT, "it has no lines");
    return 0;
}

/* ---- the head ------------------------------------------------------------ */

static int check_head(struct pull_answers *a, const struct ao_out *o,
                      struct err *err)
{
    const char *batch = ao_out_tag(o, "Batch"), *kind = ao_out_tag(o, "Kind");
    bool is_file;

    if (!batch || strcmp(batch, id_text(a->batch).s) != 0)
        return err_set(err, ERR_INPUT,
                       "it is of batch \"%.43s\" and not of"
                       " %s",
                       batch ? batch : "", id_text(a->batch).s);
    if (!kind || (strcmp(kind, "requests") != 0 && strcmp(kind, "batch") != 0))
        return err_set(err, ERR_INPUT, "its kind is \"%.20s\"",
                       kind ? kind : "");
    is_file = strcmp(kind, "batch") == 0;
    if (a->n > 0 && (is_file || a->is_file))
        return err_set(err, ERR_INPUT, "a file of requests is a batch of its"
                       " own");
    if (client_number(&a->until_ms, o, "Until", MAX_MS, err) ||
        client_number(&a->more, o, "More", MAX_MORE, err))
        return -1;
    a->is_file = is_file;
    return 0;
}

int pull_answers_add(struct pull_answers *a, const struct ao_out *o,
                     uint64_t max, const struct id *model, size_t n_models,
                     struct err *err)
{
    if (check_head(a, o, err))
        return -1;
    return check_lines(a, o->data, a->is_file ? 1 : max, model, n_models,
                       err);
}
