/*
 * Spools, batches and processes of a test.
 */
#include <config.h>

#include "tests/spool_util.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "spool/spool.h"
#include "tests/tap.h"

const char *at(const char *fmt, ...)
{
    static char paths[16][1024];
    static int next;
    char *path = paths[next++ % 16];
    va_list ap;
    int n = snprintf(path, 1024, "%s/", tap_tmp());

    va_start(ap, fmt);
    vsnprintf(path + n, 1024 - (size_t)n, fmt, ap);
    va_end(ap);
    return path;
}

void scratch_remove(const char *name)
{
    char *cmd = xasprintf("rm -rf '%s'", at("%s", name));

    if (system(cmd))
        fprintf(stderr, "# cannot remove %s\n", name);
    free(cmd);
}

void all_remove(void)
{
    char *cmd = xasprintf("rm -rf '%s'", tap_tmp());

    if (system(cmd))
        fprintf(stderr, "# cannot remove %s\n", tap_tmp());
    free(cmd);
}

void backdate(const char *path, time_t by_s)
{
    struct timespec t[2];
    struct stat st;

    if (lstat(path, &st))
        printf("# no %s\n", path);
    t[0] = t[1] = st.st_mtim;
    t[0].tv_sec -= by_s;
    t[1].tv_sec -= by_s;
    utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW);
}

void put(const char *path, const char *text)
{
    struct err err = ERR_INIT;

    if (file_write(path, text, strlen(text), &err))
        printf("# %s\n", err.text);
}

struct spool *new_spool(const char *name)
{
    struct err err = ERR_INIT;
    struct spool *s = NULL;

    scratch_remove(name);
    if (spool_open(&s, at("%s", name), &err)) {
        printf("# %s\n", err.text);
        exit(1);
    }
    return s;
}

void make_id(struct id *id, const char *begin)
{
    char text[ID_TEXT];

    memset(text, 'A', ID_TEXT - 1);
    text[ID_TEXT - 1] = '\0';
    memcpy(text, begin, strlen(begin));
    if (id_parse(id, text))
        abort();
}

struct batch make_batch(const struct spool *s, enum spool_state state,
                        const char *begin)
{
    struct batch_info info = { .from_ao = true, .n_requests = 3 };
    struct batch b = { .state = state };
    struct err err = ERR_INIT;
    char text[ID_TEXT];

    make_id(&b.id, begin);
    info.id = b.id;
    memset(info.process.b, 9, 32);
    base64url(text, b.id.b, 32);
    b.path = xasprintf("%s/%s/b%s", spool_dir(s), spool_state_name(state),
                       text);
    if (file_mkdirs(b.path, &err) || batch_info_write(b.path, &info, &err))
        printf("# %s\n", err.text);
    return b;
}

int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = -2;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return d ? n : -1;
}

int batches(const struct spool *s)
{
    int n = 0;

    for (int i = 0; i < SPOOL_STATES; i++) {
        char *dir = file_join(spool_dir(s), spool_state_name(i));

        n += entries(dir);
        free(dir);
    }
    return n;
}

void race(int n, child_fn *fn, void *self, int status[4])
{
    int gate[2];
    char c;

    memset(status, 0, 4 * sizeof(*status));
    fflush(stdout);
    if (pipe(gate))
        abort();
    for (int i = 0; i < n; i++) {
        if (fork() != 0)
            continue;
        close(gate[1]);
        if (read(gate[0], &c, 1) != 0) /* until the parent closes it */
            _exit(3);
        _exit(fn(self, i));
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < n; i++) {
        int st;

        if (wait(&st) > 0)
            status[WIFEXITED(st) ? WEXITSTATUS(st) & 3 : 3]++;
    }
}
