/*
 * apus run: answer the requests of a file in one process.  The lines in
 * flight are a window on the file: they are read, computed and written in its
 * order, and only the window is in memory.
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/progress.h"
#include "store/lines.h"
#include "cmd/run_line.h"
#include "engine/model.h"
#include "engine/models.h"
#include "kernels/kernels.h"

#define MAX_BATCH 65536
#define HELD_MAX ((size_t)64 << 20) /* lines that wait for one before them */
#define SUFFIX ".jsonl"
#define SUFFIX_OUT ".out.jsonl"

struct run {
    struct settings *settings;
    const char *in_path, *out_path, *model_name;
    char *default_out;
    bool quiet;

    const struct x1_kernels *kernels;
    struct prompt_model model;
    struct engine *engine;
    struct lines *in;
    struct file_out *out;

    struct run_line *first, *last; /* the window */
    size_t held;                   /* its bytes, roughly */
    bool all_read;
    uint64_t answered, refused, tokens;
    struct progress progress;
};

/* ---- the steps before the first answer ---------------------------------- */

/* What can be known of the files without reading them. */
static int check_files(struct run *r, struct err *err)
{
    struct file_out *probe;
    struct stat st;
    uint64_t size;

    if (file_size(r->in_path, &size, err))
        return -1;
    /* the rename at the end would put a file in the place of a device */
    if (stat(r->out_path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "output \"%s\" is not a regular file",
                       r->out_path);
    if (file_out_open(&probe, r->out_path, err))
        return err_prefix(err, "output");
    file_out_abort(probe);
    return 0;
}

static int choose_kernels(struct run *r, struct err *err)
{
    const char *name = settings_text(r->settings, "kernel");
    char why[256];

    x1_thread_init();
    r->kernels = x1_find(name);
    if (!r->kernels)
        return err_set(err, ERR_INPUT, "no kernel \"%s\" in this build",
                       name);
    if (x1_selftest(r->kernels, why, sizeof(why)))
        return err_set(err, ERR_FATAL, "kernel \"%s\" fails its test: %s",
                       r->kernels->name, why);
    return 0;
}

static void say(const char *line)
{
    log_info("%s", line);
}

static int open_model(struct run *r, struct err *err)
{
    struct model *m;

    if (models_open(&m, settings_text(r->settings, "models"), r->model_name,
                    say, err) ||
        prompt_model_init(&r->model, m, err))
        return -1;
    if (r->model.no_chat.code)
        log_warning("chat requests are refused: %s", r->model.no_chat.text);
    return 0;
}

static int open_input(struct run *r, struct err *err)
{
    if (lines_open(&r->in, r->in_path, err))
        return -1;
    log_info("%" PRIu64 " requests, model %s, kernel %s",
             lines_count(r->in), r->model.id, r->kernels->name);
    return 0;
}

static void take_answer(void *self, const struct answer *a)
{
    struct run *r = self;
    struct run_line *l = run_line_answer(&r->model, a);

    if (l->done)
        r->held += l->out.len;
}

static void count_token(void *self, void *user, uint32_t position,
                        const struct drawn *d)
{
    struct run *r = self;

    (void)user;
    (void)position;
    (void)d;
    r->tokens++;
}

static uint64_t kv_ceiling(const struct settings *s)
{
    uint64_t n = settings_count(s, "kv-memory");
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGE_SIZE);

    if (n || pages < 0 || size < 0)
        return n;
    return (uint64_t)pages * (uint64_t)size / 4;
}

static int start_engine(struct run *r, struct err *err)
{
    struct observer obs = {
        .self = r, .token = count_token, .finished = take_answer
    };
    struct engine_options o = {
        .max_sequences = settings_count(r->settings, "batch"),
        .kv_bytes = kv_ceiling(r->settings),
    };

    return engine_new(&r->engine, r->model.model, r->kernels,
                      r->model.tokenizer, &o, &obs, err);
}

/* From here on there is something to tidy up. */
static int open_output(struct run *r, struct err *err)
{
    cmd_catch_signals();
    return file_out_open(&r->out, r->out_path, err);
}

/* ---- answering ----------------------------------------------------------- */

/* Put the next line of the file into the window. */
static int read_line(struct run *r, struct err *err)
{
    struct run_line *l;
    unsigned char id[32];
    const char *text;
    size_t n;

    if (lines_next(r->in, &text, &n, err))
        return -1;
    r->all_read = !text;
    if (!text)
        return 0;
    lines_id(r->in, id);
    if (run_line_new(&l, &r->model, id, text, n, err))
        return -1;
    if (r->last)
        r->last->next = l;
    else
        r->first = l;
    r->last = l;
    r->held += sizeof(*l) + l->out.len;
    return 0;
}

/* Give the engine sequences until it is full or the window is. */
static int feed(struct run *r, struct err *err)
{
    struct sequence s;

    while (engine_room(r->engine) > 0) {
        if (r->last && run_line_sequence(r->last, &s)) {
            if (engine_add(r->engine, &s, err))
                return -1;
            continue;
        }
        if (r->all_read || r->held > HELD_MAX)
            break;
        if (read_line(r, err))
            return -1;
    }
    return 0;
}

