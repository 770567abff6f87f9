/*
 * Shares of a machine, from what mpirun and Slurm tell.
 */
#include <config.h>

#include "mpi/local_share.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/machine.h"

uint64_t local_ranks(int ranks)
{
    const char *n = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    unsigned long count;

    if (!n)
        n = getenv("SLURM_NTASKS_PER_NODE");
    count = n ? strtoul(n, NULL, 10) : 0;
    return count ? count : (uint64_t)ranks;
}

uint64_t rank_memory(int ranks)
{
    const char *text = getenv("APUS_JOB_MEMORY"); /* of apus-batch.sh */
    uint64_t memory = machine_memory_free(), of_job = 0;

    if (text && json_u64_text(text, &of_job) == 0 && of_job &&
        of_job < memory)
        memory = of_job;
    return (memory - memory / 10) / local_ranks(ranks);
}

size_t rank_threads(size_t asked, int ranks)
{
    size_t n = asked;
    size_t cores = machine_whole_cores();
    const char *text = getenv("SLURM_CPUS_PER_TASK");
    uint64_t bound = 0;

    if (n)
        return n;
    if (text && json_u64_text(text, &bound) == 0 && bound)
        return bound < cores ? bound : cores;
    n = cores / local_ranks(ranks);
    return n ? n : 1;
}

void local_node(char *out, size_t n)
{
    const char *node = getenv("SLURM_JOB_ID") ? getenv("SLURMD_NODENAME")
                                              : NULL;

    snprintf(out, n, "%s", node ? node : "?");
    if (!node && gethostname(out, n - 1) == 0)
        out[n - 1] = '\0';
}

void local_show(int rank, int ranks)
{
    char host[256] = "unknown";

    gethostname(host, sizeof(host) - 1);
    printf("rank %d of %d on %s\n", rank, ranks, host);
    fflush(stdout);
}
