/*
 * apus chain build: contrib/ao/module/build, which the sources of apus have.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/chain_cmd.h"
#include "cmd/cmd.h"
#include "model/models.h"

#define SCRIPT "contrib/ao/module/build"
#define MODEL_MAX ((uint64_t)64 << 20) /* inside of a module */

struct chain_build_options {
    const char *model, *source, *out;
    bool plain;
};

/* The model file that is put inside. */
static int find_model(char **path, const struct settings *s, const char *what,
                      struct err *err)
{
    uint64_t n;
    int rc;

    if (models_resolve(path, settings_text(s, "models"), what, log_line, err))
        return -1;
    rc = file_size(*path, &n, err);
    if (rc == 0 && n > MODEL_MAX)
        rc = err_set(err, ERR_INPUT, "\"%s\" has %" PRIu64 " bytes, and a"
                     " module has room for %" PRIu64 ": publish it (apus model"
                     " publish --attest), and let the process load it", what,
                     n, MODEL_MAX);
    if (rc) {
        free(*path);
        *path = NULL;
    }
    return rc;
}

static int find_script(char **script, const char *source, struct err *err)
{
    *script = file_join(source, SCRIPT);
    if (file_exists(*script))
        return 0;
    err_set(err, ERR_INPUT, "there is no \"%s\": a module is built from the"
            " sources of apus, by emscripten; name their directory with"
            " --source", *script);
    free(*script);
    return -1;
}

/* Returns only if it cannot be run. */
static int run_script(const struct chain_build_options *o, const char *script,
                      const char *model, struct err *err)
{
    const char *name = model ? o->plain ? "apus-plain-model" : "apus-simd-model"
                             : o->plain ? "apus-plain" : "apus-simd";

    if ((model && setenv("MODEL", model, 1)) || (!model && unsetenv("MODEL")))
        return err_errno(err, ERR_FATAL, "cannot set MODEL");
    execlp("sh", "sh", script, o->out, name, (char *)NULL);
    return err_errno(err, ERR_FATAL, "cannot run \"%s\"", script);
}

static const struct opt chain_build_opts[] = {
    { 'm', "model", "MODEL", "a model of the store, or a file, that goes"
      " inside", offsetof(struct chain_build_options, model) },
    { 0, "plain", NULL, "for formats that meter instructions; default: SIMD,"
      " for those that do not", offsetof(struct chain_build_options, plain) },
    { 0, "source", "DIR", "the sources of apus; default: this directory",
      offsetof(struct chain_build_options, source) },
    { 'o', "output", "DIR", "where it goes; default: module",
      offsetof(struct chain_build_options, out) },
    { .name = NULL }
};

static const struct opt_command chain_build_command = {
    .name = "apus chain build",
    .synopsis = "[-m MODEL] [--plain] [--source DIR] [-o DIR]",
    .about = "Build a module of AO with the engine in it, from the sources of"
             " apus; it takes\nDebian's emscripten and node.  A model of at"
             " most 64 MiB can be inside.\nExit status 3: something that it"
             " takes is not here.",
    .opts = chain_build_opts,
};

int chain_build(struct settings *s, int argc, char **argv)
{
    struct chain_build_options o = { .source = ".", .out = "module" };
    char *model = NULL, *script = NULL;
    struct err err = ERR_INIT;
    size_t n;
    int status = cmd_begin(&chain_build_command, s, argc, argv, &o, NULL, &n);

    if (status != CMD_GO)
        return status;
    if (find_script(&script, o.source, &err) == 0) {
        if (!o.model || find_model(&model, s, o.model, &err) == 0)
            run_script(&o, script, model, &err);
        free(model);
        free(script);
    }
    return cmd_fail(&err);
}
