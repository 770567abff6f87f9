/*
 * servefiles DIRECTORY: a web server on loopback that has the files of a
 * directory, in ranges.  Prints its address, then a line "METHOD NAME FROM" for
 * each request, until standard input ends.  While the directory has a file
 * `cut`, whose text is a number, the body of an answer ends after as many bytes
 * and the connection with it.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/pretend_server.h"

#define MAX_FILE ((size_t)64 << 20)

static size_t cut_at(const char *dir)
{
    char *path = file_join(dir, "cut");
    struct buf b;
    size_t n = 0;

    buf_init(&b, 64);
    if (file_exists(path) && file_read(&b, path, NULL) == 0 && b.len > 0)
        n = strtoul(b.data, NULL, 10);
    buf_clear(&b);
    free(path);
    return n;
}

/* The end of a body that is longer than was promised never comes. */
static void answer_cut(struct pretend_call *c, const struct buf *b, size_t n)
{
    uint64_t from = c->has_range ? c->range_at : 0;
    char head[256];

    snprintf(head, sizeof(head),
             "HTTP/1.1 206 Partial Content\r\nContent-Length: %zu\r\n"
             "Content-Range: bytes %zu-%zu/%zu\r\n\r\n", b->len - (size_t)from,
             (size_t)from, b->len - 1, b->len);
    pretend_puts(c, head);
    pretend_put(c, b->data + from, n < b->len - from ? n : b->len - from);
    c->close = true;
}

static void serve(struct pretend_call *c)
{
    const char *dir = c->self;
    bool head = strcmp(c->method, "HEAD") == 0;
    size_t cut = cut_at(dir);
    char *name, *path;
    struct buf b;

    c->path[strcspn(c->path, "?")] = '\0';
    name = strrchr(c->path, '/') + 1;
    path = file_join(dir, name);
    printf("%s %s %zu\n", c->method, name,
           (size_t)(c->has_range ? c->range_at : 0));
    fflush(stdout);
    buf_init(&b, MAX_FILE);
    if (!*name || !file_exists(path) || file_read(&b, path, NULL))
        pretend_answer(c, "404 Not Found", "", "no", 2);
    else if (cut && !head && (!c->has_range || c->range_at < b.len))
        answer_cut(c, &b, cut);
    else
        pretend_file(c, "Accept-Ranges: bytes\r\n", b.data, b.len);
    buf_clear(&b);
    free(path);
}

int main(int argc, char **argv)
{
    struct pretend *p;

    if (argc != 2) {
        fprintf(stderr, "usage: servefiles DIRECTORY\n");
        return 2;
    }
    p = pretend_start(serve, argv[1]);
    printf("%s\n", pretend_url(p));
    fflush(stdout);
    while (getchar() != EOF)
        ;
    pretend_end(p);
    return 0;
}
