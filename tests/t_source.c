/*
 * Where requests come from: a pipe and standard input make the batch that a
 * file of the same bytes makes.
 */
#include <config.h>

#include <fcntl.h>
#include <pthread.h>

#include "base/id.h"
#include "spool/source.h"
#include "tests/spool_util.h"

#define FILE_TEXT "{\"a\":1}\n\n{\"b\":2}"
#define FILE_ID "RFBwDM5oXaqoTwUFKlLODomOBoIjGv-X79GRewOFBzw"

static struct id model; /* 00 .. 1f */

/* FILE_TEXT comes through a pipe in two pieces. */
static void *write_pipe(void *path)
{
    static const char text[] = FILE_TEXT;
    int fd = open(path, O_WRONLY);

    if (write(fd, text, 5) != 5 || write(fd, text + 5, strlen(text) - 5) < 0)
        abort();
    close(fd);
    return NULL;
}

static void test_pipe(void)
{
    struct spool *s = new_spool("spool");
    struct err err = ERR_INIT;
    struct batch_info i;
    struct batch b, again;
    pthread_t writer = 0;
    int saved = dup(STDIN_FILENO), fd;
    char *pipe = strdup(at("pipe"));
    bool existed;

    ok(mkfifo(pipe, 0600) == 0 &&
       pthread_create(&writer, NULL, write_pipe, pipe) == 0 &&
       spool_add_file(s, pipe, model, NULL, &b, &existed, &err) == 0 &&
       strcmp(strrchr(b.path, '/'), "/b" FILE_ID) == 0,
       "a pipe gives the batch of its bytes %s", err.text);
    pthread_join(writer, NULL);
    spool_remove(s, &b, &err);
    batch_clear(&b);
    put(at("in.jsonl"), FILE_TEXT);
    fd = open(at("in.jsonl"), O_RDONLY);
    dup2(fd, STDIN_FILENO);
    ok(spool_add_file(s, "-", model, NULL, &b, &existed, &err) == 0 &&
       !existed && strcmp(strrchr(b.path, '/'), "/b" FILE_ID) == 0 &&
       batch_info_read(&i, b.path, &err) == 0 &&
       strcmp(i.source, SOURCE_STDIN) == 0,
       "and so does standard input");
    ok(spool_add_file(s, "/dev/stdin", model, NULL, &again, &existed,
                      &err) == -1 && strstr(err.text, "standard input"),
       "which is read once: %s", err.text);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(fd);
    batch_info_clear(&i);
    batch_clear(&b);
    unlink(pipe);
    free(pipe);
    spool_close(s);
}

static void test_names(void)
{
    put(at("file"), "x");
    ok(source_is_stdin("-") && source_is_stdin("/dev/stdin") &&
           !source_is_stdin("./-") && source_is_file(at("file")) &&
           !source_is_file("-") && !source_is_file("/dev/null") &&
           !source_is_file(at("none")), "names");
}

int main(void)
{
    for (int i = 0; i < 32; i++)
        model.b[i] = (unsigned char)i;
    test_pipe();
    test_names();
    all_remove();
    return done();
}
