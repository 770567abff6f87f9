/*
 * jobs/plan.h: what scontrol says of a job, and how many ranks follow.  The
 * texts are those of Slurm 22.05, shortened.
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "jobs/plan.h"
#include "tests/tap.h"

#define MIB ((uint64_t)1 << 20)
#define HEAD "JobId=7 JobName=x NumNodes=9 CPU_IDs=1 Mem=1M GRES=gpu:7 \n" \
             " NumTasks=3 NodeName=y CPUTot=1\n" \
             "   UserId=root(0) GroupId=root(0) MCS_label=N/A\n" \
             "   JobState=RUNNING Reason=None Dependency=(null)\n"
#define TAIL "   Command=/x NumNodes=8 CPU_IDs=2 NodeName=y\n" \
             "   WorkDir=/x NumTasks=9\n   Comment=NtasksPerN:B:S:C=5\n"
#define NODES "NodeName=n1 Arch=x86_64 CoresPerSocket=1 \n" \
              "   CPUAlloc=0 CPUEfctv=4 CPUTot=4 CPULoad=1.05\n" \
              "   Gres=gpu:2\n   RealMemory=1000 AllocMem=0 Sockets=4\n" \
              "   State=IDLE ThreadsPerCore=1 TmpDisk=0\n" \
              "   Reason=fan RealMemory=7 CPUTot=1 [root@2026-11-30]\n"

#define SOCKETS "NodeName=n1 Arch=x86_64 CoresPerSocket=2 \n" \
                "   CPUAlloc=0 CPUEfctv=8 CPUTot=8 CPULoad=1.05\n" \
                "   RealMemory=1000 AllocMem=0 Sockets=4 Boards=1\n" \
                "   State=IDLE ThreadsPerCore=1 TmpDisk=0\n"

#define HALVES "NodeName=n1 CPUTot=8 CoresPerSocket=4\n" \
               "   RealMemory=1000 Sockets=2 ThreadsPerCore=1\n"

/* Jobs, as Slurm shows them between HEAD and TAIL. */
static const char two[] =
    "   NumNodes=2 NumCPUs=8 NumTasks=2 CPUs/Task=1 ReqB:S:C:T=0:0:*:*\n"
    "   Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=*\n"
    "     Nodes=n[1-2] CPU_IDs=0-3 Mem=0 GRES=\n"
    "   MinCPUsNode=1 MinMemoryNode=0 MinTmpDiskNode=0\n";
static const char full[] =
    "   NumNodes=2 NumCPUs=16 NumTasks=2 CPUs/Task=1\n"
    "     Nodes=n[1-2] CPU_IDs=0-7 Mem=0 GRES=\n";
static const char part[] =
    "   NumNodes=2 NumCPUs=6 NumTasks=2 CPUs/Task=1\n"
    "     Nodes=n[1-2] CPU_IDs=0-2 Mem=0 GRES=\n";
static const char wider[] =
    "   NumNodes=2 NumCPUs=16 NumTasks=2 CPUs/Task=3\n"
    "     Nodes=n[1-2] CPU_IDs=0-7 Mem=0 GRES=\n";
static const char pairs[] =
    "   NumNodes=2 NumCPUs=16 NumTasks=2 CPUs/Task=2\n"
    "     Nodes=n[1-2] CPU_IDs=0-7 Mem=0 GRES=\n";
static const char one[] =
    "   NumNodes=2 NumCPUs=2 NumTasks=2 CPUs/Task=1\n"
    "     Nodes=n[1-2] CPU_IDs=0 Mem=0 GRES=\n";
static const char narrow[] =
    "   NumNodes=1 NumCPUs=1 NumTasks=1 CPUs/Task=1\n"
    "     Nodes=n1 CPU_IDs=0 Mem=0 GRES=\n";
static const char asked[] =
    "   NumNodes=2 NumCPUs=8 NumTasks=6 CPUs/Task=2\n"
    "   Socks/Node=* NtasksPerN:B:S:C=3:0:*:* CoreSpec=*\n";
