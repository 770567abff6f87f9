/*
 * What apus doctor --node looks at: whether this node, one of a cluster
 * perhaps, can do a worker's work.
 */
#include <config.h>

#include "cmd/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/settings.h"

#define MIN_MEMORY ((uint64_t)1 << 30)
#define SKEW_S 60

/* ---- the node ------------------------------------------------------------ */

/* Which one it is: the answers of many come together. */
void doctor_node(struct doctor *d)
{
    const char *node = getenv("SLURMD_NODENAME"), *job = getenv("SLURM_JOB_ID");
    static char own[256];
    char host[256] = "?";

    if (gethostname(host, sizeof(host) - 1))
        strcpy(host, "?");
    d->node = node && job ? node : NULL;
    if (!d->node) {
        snprintf(own, sizeof(own), "%s", host);
        d->node = own;
    }
    if (node && job)
        doctor_ok(d, "node", "host %s, Slurm job %s", host, job);
    else
        doctor_ok(d, "node", "in no job of Slurm");
}

/* How many GPUs the driver of one maker shows. */
static unsigned count_gpus(void)
{
    DIR *dev = opendir("/dev");
    unsigned n = 0;

    for (struct dirent *e; dev && (e = readdir(dev)) != NULL;)
        n += strncmp(e->d_name, "nvidia", 6) == 0 && e->d_name[6] >= '0' &&
             e->d_name[6] <= '9';
    if (dev)
        closedir(dev);
    return n;
}

void doctor_machine(struct doctor *d)
{
    uint64_t memory = machine_memory();
    const char *gpus = getenv("SLURM_GPUS_ON_NODE");
    const char *cpus = getenv("SLURM_CPUS_ON_NODE");

    doctor_ok(d, "cores", "%u for this process%s%s", machine_cores(),
              cpus ? "; the job's CPUs here: " : "", cpus ? cpus : "");
    if (memory && memory < MIN_MEMORY)
        doctor_warn(d, "memory", "ask for more (--mem), or for whole nodes"
                    " (--exclusive)", "%" PRIu64 " MiB for this process",
                    memory >> 20);
    else
        doctor_ok(d, "memory", "%" PRIu64 " MiB for this process",
                  memory >> 20);
    doctor_ok(d, "gpus", "%u seen%s%s", count_gpus(),
              gpus ? ", the job's: " : "", gpus ? gpus : "");
}

/* ---- what it shares with others ------------------------------------------ */

/* Write a file where batches are made, and compare the clock of its file
 * system with that of this node. */
void doctor_writes(struct doctor *d)
{
    char *dir = file_join(settings_text(d->settings, "spool"), "tmp");
    char *path = xasprintf("%s/doctor-XXXXXX", dir);
    struct stat st = { .st_mode = 0 };
    int fd = mkostemp(path, O_CLOEXEC);
    int bad = fd < 0 || write(fd, "apus\n", 5) != 5 || fsync(fd) ||
              fstat(fd, &st);
    int64_t skew = (int64_t)time(NULL) - (int64_t)st.st_mtim.tv_sec;

    if (bad)
        doctor_bad(d, "writing", "mount the spool on this node, writable for"
                   " this user, or set spool to a shared directory",
                   "cannot write in \"%s\": %s", dir, strerror(errno));
    else
        doctor_ok(d, "writing", "the spool can be written");
    if (!bad && (skew > SKEW_S || skew < -SKEW_S))
        doctor_warn(d, "clock", "set the clock of this node (NTP)", "it is %"
                    PRId64 " s %s that of the spool's file system",
                    skew < 0 ? -skew : skew, skew < 0 ? "behind" : "ahead of");
    else if (!bad)
        doctor_ok(d, "clock", "that of the spool's file system");
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    free(path);
    free(dir);
}
