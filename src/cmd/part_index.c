/*
 * apus-part-index: libhdf5 in a process of its own.  It reads a part from
 * standard input, which must be a file, and prints its attributes and where
 * its datasets lie: what apus wants to know before it reads them.  Before
 * libhdf5 sees a byte of the file the process gives up everything but reading
 * it and writing to its outputs.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sandbox.h"
#include "commit.h"
#include "store/checkpoint.h"
#include "store/checkpoint_hdf5.h"

#define MEMORY ((uint64_t)1 << 30)
#define CPU_S 30
#define N_FILES 16

extern char **environ;

static const char usage[] =
    "usage: apus-part-index [-- NAME] <FILE.h5 | cat\n"
    "       apus-part-index --version | --help\n"
    "\n"
    "Print the index of a part of a checkpoint; apus runs it.  NAME stands\n"
    "for the file in messages.\n";

/* Nothing of the environment may choose drivers, plugins or locks. */
static void forget_settings(void)
{
    char **e = environ;

    while (*e) {
        char name[64];
        size_t n = strcspn(*e, "=");

        if (strncmp(*e, "HDF5_", 5) != 0 || n >= sizeof(name)) {
            e++;
            continue;
        }
        memcpy(name, *e, n);
        name[n] = '\0';
        unsetenv(name);
        e = environ;
    }
}

static int write_stream(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, text, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        text += done;
        n -= (size_t)done;
    }
    return 0;
}

/* Without exit(): libhdf5 and what a file left of it have no say any more. */
__attribute__((noreturn)) static void print_failure(const struct err *err)
{
    write_stream(STDERR_FILENO, err->text, strlen(err->text));
    write_stream(STDERR_FILENO, "\n", 1);
    _exit(err->code == ERR_INPUT ? LAYOUT_EXIT_INPUT : 1);
}

static int print_index(const char *name, struct err *err)
{
    uint64_t count[N_COUNTS];
    struct layout_place place[N_SETS];
    struct checkpoint_head head;
    struct buf out;

    memset(place, 0, sizeof(place));
    memset(&head, 0, sizeof(head));
    if (layout_init(err) ||
        layout_walk(STDIN_FILENO, name, &head, count, place, err))
        return -1;
    buf_init(&out, LAYOUT_INDEX_MAX);
    layout_print_head(&out, &head);
    layout_print_places(&out, place);
    if (buf_check(&out, "the index of a part", err))
        return -1;
    if (write_stream(STDOUT_FILENO, out.data, out.len))
        return err_errno(err, ERR_RETRY, "cannot write the index");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct sandbox limits = {
        .memory = MEMORY, .cpu_s = CPU_S, .wall_s = LAYOUT_WALL_S,
        .n_files = N_FILES
    };
    const char *name = "standard input";
    struct err err = ERR_INIT;

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        const char *filter = sandbox_library();

        printf("apus-part-index %s (%s), %s, %s\n", PACKAGE_VERSION,
               APUS_COMMIT, checkpoint_library(),
               filter ? filter : "no filter of system calls");
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--") == 0) {
        name = argv[2];
    } else if (argc != 1) {
        fputs(usage, stderr);
        return 2;
    }
    forget_settings();
    if (sandbox_enter(&limits, &err) == SANDBOX_FAILED ||
        print_index(name, &err))
        print_failure(&err);
    _exit(0);
}
