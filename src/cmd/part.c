/*
 * What a name is, and whether a file may be opened: it lies in a batch of this
 * spool, and is what was sealed there.
 */
#include <config.h>

#include "cmd/part.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "spool/spool.h"
#include "store/part_file.h"
#include "store/seal.h"

bool part_is_file(const char *what)
{
    size_t n = strlen(what);

    return n > 3 && strcmp(what + n - 3, ".h5") == 0;
}

bool part_is_output(const char *what)
{
    size_t n = strlen(what);

    if (n > 6 && strcmp(what + n - 6, ".jsonl") == 0)
        return true;
    return !part_is_file(what) && file_exists(what) && !file_is_dir(what);
}

bool part_is_item(const char *what, const char *spool_dir)
{
    struct batch b = { .path = NULL };
    struct id id;
    struct spool *s;
    bool found;

    if (id_parse(&id, what))
        return false;
    if (!file_is_dir(spool_dir) ||
        spool_open_there(&s, spool_dir, NULL))
        return true;
    found = spool_find(s, what, &b, NULL) == 0;
    batch_clear(&b);
    spool_close(s);
    return !found;
}

static int foreign(const char *path, struct err *err)
{
    return err_set(err, ERR_INPUT, "\"%s\" was not made in this spool: a file"
                   " of a stranger can harm the program that opens it; if you"
                   " know where it is from, say --trust", path);
}

/* "part-0007.h5" is 7: 0, or -1. */
static int part_number(size_t *part, const char *name)
{
    char *again;
    int rc;

    if (strncmp(name, "part-", 5) != 0)
        return -1;
    *part = (size_t)strtoul(name + 5, NULL, 10);
    again = seal_part_path(".", *part, "h5");
    rc = strcmp(again + 2, name) == 0 ? 0 : -1;
    free(again);
    return rc;
}

/* Its batch says that it is this file. */
static int check_sum(const struct batch *b, size_t part,
                     const struct part_file *f, struct err *err)
{
    struct seal_info info;
    int rc;

    if (seal_info_read(&info, b->path, err))
        return -1;
    if (part >= info.n_parts)
        rc = foreign(part_file_path(f), err);
    else if (seal_file_check(&info.part[part], f, err))
        rc = seal_name_remedy(b->id, err);
    else
        rc = 0;
    seal_info_clear(&info);
    return rc;
}

static int may_open(const struct spool *s, const struct part_file *f,
                    struct err *err)
{
    const char *path = part_file_path(f);
    char real[PATH_MAX], *slash;
    struct batch b = { .path = NULL };
    size_t part;
    int rc;

    if (!realpath(path, real))
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
    slash = strrchr(real, '/');
    if (!slash || slash == real || part_number(&part, slash + 1))
        return foreign(path, err);
    *slash = '\0';
    if (spool_find(s, real, &b, NULL))
        return foreign(path, err);
    rc = check_sum(&b, part, f, err);
    batch_clear(&b);
    return rc;
}

/* What cannot be opened is damage if a batch of this spool was sealed with a
 * part of that name. */
static int not_there(const struct spool *s, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    struct batch b = { .path = NULL };
    struct seal_info info;
    char real[PATH_MAX];
    size_t part;

    if (s && !part_number(&part, slash ? slash + 1 : path) &&
        realpath(dir, real) && spool_find(s, real, &b, NULL) == 0 &&
        seal_info_read(&info, b.path, NULL) == 0) {
        if (part < info.n_parts)
            seal_name_remedy(b.id, err);
        seal_info_clear(&info);
    }
    batch_clear(&b);
    free(dir);
    return -1;
}

int part_open(struct part_file **out, const struct spool *s,
              const char *path, bool trust, struct err *err)
{
    struct part_file *f;
    int rc;

    if (part_file_open(&f, path, err))
        return not_there(s, path, err);
    rc = trust ? 0 : may_open(s, f, err);
    if (rc)
        part_file_close(f);
    else
        *out = f;
    return rc;
}

uint64_t part_lines_before(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    struct batch_info i;
    uint64_t n = 0;

    if (batch_info_read(&i, dir, NULL) == 0) {
        n = i.lines_before;
        batch_info_clear(&i);
    }
    free(dir);
    return n;
}
