/*
 * Only sealed batches of a spool are searched; the list of requests says which
 * batch has a request.
 */
#include <config.h>

#include "node/answered.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/mem.h"
#include "dispute/execution.h"
#include "dispute/judge.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "proof/line_ids.h"
#include "publish/results.h"
#include "spool/spool.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/record.h"
#include "store/seal.h"
#include "verify/check.h"

/* ---- a record ------------------------------------------------------------ */

static uint32_t *copy_ids(const unsigned char *bytes, size_t n)
{
    uint32_t *id = xcalloc(n + 1, sizeof(*id));

    for (size_t i = 0; i < n; i++)
        id[i] = get_u32(bytes + 4 * i);
    return id;
}

int answered_take(struct answered *a, const struct record *r, struct err *err)
{
    if (result_record_unpack(&a->r, r->result))
        return err_set(err, ERR_INPUT, "the answer has no result record");
    if (a->r.finish > RESULT_CONTEXT || r->n_output == 0 || r->n_prompt == 0)
        return err_set(err, ERR_INPUT, "the answer has no trace: it ended as"
                       " %s", result_finish_name(a->r.finish));
    memcpy(a->job, r->job, sizeof(a->job));
    memcpy(a->result, r->result, sizeof(a->result));
    a->prompt = copy_ids(r->prompt, r->n_prompt);
    a->output = copy_ids(r->output, r->n_output);
    a->n_prompt = r->n_prompt;
    a->n_out = r->n_output;
    a->stops = xmalloc(r->stops_size + 1);
    a->stops_size = r->stops_size;
    if (r->stops_size > 0)
        memcpy(a->stops, r->stops, r->stops_size);
    return 0;
}

void answered_clear(struct answered *a)
{
    free(a->prompt);
    free(a->output);
    free(a->stops);
    free(a->file);
    free(a->batch);
    memset(a, 0, sizeof(*a));
}

/* ---- in a spool ---------------------------------------------------------- */

static enum found find_row(struct answered *a, struct checkpoint *c,
                           struct id request, struct err *err)
{
    const unsigned char *result;
    struct checkpoint_row row;
    struct result_record r;

    for (uint64_t i = 0; i < checkpoint_head(c)->n_rows; i++) {
        if (checkpoint_result(c, i, &result, err))
            return FOUND_FAILED;
        if (result_record_unpack(&r, result) ||
            !id_equal(r.request, request))
            continue;
        if (checkpoint_row(c, i, &row, err) ||
            record_check_untraced(&row.record, err) ||
            answered_take(a, &row.record, err))
            return FOUND_FAILED;
        return FOUND_ONE;
    }
    return FOUND_NONE;
}

static enum found find_in_part(struct answered *a, const char *path,
                               struct id request, struct err *err)
{
    struct part_file *f;
    struct checkpoint *c;
    enum found found = FOUND_FAILED;

    if (part_file_open(&f, path, err))
        return FOUND_FAILED;
    if (checkpoint_open_file(&c, f, err) == 0) {
        found = find_row(a, c, request, err);
        checkpoint_close(c);
    }
    part_file_close(f);
    return found;
}

/* ---- of a file ----------------------------------------------------------- */

int answered_line(uint64_t *line, const struct judge_file *of,
                  struct id request, struct err *err)
{
    for (uint64_t n = 0; n < of->lines; n++) {
        struct id id;

        line_id_by_file(&id, of->sha256, n);
        if (id_equal(id, request)) {
            *line = n;
            return 0;
        }
    }
    return err_set(err, ERR_INPUT, "result %" PRIu32 " is of no line of the"
                   " file that the queue names", of->index);
}

static int take_row(struct answered *a, const struct results_row *row,
                    const struct judge_file *of, struct err *err)
{
    struct answered_file *f = a->file;
    size_t n_path = 32 * row->n_path;
    uint64_t line = 0;

    if (row->index == (uint64_t)of->index + 1) {
        memcpy(f->after, row->row.record.result, RESULT_RECORD_SIZE);
        memcpy(f->after + RESULT_RECORD_SIZE, row->path, n_path);
        f->x.after = f->after;
        f->x.n_after = RESULT_RECORD_SIZE + n_path;
    }
    if (row->index != of->index)
        return 0;
    if (answered_line(&line, of, row->request, err))
        return -1;
    set_u64(f->line, line);
    memcpy(f->line + 8, row->path, n_path);
    f->x.line = f->line;
    f->x.n_line = 8 + n_path;
    return answered_take(a, &row->row.record, err);
}

/* Read all rows to find the line: rows are in the order of answering, not of
 * lines. */
