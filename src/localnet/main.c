/*
 * apus-localnet, which `apus localnet` runs: its command line, and serving
 * until it is interrupted.
 */
#include <config.h>

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/command.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/plural.h"
#include "base/program.h"
#include "base/settings.h"
#include "commit.h"
#include "localnet/faults.h"
#include "localnet/localnet.h"
#include "localnet/serve.h"
#include "localnet/spawn.h"
#include "localnet/vm.h"

#define MAX_DELAY_MS 60000
#define HELP_MAX (1u << 20)

enum { GO = -1, DONE, FAILED, MISUSED }; /* exit statuses, as those of apus */

struct arguments {
    const char *dir, *port, *delay, *new_wallet;
    const char **faults; /* each of them, NULL at the end */
    bool old_node;
};

static int fail_command(const struct err *err)
{
    log_err(err);
    return FAILED;
}

static int misused(const struct err *err)
{
    log_err(err);
    return MISUSED;
}

static int print_help(const struct opt_command *c)
{
    struct buf text;

    buf_init(&text, HELP_MAX);
    opt_help(c, NULL, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_clear(&text);
    return fflush(stdout) ? FAILED : DONE;
}

/* Options, --help, log level and umask: GO, or the exit status. */
static int parse_options(const struct opt_command *c, struct settings *s,
                         int argc, char **argv, void *into, const char **args,
                         size_t *n_args)
{
    struct err err = ERR_INIT;
    bool help;

    if (opt_parse(c, s, argc, argv, into, args, n_args, &help, &err))
        return misused(&err);
    if (help)
        return print_help(c);
    return program_apply(s, "apus", &err) ? misused(&err) : GO;
}

/* ---- serve --------------------------------------------------------------- */

static int number_of(const char *text, const char *what, uint64_t max,
                     unsigned *out, struct err *err)
{
    uint64_t n = 0;

    if (text && (json_u64_text(text, &n) || n > max))
        return err_set(err, ERR_INPUT, "%s \"%s\": a number up to %u expected",
                       what, text, (unsigned)max);
    if (text)
        *out = (unsigned)n;
    return 0;
}

static int serve(struct localnet *l, struct err *err)
{
    const struct timespec fifth = { 0, 200000000 };
    int rc = 0;

    printf("ready %s\n", localnet_url(l));
    fflush(stdout);
    while (rc == 0 && !program_interrupted()) {
        nanosleep(&fifth, NULL);
        rc = localnet_tick(l, err);
    }
    return rc;
}

static void note_keys(unsigned n)
{
    log_info("making %u key%s, which takes up to a minute on a slow machine",
             n, plural_s(n));
}

static int make_wallet(const struct arguments *a, struct err *err)
{
    note_keys(1);
    return localnet_new_wallet(a->dir, a->new_wallet, err);
}

/* Before anything is made in the directory. */
static int check_faults(const struct arguments *a, struct err *err)
{
    struct faults unused = { .n = 0 };

    for (size_t i = 0; a->faults[i]; i++)
        if (faults_add(&unused, a->faults[i], err))
            return -1;
    return 0;
}

static int serve_net(const struct arguments *a)
{
    struct localnet_options o = { .dir = a->dir, .delay_ms = 100,
                                  .faults = a->faults,
                                  .old_node = a->old_node,
                                  .making_keys = note_keys };
    struct localnet *l = NULL;
    struct err err = ERR_INIT;
    int rc;

    if (number_of(a->port, "--port", 65535, &o.port, &err) ||
        number_of(a->delay, "--delay", MAX_DELAY_MS, &o.delay_ms, &err) ||
        check_faults(a, &err))
        return misused(&err);
    if (a->new_wallet)
        return make_wallet(a, &err) ? fail_command(&err) : DONE;
    /* until it answers a signal ends it at once */
    if (localnet_start(&l, &o, &err))
        return fail_command(&err);
    program_catch_signals();
    rc = serve(l, &err);
    localnet_stop(l);
    return rc ? fail_command(&err) : DONE;
}

static int run_spawn(struct settings *s, int argc, char **argv);

static const struct command verbs[] = {
    { "spawn", "spawn a process of your own on it", .run = run_spawn },
    { .name = NULL }
};

/* What --help says of all of it. */
static void put_about(struct buf *about)
{
    buf_init(about, HELP_MAX);
    buf_puts(about, "A small AO and Arweave on loopback, to try everything"
             " without money:\nuse it with APUS_CONFIG=D/apus.conf.  It"
             " prints \"ready URL\" and serves until\nit is interrupted;"
             " what it took is there again the next time.\n\n");
    command_list(about, verbs);
    about->data[--about->len] = '\0'; /* the help ends the line */
}

static const struct opt run_opts[] = {
    { 0, "dir", "D", "where it keeps everything; made if it is missing",
      offsetof(struct arguments, dir) },
    { 0, "port", "P", "port on 127.0.0.1 (0, the default: any free one)",
      offsetof(struct arguments, port) },
    { 0, "delay", "MS", "milliseconds from taking a message to its result"
      " (100)", offsetof(struct arguments, delay) },
    { 0, "hostile", "CASE...", "misbehave, [UNIT/]CASE[:N|:every-N]; an"
      " unknown one lists the cases", offsetof(struct arguments, faults) },
    { 0, "old-node", NULL, "let /hb answer as HyperBEAM did until 2025",
      offsetof(struct arguments, old_node) },
    { 0, "new-wallet", "FILE", "only make a wallet that it accepts, also"
      " while it runs", offsetof(struct arguments, new_wallet) },
    { .name = NULL }
};

static const struct opt_command run_command = {
    .name = "apus localnet",
    .synopsis = "--dir D [--port P] [--delay MS] [--hostile CASE]..."
                " [--old-node] [--new-wallet FILE]",
    .opts = run_opts,
};

static int run_localnet(struct settings *s, int argc, char **argv)
{
    struct buf about;
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct arguments a = {
        .faults = xcalloc((size_t)argc, sizeof(*a.faults))
    };
    struct opt_command command = run_command;
    struct err err = ERR_INIT;
    size_t n_args;
    int status;

    put_about(&about);
    command.about = about.data;
    status = parse_options(&command, s, argc, argv, &a, args, &n_args);
    if (status == GO && !a.dir) {
        err_set(&err, ERR_INPUT, "apus localnet: no directory, give one with"
                " --dir, such as --dir net");
        status = misused(&err);
    } else if (status == GO) {
        status = serve_net(&a);
    }
    buf_clear(&about);
    free(a.faults);
    free(args);
    return status;
}

/* ---- spawn --------------------------------------------------------------- */

/* What a process printed; NULL is nothing. */
static void print_lines(const char *text)
{
    while (text && *text) {
        size_t n = strcspn(text, "\n");

        plain_write(stderr, text, n);
        fputc('\n', stderr);
        text += n + (text[n] == '\n');
    }
}

static int spawn(struct settings *s, const char *file)
{
    struct err err = ERR_INIT;
    struct spawned p;
    int rc = spawn_file(&p, s, file, &err);

    if (rc == 0) {
        printf("%s\n", p.id);
        fflush(stdout);
    }
    print_lines(p.output);
    free(p.output);
    return rc ? fail_command(&err) : DONE;
}

/* The settings of a localnet. */
static int settings_of(struct settings **s, const char *dir, struct err *err)
{
    char *path = file_join(dir, "apus.conf");
    int rc = 0;

    if (!file_exists(path))
        rc = err_set(err, ERR_INPUT, "there is no \"%s\": apus localnet --dir"
                     " %s makes it, and has to run", path, dir);
    else if (setenv("APUS_CONFIG", path, 1))
        rc = err_set(err, ERR_FATAL, "no memory");
    else
        rc = settings_new(s, program_settings, err);
    free(path);
    return rc;
}

struct run_spawn_options {
    const char *dir;
};

static const struct opt run_spawn_opts[] = {
    { 0, "dir", "D", "the localnet's directory; default: the one whose"
      " apus.conf is in use", offsetof(struct run_spawn_options, dir) },
    { .name = NULL }
};

static const struct opt_command run_spawn_command = {
    .name = "apus localnet spawn",
    .synopsis = "FILE.lua [--dir D]",
    .about = "Spawn a process from a file of Lua on a localnet that runs,"
             " and print its id.  The\nwallet of the settings owns it;"
             " what the file prints goes to standard error.",
    .opts = run_spawn_opts, .min_args = 1, .max_args = 1,
};

static int run_spawn(struct settings *s, int argc, char **argv)
{
    struct run_spawn_options opt = { .dir = NULL };
    struct settings *of_dir = NULL;
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct err err = ERR_INIT;
    size_t n_args;
    int status =
        parse_options(&run_spawn_command, s, argc, argv, &opt, args, &n_args);

    if (status == GO && opt.dir) {
        if (settings_of(&of_dir, opt.dir, &err))
            status = fail_command(&err);
        else /* the options are over these, too */
            status = parse_options(&run_spawn_command, of_dir, argc, argv, &opt,
                                   args, &n_args);
    }
    if (status == GO)
        status = spawn(of_dir ? of_dir : s, args[0]);
    settings_free(of_dir);
    free(args);
    return status;
}

int main(int argc, char **argv)
{
    const struct command *verb = NULL;
    struct settings *s = NULL;
    struct err err = ERR_INIT;
    int status;

    log_init("apus", LOG_LEVEL_INFO);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("apus-localnet %s (%s), %s, %s\n", PACKAGE_VERSION,
               APUS_COMMIT, server_library(), vm_library());
        return DONE;
    }
    if (argc > 1)
        verb = command_find(verbs, argv[1]);
    if (argc > 1 && argv[1][0] != '-' && !verb) {
        command_unknown(&err, "localnet", verbs, argv[1]);
        return misused(&err);
    }
    if (settings_new(&s, program_settings, &err))
        return misused(&err);
    status =
        verb ? verb->run(s, argc - 1, argv + 1) : run_localnet(s, argc, argv);
    settings_free(s);
    return status;
}
