/*
 * A damaged checkpoint, taken apart: its good answers go back into a log, as
 * if a worker had written them, and then its files are removed.
 */
#include <config.h>

#include "store/seal_again.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/sys.h"
#include "proof/result_record.h"
#include "spool/request_file.h"
#include "spool/spool.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/request.h"
#include "store/seal_internal.h"
#include "store/topk.h"
#include "store/worklog.h"

#define MAX_PARTS 1000000
#define PAYLOAD_MAX ((size_t)1 << 31)

/* A line of requests.jsonl. */
struct again_line {
    struct id id;
    bool has_id;
    bool settled;          /* a good part answers it, or a reason is there */
};

struct again {
    const char *batch_path;
    const struct batch_info *batch;
    struct again_line *line;
    struct seal_info info;
    bool has_info;         /* checkpoint.json can be read */
    size_t n_parts;
    bool *whole;           /* of each part: it has the SHA-256 that is named */
    struct worklog *log;   /* opened with the first answer */
    struct buf payload;
    struct seal_again *report;
    struct caller caller;
};

static void warn(const struct again *a, const char *text)
{
    caller_note(&a->caller, true, text);
}

/* ---- what was asked ------------------------------------------------------ */

/* Only these requests can tell which line an answer belongs to. */
static int read_ids(struct again *a, struct request_file *f, struct err *err)
{
    const char *text;
    void *line;
    size_t n;

    if (request_file_count(f) != a->batch->n_lines ||
        !id_equal(request_file_hash(f), a->batch->file))
        return err_set(err, ERR_INPUT, "\"%s/requests.jsonl\" is damaged or"
                       " was changed: put back the file that the batch was"
                       " made of", a->batch_path);
    if (mem_big(&line, a->batch->n_lines, sizeof(*a->line),
                "the lines of a batch", err))
        return -1;
    a->line = line;
    memset(a->line, 0, a->batch->n_lines * sizeof(*a->line));
    for (uint32_t i = 0; i < a->batch->n_lines; i++) {
        struct request r;
        int bad;

        if (request_file_next(f, &text, &n, err))
            return -1;
        if (request_file_is_blank(f)) {
            a->line[i].settled = true;
            continue;
        }
        request_file_id(f, &a->line[i].id);
        bad = request_parse(&r, text, n, NULL);
        a->line[i].has_id =
            batch_request_id(&a->line[i].id, a->batch, a->line[i].id,
                             bad ? NULL : r.custom_id, NULL) == 0;
        request_clear(&r);
    }
    return 0;
}

static int read_requests(struct again *a, struct err *err)
{
    struct request_file *f;
    int rc;

    if (batch_request_file(&f, a->batch, a->batch_path, err))
        return -1;
    rc = read_ids(a, f, err);
    request_file_close(f);
    return rc;
}

/* ---- what is damaged ----------------------------------------------------- */

/* checkpoint.json, if it is of this batch. */
static void read_info(struct again *a)
{
    struct err why = ERR_INIT;

    if (seal_info_look(&a->info, a->batch_path, &why) != FOUND_ONE) {
        warn(a, why.text);
        return;
    }
    a->has_info = id_equal(a->info.batch, a->batch->id) &&
                  id_equal(a->info.model, a->batch->model) &&
                  a->info.n_requests == a->batch->n_requests;
    if (!a->has_info)
        warn(a, "checkpoint.json is of another batch");
}

static size_t count_parts(const struct again *a)
{
    size_t n = 0;

    if (a->has_info)
        return a->info.n_parts;
    for (bool there = true; there && n < MAX_PARTS; n += there) {
        char *path = seal_part_path(a->batch_path, n, "h5");

        there = file_exists(path);
        free(path);
    }
    return n;
}

/* The lines that a good part answers. */
static void settle_rows(struct again *a, struct checkpoint *c)
{
    uint32_t line, choice;

    for (uint64_t i = 0; i < checkpoint_head(c)->n_rows; i++)
        if (checkpoint_place(c, i, &line, &choice, NULL) == 0 &&
            line < a->batch->n_lines)
            a->line[line].settled = true;
}

