/*
 * apus settings: every setting, its value, and where that comes from, or as a
 * file.
 */
#include <config.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"

#define OUT_MAX (1u << 20)

struct settings_options {
    bool conf;
};

static const struct opt settings_opts[] = {
    { 0, "conf", NULL,
      "print a file that can be read back, for ~/.config/apus/apus.conf or"
      " /etc/apus/apus.conf",
      offsetof(struct settings_options, conf) },
    { .name = NULL }
};

static const struct opt_command settings_command = {
    .name = "apus settings",
    .synopsis = "[--conf] [--NAME VALUE ...]",
    .about = "Print each setting as `name = value`, with where the value"
             " comes from: default,\n"
             "a file, the environment (APUS_NAME) or a flag of this"
             " command.",
    .opts = settings_opts,
};

int cmd_settings(struct settings *s, int argc, char **argv)
{
    struct settings_options opt = { .conf = false };
    struct buf out;
    size_t n_args;
    int status =
        cmd_begin(&settings_command, s, argc, argv, &opt, NULL, &n_args);

    if (status != CMD_GO)
        return status;
    buf_init(&out, OUT_MAX);
    if (opt.conf)
        settings_print_file(s, &out);
    else
        settings_print(s, &out);
    if (out.len)
        fwrite(out.data, 1, out.len, stdout);
    buf_clear(&out);
    return CMD_DONE;
}
