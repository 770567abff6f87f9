/*
 * Workers in the background.
 */
#include <config.h>

#include "node/start.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/plural.h"
#include "base/settings.h"
#include "base/split.h"
#include "jobs/launcher.h"
#include "jobs/plan.h"
#include "node/work.h"
#include "spool/no_gpu.h"
#include "spool/spool.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)
#define GRES_SIZE 32

/* Return whether the next word may be the value of this one. */
static bool may_take_value(const char *word)
{
    if (word[0] != '-' || !word[1])
        return false;
    return word[1] == '-' ? !strchr(word, '=') : !word[2];
}

/* Reject words that sbatch would take for the script, or run in its place. */
static int check_words(char *const *words, struct err *err)
{
    for (size_t i = 0; words[i]; i++) {
        const char *w = words[i];

        if (i > 0 && w[0] != '-' && may_take_value(words[i - 1]))
            continue;
        if (strcmp(w, "--") == 0 || strncmp(w, "--wrap", 6) == 0)
            return err_set(err, ERR_INPUT, "sbatch: \"%s\" would run something"
                           " else than apus-batch.sh", w);
        if (w[0] != '-' || !w[1])
            return err_set(err, ERR_INPUT, "sbatch: \"%s\" is not an option,"
                           " and Slurm would take it for the script: put a"
                           " value with blanks in quotes", w);
    }
    return 0;
}

static bool is_option(const char *word, const char *name)
{
    size_t n = strlen(name);

    return strncmp(word, name, n) == 0 && (!word[n] || word[n] == '=');
}

/* The first word by which somebody said himself what --gpus says, or NULL.  Of
 * two --gres Slurm obeys one, whatever they are for. */
static const char *asks_for_gpus(char *const *words)
{
    static const char *const own[] = { "--gres", "--gpus", "--gpus-per-node",
        "--gpus-per-socket", "--gpus-per-task", "--ntasks-per-gpu",
        "--ntasks-per-node", NULL };

    for (size_t i = 0; words[i]; i++) {
        if (strncmp(words[i], "-G", 2) == 0)
            return words[i];
        for (size_t k = 0; own[k]; k++)
            if (is_option(words[i], own[k]))
                return words[i];
    }
    return NULL;
}

/* .. and the first variable by which sbatch would hear it from the environment;
 * a site may set them for all. */
static const char *environment_asks(void)
{
    static const char *const own[] = { "SBATCH_GRES", "SBATCH_GPUS",
        "SBATCH_GPUS_PER_NODE", "SBATCH_GPUS_PER_SOCKET",
        "SBATCH_GPUS_PER_TASK", "SBATCH_NTASKS_PER_GPU",
        "SBATCH_TRES_PER_TASK", NULL };

    for (size_t k = 0; own[k]; k++) {
        const char *value = getenv(own[k]);

        if (value && *value)
            return own[k];
    }
    return NULL;
}

int start_gpus(struct start *s, unsigned n, struct err *err)
{
    const char *word = asks_for_gpus(s->words), *name = environment_asks();
    uint64_t ranks = settings_count(s->settings, "ranks");
    uint64_t tp = settings_count(s->settings, "tp");
    bool shares = strcmp(settings_text(s->settings, "share-gpu"), "yes") == 0;

    if (word)
        return err_set(err, ERR_INPUT, "--gpus %u with sbatch \"%s\": --gpus"
                       " asks for GPUs and for a rank each by --gres and"
                       " --ntasks-per-node; leave one of them out (without"
                       " --gpus: --kernel cuda)", n, word);
    if (name)
        return err_set(err, ERR_INPUT, "--gpus %u with %s=%s in the"
                       " environment: --gpus asks for GPUs and for a rank each"
                       " by --gres and --ntasks-per-node; unset it, or leave"
                       " --gpus out (--kernel cuda)", n, name, getenv(name));
    if (settings_from_flag(s->settings, "ranks") && ranks && ranks != n &&
        !(shares && ranks > n))
        return err_set(err, ERR_INPUT, "--gpus %u with --ranks %" PRIu64 ":"
                       " each rank has a GPU of its own; leave --ranks out"
                       " (more ranks than GPUs need share-gpu = yes)", n,
                       ranks);
    if (!settings_from_flag(s->settings, "ranks") || !ranks)
        ranks = n;
    if (ranks * (s->nodes ? s->nodes : 1) % tp != 0 && ranks != n)
        return err_set(err, ERR_INPUT, "--ranks %" PRIu64 " with tp = %" PRIu64
                       ": a group has that many ranks; give a multiple of it",
                       ranks, tp);
    if (ranks * (s->nodes ? s->nodes : 1) % tp != 0)
        return err_set(err, ERR_INPUT, "--gpus %u with tp = %" PRIu64 ": each"
                       " rank of a group has a GPU; ask for as many as a"
                       " multiple of it", n, tp);
    s->gpus = n;
    return 0;
}

