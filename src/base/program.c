/*
 * The table of settings, and log level and umask.
 */
#include <config.h>

#include "base/program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "base/settings.h"

const struct setting program_settings[] = {
    { "models", "path", "~/.local/share/apus/models",
      "directory of the model store" },
    { "spool", "path", "~/.local/share/apus/spool",
      "directory of the batches" },
    { "launcher", "auto|local|slurm", "auto",
      "where apus submit starts workers; auto: Slurm where there is one" },
    { "sbatch", "text", "",
      "further options for sbatch, such as -p gpu -t 4:00:00" },
    { "ranks", "count", "0",
      "processes on one machine (0: one a core), or tasks on a node of Slurm"
      " (0: one)" },
    { "batch", "count", "16", "sequences in flight on a rank, at least 1" },
    { "kernel", "auto|reference", "auto",
      "which arithmetic; the answers are the same" },
    { "kv-memory", "size", "0",
      "ceiling for the KV cache of a rank; 0: a quarter of the machine's"
      " memory for all of them" },
    { "tensors", "none|last", "last",
      "what a checkpoint has beside the answers; last: the last hidden row" },
    { "part-size", "size", "8G",
      "contents of a part of a checkpoint, at least 1M" },
    { "rank-timeout", "count", "60",
      "seconds of silence after which a rank is lost" },
    { "log-level", "error|warning|info|debug", "info",
      "what is told on standard error" },
    { "umask", "text", "077", "mode bits that new files do not get, octal" },
    { NULL, NULL, NULL, NULL }
};

static int set_umask(const char *text, struct err *err)
{
    size_t n = strspn(text, "01234567");

    if (n < 1 || n > 4 || text[n] || strtoul(text, NULL, 8) > 0777)
        return err_set(err, ERR_INPUT,
                       "umask = \"%s\": octal digits such as 077 expected",
                       text);
    umask((mode_t)strtoul(text, NULL, 8));
    return 0;
}

int program_apply(const struct settings *s, const char *name,
                  struct err *err)
{
    enum log_level level = LOG_LEVEL_INFO;

    log_level_parse(settings_text(s, "log-level"), &level);
    log_init(name, level);
    return set_umask(settings_text(s, "umask"), err);
}
