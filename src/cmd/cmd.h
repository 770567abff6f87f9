/*
 * What the commands of apus share: exit codes, and the first and last things
 * that each of them does.  A command is a row (base/command.h) in the table of
 * apus.c and a file NAME.c or NAME_cmd.c: it parses, calls the library and
 * prints.
 */
#ifndef APUS_CMD_CMD_H
#define APUS_CMD_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/command.h"

struct err;
struct key;
struct model_publish;
struct opt_command;
struct refusals;
struct settings;

enum {
    CMD_DONE = 0,    /* done */
    CMD_FAILED = 1,  /* failed; the log says why */
    CMD_MISUSED = 2, /* the command line or a setting is wrong */
    CMD_NO = 3,      /* the check says no, or a checkpoint is damaged */
    CMD_REFUSED = 4, /* every request was refused; with --strict, any */
    CMD_SAVED = 75,  /* stopped, run it again to go on */
    CMD_GO = -1      /* of cmd_begin: go on */
};

int cmd_pull(struct settings *s, int argc, char **argv);
int cmd_request(struct settings *s, int argc, char **argv);
int cmd_run(struct settings *s, int argc, char **argv);
int cmd_model_compare(struct settings *s, int argc, char **argv);
int cmd_model_fetch(struct settings *s, int argc, char **argv);

/* For model add: bring what lies at a URL here (push/model_download.h); *path,
 * which the caller frees, is to be added.  sha256 may be NULL.  CMD_GO, or the
 * exit status after the error was reported. */
int cmd_model_download(struct settings *s, const char *url,
                       const char *sha256, char **path);
int cmd_model_publish(struct settings *s, int argc, char **argv);

/* What publishes: name the price, ask (unless `yes`), and hand over what was
 * signed (push/model_publish.h), or what is missing of it. */
int cmd_publish_send(const struct settings *s, struct model_publish *p,
                     const struct key *k, bool yes, struct err *err);
int cmd_seal(struct settings *s, int argc, char **argv);
int cmd_export(struct settings *s, int argc, char **argv);
int cmd_submit(struct settings *s, int argc, char **argv);
int cmd_wait(struct settings *s, int argc, char **argv);
int cmd_status(struct settings *s, int argc, char **argv);
int cmd_cancel(struct settings *s, int argc, char **argv);
int cmd_push(struct settings *s, int argc, char **argv);
int cmd_show(struct settings *s, int argc, char **argv);
int cmd_watch(struct settings *s, int argc, char **argv);
int cmd_audit(struct settings *s, int argc, char **argv);
int cmd_diff(struct settings *s, int argc, char **argv);
int cmd_prove(struct settings *s, int argc, char **argv);
int cmd_dispute(struct settings *s, int argc, char **argv);
int cmd_judge(struct settings *s, int argc, char **argv);
int cmd_verify(struct settings *s, int argc, char **argv);
int cmd_drain(struct settings *s, int argc, char **argv);
int cmd_doctor(struct settings *s, int argc, char **argv);
int cmd_check(struct settings *s, int argc, char **argv);
int cmd_tokenize(struct settings *s, int argc, char **argv);
int cmd_clean(struct settings *s, int argc, char **argv);
int cmd_rm(struct settings *s, int argc, char **argv);
int cmd_du(struct settings *s, int argc, char **argv);
int cmd_localnet(struct settings *s, int argc, char **argv);
int cmd_settings(struct settings *s, int argc, char **argv);

/* The commands of those that have commands of their own. */
extern const struct command cmd_chain_verbs[], cmd_queue_verbs[],
    cmd_model_verbs[], cmd_wallet_verbs[];

/* Parse the command line, and put into effect what is set by it: log level
 * and umask.  CMD_GO, or the exit status if this was all (--help, misuse).
 * `into` is the command's struct for its options, args for the positional
 * arguments (base/opt.h). */
int cmd_begin(const struct opt_command *c, struct settings *s, int argc,
              char **argv, void *into, const char **args, size_t *n_args);

/* "30d", "55m" in seconds: digits and one of `units`, a choice of "smhdw"; 100
 * years at most.  0, or -1 for the caller to say what was expected. */
int cmd_seconds(uint64_t *seconds, const char *text, const char *units);

/* Report an error once, nothing if it is ERR_CLOSED; the exit status that goes
 * with it: of what went wrong (CMD_NO if a checkpoint is damaged), and of a
 * command line that asks for what cannot be. */
int cmd_fail(const struct err *err);
int cmd_misused(const struct err *err);

/* Report an error as cmd_fail does; CMD_SAVED if it is ERR_RETRY, so that the
 * same command may succeed later. */
int cmd_fail_retry(const struct err *err);

/* Whether what was printed to standard output finds no reader any more: the
 * output cannot be delivered, and main says nothing of that. */
bool cmd_output_closed(void);

/* Warn of requests that were refused, if any was; the exit status that goes
 * with them: CMD_REFUSED if all were, or any and `strict`; else CMD_DONE. */
int cmd_refused(const struct refusals *r, bool strict);

/* From here on SIGINT, SIGTERM and SIGHUP do not end the program but are
 * told by cmd_interrupted; a second one ends it. */
void cmd_catch_signals(void);
bool cmd_interrupted(void);

#endif
