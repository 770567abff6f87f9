/*
 * Errors as values: formatting them.  Reporting them is for programs.
 */
#include <config.h>

#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/plain_text.h"
#include "base/utf8_read.h"

#define TEXT_SIZE sizeof(((struct err *)0)->text)

/* One line of it; a character cut in two by the end of the space is left
 * out. */
static void tidy(char text[TEXT_SIZE])
{
    size_t n = strlen(text);

    if (n == TEXT_SIZE - 1)
        text[n - utf8_pending(text, n)] = '\0';
    plain_string(text);
}

/* Add to what stands in text. */
static void append_text(char text[TEXT_SIZE], const char *fmt, va_list ap)
{
    size_t n = strlen(text);

    if (vsnprintf(text + n, TEXT_SIZE - n, fmt, ap) < 0)
        text[n] = '\0';
}

static void appends(char text[TEXT_SIZE], const char *more)
{
    size_t n = strlen(text);

    snprintf(text + n, TEXT_SIZE - n, "%s", more);
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    char text[TEXT_SIZE] = ""; /* an argument may be err->text itself */
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    append_text(text, fmt, ap);
    va_end(ap);
    tidy(text);
    err->code = code;
    err->damage = false;
    memcpy(err->text, text, sizeof(text));
    return -1;
}

int err_errno(struct err *err, enum err_code code, const char *fmt, ...)
{
    char text[TEXT_SIZE] = "", why[128];
    int saved = errno;
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    append_text(text, fmt, ap);
    va_end(ap);
    snprintf(why, sizeof(why), "%s", strerror(saved));
    /* "No such file", but not "RPC failed" */
    if (why[0] && !isupper((unsigned char)why[1]))
        why[0] = (char)tolower((unsigned char)why[0]);
    appends(text, ": ");
    appends(text, why);
    tidy(text);
    err->code = code;
    err->damage = false;
    memcpy(err->text, text, sizeof(text));
    errno = saved;
    return -1;
}

enum err_code err_code_of(int why)
{
    switch (why) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case ELOOP:
    case ENAMETOOLONG:
    case EISDIR:
    case EROFS:
    case EEXIST:
    case EFBIG:
        return ERR_INPUT;
    case ENOMEM:
    case EBADF:
    case EFAULT:
    case EINVAL:
        return ERR_FATAL;
    default: /* disk full, quota, input or output error, too many files */
        return ERR_RETRY;
    }
}

int err_copy(struct err *err, const struct err *from)
{
    if (err && err != from)
        *err = *from;
    return -1;
}

void err_turn(struct err *err, enum err_code code)
{
    if (err)
        err->code = code;
}

int err_damage(struct err *err)
{
    if (err && err->code == ERR_INPUT)
        err->damage = true;
    return -1;
}

struct err *err_or(struct err *err, struct err *own)
{
    return err ? err : own;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    char text[TEXT_SIZE] = "";
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    append_text(text, fmt, ap);
    va_end(ap);
    appends(text, ": ");
    appends(text, err->text);
    tidy(text);
    memcpy(err->text, text, sizeof(text));
    return -1;
}