static const char tasks[] =
    "   NumNodes=2 NumCPUs=4 NumTasks=3 CPUs/Task=1\n";
static const char gpus[] =
    "   NumNodes=2 NumCPUs=16 NumTasks=2 CPUs/Task=1\n"
    "   JOB_GRES=gpu:a:3,gpu:b:1\n"
    "     Nodes=n1 CPU_IDs=0-7 Mem=4000 GRES=gpu:a:2(IDX:0-1),gpu:b:1"
    "(IDX:2)\n"
    "     Nodes=n2 CPU_IDs=0-5,8-9 Mem=3000 GRES=gpu:2(IDX:0,2)\n"
    "   TresPerNode=gres:gpu:2\n";
static const char implied[] =
    "   NumNodes=1 NumCPUs=4 NumTasks=1 CPUs/Task=1\n"
    "     Nodes=n1 CPU_IDs=0-3 Mem=0 GRES=gpu:2(IDX:0-1)\n";
static const char threads[] =
    "NodeName=n1 CPUTot=16 CoresPerSocket=4\n"
    "   RealMemory=1 Sockets=2 ThreadsPerCore=2\n";
static const char wide[] =
    "   NumNodes=1 NumCPUs=12 NumTasks=1 CPUs/Task=1\n"
    "     Nodes=n1 CPU_IDs=0-11 Mem=1.50G GRES=\n";
static const char memory[] =
    "   NumNodes=1 NumCPUs=4 NumTasks=1 CPUs/Task=1\n"
    "   MinCPUsNode=1 MinMemoryCPU=150M MinTmpDiskNode=0\n";

/* "ranks per_node cpus overcommit: what is said". */
static void plans(const char *job, const char *nodes,
                  const struct plan_need *need, const char *want)
{
    char *text = xasprintf("%s%s%s\n%s", HEAD, job, TAIL, nodes);
    struct err err = ERR_INIT;
    struct plan_job j;
    struct plan p;
    char said[PLAN_TEXT], got[PLAN_TEXT + 80];

    if (plan_job_parse(&j, text, strlen(text), &err)) {
        ok(0, "%s: %s", job, err.text);
    } else {
        plan_make(&p, &j, need);
        plan_describe(said, &p, &j, need);
        snprintf(got, sizeof(got), "%" PRIu64 " %" PRIu64 " %" PRIu64 " %d: %s",
                 p.ranks, p.per_node, p.cpus, p.overcommit, said);
        if (!ok(strcmp(got, want) == 0, "%s", want))
            printf("# got %s\n", got);
    }
    free(text);
}

/* Memory bounds the ranks. */
static void memory_plans(void)
{
    const struct plan_need large = { 100 * MIB, 300 * MIB, 10000, 1 };
    const struct plan_need automatic = { 200 * MIB, 0, 10000, 1 };
    const struct plan_need once = { 300 * MIB, 200 * MIB, 10000, 1 };
    const struct plan_need most = { 600 * MIB, 0, 10000, 1 };
    const struct plan_need two_copies = { 200 * MIB, 150 * MIB, 10000, 1 };
    const struct plan_need giant = { 4000 * MIB, 0, 10000, 1 };

    plans(full, SOCKETS, &large, "4 2 4 0: 4 ranks on 2 nodes, 2 on each, with"
          " 8 cores a node: no more fit into 1000 MiB of memory with 100"
          " MiB of weights a socket, 300 MiB of kv-memory each");
    plans(full, SOCKETS, &automatic, "6 3 2 0: 6 ranks on 2 nodes, 3 on each,"
          " with 8 cores a node: no more fit into 1000 MiB of memory with"
          " 200 MiB of weights a socket");
    plans(full, SOCKETS, &giant, "2 1 8 0: 2 ranks on 2 nodes, 1 on each, with"
          " 8 cores a node: no more fit into 1000 MiB of memory with 4000"
          " MiB of weights");
    plans(full, SOCKETS, &once, "6 3 2 0: 6 ranks on 2 nodes, 3 on each, with"
          " 8 cores a node: no more fit into 1000 MiB of memory with 300 MiB of"
          " weights, 200 MiB of kv-memory each");
    plans(full, SOCKETS, &most, "8 4 2 0: 8 ranks on 2 nodes, 4 on each, with"
          " 8 cores a node: one a socket");
    plans(pairs, HALVES, &two_copies, "6 3 2 0: 6 ranks on 2 nodes, 3 on"
          " each, with 8 cores a node: no more fit into 1000 MiB of memory with"
          " 200 MiB of weights a socket, 150 MiB of kv-memory each");
    plans(memory, SOCKETS, &large, "1 1 4 0: 1 rank on 1 node, with 4 of 8"
          " cores: no more fit into 600 MiB of memory with 100 MiB of weights"
          " a socket, 300 MiB of kv-memory each");
}

