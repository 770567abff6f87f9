/*
 * apus du: how much of the disk each batch of the spool takes, and what lies
 * beside them.
 */
#include <config.h>

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/named.h"
#include "spool/spool.h"

#define BLOCK 512     /* of st_blocks */
#define MAX_DEPTH 16
#define OUT_MAX ((size_t)64 << 20)

struct du {
    struct spool *spool;
    bool json;
    struct buf out;
    uint64_t total;
    bool first;
};

/* ---- counting ------------------------------------------------------------ */

static uint64_t size_at(int at, const char *name, int depth);

/* What may not be read, or is gone meanwhile, counts nothing. */
static uint64_t size_in(int at, const char *name, int depth)
{
    int fd = depth < MAX_DEPTH
                 ? openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
                          O_CLOEXEC) : -1;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    uint64_t n = 0;

    if (!d) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while ((e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            n += size_at(dirfd(d), e->d_name, depth + 1);
    closedir(d);
    return n;
}

static uint64_t size_at(int at, const char *name, int depth)
{
    struct stat st;

    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW))
        return 0;
    return (uint64_t)st.st_blocks * BLOCK +
           (S_ISDIR(st.st_mode) ? size_in(at, name, depth) : 0);
}

static uint64_t size_of(const char *path)
{
    return size_at(AT_FDCWD, path, 0);
}

/* ---- showing ------------------------------------------------------------- */

static void put_batch(struct du *d, const struct batch *b, uint64_t bytes)
{
    struct batch_info info = { .source = NULL };
    bool known = batch_info_read(&info, b->path, NULL) == 0;
    const char *source = known && info.source ? info.source : "";

    if (d->json) {
        buf_puts(&d->out, d->first ? "{" : ",{");
        json_put_id(&d->out, "batch", b->id);
        json_put_text(&d->out, "state", spool_state_name(b->state));
        json_put_number(&d->out, "bytes", bytes);
        json_put_number(&d->out, "requests", info.n_requests);
        json_put_text(&d->out, "source", source);
        buf_puts(&d->out, "}\n");
    } else {
        buf_printf(&d->out, "%" PRIu64 "\t%s\t%s\t", bytes, id_text(b->id).s,
                   spool_state_name(b->state));
        plain_put(&d->out, source, strlen(source));
        buf_putc(&d->out, '\n');
    }
    d->first = false;
    if (known)
        batch_info_clear(&info);
}

static void count_batch(struct du *d, const struct batch *b)
{
    uint64_t bytes = size_of(b->path);

    d->total += bytes;
    put_batch(d, b, bytes);
}

static void put_other(struct du *d, const char *name, uint64_t bytes)
{
    if (d->json)
        json_put_number(&d->out, name, bytes);
    else
        buf_printf(&d->out, "%" PRIu64 "\t%s\n", bytes, name);
}

/* ---- the command --------------------------------------------------------- */

static int count_state(struct du *d, enum spool_state state, struct err *err)
{
    struct batch *list;
    size_t n;

    if (spool_list(d->spool, state, &list, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        count_batch(d, &list[i]);
    spool_list_free(list, n);
    return 0;
}

static int count_named(struct du *d, const char **names, size_t n,
                       struct err *err)
{
    struct named found;

    if (named_find_all(&found, d->spool, names, n, err))
        return -1;
    for (size_t i = 0; i < found.n; i++)
        count_batch(d, &found.batch[i]);
    named_clear(&found);
    return 0;
}

static int count_all(struct du *d, struct err *err)
{
    for (int i = SPOOL_TODO; i < SPOOL_STATES; i++)
        if (count_state(d, (enum spool_state)i, err))
            return -1;
    return 0;
}

/* Logs, lists of the parts of files, and what others have left, of the whole
 * spool. */
static void count_others(struct du *d)
{
    static const char *const names[] = { "log", "split", "tmp" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = file_join(spool_dir(d->spool), names[i]);
        uint64_t bytes = size_of(path);

        d->total += bytes;
        put_other(d, names[i], bytes);
        free(path);
    }
}

static int do_du(struct du *d, const char *dir, const char **names, size_t n,
                 struct err *err)
{
    int rc = -1;

    buf_init(&d->out, OUT_MAX);
    d->first = true;
    if (d->json)
        buf_puts(&d->out, "{\"batches\":[");
    if (spool_open_there(&d->spool, dir, err) ||
        (n ? count_named(d, names, n, err) : count_all(d, err)))
        goto out;
    if (d->json)
        buf_puts(&d->out, "]");
    if (!n)
        count_others(d);
    put_other(d, "total", d->total);
    if (d->json)
        buf_puts(&d->out, "}\n");
    rc = buf_check(&d->out, "the list of batches", err);
    if (rc == 0)
        fwrite(d->out.data, 1, d->out.len, stdout);
out:
    spool_close(d->spool);
    buf_clear(&d->out);
    return rc;
}

static const struct opt du_opts[] = {
    { 0, "json", NULL, "print an object", offsetof(struct du, json) },
    { .name = NULL }
};

static const struct opt_command du_command = {
    .name = "apus du",
    .synopsis = "[BATCH|FILE ...] [--json]",
    .about = "Print how many bytes of the disk each batch takes, then"
             " logs, unfinished files and the\ntotal.",
    .opts = du_opts, .max_args = SIZE_MAX,
};

int cmd_du(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct du d = { .spool = NULL };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&du_command, s, argc, argv, &d, args, &n_args);

    if (status == CMD_GO)
        status = do_du(&d, settings_text(s, "spool"), args, n_args, &err)
                     ? cmd_fail(&err) : CMD_DONE;
    free(args);
    return status;
}
