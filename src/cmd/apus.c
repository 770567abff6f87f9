/*
 * apus: the table of commands, and what every command shares.
 * What a command does is in its own file.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/program.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "commit.h"
#include "kernels/kernels.h"
#include "net/http.h"
#include "proof/digest.h"
#include "store/checkpoint.h"
#include "store/refusals.h"
#include "text/unicode.h"

#define HELP_MAX (1u << 20)

static int cmd_help(struct settings *s, int argc, char **argv);

/* Commands that another program has. */
static const struct command elsewhere[] = { { .name = NULL } };

static const struct command commands[] = {
    { "pull", "lease requests from the queue on AO", .run = cmd_pull },
    { "queue", "make and keep a queue on AO", .verbs = cmd_queue_verbs },
    { "request", "ask a queue on AO, read the answer", .run = cmd_request },
    { "chain", "processes of AO that answer by themselves",
      .verbs = cmd_chain_verbs },
    { "run", "answer the requests of a file", .run = cmd_run },
    { "check", "tell what a file of requests would ask for", .run = cmd_check },
    { "tokenize", "print the token ids of a text", .run = cmd_tokenize },
    { "submit", "start workers in the background, or in Slurm",
      .run = cmd_submit },
    { "status", "show how far the batches are", .run = cmd_status },
    { "wait", "wait until batches are done", .run = cmd_wait },
    { "cancel", "end the work on a batch, keep completed answers",
      .run = cmd_cancel },
    { "export", "write the answers of a batch or a checkpoint",
      .run = cmd_export },
    { "show", "show what a batch, a checkpoint or a log holds",
      .run = cmd_show },
    { "verify", "check a checkpoint, compute answers again",
      .run = cmd_verify },
    { "audit", "compute drawn answers of a statement again",
      .run = cmd_audit },
    { "watch", "follow a queue, compute drawn answers again",
      .run = cmd_watch },
    { "diff", "compare the answers of two checkpoints", .run = cmd_diff },
    { "prove", "write the proof of one number of an answer",
      .run = cmd_prove },
    { "judge", "judge a dispute about one number", .run = cmd_judge },
    { "dispute", "dispute a published answer, up to the verdict",
      .run = cmd_dispute },
    { "seal", "make the checkpoint of an answered batch", .run = cmd_seal },
    { "push", "bring answers to Arweave and tell the queue", .run = cmd_push },
    { "drain", "one round: push, pull, start workers; for cron",
      .run = cmd_drain },
    { "model", "add, list and remove models", .verbs = cmd_model_verbs },
    { "doctor", "look at everything that the work needs", .run = cmd_doctor },
    { "clean", "remove old batches from the spool", .run = cmd_clean },
    { "rm", "remove batches from the spool", .run = cmd_rm },
    { "du", "show how much of the disk the batches take", .run = cmd_du },
    { "localnet", "run a small AO and Arweave on this machine",
      .run = cmd_localnet, .verbs = elsewhere },
    { "wallet", "make the wallet of this node, show its address",
      .verbs = cmd_wallet_verbs },
    { "settings", "show every setting and where it comes from",
      .run = cmd_settings },
    { "help", "show what a command does", .run = cmd_help },
    { .name = NULL }
};

/* ---- what commands share ----------------------------------------------- */

void cmd_catch_signals(void)
{
    program_catch_signals();
}

bool cmd_interrupted(void)
{
    return program_interrupted();
}

int cmd_seconds(uint64_t *seconds, const char *text, const char *units)
{
    static const uint64_t longest_s = UINT64_C(100) * 365 * 86400;
    size_t n = strlen(text);
    uint64_t count, unit_s;
    char digits[16];

    if (n < 2 || n > sizeof(digits) || !strchr(units, text[n - 1]))
        return -1;
    switch (text[n - 1]) {
    case 's': unit_s = 1; break;
    case 'm': unit_s = 60; break;
    case 'h': unit_s = 3600; break;
    case 'd': unit_s = 86400; break;
    default: unit_s = 7 * 86400; break;
    }
    memcpy(digits, text, n - 1);
    digits[n - 1] = '\0';
    if (json_u64_text(digits, &count) || count > longest_s / unit_s)
        return -1;
    *seconds = count * unit_s;
    return 0;
}

/* Whoever read standard output has left. */
static bool output_closed;

int cmd_fail(const struct err *err)
{
    if (err->code == ERR_CLOSED)
        output_closed = true;
    else
        log_err(err);
    return err->damage ? CMD_NO : CMD_FAILED;
}

int cmd_fail_retry(const struct err *err)
{
    int status = cmd_fail(err);

    return err->code == ERR_RETRY ? CMD_SAVED : status;
}

int cmd_refused(const struct refusals *r, bool strict)
{
    char text[REFUSALS_TEXT];

    if (!r->n)
        return CMD_DONE;
    refusals_text(text, r);
    log_warning("%s", text);
    return strict || r->n == r->n_requests ? CMD_REFUSED : CMD_DONE;
}

int cmd_misused(const struct err *err)
{
    log_err(err);
    return CMD_MISUSED;
}

