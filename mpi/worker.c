/*
 * apus-worker: the program that runs on every rank of a job.  Today it shows
 * that its ranks start and can talk: one line a rank, printed by rank 0 in
 * order.  It answers no requests; `apus run` does, in one process.
 *
 * Built without MPI it is one rank.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_MPI
#include <mpi.h>
#endif

#include "base/mem.h"
#include "commit.h"

#define LINE_SIZE 160 /* a rank's line with its NUL, cut if it is longer */

static const char usage[] =
    "usage: apus-worker\n"
    "       apus-worker --version | --help\n"
    "\n"
    "Print one line for each rank: \"rank R of N on HOST\".  Requests are\n"
    "answered by `apus run`, not by this program.\n";

static void make_line(char line[LINE_SIZE], int rank, int size)
{
    char host[LINE_SIZE / 2];

    if (gethostname(host, sizeof(host)) != 0)
        strcpy(host, "unknown");
    host[sizeof(host) - 1] = '\0';
    memset(line, 0, LINE_SIZE);
    snprintf(line, LINE_SIZE, "rank %d of %d on %s", rank, size, host);
}

#ifdef HAVE_MPI

static int show_ranks(int *argc, char ***argv)
{
    char line[LINE_SIZE];
    char *all = NULL;
    int rank, size;

    /* the default error handler ends the job, which is all we could do */
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    make_line(line, rank, size);
    if (rank == 0)
        all = xcalloc((size_t)size, LINE_SIZE);
    MPI_Gather(line, LINE_SIZE, MPI_CHAR, all, LINE_SIZE, MPI_CHAR, 0,
               MPI_COMM_WORLD);
    for (int i = 0; rank == 0 && i < size; i++)
        puts(all + (size_t)i * LINE_SIZE);
    free(all);
    MPI_Finalize();
    return 0;
}

#else

static int show_ranks(int *argc, char ***argv)
{
    char line[LINE_SIZE];

    (void)argc;
    (void)argv;
    make_line(line, 0, 1);
    puts(line);
    return 0;
}

#endif

int main(int argc, char **argv)
{
    if (argc == 1)
        return show_ranks(&argc, &argv);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("apus-worker %s (%s), %s\n", PACKAGE_VERSION, APUS_COMMIT,
#ifdef HAVE_MPI
               "MPI"
#else
               "one rank: built without MPI"
#endif
        );
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    fputs(usage, stderr);
    return 2;
}
