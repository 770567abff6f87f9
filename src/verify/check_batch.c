/*
 * The claims of a sealed batch: its requests, its parts, and the files around
 * them.
 */
#include <config.h>

#include "verify/check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "proof/statement.h"
#include "store/lines.h"
#include "store/seal.h"
#include "store/spool.h"
#include "verify/replay.h"

static int check_requests(struct check *c, struct err *err)
{
    unsigned char id[32];
    struct lines *f;
    char detail[64];

    c->file = "requests.jsonl";
    if (lines_open(&f, c->requests, err))
        return -1;
    if (memcmp(lines_hash(f), c->batch->file, 32) != 0)
        snprintf(c->wrong, sizeof(c->wrong), "its SHA-256 is another");
    else if (lines_count(f) != c->batch->n_requests)
        snprintf(c->wrong, sizeof(c->wrong), "it has %" PRIu64 " lines",
                 lines_count(f));
    lines_close(f);
    snprintf(detail, sizeof(detail), "%" PRIu64 " lines",
             c->batch->n_requests);
    check_report(c, "its SHA-256 and lines", "batch.json", detail);
    if (c->batch->from_ao)
        return 0;
    batch_file_id(id, c->batch->model, c->batch->file);
    if (memcmp(id, c->batch->id, 32) != 0)
        snprintf(c->wrong, sizeof(c->wrong), "the id is another");
    c->file = "batch.json";
    check_report(c, "the batch id", "the model id and the requests",
                 "the same id");
    return 0;
}

static int check_parts(struct check *c, const char *batch_path,
                       const struct seal_info *info, struct err *err)
{
    uint64_t next = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < info->n_parts; i++) {
        char *path = seal_part_path(batch_path, i, "h5");
        struct err e = ERR_INIT;

        c->file = check_name(path);
        if (info->part[i].first != next)
            snprintf(c->wrong, sizeof(c->wrong), "it begins with request %"
                     PRIu64 " and not %" PRIu64, info->part[i].first, next);
        else if (seal_file_check(&info->part[i], path, &e))
            snprintf(c->wrong, sizeof(c->wrong), "%.390s", e.text);
        next = info->part[i].first + info->part[i].count;
        check_report(c, "its size, SHA-256 and place", "checkpoint.json",
                     "the same");
        /* gone, not wrong */
        if (file_exists(path))
            rc = check_file(c, path, err);
        free(path);
    }
    c->file = "checkpoint.json";
    if (rc == 0 && next != c->batch->n_requests)
        snprintf(c->wrong, sizeof(c->wrong), "it ends with request %" PRIu64,
                 next);
    if (rc == 0)
        check_report(c, "its parts", "the number of requests", "all of them");
    return rc;
}

int check_batch(const char *batch_path, const struct check_options *o,
                struct err *err)
{
    char *requests = file_join(batch_path, "requests.jsonl");
    struct batch_info batch = { .n_requests = 0 };
    struct seal_info info = { .n_parts = 0 };
    struct check c = { .o = o, .batch = &batch, .requests = requests };
    int rc = -1;

    if (batch_info_read(&batch, batch_path, err) == 0 &&
        seal_info_read(&info, batch_path, err) == 0 &&
        check_replay(&c, err) == 0 && check_requests(&c, err) == 0) {
        check_plan(&c, info.n_rows);
        rc = check_parts(&c, batch_path, &info, err);
    }
    replay_free(c.replay);
    seal_info_clear(&info);
    batch_info_clear(&batch);
    free(requests);
    return check_result(&c, rc, err);
}
