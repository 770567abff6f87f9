/*
 * The log: standard error, one line a message, for programs (cmd, worker).
 * Levels say what happened to the work: error it was lost or stops, warning
 * it goes on, info once per shard, debug once per request.  Prompts and
 * answers are never logged.
 */
#ifndef APUS_BASE_LOG_H
#define APUS_BASE_LOG_H

#include <stdbool.h>

struct err;

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
                 LOG_LEVEL_DEBUG };

/* `program` stands before each line; messages above `level` are dropped. */
void log_init(const char *program, enum log_level level);

/* From now on the time (UTC) and these words stand before each line: for a log
 * that many processes write in the course of days.  Copied; NULL ends it. */
void log_stamp(const char *words);

/* 0 and *level, or -1: error, warning, info, debug. */
int log_level_parse(const char *name, enum log_level *level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For callbacks of these shapes: log one line, as it is; log_line at level
 * info. */
void log_line(const char *line);
void log_note(void *self, bool warning, const char *text);

/* Report the text of an error, at level error. */
void log_err(const struct err *err);

#endif
