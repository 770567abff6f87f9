/*
 * The log: whole lines to standard error.
 */
#include <config.h>

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/plain.h"

#define LINE_SIZE 1024

static const char *const level_names[] = { "error", "warning", "info",
                                           "debug" };

static const char *log_program = "apus";
static enum log_level log_threshold = LOG_LEVEL_WARNING;

static char log_words[160]; /* "": no stamp */

void log_stamp(const char *words)
{
    snprintf(log_words, sizeof(log_words), "%s", words ? words : "");
}

/* Bytes of the stamp. */
static size_t put_stamp(char *line, size_t size)
{
    char when[32] = "?";
    time_t now = time(NULL);
    struct tm tm;

    if (!log_words[0])
        return 0;
    if (gmtime_r(&now, &tm))
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(line, size, "%s %s ", when, log_words);
    return strlen(line);
}

void log_init(const char *program, enum log_level level)
{
    log_program = program;
    log_threshold = level;
}

int log_level_parse(const char *name, enum log_level *level)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

/* One line in one call, so that the lines of many ranks and threads do not
 * run into each other. */
static void put_log_line(enum log_level level, const char *fmt, va_list ap)
{
    char line[LINE_SIZE + 1]; /* and the newline */
    size_t n;

    if (level > log_threshold)
        return;
    n = put_stamp(line, LINE_SIZE);
    snprintf(line + n, LINE_SIZE - n, "%s: %s: ", log_program,
             level_names[level]);
    n = strlen(line);
    vsnprintf(line + n, LINE_SIZE - n, fmt, ap);
    n = plain_text(line, strlen(line));
    line[n++] = '\n';
    fwrite(line, 1, n, stderr);
}

void log_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_log_line(LOG_LEVEL_ERROR, fmt, ap);
    va_end(ap);
}

void log_warning(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_log_line(LOG_LEVEL_WARNING, fmt, ap);
    va_end(ap);
}

void log_info(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_log_line(LOG_LEVEL_INFO, fmt, ap);
    va_end(ap);
}

void log_debug(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_log_line(LOG_LEVEL_DEBUG, fmt, ap);
    va_end(ap);
}

void log_err(const struct err *err)
{
    log_error("%s", err->text);
}

void log_line(const char *line)
{
    log_info("%s", line);
}

void log_note(void *self, bool warning, const char *text)
{
    (void)self;
    if (warning)
        log_warning("%s", text);
    else
        log_info("%s", text);
}
