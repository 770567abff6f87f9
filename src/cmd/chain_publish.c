/*
 * apus chain publish: a module as an item on Arweave, with the tags by which
 * compute units know it.
 */
#include <config.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "arweave/key.h"
#include "arweave/wallet.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/chain_cmd.h"
#include "cmd/cmd.h"
#include "push/model_publish.h"

/* What the loader of a unit makes of it (doc/onchain.md). */
static const struct {
    const char *in_name, *format;
} formats[] = {
    { "plain", "wasm32-unknown-emscripten-metering" },
    { "simd", "wasm32-unknown-emscripten4" },
};
#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

struct chain_publish_options {
    const char *format;
    bool no_drive, yes;
};

static const char *format_of(const char *path)
{
    const char *name = strrchr(path, '/');

    for (size_t i = 0; i < N_FORMATS; i++)
        if (strstr(name ? name : path, formats[i].in_name))
            return formats[i].format;
    return NULL;
}

static int sign(struct model_publish *p, const struct settings *s,
                const char *path, const struct chain_publish_options *o,
                const struct key *k, struct err *err)
{
    const struct item_text_tag tag[] = {
        { "Data-Protocol", "ao" },
        { "Variant", "ao.TN.1" },
        { "Type", "Module" },
        { "Module-Format", o->format },
        { "Input-Encoding", "JSON-V1" },
        { "Output-Encoding", "JSON-V1" },
        { "Memory-Limit", "1-gb" },
        { "Compute-Limit", "9000000000000" },
        { "Content-Type", "application/wasm" },
        { "Extension", "WeaveDrive" }, /* the last */
    };
    size_t n = sizeof(tag) / sizeof(tag[0]) - (o->no_drive ? 1 : 0);

    return model_publish_module(p, settings_text(s, "models"), path, tag, n, k,
                                err);
}

static int publish(struct settings *s, const char *path,
                   const struct chain_publish_options *o, struct err *err)
{
    struct model_publish p;
    struct key *k = NULL;
    char *wallet = NULL;
    int rc;

    model_publish_init(&p);
    rc = wallet_path(&wallet, s, err) || key_load(&k, wallet, err) ||
                 sign(&p, s, path, o, k, err)
             ? -1
             : 0;
    cmd_catch_signals();
    if (rc == 0)
        rc = cmd_publish_send(s, &p, k, o->yes, err);
    if (rc == 0) {
        log_info("in your apus.conf: ao-module = %s", id_text(p.id).s);
        printf("%s\n", id_text(p.id).s);
    }
    model_publish_clear(&p);
    key_free(k);
    free(wallet);
    return rc;
}

static const struct opt chain_publish_opts[] = {
    { 0, "format", "FORMAT", "its Module-Format; default: by \"plain\" or"
      " \"simd\" in the name of the file",
      offsetof(struct chain_publish_options, format) },
    { 0, "no-weavedrive", NULL, "leave the tag Extension out: units that have"
      " no WeaveDrive refuse it, and a module with a model inside needs none",
      offsetof(struct chain_publish_options, no_drive) },
    { 'y', "yes", NULL, "pay what it costs, up to max-winc",
      offsetof(struct chain_publish_options, yes) },
    { .name = NULL }
};

static const struct opt_command chain_publish_command = {
    .name = "apus chain publish",
    .synopsis = "FILE.wasm [--format FORMAT] [--no-weavedrive] [--yes]",
    .about = "Publish a module on Arweave, signed with the wallet, and print"
             " its id, which\nthe setting ao-module takes.  Run it again to go"
             " on after an interruption:\nnothing is paid twice.  A model is"
             " published by apus model publish --attest.",
    .opts = chain_publish_opts, .min_args = 1, .max_args = 1,
};

int chain_publish(struct settings *s, int argc, char **argv)
{
    struct chain_publish_options o = { .format = NULL };
    const char *args[1] = { NULL };
    struct err err = ERR_INIT;
    size_t n;
    int status = cmd_begin(&chain_publish_command, s, argc, argv, &o, args,
                           &n);

    if (status != CMD_GO)
        return status;
    if (!o.format)
        o.format = format_of(args[0]);
    if (!o.format) {
        err_set(&err, ERR_INPUT, "\"%s\": neither plain nor simd by its name:"
                " say --format", args[0]);
        return cmd_misused(&err);
    }
    return publish(s, args[0], &o, &err) ? cmd_fail_retry(&err) : CMD_DONE;
}