int start_init(struct start *s, struct settings *settings,
               const struct spool *spool, struct err *err)
{
    memset(s, 0, sizeof(*s));
    s->settings = settings;
    s->spool = spool;
    if (split_words(&s->words, settings_text(settings, "sbatch"), err) ||
        check_words(s->words, err))
        return -1;
    return launcher_choose(&s->launcher, settings_text(settings, "launcher"),
                           err);
}

void start_clear(struct start *s)
{
    split_free(s->words);
    s->words = NULL;
}

static int show(const struct start *s, const struct launch *l)
{
    struct buf line;

    buf_init(&line, LINE_MAX_BYTES);
    s->launcher->show(l, &line);
    s->print(line.len ? line.data : "");
    buf_clear(&line);
    return 0;
}

/* Ranks of a node that were asked for, or 0.  Those in a file of settings are
 * of CPUs, and no wish of whoever asks for GPUs. */
static unsigned ranks_asked(const struct start *s)
{
    if (s->gpus && !settings_from_flag(s->settings, "ranks"))
        return 0;
    return (unsigned)settings_count(s->settings, "ranks");
}

/* Return whether only a number of nodes was requested: the job then plans its
 * ranks from all resources of the nodes. */
static bool wants_whole_nodes(const struct start *s)
{
    static const char *const own[] = { "--exclusive", "--oversubscribe",
        "--share", "--ntasks", "--cpus-per-task", "-s", "-n", "-c", NULL };

    if (!s->nodes || ranks_asked(s) ||
        strcmp(settings_text(s->settings, "exclusive"), "yes") != 0)
        return false;
    for (size_t i = 0; s->words[i]; i++)
        for (size_t k = 0; own[k]; k++)
            if (strncmp(s->words[i], own[k], strlen(own[k])) == 0)
                return false;
    return true;
}

/* Tasks to ask Slurm for on each node, 0: what fits; the job plans its ranks of
 * whole nodes alone. */
static unsigned tasks_per_node(const struct start *s)
{
    unsigned tp = (unsigned)settings_count(s->settings, "tp");
    unsigned asked = ranks_asked(s);

    if (!asked && s->gpus && !wants_whole_nodes(s))
        return s->gpus;
    if (tp <= 1 || (!asked && s->nodes))
        return asked;
    return (unsigned)plan_whole_groups(asked, s->nodes, tp);
}

static void report_start(const struct start *s, const struct launch *l,
                         const char *job)
{
    char *line = xasprintf("%s\t%s\t%s", l->batch, s->launcher->name, job);

    if (s->print)
        s->print(line);
    else
        log_info("batch %s: %s job %s", l->batch, s->launcher->name, job);
    free(line);
}

/* Whether a person chose hosts: then we do not. */
static bool chooses_hosts(char *const *words)
{
    static const char *const own[] = { "--exclude=", "--nodelist", "--nodefile",
        "-x", "-w", "-F", NULL };

    for (size_t i = 0; words[i]; i++)
        for (size_t k = 0; own[k]; k++)
            if (strncmp(words[i], own[k], strlen(own[k])) == 0 ||
                strcmp(words[i], "--exclude") == 0)
                return true;
    return false;
}

/* Whether one of the words of the setting begins so. */
static bool has_word(const struct start *s, const char *begin)
{
    for (size_t i = 0; s->words[i]; i++)
        if (strncmp(s->words[i], begin, strlen(begin)) == 0)
            return true;
    return false;
}

/* The words that ask for GPUs, of which there are at most two: two cores a
 * rank, one for the steps and one for what is recorded, unless somebody said
 * how many, or the job has all of its nodes. */
