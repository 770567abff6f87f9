/*
 * Outputs that a user names: files and what links to them appear whole,
 * everything else is written through and stays what it is.
 */
#include <config.h>

#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/mem.h"
#include "tests/tap.h"

static struct err err;

static const char *at(const char *name)
{
    static char paths[8][4200];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", tap_tmp(), name);
    return path;
}

static int put_output_text(const char *path, const char *text)
{
    struct file_out *f;

    if (output_open(&f, path, &err))
        return -1;
    if (file_out_put(f, text, strlen(text), &err)) {
        file_out_abort(f);
        return -1;
    }
    return file_out_commit(f, &err);
}

static int holds(const char *path, const char *text)
{
    struct buf b;
    int same;

    buf_init(&b, 1 << 20);
    same = file_read(&b, path, &err) == 0 && b.len == strlen(text) &&
           memcmp(b.data ? b.data : "", text, b.len) == 0;
    buf_clear(&b);
    return same;
}

static int type_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) ? -1 : (int)(st.st_mode & S_IFMT);
}

/* ---- files and links ----------------------------------------------------- */

static void test_links(void)
{
    struct file_out *f;
    char *file;

    mkdir(at("d"), 0777);
    ok(put_output_text(at("file"), "one") == 0 && holds(at("file"), "one"),
       "a file");
    ok(symlink("../file", at("d/to-file")) == 0 &&
           symlink("d/to-file", at("chain")) == 0 &&
           put_output_text(at("chain"), "two") == 0 &&
           holds(at("file"), "two") && type_of(at("chain")) == S_IFLNK &&
           type_of(at("d/to-file")) == S_IFLNK &&
           type_of(at("file")) == S_IFREG,
       "the target of a chain of links is written");
    ok(output_open(&f, at("chain"), &err) == 0 &&
           file_out_put(f, "half", 4, &err) == 0 && holds(at("file"), "two"),
       "whole or not at all");
    file_out_abort(f);
    ok(symlink("new", at("dangling")) == 0 &&
           put_output_text(at("dangling"), "x") == 0 && holds(at("new"), "x") &&
           type_of(at("dangling")) == S_IFLNK,
       "a link to nothing yet makes its target");
    ok(output_file(&file, at("chain"), &err) == FOUND_ONE &&
           strcmp(strrchr(file, '/'), "/file") == 0, "and names it");
    free(file);
    ok(symlink("loop", at("loop")) == 0 &&
           put_output_text(at("loop"), "x") == -1 &&
           type_of(at("loop")) == S_IFLNK,
       "a loop: %s", err.text);
    ok(put_output_text(at("d"), "x") == -1 &&
           output_check(at("d"), &err) == -1 && type_of(at("d")) == S_IFDIR,
       "a directory: %s", err.text);
    ok(put_output_text(tap_missing("x"), "x") == -1 &&
           output_check(tap_missing("x"), &err) == -1,
       "%s", err.text);
    ok(output_check(at("file"), &err) == 0 && holds(at("file"), "two") &&
           output_check(at("other"), &err) == 0 && type_of(at("other")) == -1,
       "checking changes nothing");
    unlink(at("file"));
    unlink(at("new"));
    unlink(at("chain"));
    unlink(at("dangling"));
    unlink(at("loop"));
    unlink(at("d/to-file"));
    rmdir(at("d"));
}

/* Between opening and the end somebody puts something else there. */
static void test_replaced(void)
{
    struct file_out *f;

    ok(output_open(&f, at("file"), &err) == 0 &&
           mkfifo(at("file"), 0600) == 0 &&
           file_out_commit(f, &err) == -1 && type_of(at("file")) == S_IFIFO,
       "a pipe that came meanwhile stays: %s", err.text);
    unlink(at("file"));
}

/* ---- written through ----------------------------------------------------- */

static char got[400000];
static size_t n_got;

static void *read_fifo(void *path)
{
    int fd = open(path, O_RDONLY);
    ssize_t n;

    n_got = 0;
    while ((n = read(fd, got + n_got, sizeof(got) - n_got)) > 0)
        n_got += (size_t)n;
    close(fd);
    return NULL;
}

