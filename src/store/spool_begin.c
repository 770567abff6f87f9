/*
 * Batches whose id is known before their requests are: apus pull signs a
 * message, whose id is the batch's, keeps it in tmp and only then sends it.
 * If it ends in between, the next pull takes the batch over, and nothing that
 * was leased is lost.
 */
#include <config.h>

#include "store/spool_internal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"

/* It is this process that counts, also within a job of Slurm. */
static int write_owner(const char *batch_path, struct err *err)
{
    struct owner self;

    owner_self(&self);
    self.slurm_job[0] = '\0';
    return owner_write(batch_path, &self, err);
}

/* What a batch in tmp begins with, in a directory that nobody else knows. */
static int make_begun(const char *path, struct err *err)
{
    char *wire = file_join(path, "wire");
    int rc = 0;

    if (mkdir(path, 0777))
        rc = spool_fail(err, "make directory", path);
    else if (mkdir(wire, 0777))
        rc = spool_fail(err, "make directory", wire);
    else
        rc = write_owner(path, err);
    free(wire);
    return rc;
}

/* It gets its name when its owner is in it: else nobody could tell whether one
 * without an owner is still being made. */
int spool_begin(const struct spool *s, const unsigned char id[32],
                struct batch *b, struct err *err)
{
    char scratch[SCRATCH_NAME], *path, *tmp, *new;
    struct err unused = ERR_INIT;
    int rc;

    if (spool_scratch(scratch, err))
        return -1;
    path = spool_path(s, SPOOL_TMP, id);
    tmp = file_join(spool_dir(s), spool_state_name(SPOOL_TMP));
    new = xasprintf("%s/.new-%s", tmp, scratch);
    spool_remove_leftovers(tmp);
    rc = make_begun(new, err);
    if (rc == 0 && sys_rename(new, path))
        rc = spool_fail(err, "make directory", path);
    if (rc) {
        spool_remove_tree(new, &unused);
    } else if (spool_sync_dir(tmp, err)) {
        spool_remove_tree(path, &unused);
        rc = -1;
    } else {
        b->state = SPOOL_TMP;
        memcpy(b->id, id, 32);
        b->path = xstrdup(path);
    }
    free(new);
    free(tmp);
    free(path);
    return rc;
}

static bool same_owner(const struct owner *a, const struct owner *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->boot, b->boot) == 0 &&
           a->pid == b->pid && a->pid_start == b->pid_start &&
           strcmp(a->slurm_job, b->slurm_job) == 0;
}

/* The owner that was put aside is the dead one, or is put back. */
static int check_aside(const char *batch_path, const char *name,
                       const struct owner *dead, struct err *err)
{
    struct owner got;
    struct buf text;
    int rc;

    buf_init(&text, BATCH_FILE_MAX);
    rc = spool_read_in(&text, batch_path, name, NULL, err);
    if (rc > 0)
        rc = !owner_parse(&got, text.data ? text.data : "", text.len, err) &&
             same_owner(&got, dead);
    buf_clear(&text);
    return rc;
}

/* This process as the owner of a batch that has none: 1, 0 if somebody was
 * faster. */
static int place_owner(const struct batch *b, const char *name,
                       struct err *err)
{
    char *owner = file_join(b->path, "owner");
    char *aside = file_join(b->path, name);
    struct owner self;
    struct buf text;
    int rc;

    buf_init(&text, BATCH_FILE_MAX);
    owner_self(&self);
    self.slurm_job[0] = '\0';
    owner_put(&text, &self);
    rc = spool_write_in(b->path, name, text.data, text.len, err);
    if (rc == 0) {
        rc = 1;
        if (sys_link(aside, owner))
            rc = errno == EEXIST ? 0 : spool_fail(err, "make", owner);
        unlink(aside);
    }
    if (rc == 1 && spool_sync_dir(b->path, err))
        rc = -1;
    buf_clear(&text);
    free(aside);
    free(owner);
    return rc;
}

/* Of several that judge an owner dead, one renames its file away; the others
 * find it gone, or find out that they have that of the first and put it back.
 * A batch without owner is nobody's for OWNER_STALE_S: none comes between. */
static int replace_owner(const struct batch *b, const char *name,
                         const struct owner *dead, struct err *err)
{
    char *owner, *aside;
    int rc = 0;

    owner = file_join(b->path, "owner");
    aside = file_join(b->path, name);
    if (sys_rename(owner, aside)) {
        rc = errno == ENOENT ? 0 : spool_fail(err, "move", owner);
    } else {
        rc = check_aside(b->path, name, dead, err);
        if (rc == 1)
            rc = place_owner(b, name, err);
        else if (rename(aside, owner) && rc == 0)
            rc = spool_fail(err, "move", aside);
    }
    free(aside);
    free(owner);
    return rc;
}

int spool_take_over(struct batch *b, struct err *err)
{
    char scratch[SCRATCH_NAME], *name;
    struct owner dead, self;
    int rc;

    owner_self(&self);
    self.slurm_job[0] = '\0';
    if (owner_read(&dead, b->path, err) == 1 && same_owner(&dead, &self))
        return 1;
    if (owner_judge(b, NULL, NULL, OWNER_STALE_S) != OWNER_DEAD)
        return 0;
    if (spool_scratch(scratch, err))
        return -1;
    name = xasprintf("owner-%s", scratch);
    rc = owner_read(&dead, b->path, err);
    /* 0: nobody's since it was begun, or since one died taking it over */
    if (rc == 0)
        rc = place_owner(b, name, err);
    else if (rc == 1)
        rc = replace_owner(b, name, &dead, err);
    free(name);
    return rc;
}

int batch_file_write(const char *batch_path, const char *name,
                     const void *data, size_t n, struct err *err)
{
    return spool_write_in(batch_path, name, data, n, err);
}

int batch_file_read(struct buf *out, const char *batch_path,
                    const char *name, struct err *err)
{
    return spool_read_in(out, batch_path, name, NULL, err);
}
