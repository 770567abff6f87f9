/*
 * What is said is made before: a signal's handler only writes it.
 */
#include <config.h>

#include "mpi/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int end_status;
static char hung_text[512];

/* Of the time that MPI may take to start what follows the first warning. */
static volatile sig_atomic_t later_s;
static char late_text[512];

static void set_hung_text(const char *what)
{
    const char *nodes = getenv("SLURM_STEP_NODELIST");

    snprintf(hung_text, sizeof(hung_text), "apus-worker: error: MPI does not"
             " %s: other ranks are gone%s%.300s\n", what, nodes ? ", of "
             : "", nodes ? nodes : "");
}

static void set_late_text(unsigned now_s, unsigned rest_s)
{
    const char *nodes = getenv("SLURM_STEP_NODELIST");

    snprintf(late_text, sizeof(late_text), "apus-worker: warning: MPI has not"
             " started for %u s, and is given %u more: a rank%s%.300s has not"
             " come\n", now_s, rest_s, nodes ? " of " : "",
             nodes ? nodes : "");
}

/* Signals: the first time while MPI starts it is only said. */
static void on_alarm(int signo)
{
    int was = errno;
    ssize_t written;

    (void)signo;
    if (later_s) {
        alarm((unsigned)later_s);
        later_s = 0;
        written = write(STDERR_FILENO, late_text, strlen(late_text));
        (void)written;
        errno = was; /* MPI goes on */
        return;
    }
    if (write(STDERR_FILENO, hung_text, strlen(hung_text)) < 0)
        _exit(end_status);
    _exit(end_status);
}

static void give_up(int signo)
{
    (void)signo;
    _exit(end_status);
}

void watchdog(unsigned seconds)
{
    alarm(seconds);
}

void watchdog_start(unsigned start_s, unsigned call_s, int status)
{
    struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

    end_status = status;
    sigaction(SIGALRM, &sa, NULL);
    set_hung_text("start");
    if (call_s < start_s) {
        set_late_text(call_s, start_s - call_s);
        later_s = (sig_atomic_t)(start_s - call_s);
    }
    watchdog(call_s < start_s ? call_s : start_s);
}

void watchdog_started(void)
{
    watchdog(0);
    later_s = 0;
    set_hung_text("return");
}

void watchdog_end(unsigned seconds, int status)
{
    struct sigaction sa = { .sa_handler = give_up };

    end_status = status;
    sigaction(SIGALRM, &sa, NULL);
    watchdog(seconds);
}
