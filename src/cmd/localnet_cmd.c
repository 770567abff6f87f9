/*
 * apus localnet: a small AO and Arweave on loopback, which is a program of its
 * own.  So apus needs neither a server of HTTP nor Lua.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/cmd.h"
#include "jobs/child.h"

#define HELPER "apus-localnet"

static void set_missing(struct err *err, const char *path)
{
#ifdef HAVE_LOCALNET
    err_set(err, ERR_FATAL, "there is no \"%s\": install it, or name its"
            " directory in APUS_LIBEXEC", path);
#else
    err_set(err, ERR_FATAL, "this apus was built without localnet: install"
            " libmicrohttpd-dev and liblua5.3-dev, then configure and make it"
            " again (there is no \"%s\")", path);
#endif
}

int cmd_localnet(struct settings *s, int argc, char **argv)
{
    char *path = child_helper(HELPER), name[] = HELPER;
    struct err err = ERR_INIT;

    (void)s; /* it reads them again */
    (void)argc;
    argv[0] = name;
    execv(path, argv);
    if (errno == ENOENT)
        set_missing(&err, path);
    else
        err_errno(&err, ERR_FATAL, "cannot run \"%s\"", path);
    free(path);
    return cmd_fail(&err);
}
