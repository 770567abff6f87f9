/*
 * apus clean: remove old batches from the spool.  What came from AO stays
 * until its answers were sent, and what was sent until it is confirmed.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "relay/push.h"
#include "store/spool.h"

#define DAY_S 86400

struct clean {
    struct spool *spool;
    uint64_t older_s;
    bool dry_run;
    uint64_t removed, kept, failed;
};

/* A path in a line of output, which tabs and line feeds would break. */
static void print_path(const char *path)
{
    if (path)
        plain_write(stdout, path, strlen(path));
    putchar('\n');
}

static void print_batch(const struct clean *c, const struct batch *b,
                        const struct batch_info *i, uint64_t age_s)
{
    char id[ID_TEXT];

    base64url(id, b->id, 32);
    printf("%s\t%s\t%s\t%" PRIu64 "d\t%" PRIu64 "\t",
           c->dry_run ? "would remove" : "removed", id,
           spool_state_name(b->state), age_s / DAY_S, i->n_requests);
    print_path(i->source);
}

/* One that is old, if nothing speaks against it. */
static int clean_old(struct clean *c, const struct batch *b, uint64_t age_s,
                     struct err *err)
{
    struct batch_info info;
    char id[ID_TEXT];
    int rc = 0;

    if (batch_info_read(&info, b->path, err))
        return -1;
    if (info.from_ao && b->state != SPOOL_SENT) {
        base64url(id, b->id, 32);
        log_warning("batch %s came from AO and is not sent: it is kept", id);
        c->kept++;
        goto out;
    }
    if (b->state == SPOOL_SENT && push_is_begun(b->path) &&
        !push_is_confirmed(b->path)) {
        base64url(id, b->id, 32);
        log_warning("batch %s is sent and not confirmed (apus push looks):"
                    " it is kept", id);
        c->kept++;
        goto out;
    }
    if (!c->dry_run)
        rc = spool_remove(c->spool, b, err);
    if (rc == 0) {
        print_batch(c, b, &info, age_s);
        c->removed++;
    }
out:
    batch_info_clear(&info);
    return rc < 0 ? -1 : 0;
}

static int clean_batch(struct clean *c, const struct batch *b,
                       struct err *err)
{
    uint64_t age_s;

    if (spool_age(c->spool, b, &age_s, err))
        return -1;
    return age_s > c->older_s ? clean_old(c, b, age_s, err) : 0;
}

static int clean_state(struct clean *c, enum spool_state state,
                       struct err *err)
{
    struct batch *list;
    size_t n;

    if (spool_list(c->spool, state, &list, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        /* one that cannot be removed does not keep the next, and one that
         * another has moved or removed meanwhile is no failure */
        if (clean_batch(c, &list[i], err) && file_exists(list[i].path)) {
            log_err(err);
            c->failed++;
        }
        batch_clear(&list[i]);
    }
    free(list);
    return 0;
}

static int do_clean(struct clean *c, struct settings *s, struct err *err)
{
    if (spool_open_there(&c->spool, settings_text(s, "spool"), err) ||
        clean_state(c, SPOOL_DONE, err) || clean_state(c, SPOOL_SENT, err))
        return -1;
    log_info("%" PRIu64 " %s, %" PRIu64 " kept, %" PRIu64
             " failed", c->removed,
             c->dry_run ? "would be removed" : "removed", c->kept, c->failed);
    return 0;
}

int cmd_clean(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args)), *older = NULL;
    struct clean c = { .spool = NULL };
    const struct opt opts[] = {
        { 0, "older", "AGE", "remove what was not changed for longer: 30d,"
          " 12h, 4w", &older, NULL },
        { 0, "dry-run", NULL, "remove nothing, only say what", NULL,
          &c.dry_run },
        { 0, NULL, NULL, NULL, NULL, NULL }
    };
    const struct opt_command command = {
        .name = "apus clean",
        .synopsis = "--older AGE [--dry-run]",
        .about = "Remove batches from the spool that are done or sent and"
                 " older than AGE.\nWhat came from AO and is not sent stays,"
                 " and what is sent and not confirmed.",
        .opts = opts,
    };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&command, s, argc, argv, args, &n_args);

    free(args);
    if (status != CMD_GO)
        return status;
    if (!older || cmd_seconds(&c.older_s, older, "hdw")) {
        if (older)
            log_error("apus clean: --older \"%s\": a number and h, d or w"
                      " expected, such as 30d", older);
        else
            log_error("apus clean: no age, give one with --older, such as"
                      " --older 30d");
        return CMD_MISUSED;
    }
    status = do_clean(&c, s, &err) ? cmd_fail(&err) : CMD_DONE;
    spool_close(c.spool);
    return c.failed ? CMD_FAILED : status;
}