static void test_fifo(void)
{
    char *big = xmalloc(300001), *fifo = xstrdup(at("fifo")), *file = NULL;
    struct file_out *f;
    pthread_t reader;
    int fd;

    memset(big, 'a', 300000);
    big[300000] = '\0';
    mkfifo(fifo, 0600);
    ok(output_check(fifo, &err) == 0 &&
       output_file(&file, fifo, &err) == FOUND_NONE,
       "a pipe without a reader may be one later");
    pthread_create(&reader, NULL, read_fifo, fifo);
    ok(put_output_text(fifo, big) == 0, "a pipe");
    pthread_join(reader, NULL);
    ok(n_got == 300000 && memcmp(got, big, n_got) == 0 &&
           type_of(fifo) == S_IFIFO, "is written through");
    fd = open(fifo, O_RDONLY | O_NONBLOCK);
    ok(output_open(&f, fifo, &err) == 0 &&
           file_out_put(f, "x", 1, &err) == 0 &&
           file_out_patch(f, 0, "y", 1, &err) == -1, "it cannot be patched");
    close(fd);
    ok(file_out_commit(f, &err) == -1 && err.code == ERR_RETRY &&
           strstr(err.text, "broken pipe"), "its reader leaves: %s", err.text);
    unlink(fifo);
    free(fifo);
    free(big);
}

static void test_devices(void)
{
    ok(put_output_text("/dev/null", "x") == 0 &&
           type_of("/dev/null") == S_IFCHR,
       "/dev/null");
    ok(put_output_text("/dev/full", "x") == -1 &&
           type_of("/dev/full") == S_IFCHR,
       "/dev/full: %s", err.text);
    ok(symlink("/dev/null", at("null")) == 0 &&
           put_output_text(at("null"), "x") == 0 &&
           type_of(at("null")) == S_IFLNK,
       "a link to a device");
    unlink(at("null"));
}

static void test_socket(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int listening = socket(AF_UNIX, SOCK_STREAM, 0), fd;
    char text[8] = "";

    snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", at("socket"));
    if (listening < 0 || bind(listening, (struct sockaddr *)&a, sizeof(a)) ||
        listen(listening, 1)) {
        skip("a socket", "none can be made here");
        return;
    }
    ok(put_output_text(at("socket"), "hello") == 0 &&
           type_of(at("socket")) == S_IFSOCK,
       "a socket %s", err.text);
    fd = accept(listening, NULL, NULL);
    ok(read(fd, text, sizeof(text)) == 5 && strcmp(text, "hello") == 0,
       "is written through");
    close(fd);
    close(listening);
    ok(put_output_text(at("socket"), "x") == -1 &&
           type_of(at("socket")) == S_IFSOCK,
       "that nobody listens to: %s", err.text);
    unlink(at("socket"));
}

/* ---- descriptors --------------------------------------------------------- */

/* "-" and its like while `fd` is standard output; the outcome of put. */
static int put_stdout(const char *path, int fd, const char *text)
{
    int saved, rc;

    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    dup2(fd, STDOUT_FILENO);
    rc = put_output_text(path, text);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    return rc;
}

static void test_stdout(void)
{
    static const char *const names[] = { "-", "/dev/stdout", "/dev/fd/1",
                                         "/proc/self/fd/1" };
    int fd = open(at("log"), O_RDWR | O_CREAT | O_APPEND, 0600), p[2];
    char name[40];

    if (write(fd, "before ", 7) != 7 || symlink("/dev/stdout", at("out")))
        abort();
    for (size_t i = 0; i < 4; i++)
        ok(output_is_stdout(names[i]) && put_stdout(names[i], fd, "x") == 0,
           "%s, redirected to a file", names[i]);
    ok(put_stdout(at("out"), fd, "y") == 0 && output_is_stdout(at("out")),
       "a link to it");
    ok(holds(at("log"), "before xxxxy"), "the file is appended to");
    snprintf(name, sizeof(name), "/dev/fd/%d", fd);
    ok(put_output_text(name, "z") == 0 && holds(at("log"), "before xxxxyz") &&
           !output_is_stdout(name),
       "another descriptor");
    close(fd);
    ok(put_output_text(name, "z") == -1, "one that is not open: %s", err.text);
    fd = open(at("log"), O_RDONLY);
    ok(put_stdout("-", fd, "x") == -1 && strstr(err.text, "for writing"),
       "one for reading: %s", err.text);
    close(fd);
    if (pipe(p))
        abort();
    close(p[0]);
    ok(put_stdout("-", p[1], "x") == -1 && err.code == ERR_CLOSED,
       "standard output without a reader");
    close(p[1]);
    unlink(at("out"));
    unlink(at("log"));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    test_links();
    test_replaced();
    test_fifo();
    test_devices();
    test_socket();
    test_stdout();
    return done();
}
