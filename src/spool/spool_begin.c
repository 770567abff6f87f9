/*
 * Batches whose id is known before their requests are: apus pull signs a
 * message, whose id is the batch's, keeps it in tmp and only then sends it.
 * If it ends in between, the next pull takes the batch over, and nothing that
 * was leased is lost.
 */
#include <config.h>

#include "spool/spool_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/sys.h"

/* What a batch in tmp begins with, in a directory that no other process knows.
 */
static int make_begun(const char *path, struct err *err)
{
    char *wire = file_join(path, "wire");
    struct owner self;
    int rc = 0;

    owner_self_process(&self);
    if (sys_mkdir_own(path))
        rc = spool_fail(err, "make directory", path);
    else if (sys_mkdir_own(wire))
        rc = spool_fail(err, "make directory", wire);
    else
        rc = owner_write(path, &self, err);
    free(wire);
    return rc;
}

/* It gets its name when its owner is in it: else nobody could tell whether one
 * without an owner is still being made. */
int spool_begin(const struct spool *s, struct id id, struct batch *b,
                struct err *err)
{
    char scratch[FILE_SCRATCH], *path, *tmp, *new;
    int rc;

    if (file_scratch(scratch, err))
        return -1;
    path = spool_path(s, SPOOL_TMP, id);
    tmp = file_join(spool_dir(s), spool_state_name(SPOOL_TMP));
    new = xasprintf("%s/.new-%s", tmp, scratch);
    spool_remove_leftovers(tmp);
    rc = make_begun(new, err);
    if (rc == 0 && sys_rename(new, path))
        rc = spool_fail(err, "make directory", path);
    if (rc) {
        spool_remove_tree(new, NULL);
    } else if (spool_sync_dir(tmp, err)) {
        spool_remove_tree(path, NULL);
        rc = -1;
    } else {
        b->state = SPOOL_TMP;
        b->id = id;
        b->path = xstrdup(path);
    }
    free(new);
    free(tmp);
    free(path);
    return rc;
}

int batch_file_write(const char *batch_path, const char *name,
                     const void *data, size_t n, struct err *err)
{
    return spool_write_in(batch_path, name, data, n, err);
}

enum found batch_file_read(struct buf *out, const char *batch_path,
                           const char *name, struct err *err)
{
    return spool_read_in(out, batch_path, name, NULL, err);
}
