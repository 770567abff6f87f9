/*
 * The table of launchers, and what they share: words, names and paths.
 */
#include <config.h>

#include "jobs/launcher.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"
#include "jobs/child.h"
#include "jobs/launcher_internal.h"

#define AUTO_TIMEOUT_S 10
#define ANSWER_MAX 65536
#define PATH_BYTES 4096
#define JOB_PREFIX "apus-"
#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
                  "0123456789-_"

/* ---- words -------------------------------------------------------------- */

static void words_take(struct words *w, char *word)
{
    VEC_MORE(w->v, w->n + 1);
    w->v[w->n++] = word;
    w->v[w->n] = NULL;
}

void words_add(struct words *w, const char *word)
{
    words_take(w, xstrdup(word));
}

void words_add_all(struct words *w, const char *const *more)
{
    for (; more && *more; more++)
        words_add(w, *more);
}

void words_printf(struct words *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    words_take(w, xvasprintf(fmt, ap));
    va_end(ap);
}

void words_clear(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free((char *)w->v[i]);
    free(w->v);
    *w = (struct words){ NULL, 0 };
}

void words_quote(struct buf *out, const char *word)
{
    size_t plain = strspn(word, BASE64URL "/.,:=+@%");

    if (*word && word[plain] == '\0') {
        buf_puts(out, word);
        return;
    }
    buf_putc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            buf_puts(out, "'\\''");
        else
            buf_putc(out, *word);
    }
    buf_putc(out, '\'');
}

void words_show(struct buf *out, const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        if (i)
            buf_putc(out, ' ');
        words_quote(out, words[i]);
    }
}

/* ---- a launch ----------------------------------------------------------- */

int launch_check_batch(const char *batch, struct err *err)
{
    if (!batch || (strlen(batch) == LAUNCH_BATCH_LEN &&
                   strspn(batch, BASE64URL) == LAUNCH_BATCH_LEN))
        return 0;
    return err_set(err, ERR_INPUT, "\"%.64s\" is not a batch id: %d characters"
                   " of base64url expected", batch, LAUNCH_BATCH_LEN);
}

int launch_check(const struct launch *l, struct err *err)
{
    if (l->ranks > LAUNCH_RANKS_MAX || l->nodes > LAUNCH_RANKS_MAX)
        return err_set(err, ERR_INPUT, "%u ranks, %u nodes: more than %d",
                       l->ranks, l->nodes, LAUNCH_RANKS_MAX);
    return launch_check_batch(l->batch, err);
}

char *launch_job_name(const char *batch)
{
    return batch ? xasprintf(JOB_PREFIX "%s", batch) : xstrdup("apus");
}

void launch_set_batch(struct launch_job *j, const char *name)
{
    j->batch[0] = '\0';
    if (strncmp(name, JOB_PREFIX, strlen(JOB_PREFIX)) == 0 &&
        strlen(name) == strlen(JOB_PREFIX) + LAUNCH_BATCH_LEN &&
        launch_check_batch(name + strlen(JOB_PREFIX), NULL) == 0)
        memcpy(j->batch, name + strlen(JOB_PREFIX), LAUNCH_BATCH_LEN + 1);
}

char *launch_tag(const char *batch, uint64_t spool)
{
    return batch && spool ? xasprintf(JOB_PREFIX "%s:%" PRIu64, batch, spool)
                          : launch_job_name(batch);
}

void launch_set_spool(struct launch_job *j, const char *tag)
{
    const char *colon = strchr(tag, ':');

    j->spool = 0;
    if (colon && strncmp(tag, JOB_PREFIX, strlen(JOB_PREFIX)) == 0)
        json_u64_text(colon + 1, &j->spool);
}

bool launch_is_of(const struct launch_job *j, uint64_t spool)
{
    return !spool || !j->spool || j->spool == spool;
}

static int compare_batches(const void *a, const void *b)
{
    return strcmp(((const struct launch_job *)a)->batch,
                  ((const struct launch_job *)b)->batch);
}

const struct launch_job *launch_job_of(const struct launch_job *jobs,
                                       size_t n, const char *batch,
                                       uint64_t spool)
{
    const struct launch_job *j;
    struct launch_job key;

    snprintf(key.batch, sizeof(key.batch), "%s", batch);
    j = n ? bsearch(&key, jobs, n, sizeof(key), compare_batches) : NULL;
    while (j && j > jobs && strcmp(j[-1].batch, batch) == 0)
        j--;
    for (; j && j < jobs + n && strcmp(j->batch, batch) == 0; j++)
        if (launch_is_of(j, spool))
            return j;
    return NULL;
}