static size_t gpu_words(const struct start *s, const char **out,
                        char gres[GRES_SIZE])
{
    size_t n = 0;

    if (!s->gpus)
        return 0;
    snprintf(gres, GRES_SIZE, "--gres=gpu:%u", s->gpus);
    out[n++] = gres;
    if (!has_word(s, "-c") && !has_word(s, "--cpus-per-task") &&
        !has_word(s, "--cpus-per-gpu") && !getenv("SBATCH_CPUS_PER_GPU") &&
        !wants_whole_nodes(s))
        out[n++] = "--cpus-per-task=2";
    return n;
}

/* Words for sbatch: those of the setting, GPUs that were asked for, and the
 * hosts where a rank that was promised a GPU could use none, which come last.
 * The caller frees the list and *own. */
static const char **words_of(const struct start *s, const char *spool,
                             char gres[GRES_SIZE], char **own)
{
    const char *kernel = settings_text(s->settings, "kernel");
    const char **all;
    char *hosts = NULL;
    size_t n = 0;

    *own = NULL;
    while (s->words[n])
        n++;
    all = xcalloc(n + 4, sizeof(*all));
    memcpy(all, s->words, n * sizeof(*all));
    n += gpu_words(s, all + n, gres);
    if (strcmp(s->launcher->name, "slurm") == 0 && !chooses_hosts(s->words) &&
        (strcmp(kernel, "auto") == 0 || strcmp(kernel, "cuda") == 0))
        hosts = no_gpu_hosts(spool);
    if (!hosts)
        return all;
    log_info("leaving out %s, where no GPU could be used: \"%s/log/no-gpu\"",
             hosts, spool);
    all[n] = *own = xasprintf("--exclude=%s", hosts);
    free(hosts);
    return all;
}

/* Slurm names neither what it lacks nor what to do. */
static int submit_once(const struct start *s, struct launch *l,
                       char id[LAUNCH_ID_SIZE], struct err *err)
{
    struct err why = ERR_INIT;

    if (s->launcher->submit(l, id, &why) == 0)
        return 0;
    if (!s->gpus || why.code != ERR_INPUT)
        return err_copy(err, &why);
    return err_set(err, ERR_INPUT, "%s: does a node of this partition have %u"
                   " GPU%s (sinfo -o '%%P %%G')?  --sbatch '-p NAME' takes"
                   " another one, without --gpus the CPU computes", why.text,
                   s->gpus, plural_s(s->gpus));
}

/* Start it; if that is refused, then without hosts left out, which may be all
 * that there are. */
static int submit(const struct start *s, struct launch *l, const char **words,
                  const char *own, char id[LAUNCH_ID_SIZE], struct err *err)
{
    struct err why = ERR_INIT;
    size_t n = 0;

    if (!own)
        return submit_once(s, l, id, err);
    if (s->launcher->submit(l, id, &why) == 0)
        return 0;
    if (why.code != ERR_INPUT)
        return err_set(err, why.code, "%s", why.text);
    log_info("again without %s: %s", own, why.text);
    while (words[n] && words[n] != own)
        n++;
    words[n] = NULL;
    return submit_once(s, l, id, err);
}

int start_batch(const struct start *s, const struct batch *b,
                const struct batch_info *info, const char *model_path,
                struct err *err)
{
    struct work_options o = {
        .settings = s->settings, .model_path = model_path
    };
    const char *spool = s->spool ? spool_dir(s->spool)
                                 : settings_text(s->settings, "spool");
    struct launch l;
    char id[LAUNCH_ID_SIZE], gres[GRES_SIZE], *log, *own;
    const char **words;
    int rc;

    if (work_check_batch(s->settings, info, model_path, err))
        return -1;
    words = words_of(s, spool, gres, &own);
    work_launch(&l, b, &o);
    l.ranks = strcmp(s->launcher->name, "local") == 0
                  ? work_ranks(s->settings, info, model_path)
                  : tasks_per_node(s);
    log = xasprintf("%s/log/%s.log", spool, l.batch);
    l.log = log;
    l.spool = s->spool ? spool_inode(s->spool) : 0;
    l.nodes = s->nodes;
    l.whole_nodes = wants_whole_nodes(s);
    l.options = words;
    if (s->dry_run) {
        rc = show(s, &l);
    } else {
        rc = submit(s, &l, words, own, id, err);
        if (rc == 0)
            report_start(s, &l, id);
        if (rc == 0 && !s->many)
            log_info("its messages go to \"%s\"", log);
    }
    free(log);
    free(own);
    free(words);
    work_launch_clear(&l);
    return rc;
}