/* Write the lines that are done and have none before them that is not. */
static int write_lines(struct run *r, struct err *err)
{
    while (r->first && r->first->done) {
        struct run_line *l = r->first;

        if (buf_check(&l->out, "an answer", err) ||
            file_out_put(r->out, l->out.data, l->out.len, err))
            return -1;
        r->held -= sizeof(*l) + l->out.len;
        if (l->refused)
            r->refused++;
        else
            r->answered++;
        r->first = l->next;
        if (!r->first)
            r->last = NULL;
        run_line_free(l);
    }
    return 0;
}

static int answer_lines(struct run *r, struct err *err)
{
    bool busy;

    progress_init(&r->progress, lines_count(r->in), r->quiet);
    while (!r->all_read || r->first) {
        if (feed(r, err) || engine_step(r->engine, &busy, err) ||
            write_lines(r, err))
            return -1;
        if (cmd_interrupted())
            return err_set(err, ERR_RETRY,
                           "interrupted: there is no output");
        progress_show(&r->progress, r->answered + r->refused, r->tokens);
    }
    return 0;
}

static int close_output(struct run *r, struct err *err)
{
    struct file_out *out = r->out;

    r->out = NULL;
    return file_out_commit(out, err);
}

/* ---- the command --------------------------------------------------------- */

static int do_run(struct run *r, struct err *err)
{
    if (check_files(r, err) ||
        choose_kernels(r, err) ||
        open_model(r, err) ||
        open_input(r, err) ||
        start_engine(r, err) ||
        open_output(r, err) ||
        answer_lines(r, err) ||
        close_output(r, err))
        return -1;
    progress_end(&r->progress, r->answered, r->refused, r->tokens);
    return 0;
}

static void run_clear(struct run *r)
{
    engine_free(r->engine); /* first: it borrows from the lines */
    while (r->first) {
        struct run_line *l = r->first;

        r->first = l->next;
        run_line_free(l);
    }
    file_out_abort(r->out);
    lines_close(r->in);
    prompt_model_clear(&r->model);
    free(r->default_out);
}

/* FILE.jsonl gives FILE.out.jsonl. */
static char *output_name(const char *in)
{
    size_t n = strlen(in), suffix = strlen(SUFFIX);

    if (n > suffix && strcmp(in + n - suffix, SUFFIX) == 0)
        n -= suffix;
    return xasprintf("%.*s%s", (int)n, in, SUFFIX_OUT);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat sa, sb;

    return stat(a, &sa) == 0 && stat(b, &sb) == 0 &&
           sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* What is wrong with the command line itself. */
static int check_use(struct run *r, struct err *err)
{
    uint64_t batch = settings_count(r->settings, "batch");

    if (!r->model_name)
        return err_set(err, ERR_INPUT,
                       "apus run: no model, give one with -m (see apus model"
                       " --help)");
    if (batch < 1 || batch > MAX_BATCH)
        return err_set(err, ERR_INPUT, "apus run: batch = %" PRIu64
                       ": 1 to %d expected", batch, MAX_BATCH);
    if (is_same_file(r->in_path, r->out_path))
        return err_set(err, ERR_INPUT,
                       "apus run: \"%s\" is input and output, name another"
                       " with -o", r->out_path);
    return 0;
}

int cmd_run(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct run r = { .settings = s };
    const struct opt opts[] = {
        { 'm', "model", "MODEL", "name, id, model file or Hugging Face"
          " directory", &r.model_name, NULL },
        { 'o', "output", "OUT.jsonl", "where the answers go; default:"
          " FILE.out.jsonl", &r.out_path, NULL },
        { 'q', "quiet", NULL, "show no progress, only what goes wrong",
          NULL, &r.quiet },
        { 0, NULL, NULL, NULL, NULL, NULL }
    };
    const struct opt_command command = {
        .name = "apus run",
        .synopsis = "FILE.jsonl -m MODEL [-o OUT.jsonl] [-q] [--batch N]",
        .about = "Answer the requests of a file in the form of the OpenAI"
                 " Batch API, in their\norder, one line each.  A request that"
                 " is refused has its error in its line.",
        .opts = opts, .min_args = 1, .max_args = 1,
    };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&command, s, argc, argv, args, &n_args);

    if (status != CMD_GO)
        goto out;
    r.in_path = args[0];
    if (!r.out_path)
        r.out_path = r.default_out = output_name(r.in_path);
    if (r.quiet)
        log_init("apus", LOG_LEVEL_WARNING);
    if (check_use(&r, &err)) {
        log_err(&err);
        status = CMD_MISUSED;
        goto out;
    }
    status = CMD_DONE;
    if (do_run(&r, &err)) {
        progress_clear(&r.progress);
        status = cmd_fail(&err);
    }
out:
    run_clear(&r);
    free(args);
    return status;
}