/* A part whose index is missing or wrong is damaged, too. */
static bool is_good(struct again *a, size_t part)
{
    char *path = seal_part_path(a->batch_path, part, "h5");
    char *idx = seal_part_path(a->batch_path, part, "idx");
    struct err why = ERR_INIT;
    struct checkpoint *c = NULL;
    struct part_file *f = NULL;
    struct buf want, have;
    bool good;

    buf_init(&want, 1u << 20);
    buf_init(&have, 1u << 20);
    good = a->has_info && part_file_open(&f, path, &why) == 0;
    if (good) {
        a->whole[part] = seal_file_check(&a->info.part[part], f, &why) == 0;
        good = a->whole[part] && checkpoint_open_file(&c, f, &why) == 0 &&
               checkpoint_put_index(c, &want, &why) == 0 &&
               file_read(&have, idx, &why) == 0;
        if (good)
            settle_rows(a, c);
        checkpoint_close(c);
        part_file_close(f);
    }
    if (good && (want.len != have.len ||
                 memcmp(want.data, have.data, want.len) != 0)) {
        good = false;
        err_set(&why, ERR_INPUT, "\"%s\" is not the index of its part", idx);
    }
    if (!good && a->has_info)
        warn(a, why.text);
    buf_clear(&want);
    buf_clear(&have);
    free(path);
    free(idx);
    return good;
}

/* What is wrong with refused.jsonl as a whole, or NULL: it has as many lines
 * as checkpoint.json says, and where no part is damaged, one for each request
 * without an answer. */
static const char *wrong_reasons(const struct again *a, uint64_t n)
{
    if (a->has_info && n != a->info.n_refused)
        return "refused.jsonl does not have as many lines as checkpoint.json"
               " says";
    for (uint32_t i = 0; a->report->n_damaged == 0 && a->has_info &&
                         i < a->batch->n_lines; i++)
        if (!a->line[i].settled)
            return "refused.jsonl has no reason for a request without an"
                   " answer";
    return NULL;
}

/* Whether refused.jsonl can be read to its end and can be true: *good. */
static int look_at_refused(bool *good, struct again *a, struct err *err)
{
    struct err why = ERR_INIT;
    const char *wrong = NULL;
    struct refused *f = NULL;
    struct reason reason;
    uint64_t n = 0;
    uint32_t line;
    enum found found = refused_open(&f, a->batch_path, &why) ? FOUND_FAILED
                                                             : FOUND_ONE;

    while (found == FOUND_ONE && !wrong &&
           (found = refused_next(f, &line, &reason, &why)) == FOUND_ONE) {
        n++;
        if (line >= a->batch->n_lines || a->line[line].settled)
            wrong = "refused.jsonl has a reason for a request that has an"
                    " answer or another reason, or that is not there";
        else
            a->line[line].settled = true;
    }
    refused_close(f);
    /* a disk that cannot be read now must not cost the reasons */
    if (found == FOUND_FAILED && why.code != ERR_INPUT)
        return err_set(err, why.code, "%s", why.text);
    if (found == FOUND_NONE && !wrong)
        wrong = wrong_reasons(a, n);
    *good = found != FOUND_FAILED && !wrong;
    if (!*good)
        warn(a, wrong ? wrong : why.text);
    return 0;
}

/* ---- what is kept -------------------------------------------------------- */

static int open_log(struct again *a, struct err *err)
{
    uint32_t start;
    char *path;
    int rc;

    if (a->log)
        return 0;
    if (batch_new_start(a->batch_path, &start, err))
        return -1;
    path = start_log_path(a->batch_path, start, 0);
    rc = worklog_create(&a->log, path, a->batch->id, 0, start, err);
    free(path);
    return rc;
}

static int keep_topk(struct again *a, uint64_t index, const struct topk *t,
                     struct err *err)
{
    struct buf out;
    int rc;

    if (!t->n)
        return 0;
    buf_init(&out, SIZE_MAX);
    topk_put(&out, t);
    rc = worklog_put(a->log, FRAME_TOPK, index, out.data, out.len, err);
    buf_clear(&out);
    return rc;
}

static int keep_row(struct again *a, const struct checkpoint_head *h,
                    const struct checkpoint_row *row, uint32_t choice,
                    struct err *err)
{
    uint64_t index = frame_index(row->line, choice);

