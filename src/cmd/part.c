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

/* Whether its batch says that it is this file. */
static enum part_opened check_sum(const struct batch *b, size_t part,
                                  const struct part_file *f,
                                  struct err *err)
{
    struct err why = ERR_INIT;
    struct seal_info info;
    int rc;

    if (seal_info_read(&info, b->path, err))
        return seal_name_remedy(b->id, err);
    if (part >= info.n_parts)
        rc = foreign(part_file_path(f), err);
    else
        rc = seal_file_check(&info.part[part], f, &why);
    seal_info_clear(&info);
    if (!why.code)
        return rc ? PART_FAILED : PART_OPENED;
    seal_name_remedy(b->id, &why);
    err_copy(err, &why);
    return why.code == ERR_INPUT ? PART_DAMAGED : PART_FAILED;
}

static enum part_opened may_open(const struct spool *s,
                                 const struct part_file *f, struct err *err)
{
    const char *path = part_file_path(f);
    char real[PATH_MAX], *slash;
    struct batch b = { .path = NULL };
    size_t part;
    enum part_opened end;

    if (!realpath(path, real))
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
    slash = strrchr(real, '/');
    if (!slash || slash == real || part_number(&part, slash + 1))
        return foreign(path, err);
    *slash = '\0';
    if (spool_find(s, real, &b, NULL))
        return foreign(path, err);
    end = check_sum(&b, part, f, err);
    batch_clear(&b);
    return end;
}

enum part_opened part_open(struct part_file **out, const struct spool *s,
                           const char *path, bool trust, struct err *err)
{
    struct part_file *f;
    enum part_opened end = PART_OPENED;

    if (part_file_open(&f, path, err))
        return PART_FAILED;
    if (!trust)
        end = may_open(s, f, err);
    if (end == PART_OPENED)
        *out = f;
    else
        part_file_close(f);
    return end;
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
