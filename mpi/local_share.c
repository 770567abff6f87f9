/*
 * Shares of a machine, from what mpirun and Slurm tell.
 */
#include <config.h>

#include "mpi/local_share.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/machine.h"

#define MIB ((uint64_t)1 << 20)

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : 0;
}

unsigned local_rank(void)
{
    /* where mpirun starts by srun, SLURM_LOCALID is of its daemons */
    return (unsigned)number_of(getenv("OMPI_COMM_WORLD_LOCAL_RANK")
                                   ? "OMPI_COMM_WORLD_LOCAL_RANK"
                                   : "SLURM_LOCALID");
}

/* Tasks of this node by "2(x3),1", those of the step's nodes; 0: not known. */
static uint64_t tasks_here(const char *text, uint64_t node)
{
    while (text && *text) {
        char *end;
        uint64_t tasks = strtoul(text, &end, 10), nodes = 1;

        if (end == text)
            return 0;
        if (strncmp(end, "(x", 2) == 0) {
            nodes = strtoul(end + 2, &end, 10);
            end += *end == ')';
        }
        if (node < nodes)
            return tasks;
        node -= nodes;
        if (*end != ',')
            return 0;
        text = end + 1;
    }
    return 0;
}

/* 0: not known. */
static uint64_t ranks_here(void)
{
    uint64_t n = number_of("OMPI_COMM_WORLD_LOCAL_SIZE");

    /* of MPICH's starter, which Slurm starts once a node */
    if (!n)
        n = number_of("MPI_LOCALNRANKS");
    if (!n && getenv("SLURM_NODEID"))
        n = tasks_here(getenv("SLURM_STEP_TASKS_PER_NODE"),
                       number_of("SLURM_NODEID"));
    return n ? n : number_of("SLURM_NTASKS_PER_NODE");
}

uint64_t local_ranks(int ranks)
{
    uint64_t here = ranks_here();

    return here ? here : (uint64_t)ranks;
}

/* Bytes that the job has, by apus-batch.sh; 0: not known. */
static uint64_t job_memory(void)
{
    const char *text = getenv("APUS_JOB_MEMORY");
    uint64_t bytes = 0;

    return text && json_u64_text(text, &bytes) == 0 ? bytes : 0;
}

uint64_t rank_memory(int ranks)
{
    uint64_t memory = machine_memory_free(), of_job = job_memory();

    if (of_job && of_job < memory)
        memory = of_job;
    return (memory - memory / 10) / local_ranks(ranks);
}

int local_holds_parts(unsigned tp, uint64_t model, struct err *err)
{
    uint64_t here = ranks_here(), parts = here < tp ? here : tp;
    uint64_t part = model / tp, memory = machine_memory();
    uint64_t of_job = job_memory();
    char node[256];

    if (of_job && (of_job < memory || !memory))
        memory = of_job;
    if (!here || !memory || part <= memory / parts)
        return 0;
    local_node(node, sizeof(node));
    return err_set(err, ERR_INPUT, "tp = %u: the %" PRIu64 " ranks on %s need"
                   " %" PRIu64 " MiB at least for their parts of the model, and"
                   " have %" PRIu64 " MiB of memory: more nodes, or a greater"
                   " tp", tp, here, node, (parts * part + MIB - 1) / MIB,
                   memory / MIB);
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
