/*
 * apus export: the answers of a checkpoint as lines of the OpenAI Batch API.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/output.h"
#include "base/settings.h"
#include "cmd/answers_out.h"
#include "cmd/cmd.h"
#include "cmd/keep.h"
#include "cmd/named.h"
#include "cmd/part.h"
#include "spool/spool.h"
#include "store/export.h"
#include "store/part_file.h"
#include "store/seal.h"

static int put_line(void *self, const char *line, size_t n, struct err *err)
{
    return file_out_put(self, line, n, err);
}

static int export_file(const char *path, const struct spool *spool,
                       bool trust, export_fn *put, void *self,
                       struct export_counts *n, struct err *err)
{
    struct part_file *f;
    int rc = part_open(&f, spool, path, trust, err);

    if (rc)
        return rc;
    rc = export_part(f, part_lines_before(path), put, self, n, err);
    part_file_close(f);
    return rc;
}

static int export_one(const char *what, const struct settings *s, bool trust,
                      export_fn *put, void *self, struct export_counts *n,
                      struct err *err)
{
    struct spool *spool = NULL;
    int rc;

    if (trust)
        return export_file(what, NULL, trust, put, self, n, err);
    if (spool_open_there(&spool, settings_text(s, "spool"), err))
        return -1;
    rc = export_file(what, spool, trust, put, self, n, err);
    spool_close(spool);
    return rc;
}

/* A batch, or those of a file. */
static int export_named(const char *what, const char *output, bool partial,
                        const struct settings *s, struct export_counts *sum,
                        struct err *err)
{
    struct spool *spool;
    int rc = -1;

    if (spool_open_there(&spool, settings_text(s, "spool"), err))
        return -1;
    /* one whose worker ends meanwhile is in another place then */
    for (int tries = 0; rc && tries < (partial ? 2 : 1); tries++) {
        struct named named = { .n = 0 };

        rc = named_find(&named, spool, what, NULL, err);
        if (rc == 0)
            rc = answers_write(&named, output, partial, sum, err);
        named_clear(&named);
        if (output_is_stdout(output))
            break;
    }
    spool_close(spool);
    return rc;
}

/* An exit status, or -1. */
static int do_export(const char *what, const char *output,
                     const struct settings *s, bool trust, bool partial,
                     struct err *err)
{
    struct export_counts sum = { .damage = ERR_INIT };
    struct file_out *out = NULL;
    int rc;

    if (!part_is_file(what)) {
        if (export_named(what, output, partial, s, &sum, err))
            return -1;
    } else {
        if (output_open(&out, output, err))
            return err_prefix(err, "output");
        rc = export_one(what, s, trust, put_line, out, &sum, err);
        if (rc)
            file_out_abort(out);
        if (rc)
            return -1;
        if (keep_commit(out, partial, err))
            return err_prefix(err, "output");
    }
    answers_report(&sum, output);
    return sum.damage.code ? CMD_NO : CMD_DONE;
}

struct export_options {
    const char *output;
    bool trust, partial;
};

static const struct opt export_opts[] = {
    { 'o', "output", "OUT.jsonl", "where the answers go; default:"
      " standard output", offsetof(struct export_options, output) },
    { 0, "partial", NULL, "of a batch that is not done: the answers that"
      " there are", offsetof(struct export_options, partial) },
    { 0, "trust", NULL, "open a file that was not made in this spool",
      offsetof(struct export_options, trust) },
    { .name = NULL }
};

static const struct opt_command export_command = {
    .name = "apus export",
    .synopsis = "BATCH|FILE|FILE.h5 [-o OUT.jsonl] [--partial]"
                " [--trust]",
    .about = "Write the answers of a batch, of a file that is answered,"
             " or of one part of a\ncheckpoint, in the form of the OpenAI"
             " Batch API.",
    .opts = export_opts, .min_args = 1, .max_args = 1,
};

int cmd_export(struct settings *s, int argc, char **argv)
{
    struct export_options opt = { .output = "-" };
    const char *args[1] = { NULL };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&export_command, s, argc, argv, &opt, args, &n_args);

    if (status == CMD_GO && keep_not_input("export", args[0], opt.output, &err))
        status = cmd_misused(&err);
    if (status == CMD_GO)
        status =
            do_export(args[0], opt.output, s, opt.trust, opt.partial, &err);
    if (status < 0)
        status = cmd_fail(&err);
    return status;
}
