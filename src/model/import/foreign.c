/*
 * By the first bytes alone.
 */
#include <config.h>

#include "model/import/foreign.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

#define LOOK 512

static bool begins(const char *s, size_t n, const char *with)
{
    size_t len = strlen(with);

    return n >= len && strncasecmp(s, with, len) == 0;
}

static bool is_page(const char *s, size_t n)
{
    while (n > 0 && strchr(" \t\r\n", *s)) {
        s++;
        n--;
    }
    return begins(s, n, "<!doctype") || begins(s, n, "<html") ||
           begins(s, n, "<?xml") || begins(s, n, "<head");
}

int foreign_check(const char *path, const void *bytes, size_t n,
                  struct err *err)
{
    const char *s = bytes;
    size_t zeros = 0;

    if (n > LOOK)
        n = LOOK;
    if (begins(s, n, "version https://git-lfs") ||
        begins(s, n, "version https://hawser"))
        return err_set(err, ERR_INPUT, "\"%s\" is a Git LFS pointer, not the "
                       "file itself: git lfs pull fetches it", path);
    if (is_page(s, n))
        return err_set(err, ERR_INPUT, "\"%s\" is a web page, not the file "
                       "itself: download it again", path);
    while (zeros < n && s[zeros] == '\0')
        zeros++;
    if (n > 0 && zeros == n)
        return err_set(err, ERR_INPUT, "\"%s\" begins with zeros: the download"
                       " did not finish", path);
    if (n == 0)
        return err_set(err, ERR_INPUT, "\"%s\" is empty: download it again",
                       path);
    return 0;
}

int foreign_check_file(const char *path, struct err *err)
{
    char bytes[LOOK];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got;

    if (fd < 0)
        return 0;
    got = file_read_at(fd, bytes, sizeof(bytes), 0);
    close(fd);
    return got < 0 ? 0 : foreign_check(path, bytes, (size_t)got, err);
}
