/*
 * By the first bytes, and of JSON by the last.
 */
#include <config.h>

#include "model/import/foreign.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
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

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What begins or ends as no object does, with what helps; NULL if nothing says
 * so. */
static const char *what_instead(const char *begin, size_t n, const char *end,
                                size_t n_end)
{
    if (begins(begin, n, "\x1f\x8b"))
        return "is compressed: gzip -d unpacks it";
    if (begins(begin, n, "\xff\xfe") || begins(begin, n, "\xfe\xff"))
        return "is UTF-16: iconv -f UTF-16 -t UTF-8 converts it";
    if (begins(begin, n, "\xef\xbb\xbf"))
        return "begins with a byte order mark: remove its first three bytes";
    while (n > 0 && is_blank(*begin)) {
        begin++;
        n--;
    }
    if (n > 0 && *begin == '[')
        return "is a list and no object";
    if (n > 0 && *begin != '{')
        return "is not JSON: download it again";
    while (n_end > 0 && is_blank(end[n_end - 1]))
        n_end--;
    if (n_end > 0 && end[n_end - 1] != '}')
        return "ends within its JSON: the download did not finish";
    return NULL;
}

static bool is_json(const char *path)
{
    size_t n = strlen(path);

    return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

int foreign_check_file(const char *path, struct err *err)
{
    char bytes[LOOK], last[LOOK];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got, n_last = 0;
    const char *instead;
    struct stat st;

    if (fd < 0)
        return 0;
    got = file_read_at(fd, bytes, sizeof(bytes), 0);
    if (got > 0 && fstat(fd, &st) == 0)
        n_last = file_read_at(fd, last, sizeof(last),
                              st.st_size > LOOK
                                  ? (uint64_t)st.st_size - LOOK : 0);
    close(fd);
    if (got < 0)
        return 0;
    if (foreign_check(path, bytes, (size_t)got, err))
        return -1;
    instead = is_json(path) ? what_instead(bytes, (size_t)got, last,
                                           n_last > 0 ? (size_t)n_last : 0)
                            : NULL;
    return instead ? err_set(err, ERR_INPUT, "\"%s\" %s", path, instead) : 0;
}