/* Ranks that hold a model together: whole groups, on a node or across. */
static void group_plans(void)
{
    const struct plan_need pair = { .tp = 2 }, eight = { .tp = 8 };
    const struct plan_need three = { .tp = 3 };
    const struct plan_need sixteen = { .tp = 16 };
    const struct plan_need few = { MIB, 0, 6, 2 };
    const struct plan_need large = { 800 * MIB, 0, 10000, 4 };
    const struct plan_need giant = { 2500 * MIB, 0, 10000, 4 };
    const struct plan_need tight = { 1500 * MIB, 0, 10000, 4 };
    const struct plan_need shared = { 600 * MIB, 10 * MIB, 10000, 2 };
    const struct plan_need wide_cache = { 80 * MIB, 400 * MIB, 10000, 2 };

    plans(full, SOCKETS, &pair, "8 4 2 0: 8 ranks on 2 nodes, 4 on each, in"
          " groups of 2, with 8 cores a node: one a socket");
    plans(full, SOCKETS, &three, "6 3 2 0: 6 ranks on 2 nodes, 3 on each, in"
          " groups of 3, with 8 cores a node: one a socket");
    plans(full, SOCKETS, &eight, "8 4 2 0: 8 ranks on 2 nodes, 4 on each, in"
          " groups of 8, with 8 cores a node: one a socket");
    plans(full, SOCKETS, &sixteen, "16 8 1 0: 16 ranks on 2 nodes, 8 on each,"
          " in groups of 16, with 8 cores a node: no fewer make whole groups");
    plans(two, NODES, &pair, "2 1 4 0: 2 ranks on 2 nodes, 1 on each, in"
          " groups of 2, with 4 cores a node: one a socket");
    plans(narrow, "", &pair, "2 2 1 1: 2 ranks on 1 node, in groups of 2, with"
          " 1 core: no fewer make whole groups");
    plans(full, SOCKETS, &few, "2 1 8 0: 2 ranks on 2 nodes, 1 on each, in"
          " groups of 2, with 8 cores a node: one for 6 requests");
    plans(full, SOCKETS, &large, "4 2 4 0: 4 ranks on 2 nodes, 2 on each, in"
          " groups of 4, with 8 cores a node: no more fit into 1000 MiB of"
          " memory with 800 MiB of weights in 4 parts a socket");
    plans(full, SOCKETS, &giant, "4 2 4 0: 4 ranks on 2 nodes, 2 on each, in"
          " groups of 4, with 8 cores a node: no fewer make whole groups; those"
          " of a node need 1250 MiB of memory at least, and have 900: more"
          " nodes, or a greater tp");
    plans(full, SOCKETS, &tight, "4 2 4 0: 4 ranks on 2 nodes, 2 on each, in"
          " groups of 4, with 8 cores a node: no fewer make whole groups");
    plans(full, SOCKETS, &shared, "8 4 2 0: 8 ranks on 2 nodes, 4 on each, in"
          " groups of 2, with 8 cores a node: one a socket");
    plans(full, SOCKETS, &wide_cache, "4 2 4 0: 4 ranks on 2 nodes, 2 on each,"
          " in groups of 2, with 8 cores a node: no more fit into 1000 MiB of"
          " memory with 80 MiB of weights in 2 parts a socket, 400 MiB of"
          " kv-memory each");
    plans(asked, NODES, &wide_cache, "6 3 2 1: 6 ranks on 2 nodes, 3 on each,"
          " in groups of 2, with 4 cores a node: as many as were asked for;"
          " those of a node need 1280 MiB of memory at least, and have 900:"
          " more nodes, or a greater tp");
    plans(asked, NODES, &pair, "6 3 2 1: 6 ranks on 2 nodes, 3 on each, in"
          " groups of 2, with 4 cores a node: as many as were asked for");
    plans(tasks, NODES, &pair, "4 0 1 0: 4 ranks on 2 nodes, in groups of 2,"
          " with 2 of 4 cores a node: as many as were asked for");
    ok(plan_whole_groups(1, 1, 4) == 4 && plan_whole_groups(5, 1, 4) == 8 &&
           plan_whole_groups(1, 2, 4) == 2 && plan_whole_groups(3, 3, 4) == 4 &&
           plan_whole_groups(0, 4, 4) == 1 && plan_whole_groups(7, 9, 0) == 7 &&
           plan_whole_groups(1, 0, 2) == 2,
       "whole groups of all nodes");
}