    buf_reset(&a->payload);
    record_put(&a->payload, &row->record);
    if (buf_check(&a->payload, "an answer", err) || open_log(a, err) ||
        (row->last && worklog_put(a->log, FRAME_LAST, index, row->last,
                                  4 * (size_t)h->dim, err)) ||
        keep_topk(a, index, &row->topk, err) ||
        worklog_put(a->log, FRAME_RECORD, index, a->payload.data,
                    a->payload.len, err))
        return -1;
    a->report->n_kept++;
    return 0;
}

/* Whether the results in a part are those that were sealed: their tree has
 * the root that checkpoint.json names, or the part itself without it. */
static bool has_root(const struct again *a, struct checkpoint *c, size_t part)
{
    const struct checkpoint_head *h = checkpoint_head(c);
    struct id want = a->has_info ? a->info.part[part].root : h->part_root;
    struct id root;

    return checkpoint_result_root(c, &root, NULL) == 0 &&
           id_equal(root, want);
}

/* Whether its last row, if there is one, is that of its last trace leaf, which
 * alone has its hash; without leaves only a whole part is believed.  The one
 * of a trace that commits to none is left out: it is zeros. */
static bool last_fits(const struct checkpoint_head *h,
                      struct checkpoint_row *row, bool whole)
{
    if (!row->last)
        return true;
    switch (record_last(&row->record, row->last, h->dim)) {
    case RECORD_LAST_NONE:
        row->last = NULL;
        return true;
    case RECORD_LAST_FITS:
        return true;
    case RECORD_LAST_UNKNOWN:
        return whole;
    case RECORD_LAST_DIFFERS:
        break;
    }
    return false;
}

/* Whether it is the answer to the line that it stands in: the column of lines
 * is in no hash. */
static bool is_of_line(const struct again *a, const struct checkpoint_row *row)
{
    struct result_record r;

    return row->line < a->batch->n_lines && a->line[row->line].has_id &&
           result_record_unpack(&r, row->record.result) == 0 &&
           id_equal(r.request, a->line[row->line].id);
}

/* The rows of a part whose own hashes all fit. */
static int keep_rows(struct again *a, struct checkpoint *c, bool whole,
                     struct err *err)
{
    const struct checkpoint_head *h = checkpoint_head(c);
    struct checkpoint_row row;
    uint32_t line, choice;

    for (uint64_t i = 0; i < h->n_rows; i++) {
        if (checkpoint_place(c, i, &line, &choice, NULL) ||
            checkpoint_row(c, i, &row, NULL) || !is_of_line(a, &row) ||
            record_check(&row.record, NULL) ||
            (row.topk.n && !whole) || /* no hash of the row covers them */
            h->n_hidden || h->n_logits || /* large ones are made again */
            !last_fits(h, &row, whole))
            a->report->n_dropped++;
        else if (keep_row(a, h, &row, choice, err))
            return -1;
    }
    return 0;
}

static int keep_part(struct again *a, size_t part, struct err *err)
{
    char *path = seal_part_path(a->batch_path, part, "h5");
    const struct checkpoint_head *h;
    struct err why = ERR_INIT;
    struct checkpoint *c;
    int rc = checkpoint_open(&c, path, &why);

    free(path);
    if (rc) {
        warn(a, why.text);
        /* a disk that cannot be read now must not cost the answers */
        return why.code == ERR_INPUT ? 0
               : err_set(err, why.code, "%s", why.text);
    }
    h = checkpoint_head(c);
    rc = 0;
    if (id_equal(h->batch, a->batch->id) &&
        id_equal(h->model, a->batch->model) && has_root(a, c, part))
        rc = keep_rows(a, c, a->whole[part], err);
    checkpoint_close(c);
    return rc;
}

/* Why requests have no answer. */
static int keep_reasons(struct again *a, struct err *err)
{
    char text[REASON_CODE + REASON_TEXT];
    struct refused *f;
    struct reason why;
    uint32_t line;
    enum found rc;

    if (refused_open(&f, a->batch_path, err))
        return -1;
    while ((rc = refused_next(f, &line, &why, err)) == FOUND_ONE) {
        size_t n = reason_pack(text, &why);

        if (line < a->batch->n_lines &&
            (open_log(a, err) ||
             worklog_put(a->log, FRAME_GIVEN_UP, line, text, n, err))) {
            rc = FOUND_FAILED;
            break;
        }
    }
    refused_close(f);
    return rc == FOUND_FAILED ? -1 : 0;
}

