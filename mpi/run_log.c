/*
 * run.jsonl.
 */
#include <config.h>

#include "mpi/run_log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/json.h"
#include "base/sys.h"
#include "commit.h"
#include "spool/spool.h"

#define NAME "run.jsonl"
#define RUN_LOG_MAX ((size_t)4 << 20)
#define LINE_MAX_BYTES 8192 /* of one that is put */

/* -1: there will be no line. */
static int open_end(const char *batch_path)
{
    char *path = file_join(batch_path, NAME);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
                        O_NOFOLLOW, 0666);

    free(path);
    return fd;
}

void run_log_withdrawn(const char *batch_path, uint32_t start, int rank,
                       const char *host, const char *why)
{
    int fd = open_end(batch_path);
    struct buf line;

    if (fd < 0)
        return;
    buf_init(&line, LINE_MAX_BYTES);
    buf_printf(&line, "{\"start\":%" PRIu32 ",\"withdrawn\":%d,\"host\":",
               start, rank);
    json_put_string(&line, host, strlen(host));
    buf_puts(&line, ",\"why\":");
    json_put_string(&line, why, strlen(why));
    buf_puts(&line, "}\n");
    if (buf_check(&line, NAME, NULL) == 0)
        sys_write(fd, line.data, line.len);
    buf_clear(&line);
    close(fd);
}

void run_log_add(const char *batch_path, uint32_t start, int ranks,
                 const char *kernel)
{
    int fd = open_end(batch_path);
    struct owner self;

    if (fd < 0)
        return;
    owner_self(&self);
    dprintf(fd, "{\"start\":%" PRIu32 ",\"time\":%" PRId64 ",\"host\":\"%s\","
            "\"pid\":%d,\"ranks\":%d,\"slurm_job\":\"%s\","
            "\"slurm_restarts\":%" PRIu32 ",\"kernel\":\"%s\","
            "\"version\":\"%s\",\"commit\":\"%s\"}\n", start,
            (int64_t)time(NULL), self.host, (int)getpid(), ranks,
            self.slurm_job, self.slurm_restarts, kernel, PACKAGE_VERSION,
            APUS_COMMIT);
    close(fd);
}

/* The restart count in a line of that job, -1 in any other.  A line without
 * one is of a version that did not write it. */
static int64_t restarts_in(const char *line, size_t n, const char *job)
{
    struct json *root;
    const char *text;
    uint64_t count = 0;
    int64_t found = -1;

    if (n == 0 || json_parse(&root, line, n, NULL))
        return -1;
    text = json_string(json_get(root, "slurm_job"));
    if (text && strcmp(text, job) == 0) {
        if (json_u64(json_get(root, "slurm_restarts"), &count) ||
            count > UINT32_MAX)
            count = 0;
        found = (int64_t)count;
    }
    json_free(root);
    return found;
}

int64_t run_log_last(const char *batch_path, const struct owner *self)
{
    struct buf text;
    int64_t last = -1;

    if (!self->slurm_job[0])
        return -1;
    buf_init(&text, RUN_LOG_MAX);
    if (batch_file_read(&text, batch_path, NAME, NULL) == FOUND_ONE) {
        const char *line = text.data, *end = text.data + text.len;

        while (line < end) {
            const char *stop = memchr(line, '\n', (size_t)(end - line));
            size_t n = (size_t)((stop ? stop : end) - line);
            int64_t one = restarts_in(line, n, self->slurm_job);

            last = one > last ? one : last;
            line = stop ? stop + 1 : end;
        }
    }
    buf_clear(&text);
    return last;
}
