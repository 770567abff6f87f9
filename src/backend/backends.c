/*
 * From a name to a backend.  The CPU's is the only one by name so far.
 */
#include <config.h>

#include "backend/backends.h"

#include "backend/cpu/cpu.h"
#include "backend/group/follow.h"
#include "base/err.h"
#include "base/machine.h"
#include "engine/group.h"
#include "kernels/kernels.h"

int backend_open(struct backend **out, const char *name, size_t threads,
                 struct err *err)
{
    const struct group alone = { .size = 1 };

    return backend_open_member(out, name, threads, &alone, err);
}

int backend_open_member(struct backend **out, const char *name, size_t threads,
                        const struct group *g, struct err *err)
{
    struct x1_kernels k;
    char why[256];

    x1_thread_init();
    if (x1_kernels_find(&k, name) && x1_cpu_refused())
        return err_set(err, ERR_INPUT, "kernel \"%s\" cannot be used here:"
                       " this CPU has %s", name, x1_cpu_refused());
    if (x1_kernels_find(&k, name))
        return err_set(err, ERR_INPUT, "this build has no kernel \"%s\" for"
                       " this CPU: apus --version lists those it has", name);
    if (x1_selftest(&k, why, sizeof(why)))
        return err_set(err, ERR_FATAL, "kernel \"%s\" fails its test: %s",
                       k.name, why);
    *out = cpu_new_member(&k, threads ? threads : machine_whole_cores(), g);
    return 0;
}

int backend_follow(struct backend *b, backend_find_fn *find, void *self,
                   struct err *err)
{
    if (!b->ops->follow)
        return err_set(err, ERR_INPUT, "\"%s\" does not compute in groups: set"
                       " tp to 1, or kernel to another one", b->name);
    return b->ops->follow(b, find, self, err);
}

int backend_refuse(const struct group *g, const struct err *why,
                   struct err *err)
{
    return follow_refuse(g, why, err);
}

void backend_share(struct backend *b, unsigned wait_s,
                   const struct caller *caller)
{
    cpu_share(b, wait_s, caller);
}

size_t backend_shared_bytes(const struct backend *b, bool *of_socket)
{
    return cpu_shared_bytes(b, of_socket);
}
