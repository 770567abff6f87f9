/*
 * mpi/local_share: how many ranks are on this machine and which one this is, by
 * what started them, and whether its memory could hold their parts of a model.
 */
#include <config.h>

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mpi/local_share.h"
#include "tests/tap.h"

#define MIB ((uint64_t)1 << 20)

static void set(const char *name, const char *value)
{
    if (value ? setenv(name, value, 1) : unsetenv(name))
        abort();
}

/* Of a step with these tasks, on its node of this number; NULL: not told. */
static uint64_t here(const char *tasks, const char *node)
{
    set("SLURM_STEP_TASKS_PER_NODE", tasks);
    set("SLURM_NODEID", node);
    return local_ranks(99);
}

static void test_ranks(void)
{
    ok(here(NULL, NULL) == 99, "nothing tells: all of them");
    ok(here("3", "0") == 3 && here("2,1", "0") == 2 && here("2,1", "1") == 1 &&
           here("2(x3),1", "2") == 2 && here("2(x3),1", "3") == 1 &&
           here("4,2(x2),7", "3") == 7,
       "as Slurm tells of this node of the step");
    ok(here("2(x3),1", "4") == 99 && here("", "0") == 99 &&
           here("many", "0") == 99 && here("2(", "1") == 99 &&
           here("2(x", "1") == 99 && here("0", "0") == 99 &&
           here("2(x3),1", NULL) == 99,
       "what tells nothing");
    set("SLURM_NTASKS_PER_NODE", "5");
    ok(here(NULL, "0") == 5 && here("2", "0") == 2, "as was asked for");
    set("OMPI_COMM_WORLD_LOCAL_SIZE", "6");
    ok(here("2", "0") == 6, "mpirun knows best");
    set("SLURM_NTASKS_PER_NODE", NULL);
    set("OMPI_COMM_WORLD_LOCAL_SIZE", NULL);
}

static void test_number(void)
{
    ok(local_rank() == 0, "nothing tells its number: the first");
    set("OMPI_COMM_WORLD_LOCAL_RANK", "3");
    ok(local_rank() == 3, "mpirun tells it");
    set("SLURM_LOCALID", "0");
    ok(local_rank() == 3, "under Slurm, too, whose number is of its daemons");
    set("OMPI_COMM_WORLD_LOCAL_RANK", NULL);
    set("SLURM_LOCALID", "2");
    ok(local_rank() == 2, "srun tells it");
    set("SLURM_LOCALID", NULL);
}

static bool holds(const char *ranks, unsigned tp, uint64_t model,
                  struct err *err)
{
    set("OMPI_COMM_WORLD_LOCAL_SIZE", ranks);
    return local_holds_parts(tp, model, err) == 0;
}

static void test_parts(void)
{
    struct err err = ERR_INIT;
    char memory[32];

    /* less than this machine has, too */
    snprintf(memory, sizeof(memory), "%" PRIu64, 64 * MIB);
    set("APUS_JOB_MEMORY", memory);
    ok(holds("2", 2, 64 * MIB, &err) && holds("1", 2, 128 * MIB, &err) &&
           holds("8", 2, 64 * MIB, &err) && holds("2", 4, 128 * MIB, &err),
       "each part once");
    ok(!holds("2", 2, 66 * MIB, &err) && err.code == ERR_INPUT &&
           strstr(err.text, "tp = 2: the 2 ranks on ") &&
           strstr(err.text, " need 66 MiB at least") &&
           strstr(err.text, "have 64 MiB of memory: more nodes"),
       "what is needed and what there is: %s", err.text);
    ok(!holds("1", 2, 130 * MIB, &err) && !holds("3", 4, 88 * MIB, &err) &&
           !holds("64", 64, UINT64_MAX, &err),
       "some parts, or large ones");
    here(NULL, NULL);
    ok(holds(NULL, 2, UINT64_MAX, &err), "who is here is not known");
    set("APUS_JOB_MEMORY", NULL);
    ok(holds("2", 2, 66 * MIB, &err), "without a job the machine's counts");
}

int main(void)
{
    set("SLURM_NTASKS_PER_NODE", NULL);
    set("OMPI_COMM_WORLD_LOCAL_SIZE", NULL);
    set("OMPI_COMM_WORLD_LOCAL_RANK", NULL);
    set("SLURM_LOCALID", NULL);
    test_ranks();
    test_number();
    test_parts();
    return done();
}