/* ---- the files ----------------------------------------------------------- */

static int remove_one(const char *batch_path, const char *name,
                      struct err *err)
{
    char *path = file_join(batch_path, name);
    int rc = 0;

    if (file_exists(path) && unlink(path) && file_exists(path))
        rc = err_errno(err, ERR_RETRY, "cannot remove \"%s\"", path);
    free(path);
    return rc;
}

/* checkpoint.json first: without it a batch is not sealed, and its log has
 * what was good. */
static int remove_files(const struct again *a, struct err *err)
{
    if (remove_one(a->batch_path, "checkpoint.json", err))
        return -1;
    sys_crash_point();
    if (sys_sync_dir(a->batch_path))
        return err_errno(err, ERR_RETRY, "cannot sync \"%s\"",
                         a->batch_path);
    for (size_t i = 0; i < a->n_parts; i++) {
        static const char *const suffix[] = { "jobs", "idx", "h5" };
        char name[40];

        for (size_t k = 0; k < 3; k++) {
            snprintf(name, sizeof(name), "part-%04zu.%s", i, suffix[k]);
            if (remove_one(a->batch_path, name, err))
                return -1;
        }
    }
    sys_crash_point();
    if (remove_one(a->batch_path, "refusals.json", err))
        return -1;
    return remove_one(a->batch_path, "refused.jsonl", err);
}

/* ---- all of it ----------------------------------------------------------- */

static int take_apart(struct again *a, bool refused_good, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < a->n_parts; i++)
        rc = keep_part(a, i, err);
    if (rc == 0 && refused_good)
        rc = keep_reasons(a, err);
    if (a->log && worklog_close(a->log, rc ? NULL : err))
        rc = -1;
    a->log = NULL;
    return rc ? -1 : remove_files(a, err);
}

/* ERR_FATAL if this user may not read the file: it is not known to be
 * damaged, and what is in it must not be lost.  Frees its path. */
static int check_allowed(char *path, struct err *err)
{
    int rc = file_is_denied(path)
                 ? err_errno(err, ERR_FATAL, "cannot open \"%s\"", path) : 0;

    free(path);
    return rc;
}

static int check_parts_allowed(const struct again *a, struct err *err)
{
    for (size_t i = 0; i < a->n_parts; i++)
        if (check_allowed(seal_part_path(a->batch_path, i, "h5"), err) ||
            check_allowed(seal_part_path(a->batch_path, i, "idx"), err))
            return -1;
    return 0;
}

static enum seal_taken look_and_take(struct again *a, struct err *err)
{
    bool refused_good = false;

    if (read_requests(a, err) ||
        check_allowed(file_join(a->batch_path, "checkpoint.json"), err))
        return SEAL_TAKE_FAILED;
    read_info(a);
    a->n_parts = count_parts(a);
    if (check_parts_allowed(a, err))
        return SEAL_TAKE_FAILED;
    a->report->n_parts = a->n_parts;
    a->whole = xcalloc(a->n_parts + 1, sizeof(*a->whole));
    for (size_t i = 0; i < a->n_parts; i++)
        a->report->n_damaged += !is_good(a, i);
    if (look_at_refused(&refused_good, a, err))
        return SEAL_TAKE_FAILED;
    if (a->has_info && !a->report->n_damaged && refused_good)
        return SEAL_UNDAMAGED;
    return take_apart(a, refused_good, err) ? SEAL_TAKE_FAILED
                                            : SEAL_TAKEN_APART;
}

enum seal_taken seal_take_apart(const char *batch_path,
                                const struct batch_info *batch,
                                const struct caller *caller,
                                struct seal_again *report, struct err *err)
{
    struct again a = { .batch_path = batch_path, .batch = batch,
                       .report = report,
                       .caller = caller_or_none(caller) };
    enum seal_taken taken;

    memset(report, 0, sizeof(*report));
    buf_init(&a.payload, PAYLOAD_MAX);
    taken = look_and_take(&a, err);
    free(a.line);
    free(a.whole);
    seal_info_clear(&a.info);
    buf_clear(&a.payload);
    return taken;
}