/* What is left out of four nodes with two GPUs and eight CPUs each, "-" for
 * nothing, and nodes, tasks, CPUs and tasks of a node afterwards. */
static void leaves_out(unsigned tp, const char *hosts, const char *facts,
                       const char *want)
{
    char *text = xasprintf(HEAD "%s" TAIL "NodeName=n1 CPUTot=8\n   OS=Linux"
                           " NodeName=n9\nNodeName=n2\nNodeName=n3\n"
                           "NodeName=n4\n", facts);
    struct plan_job j;
    char *list, *got;

    if (plan_job_parse(&j, text, strlen(text), NULL))
        abort();
    list = plan_leave_out(&j, hosts, tp, text, strlen(text));
    got = xasprintf("%s: %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
                    list ? list : "-", j.nodes, j.tasks, j.all_cpus,
                    j.per_node);
    ok(strcmp(got, want) == 0, "groups of %u without %s: %s", tp, hosts, want);
    if (strcmp(got, want) != 0)
        printf("# got %s\n", got);
    free(got);
    free(list);
    free(text);
}

#define FOUR "   NumNodes=4 NumCPUs=32 CPUs/Task=1 TresPerNode=gres:gpu:2\n" \
             "     Nodes=n[1-4] CPU_IDs=0-7 Mem=0 GRES=gpu:2(IDX:0-1)\n"

static void left_out(void)
{
    static const char any[] = FOUR "   NumTasks=4 ReqNodeList=(null)"
        " ExcNodeList=n5\n";
    static const char seven[] = FOUR "   NumTasks=7\n";
    static const char many[] = FOUR "   NumTasks=30\n";
    static const char each[] = FOUR "   NumTasks=8 NtasksPerN:B:S:C=2:0:*:*\n";
    static const char chosen[] = FOUR "   NumTasks=4 ReqNodeList=n[1-4]\n";

    leaves_out(1, "n3", any, "n3: 3 3 24 0");
    leaves_out(1, "n4,n7,n1", any, "n1,n4: 2 2 16 0");
    leaves_out(1, "n5,n,n11,n9", any, "-: 4 4 32 0");
    leaves_out(1, "", any, "-: 4 4 32 0");
    leaves_out(1, "n1,n2,n3,n4", any, "-: 4 4 32 0");
    leaves_out(1, "n2", chosen, "-: 4 4 32 0");
    leaves_out(1, "n2", seven, "n2: 3 6 24 0");
    leaves_out(1, "n2,n3,n4", many, "n2,n3,n4: 1 2 8 0");
    leaves_out(2, "n3", any, "n3: 3 3 24 0");
    leaves_out(4, "n3", any, "n3: 2 2 16 0");
    leaves_out(4, "n3", seven, "n3: 2 4 16 0");
    leaves_out(4, "n2,n3,n4", any, "-: 4 4 32 0");
    leaves_out(8, "n3", any, "-: 4 4 32 0");
    leaves_out(2, "n3", each, "n3: 3 6 24 2");
    leaves_out(4, "n3", each, "n3: 2 4 16 2");
    leaves_out(3, "n3", each, "n3: 3 6 24 2");
    leaves_out(3, "n1,n3", each, "-: 4 8 32 2");
}