size_t launch_keep_batches(struct launch_job *jobs, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (jobs[i].batch[0])
            jobs[kept++] = jobs[i];
    if (kept > 1)
        qsort(jobs, kept, sizeof(*jobs), compare_batches);
    return kept;
}

char *launch_path(const char *dir, const char *path, int bare)
{
    char here[PATH_BYTES], *base, *out;

    if (*path == '/' || (bare && !strchr(path, '/')))
        return xstrdup(path);
    if (!getcwd(here, sizeof(here)))
        snprintf(here, sizeof(here), ".");
    base = !dir ? xstrdup(here)
         : *dir == '/' ? xstrdup(dir) : xasprintf("%s/%s", here, dir);
    out = xasprintf("%s/%s", base, path);
    free(base);
    return out;
}

int launch_make_parent(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *parent;
    int rc;

    if (!slash || slash == path)
        return 0;
    parent = xstrndup(path, (size_t)(slash - path));
    rc = file_mkdirs(parent, err);
    free(parent);
    return rc;
}

/* ---- the table ---------------------------------------------------------- */

/* Its programs may be installed where there is no Slurm: they say that they
 * know of no configuration, neither as a file nor from the name server.  One
 * that cannot be asked may have it. */
static bool is_unconfigured(const char *text)
{
    return strstr(text, "establish a configuration source") &&
           !strstr(text, "lookup failure") &&
           !file_exists("/etc/slurm/slurm.conf") &&
           !file_exists("/etc/slurm-llnl/slurm.conf");
}

/* What sinfo said last is why it ended. */
static int no_answer(const char *text, int status, struct err *err)
{
    size_t n = strlen(text), at;

    while (n > 0 && text[n - 1] == '\n')
        n--;
    for (at = n; at > 0 && text[at - 1] != '\n';)
        at--;
    return err_set(err, ERR_RETRY, "there is a Slurm here and no answer from"
                   " it: sinfo ended with status %d%s%.*s; nothing is started"
                   " on this machine instead (launcher = local would)", status,
                   n > at ? ": " : "", (int)(n - at), text + at);
}

/* Find a Slurm; FOUND_FAILED if nobody knows. */
static enum found find_slurm(struct err *err)
{
    static const char *const ask[] = { "sinfo", "-h", "-o", "%R", NULL };
    struct err e = ERR_INIT;
    unsigned s = slurm_timeout_s();
    struct buf out, errs;
    enum found found = FOUND_NONE;
    int status = 1, rc;
    char **env;

    if (s > AUTO_TIMEOUT_S)
        s = AUTO_TIMEOUT_S;
    buf_init(&out, ANSWER_MAX);
    buf_init(&errs, ANSWER_MAX);
    env = child_env_new(CHILD_ENV_JOB, NULL);
    rc = child_run(&status, &out, &errs, ask, env, 1000 * s, &e);
    child_env_free(env);
    /* ERR_INPUT: no such program */
    if (rc && e.code != ERR_INPUT)
        found = err_set(err, ERR_RETRY, "there is a Slurm here and no answer"
                        " from it: %s; nothing is started on this machine"
                        " instead (launcher = local would)", e.text);
    else if (rc == 0 && status == 0)
        found = FOUND_ONE;
    else if (rc == 0 && !is_unconfigured(errs.len ? errs.data : ""))
        found = no_answer(errs.len ? errs.data : "", status, err);
    buf_clear(&out);
    buf_clear(&errs);
    return found;
}

const struct launcher *launcher_find(const char *name)
{
    if (strcmp(name, "local") == 0)
        return &local_launcher;
    if (strcmp(name, "slurm") == 0)
        return &slurm_launcher;
    return NULL;
}

int launcher_choose(const struct launcher **out, const char *name,
                    struct err *err)
{
    const struct launcher *l = launcher_find(name);
    enum found found = FOUND_ONE;

    if (!l && strcmp(name, "auto") != 0)
        return err_set(err, ERR_INPUT, "\"%s\" is not a launcher", name);
    if (!l) {
        if (!getenv("SLURM_CONF"))
            found = find_slurm(err);
        if (found == FOUND_FAILED)
            return -1;
        l = found == FOUND_ONE ? &slurm_launcher : &local_launcher;
    }
    *out = l;
    return 0;
}
