/*
 * apus seal: make the checkpoint of a batch whose requests are all answered,
 * from its logs, if the worker did not come to it.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/work.h"
#include "store/heart.h"
#include "store/seal.h"
#include "store/spool.h"

static int seal_claimed(const struct batch *b, const struct settings *s,
                        struct err *err)
{
    struct seal_options o;
    struct batch_info info;
    int rc;

    if (batch_info_read(&info, b->path, err))
        return -1;
    rc = work_seal_options(&o, s, info.model, err) ||
         (!seal_is_done(b->path) &&
          seal_batch(b->path, &info, &o, 0, 1, true, err)) ? -1 : 0;
    batch_info_clear(&info);
    return rc;
}

/* todo -> running -> done; back to todo if it cannot be. */
static int seal_open_batch(const struct spool *spool, struct batch *b,
                           const struct settings *s, struct err *err)
{
    struct err unused = ERR_INIT;
    struct heart heart;
    char who[OWNER_TELL];
    int rc = spool_adopt(spool, b, NULL, NULL, OWNER_STALE_S, err);

    if (rc > 0) {
        owner_tell(who, sizeof(who), b);
        return err_set(err, ERR_RETRY, "\"%s\" is being worked on by %s:"
                       " wait, or apus cancel it", b->path, who);
    }
    if (rc == 0)
        rc = spool_claim(spool, b, err);
    if (rc > 0)
        return err_set(err, ERR_RETRY, "\"%s\" was taken by another",
                       b->path);
    if (rc < 0)
        return -1;
    heart_start(&heart, b->path);
    rc = seal_claimed(b, s, err);
    heart_stop(&heart);
    if (rc) {
        spool_move(spool, b, SPOOL_TODO, &unused);
        return -1;
    }
    return spool_leave(spool, b, SPOOL_DONE, err);
}

static int seal_named(const struct spool *spool, const char *name,
                      const struct settings *s, struct err *err)
{
    struct batch b = { .path = NULL };
    int rc = spool_find(spool, name, &b, err);

    if (rc == 0 && b.state != SPOOL_DONE && b.state != SPOOL_SENDING &&
        b.state != SPOOL_SENT)
        rc = seal_open_batch(spool, &b, s, err);
    if (rc == 0)
        rc = seal_tidy(b.path, err);
    if (rc == 0)
        printf("%s\n", b.path);
    batch_clear(&b);
    return rc;
}

int cmd_seal(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    const struct opt opts[] = { { 0, NULL, NULL, NULL, NULL, NULL } };
    const struct opt_command command = {
        .name = "apus seal",
        .synopsis = "BATCH ...",
        .about = "Make the checkpoint of batches whose requests are all"
                 " answered, from their logs,\nand print where they are."
                 "  Of one that has it nothing is changed.",
        .opts = opts, .min_args = 1, .max_args = SIZE_MAX,
    };
    struct spool *spool = NULL;
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&command, s, argc, argv, args, &n_args);

    if (status != CMD_GO)
        goto out;
    status = CMD_DONE;
    if (spool_open(&spool, settings_text(s, "spool"), &err))
        status = cmd_fail(&err);
    for (size_t i = 0; status == CMD_DONE && i < n_args; i++)
        if (seal_named(spool, args[i], s, &err))
            status = cmd_fail(&err);
    spool_close(spool);
out:
    free(args);
    return status;
}