int main(void)
{
    const struct plan_need nothing = { .tp = 1 }, few = { MIB, 0, 65, 0 };
    const struct plan_need six = { MIB, 0, 6, 1 }, single = { MIB, 0, 1, 1 };
    struct plan_job j = { .nodes = 5 };

    plans(full, SOCKETS, &nothing, "8 4 2 0: 8 ranks on 2 nodes, 4 on each,"
          " with 8 cores a node: one a socket");
    plans(part, SOCKETS, &nothing, "4 2 1 0: 4 ranks on 2 nodes, 2 on each,"
          " with 3 of 8 cores a node: one a socket (--exclusive asks for whole"
          " nodes)");
    plans(wider, SOCKETS, &nothing, "4 2 4 0: 4 ranks on 2 nodes, 2 on each,"
          " with 8 cores a node: one for each 3 CPUs, as was asked for");
    plans(two, NODES, &nothing, "2 1 4 0: 2 ranks on 2 nodes, 1 on each, with"
          " 4 cores a node: one a socket");
    plans(one, NODES, &nothing, "2 1 1 0: 2 ranks on 2 nodes, 1 on each, with"
          " 1 of 4 cores a node: one a socket (--exclusive asks for whole"
          " nodes)");
    plans(full, SOCKETS, &few, "4 2 4 0: 4 ranks on 2 nodes, 2 on each, with 8"
          " cores a node: one for 32 of 65 requests");
    plans(full, SOCKETS, &six, "2 1 8 0: 2 ranks on 2 nodes, 1 on each, with 8"
          " cores a node: one for 6 requests");
    plans(full, SOCKETS, &single, "2 1 8 0: 2 ranks on 2 nodes, 1 on each,"
          " with 8 cores a node: one for 1 request");
    memory_plans();
    group_plans();
    left_out();
    plans(asked, NODES, &few, "6 3 2 1: 6 ranks on 2 nodes, 3 on each, with 4"
          " cores a node: as many as were asked for");
    plans(tasks, NODES, &few, "3 0 1 0: 3 ranks on 2 nodes, with 2 of 4 cores"
          " a node: as many as were asked for");
    plans(gpus, "", &nothing, "4 2 4 0: 4 ranks on 2 nodes, 2 on each, with 8"
          " cores a node: one a GPU");
    plans(implied, NODES, &nothing, "1 1 4 0: 1 rank on 1 node, with 4"
          " cores: one a socket");
    plans(narrow, "", &nothing, "1 1 1 0: 1 rank on 1 node, with 1 core: one a"
          " socket");
    plans(wide, threads, &nothing, "2 2 6 0: 2 ranks on 1 node, with 6 of 8"
          " cores: one a socket (--exclusive asks for whole nodes)");
    ok(plan_cache(1000, 100, 0, 1) == 900 &&
           plan_cache(1000, 100, 300, 1) == 600 &&
           plan_cache(1000, 100, 300, 2) == 750 &&
           plan_cache(1000, 100, 301, 2) == 749 &&
           plan_cache(1000, 100, 301, 0) == 599,
       "weights that ranks share are there once");
    ok(plan_cache(1000, 1000, 0, 1) == 1 && plan_cache(0, 7, 7, 2) == 1 &&
           plan_cache(1000, 999, 1, 1) == 1 &&
           plan_cache(1000, 500, UINT64_MAX, 1) == 1,
       "where weights leave nothing, a byte");
    ok(plan_job_parse(&j, "", 0, NULL) && plan_job_parse(&j, NODES,
                                                          strlen(NODES), NULL)
       && j.nodes == 5, "no job");
    return done();
}
