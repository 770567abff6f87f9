/*
 * The end of a batch that is abandoned: what is answered is pushed,
 * the rest goes back to the queue, for another node.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "push/push_internal.h"
#include "spool/heartbeat.h"
#include "spool/spool.h"
#include "store/resume.h"
#include "store/seal.h"
#include "store/scan.h"
#include "store/worklog.h"

#define EVERY_START UINT32_MAX

static int write_why(const struct batch *b, const char *why, struct err *err)
{
    char *path = file_join(b->path, "why");
    int rc = file_write(path, why, strlen(why), err);

    free(path);
    return rc;
}

/* ---- giving up ----------------------------------------------------------- */

/* A frame for each line that has neither all its answers nor a reason. */
static int give_up_lines(struct worklog *w, const struct scan *s,
                         const struct resume *r, const char *why,
                         struct err *err)
{
    char payload[REASON_CODE + REASON_TEXT];
    struct reason reason;
    size_t n;

    reason_set(&reason, "released", why);
    n = reason_pack(payload, &reason);
    for (uint32_t i = 0; i < s->n; i++) {
        uint8_t all = scan_choices(&s->line[i]);

        if (r->line[i].given_up || (r->line[i].done & all) == all)
            continue;
        if (worklog_put(w, FRAME_GIVEN_UP, frame_index(i, 0), payload, n,
                        err))
            return -1;
    }
    return 0;
}

/* In the log of a start of its own. */
static int give_up_rest(const struct batch *b, const struct batch_info *info,
                        const char *why, struct err *err)
{
    struct worklog *w = NULL;
    struct resume r = { .n = 0 };
    struct scan s = { .n = 0 };
    char *path = NULL;
    uint32_t start;
    int rc = -1;

    if (scan_read(&s, b->path, info, err) ||
        resume_init(&r, s.n, NULL, err) ||
        resume_starts(&r, b->path, info->id, EVERY_START, err) ||
        batch_new_start(b->path, &start, err))
        goto out;
    path = start_log_path(b->path, start, 0);
    if (worklog_create(&w, path, info->id, 0, start, err))
        goto out;
    rc = give_up_lines(w, &s, &r, why, err);
    if (worklog_close(w, rc ? NULL : err))
        rc = -1;
out:
    free(path);
    resume_clear(&r);
    scan_clear(&s);
    return rc;
}

/* ---- endings ------------------------------------------------------------- */

/* Nothing of it will be published. */
static int release_all(struct push *p, const struct batch *b,
                       const struct batch_info *info, struct push_report *r,
                       struct err *err)
{
    char *dir = file_join(b->path, "push");
    struct message_journal a;
    int rc = -1;

    if (file_mkdirs(dir, err) == 0 && push_open_ao(p, err) == 0) {
        a = push_journal(p, b->path);
        rc = acknowledge_release_all(&a, info, &r->queue, err);
    }
    free(dir);
    return rc;
}

/* In running, by us: to failed, or to done with a checkpoint. */
static int end_claimed(struct push *p, struct batch *b,
                       const struct batch_info *info, const char *why,
                       const struct seal_options *seal,
                       struct push_report *r, struct err *err)
{
    struct heartbeat heartbeat;
    int rc;

    /* part of a file is not an answer to the request that named it */
    if (!seal || info->is_file_of_ao)
        return release_all(p, b, info, r, err) || write_why(b, why, err) ||
               spool_leave(p->spool, b, SPOOL_FAILED, err) ? -1 : 0;
    /* what cannot be sealed now is abandoned again, regardless of its logs */
    if (write_why(b, why, err))
        return -1;
    heartbeat_start(&heartbeat, b->path);
    rc = !seal_is_done(b->path) &&
         (give_up_rest(b, info, why, err) ||
          seal_batch(b->path, info, seal, 0, 1, true, err)) ? -1 : 0;
    heartbeat_stop(&heartbeat);
    return rc || spool_leave(p->spool, b, SPOOL_DONE, err) ||
           seal_tidy(b->path, err) ? -1 : 0;
}

static enum taking end_ao(struct push *p, struct batch *b,
                          const struct batch_info *info, const char *why,
                          const struct seal_options *seal,
                          struct push_report *r, struct err *err)
{
    enum taking taken;

    if (b->state == SPOOL_TODO) {
        taken = spool_claim(p->spool, b, err);
        if (taken != TAKING_DONE)
            return taken;
        if (end_claimed(p, b, info, why, seal, r, err)) {
            if (b->state == SPOOL_RUNNING)
                spool_move(p->spool, b, SPOOL_TODO, NULL);
            return TAKING_FAILED;
        }
    }
    if (b->state != SPOOL_DONE)
        return TAKING_DONE;
    return push_claim_and_push(p, b, SPOOL_FAILED, r, err);
}

enum taking push_failed(struct push *p, struct batch *b, const char *why,
                        const struct seal_options *seal,
                        struct push_report *r, struct err *err)
{
    struct batch_info info;
    enum taking rc;

    memset(r, 0, sizeof(*r));
    if (b->state != SPOOL_TODO && b->state != SPOOL_DONE)
        return err_set(err, ERR_INPUT, "batch in %s: somebody may work on it",
                       spool_state_name(b->state));
    if (batch_info_read(&info, b->path, err))
        return TAKING_FAILED;
    if (info.from_ao)
        rc = end_ao(p, b, &info, why, seal, r, err);
    else
        rc = write_why(b, why, err) ? TAKING_FAILED
             : spool_move(p->spool, b, SPOOL_FAILED, err);
    batch_info_clear(&info);
    return rc;
}
