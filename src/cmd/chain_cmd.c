/*
 * apus chain: processes of AO that answer by themselves (doc/onchain.md).
 */
#include <config.h>

#include "cmd/chain_cmd.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/settings.h"
#include "cmd/cmd.h"

char *chain_kept(const struct settings *s, struct id request,
                 const char *suffix)
{
    char *name = xasprintf("%s.%s", id_text(request).s, suffix);
    char *path = file_join(settings_text(s, "requests"), name);

    free(name);
    return path;
}

const struct command cmd_chain_verbs[] = {
    { "build", "build a module with the engine in it", .run = chain_build },
    { "publish", "publish a module on Arweave", .run = chain_publish },
    { "new", "make a process that answers by itself", .run = chain_new },
    { "ask", "ask it, read the answer", .run = chain_ask },
    { "verify", "compute its answer again", .run = chain_verify },
    { .name = NULL },
};
