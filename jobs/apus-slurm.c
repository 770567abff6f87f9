/*
 * apus-slurm: the one program that is linked with libslurm, so that its
 * version and its habit of ending the process harm nobody else.  It asks the
 * controller whether it is there; it submits nothing.
 */
#include <config.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include "commit.h"

/* slurm_init() without a configuration tries for a minute, and then ends the
 * process; a controller that hangs is given up after MessageTimeout (10 s). */
#define DEADLINE_S 20
#define DEADLINE_MAX_S 600

enum { EXIT_UP = 0, EXIT_DOWN = 1, EXIT_MISUSED = 2 };

static const char usage[] =
    "usage: apus-slurm ping [DEADLINE_S]\n"
    "       apus-slurm --version | --help\n"
    "\n"
    "ping  ask Slurm's controller for a sign of life; prints \"up\" and exits\n"
    "      0, or \"down\" and exits 1, after DEADLINE_S (20) seconds at most\n";

static void on_alarm(int signo)
{
    static const char text[] = "down\n";

    (void)signo;
    if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
        _exit(EXIT_MISUSED);
    _exit(EXIT_DOWN);
}

/* libslurm ends the process over a configuration that it cannot use. */
static bool answered;

static void on_exit_unanswered(void)
{
    if (!answered)
        puts("down");
}

/* The primary controller is asked. */
static int ping(unsigned deadline_s)
{
    int up;

    atexit(on_exit_unanswered);
    signal(SIGALRM, on_alarm);
    alarm(deadline_s);
    slurm_init(NULL);
    up = slurm_ping(0) == SLURM_SUCCESS;
    if (!up)
        fprintf(stderr, "apus-slurm: the controller does not answer: %s\n",
                slurm_strerror(slurm_get_errno()));
    slurm_fini();
    alarm(0);
    answered = true;
    puts(up ? "up" : "down");
    return up ? EXIT_UP : EXIT_DOWN;
}

int main(int argc, char **argv)
{
    unsigned long deadline_s = DEADLINE_S;
    char *end = "";

    if (argc == 3)
        deadline_s = strtoul(argv[2], &end, 10);
    if ((argc == 2 || argc == 3) && strcmp(argv[1], "ping") == 0 &&
        *end == '\0' && deadline_s >= 1 && deadline_s <= DEADLINE_MAX_S)
        return ping((unsigned)deadline_s);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("apus-slurm %s (%s), libslurm %ld\n", PACKAGE_VERSION,
               APUS_COMMIT, slurm_api_version());
        return EXIT_UP;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_UP;
    }
    fputs(usage, stderr);
    return EXIT_MISUSED;
}