static enum found find_line(struct answered *a, const char *path,
                            const struct judge_file *of, struct err *err)
{
    struct results_row row;
    struct results *r;
    enum found found = FOUND_NONE;
    int rc = 0;

    if (results_open(&r, path, err))
        return FOUND_FAILED;
    if (id_equal(*results_root(r), of->root) &&
        results_count(r) == of->count) {
        a->file = xcalloc(1, sizeof(*a->file));
        a->file->x.of = *of;
        while (rc == 0 && (found = results_next(r, &row, err)) == FOUND_ONE)
            rc = take_row(a, &row, of, err);
    }
    results_close(r);
    if (rc == 0 && found != FOUND_FAILED && a->output)
        return FOUND_ONE;
    answered_clear(a);
    return rc || found == FOUND_FAILED ? FOUND_FAILED : FOUND_NONE;
}

/* ---- in the spool -------------------------------------------------------- */

static enum found find_request(struct answered *a, const struct batch *b,
                               struct id request, struct err *err)
{
    char *requests = file_join(b->path, "requests.jsonl");
    struct seal_info seal;
    enum found found = check_requests_have(requests, request, err);

    free(requests);
    if (found != FOUND_ONE)
        return found;
    if (seal_info_read(&seal, b->path, err))
        return FOUND_FAILED;
    found = FOUND_NONE;
    for (size_t k = 0; found == FOUND_NONE && k < seal.n_parts; k++) {
        char *path = seal_part_path(b->path, k, "h5");

        found = find_in_part(a, path, request, err);
        free(path);
    }
    seal_info_clear(&seal);
    return found;
}

static enum found find_in_batch(struct answered *a, const struct batch *b,
                                struct id request,
                                const struct judge_file *file,
                                struct err *err)
{
    struct batch_info info;
    enum found found = FOUND_NONE;

    if (batch_info_read(&info, b->path, err))
        return FOUND_FAILED;
    if (file->count == 0) {
        if (info.from_ao && !info.is_file_of_ao)
            found = find_request(a, b, request, err);
    } else if (info.from_ao && info.is_file_of_ao &&
               id_equal(info.request, request)) {
        found = find_line(a, b->path, file, err);
    }
    batch_info_clear(&info);
    return found;
}

bool answered_has(const struct batch *b, const struct batch_info *info,
                  struct id request)
{
    char *requests;
    enum found found;

    if (!info->from_ao)
        return false;
    if (info->is_file_of_ao)
        return id_equal(info->request, request);
    requests = file_join(b->path, "requests.jsonl");
    found = check_requests_have(requests, request, NULL);
    free(requests);
    return found == FOUND_ONE;
}

/* Visit the states in the order in which batches pass through them, so that a
 * batch which moves meanwhile is not missed.  Unreadable batches are
 * skipped. */
enum found answered_find(struct answered *a, const struct spool *s,
                         struct id request, const struct judge_file *file,
                         struct err *err)
{
    static const enum spool_state states[] = { SPOOL_DONE, SPOOL_SENDING,
                                               SPOOL_SENT };
    bool unread = false;
    enum found found = FOUND_NONE;

    for (size_t i = 0;
         found != FOUND_ONE && i < sizeof(states) / sizeof(*states); i++) {
        struct batch *list;
        size_t n;

        if (spool_list(s, states[i], &list, &n, err))
            return FOUND_FAILED;
        for (size_t k = 0; found != FOUND_ONE && k < n; k++) {
            found = find_in_batch(a, &list[k], request, file, err);
            if (found == FOUND_ONE)
                a->batch = xstrdup(list[k].path);
            unread |= found == FOUND_FAILED;
        }
        spool_list_free(list, n);
    }
    if (found == FOUND_ONE)
        return FOUND_ONE;
    return unread ? FOUND_FAILED : FOUND_NONE;
}

/* The batch may go from done to sent meanwhile: then it is found there when the
 * next answer of it is disputed. */
void answered_distrust(const struct answered *a)
{
    struct seal_info seal;

    if (!a->batch || seal_info_read(&seal, a->batch, NULL))
        return;
    for (size_t k = 0; k < seal.n_parts; k++) {
        char *path = seal_part_path(a->batch, k, "jobs");

        unlink(path);
        free(path);
    }
    seal_info_clear(&seal);
}

/* ---- computed ------------------------------------------------------------ */

int answered_compute(struct execution **x, const struct answered *a,
                     const struct model *m, const struct judge *g,
                     explain_alter_fn *alter, void *self, struct err *err)
{
    struct execution_input in = {
        .model = m, .prompt = a->prompt, .output = a->output, .job = a->job,
        .result = a->result, .deep = a->r.level == 1, .n = 1,
        .stops = a->stops, .stops_size = a->stops_size,
        .file = a->file ? &a->file->x : NULL,
        .first = g->show >= SHOW_LEAF ? g->leaf.position : 0
    };
    struct x1_kernels k;

    if (x1_kernels_find(&k, "auto"))
        return err_set(err, ERR_FATAL, "no kernels");
    x1_thread_init();
    return execution_new(x, &in, a->n_out, &k, alter, self, err);
}
