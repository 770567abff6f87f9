/*
 * The file of hosts without a usable GPU.  It is appended to by many nodes, a
 * line at a time; its last bytes are read.
 */
#include <config.h>

#include "spool/no_gpu.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#define NAME "log/no-gpu"
#define HOST_MAX 255
#define READ_MAX 65536
#define LOST " lost" /* no end of a host's name */

/* Letters, digits, dots, hyphens and underscores: nothing that Slurm takes for
 * a range or a second name. */
static bool is_host(const char *p, size_t n)
{
    if (n == 0 || n > HOST_MAX || *p == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)p[i]) && p[i] != '.' && p[i] != '_' &&
            p[i] != '-')
            return false;
    return true;
}

/* Append "SECONDS HOST" and `more`. */
static int append(const char *spool_dir, const char *host, const char *more,
                  struct err *err)
{
    char *path, line[HOST_MAX + 32];
    int fd, n, rc = 0;

    if (!is_host(host, strlen(host)))
        return err_set(err, ERR_INPUT, "\"%s\" is not a host name", host);
    path = file_join(spool_dir, "log");
    mkdir(path, 0777); /* it may be there */
    free(path);
    path = file_join(spool_dir, NAME);
    n = snprintf(line, sizeof(line), "%" PRId64 " %s%s\n",
                 (int64_t)time(NULL), host, more);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
              0666);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        rc = err_errno(err, ERR_RETRY, "cannot write \"%s\"", path);
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

int no_gpu_add(const char *spool_dir, const char *host, struct err *err)
{
    return append(spool_dir, host, "", err);
}

/* Whether a list with commas has this name. */
static bool has_host(const struct buf *list, const char *host, size_t n)
{
    const char *p = list->data, *end = p + list->len;

    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        size_t len = (size_t)((comma ? comma : end) - p);

        if (len == n && memcmp(p, host, n) == 0)
            return true;
        p += len + 1;
    }
    return false;
}

/* Where the text of a line begins, if its time counts; 0: it does not. */
static size_t text_of(const char *p, size_t n, int64_t now)
{
    int64_t then = 0;
    size_t at = 0;

    while (at < n && at < 15 && p[at] >= '0' && p[at] <= '9')
        then = 10 * then + (p[at++] - '0');
    if (at == 0 || at >= n || p[at] != ' ' || then > now + NO_GPU_S ||
        now - then > NO_GPU_S)
        return 0;
    return at + 1;
}

/* Take the host of a line, if it counts. */
static void take_host(struct buf *list, const char *p, size_t n)
{
    if (!is_host(p, n) || has_host(list, p, n))
        return;
    if (list->len)
        buf_putc(list, ',');
    buf_put(list, p, n);
}

/* The file's last bytes, from the beginning of a line on. */
static size_t read_end(const char *spool_dir, char *out)
{
    char *path = file_join(spool_dir, NAME);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = -1;
    struct stat st;

    free(path);
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = file_read_at(fd, out, READ_MAX,
                         st.st_size > READ_MAX
                             ? (uint64_t)(st.st_size - READ_MAX) : 0);
    close(fd);
    return n < 0 ? 0 : (size_t)n;
}

/* The hosts of all lines that count into `list`; if it is NULL, how many of
 * them have the text `is`. */
static unsigned read_lines(const char *spool_dir, struct buf *list,
                           const char *is)
{
    char *text = xmalloc(READ_MAX), *end, *p = text;
    size_t n = read_end(spool_dir, text);
    int64_t now = time(NULL);
    unsigned count = 0;

    for (; (end = memchr(p, '\n', n - (size_t)(p - text))); p = end + 1) {
        size_t len = (size_t)(end - p), at = text_of(p, len, now);

        if (at == 0)
            continue;
        if (list)
            take_host(list, p + at, len - at);
        else
            count += len - at == strlen(is) &&
                     memcmp(p + at, is, len - at) == 0;
    }
    free(text);
    return count;
}

int no_gpu_lost(unsigned *times, const char *spool_dir, const char *host,
                struct err *err)
{
    char line[HOST_MAX + sizeof(LOST)];

    if (append(spool_dir, host, LOST, err))
        return -1;
    snprintf(line, sizeof(line), "%s" LOST, host);
    *times = read_lines(spool_dir, NULL, line);
    return *times < 2 ? 0 : no_gpu_add(spool_dir, host, err);
}

char *no_gpu_hosts(const char *spool_dir)
{
    struct buf list;
    char *out;

    buf_init(&list, READ_MAX);
    read_lines(spool_dir, &list, NULL);
    if (list.len == 0) {
        buf_clear(&list);
        return NULL;
    }
    out = buf_take(&list, NULL);
    return out;
}