int cmd_begin(const struct opt_command *c, struct settings *s, int argc,
              char **argv, void *into, const char **args, size_t *n_args)
{
    struct err err = ERR_INIT;
    struct buf text;
    bool help;

    if (opt_parse(c, s, argc, argv, into, args, n_args, &help, &err))
        return cmd_misused(&err);
    if (help) {
        buf_init(&text, HELP_MAX);
        opt_help(c, s, &text);
        fwrite(text.data, 1, text.len, stdout);
        buf_clear(&text);
        return CMD_DONE;
    }
    return program_apply(s, "apus", &err) ? cmd_misused(&err) : CMD_GO;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* A word that is in no table; `of` is the command whose table it is, or
 * NULL. */
static int unknown_command(const char *of, const struct command *table,
                           const char *word)
{
    struct err err = ERR_INIT;

    command_unknown(&err, of, table, word);
    return cmd_misused(&err);
}

static void print_list(FILE *to, const struct command *table)
{
    struct buf text;

    buf_init(&text, HELP_MAX);
    command_list(&text, table);
    fputs(text.len ? text.data : "", to);
    buf_clear(&text);
}

static void print_verbs(FILE *to, const struct command *c)
{
    fprintf(to, "usage: apus %s COMMAND [ARGUMENTS]\n"
            "       apus %s COMMAND --help\n\n", c->name, c->name);
    print_list(to, c->verbs);
}

/* A command, or the one of its own that argv[1] names. */
static int run_row(const struct command *c, struct settings *s, int argc,
                   char **argv)
{
    const struct command *verb;

    if (c->run)
        return c->run(s, argc, argv);
    if (argc < 2) {
        print_verbs(stderr, c);
        return CMD_MISUSED;
    }
    if (is_help(argv[1])) {
        print_verbs(stdout, c);
        return CMD_DONE;
    }
    verb = command_find(c->verbs, argv[1]);
    if (!verb)
        return unknown_command(c->name, c->verbs, argv[1]);
    return run_row(verb, s, argc - 1, argv + 1);
}

/* ---- the program by itself --------------------------------------------- */

static void print_usage(FILE *to)
{
    fputs("usage: apus COMMAND [ARGUMENTS]\n"
          "       apus COMMAND --help\n"
          "       apus help [COMMAND]\n"
          "       apus --version | --help\n"
          "\n", to);
    print_list(to, commands);
    fputs("\nanswers with one command: apus run FILE.jsonl -m MODEL\n", to);
}

static void print_version(void)
{
    printf("apus %s (%s)\n", PACKAGE_VERSION, APUS_COMMIT);
    printf("arithmetic: X1 version %d\n", X1_VERSION);
    fputs("kernels:", stdout);
    for (size_t i = 0; x1_level(i); i++)
        printf(" %s", x1_level(i)->name);
    printf("\ntext: Unicode %s\nlibraries: %s, %s, %s\n", UNICODE_VERSION,
           digest_library(), checkpoint_library(), http_library());
}

/* The command that --help is to be added to: CMD_GO, or CMD_MISUSED. */
static int find_helped(const struct command **c, const char **args,
                       size_t n_args)
{
    *c = command_find(commands, args[0]);
    if (!*c)
        return unknown_command(NULL, commands, args[0]);
    if (n_args == 1 || (*c)->verbs)
        return CMD_GO;
    log_error("apus help: unexpected argument \"%s\": \"apus %s\" has no"
              " commands of its own (see apus help %s)", args[1], args[0],
              args[0]);
    return CMD_MISUSED;
}

static const struct opt_command help_command = {
    .name = "apus help",
    .synopsis = "[COMMAND [COMMAND]]",
    .about = "Show what apus can do, or what a command does: the same as"
             " --help after it.",
    .max_args = 2,
};

/* `apus help COMMAND ..` is `apus COMMAND .. --help`. */
static int cmd_help(struct settings *s, int argc, char **argv)
{
    char last[] = "--help", *words[4] = { NULL };
    const char *args[2] = { NULL };
    const struct command *c = NULL;
    size_t n_args;
    int status = cmd_begin(&help_command, s, argc, argv, NULL, args, &n_args);

    if (status == CMD_GO && n_args == 0) {
        print_usage(stdout);
        status = CMD_DONE;
    } else if (status == CMD_GO) {
        status = find_helped(&c, args, n_args);
    }
    if (status == CMD_GO) {
        memcpy(words, args, n_args * sizeof(words[0]));
        words[n_args] = last;
        status = run_row(c, s, (int)n_args + 1, words);
    }
    return status;
}

static int run_command(const struct command *c, int argc, char **argv)
{
    struct settings *s = NULL;
    struct err err = ERR_INIT;
    int status;

    if (settings_new(&s, program_settings, &err))
        return cmd_misused(&err);
    status = run_row(c, s, argc, argv);
    settings_free(s);
    return status;
}

bool cmd_output_closed(void)
{
    struct pollfd p = { .fd = STDOUT_FILENO };

    /* of a pipe or socket that has no reader */
    if (ferror(stdout) && poll(&p, 1, 0) == 1 &&
        (p.revents & (POLLERR | POLLHUP)))
        output_closed = true;
    return output_closed;
}

/* What was printed must have arrived: a full disk is a failure.  A reader that
 * left is none of ours: end as programs do that do not ignore SIGPIPE. */
static int flush_output(int status)
{
    bool failed = fflush(stdout) != 0 || ferror(stdout);

    if (cmd_output_closed()) {
        if (status == CMD_DONE || status == CMD_FAILED) {
            signal(SIGPIPE, SIG_DFL);
            raise(SIGPIPE);
        }
        return status;
    }
    if (!failed)
        return status;
    log_error("cannot write to standard output: %s", strerror(errno));
    return status == CMD_DONE ? CMD_FAILED : status;
}

int main(int argc, char **argv)
{
    const struct command *c;

    log_init("apus", LOG_LEVEL_INFO);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    /* a limit on the size of files is an error like a full disk */
    signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        print_usage(stderr);
        return CMD_MISUSED;
    }
    if (is_help(argv[1])) {
        print_usage(stdout);
        return flush_output(CMD_DONE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return flush_output(CMD_DONE);
    }
    c = command_find(commands, argv[1]);
    if (!c)
        return unknown_command(NULL, commands, argv[1]);
    return flush_output(run_command(c, argc - 1, argv + 1));
}
