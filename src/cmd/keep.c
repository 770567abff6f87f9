/*
 * What was at the place of an output.
 */
#include <config.h>

#include "cmd/keep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/output.h"
#include "base/sys.h"
#include "store/answers_file.h"

#define MAX_KEPT 10000

/* A name of its own: 0, or an errno, EEXIST if the name is taken.  On a file
 * system without links it is gone until the new one is there. */
static int give_name(const char *path, const char *name)
{
    int why;

    if (sys_link(path, name) == 0)
        return 0;
    why = errno;
    if (!sys_lacks_links(why))
        return why;
    if (file_exists(name))
        return EEXIST;
    return sys_rename(path, name) ? errno : 0;
}

int keep_file(char **kept, const char *path, struct err *err)
{
    for (int i = 1; i <= MAX_KEPT; i++) {
        char *name = xasprintf("%s.%d", path, i);
        int why = give_name(path, name);

        if (why == 0) {
            *kept = name;
            return 0;
        }
        if (why != EEXIST) {
            errno = why;
            err_errno(err, ERR_INPUT, "cannot keep \"%s\" as \"%s\"", path,
                      name);
            free(name);
            return -1;
        }
        free(name);
    }
    return err_set(err, ERR_INPUT, "\"%s\" and %d like it: remove some", path,
                   MAX_KEPT);
}

static bool has_bytes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static int keep_other(const char *path, const char *aside, struct err *err)
{
    char *kept;
    int rc;

    if (!has_bytes(path))
        return 0;
    rc = answers_relate(path, aside, err);
    if (rc < 0)
        return -1;
    if (rc != ANSWERS_OTHER)
        return 0;
    if (keep_file(&kept, path, err))
        return -1;
    log_warning("\"%s\" was not of this batch and model: it is kept as"
                " \"%s\"", path, kept);
    free(kept);
    return 0;
}

/* What an earlier run left.  Nothing depends on it. */
static void remove_partial(const char *path)
{
    char *partial = xasprintf("%s.partial", path);
    struct stat st;

    if (lstat(partial, &st) == 0 && S_ISREG(st.st_mode) &&
        answers_relate(partial, path, NULL) > ANSWERS_OTHER)
        unlink(partial);
    free(partial);
}

int keep_commit(struct file_out *out, bool partial, struct err *err)
{
    const char *aside = file_out_aside(out);
    char *path;
    int rc;

    if (!aside)
        return file_out_commit(out, err);
    path = xstrdup(file_out_path(out));
    rc = file_out_flush(out, err) || keep_other(path, aside, err);
    if (rc)
        file_out_abort(out);
    else
        rc = file_out_commit(out, err);
    if (rc == 0 && !partial)
        remove_partial(path);
    free(path);
    return rc ? -1 : 0;
}

int keep_not_input(const char *command, const char *input, const char *output,
                   struct err *err)
{
    struct stat in, out;

    if (output_is_stdout(output) || stat(input, &in) || stat(output, &out) ||
        !S_ISREG(in.st_mode) || in.st_dev != out.st_dev ||
        in.st_ino != out.st_ino)
        return 0;
    return err_set(err, ERR_INPUT, "apus %s: \"%s\" is input and output, name"
                   " another with -o", command, output);
}
