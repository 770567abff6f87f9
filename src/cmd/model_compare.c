/*
 * apus model compare: how far a model is from another one, or from the float
 * values of a source.
 */
#include <config.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backends.h"
#include "backend/cpu/pool.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/output.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/compare_out.h"
#include "fidelity/comparison.h"
#include "fidelity/divergence.h"
#include "fidelity/float_source.h"
#include "fidelity/windows.h"
#include "model/import/formats.h"
#include "model/import/import.h"
#include "model/model.h"
#include "model/models.h"
#include "text/tokenizer.h"

#define MAX_TEXT ((size_t)64 << 20)
#define STEP_MS 10000 /* between two lines of progress */

struct model_compare_options {
    const char *text, *ids, *length, *plot;
    bool json;
};

/* What is open; all of it may be NULL. */
struct compared {
    const struct settings *settings;
    struct model *model, *reference;
    struct backend *backend, *reference_backend;
    struct float_source *source;
    struct pool *pool;
    struct windows windows;
    struct divergence d;
};

static void report_progress(void *user, const char *what, size_t done,
                            size_t of)
{
    uint64_t *last = user, now = clock_ms();

    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%zu of %zu %s%s", done, of, what,
                done == of ? "\n" : "");
        return;
    }
    if (now - *last < STEP_MS)
        return;
    *last = now;
    log_info("%zu of %zu %s", done, of, what);
}

static int open_one(struct compared *c, const char *what, struct model **m,
                    struct backend **b, struct err *err)
{
    const char *kernel = settings_text(c->settings, "kernel");

    if (strcmp(kernel, "cuda") == 0) /* which gives no logits of all rows */
        kernel = "auto";
    if (backend_open(b, kernel, settings_count(c->settings, "threads"), err))
        return -1;
    return models_open(m, settings_text(c->settings, "models"), what,
                       (*b)->sink, log_line, err);
}

static int open_source(struct compared *c, const char *path, struct err *err)
{
    size_t n = settings_count(c->settings, "threads");

    c->pool = pool_new(n ? n : machine_cores());
    return float_source_open(&c->source, path, c->pool, err);
}

/* What the store has goes before a path of the same name, as with MODEL. */
static int open_reference(struct compared *c, const char *what,
                          struct err *err)
{
    struct id id;
    enum found found = models_stored(&id, settings_text(c->settings, "models"),
                                     what, err);

    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_NONE && formats_known(what))
        return open_source(c, what, err);
    return open_one(c, what, &c->reference, &c->reference_backend, err);
}

static int open_both(struct compared *c, const char *model,
                     const char *reference, struct comparison_sides *s,
                     struct err *err)
{
    if (open_one(c, model, &c->model, &c->backend, err) ||
        open_reference(c, reference, err))
        return -1;
    s->model = c->model;
    s->backend = c->backend;
    s->source = c->source;
    s->reference = c->reference;
    s->reference_backend = c->reference_backend;
    return comparison_check(s, err);
}

/* ---- the text ------------------------------------------------------------ */

static int cut_text(struct compared *c, const struct buf *text, size_t length,
                    struct err *err)
{
    const struct model_record *r = &c->model->rec;
    struct tokenizer *t;
    int rc;

    if (!r->tokenizer_size)
        return err_set(err, ERR_INPUT, "the model has no tokenizer: use --ids");
    if (tokenizer_new(&t, c->model->tokenizer, (size_t)r->tokenizer_size,
                      r->n_vocab, err))
        return -1;
    rc = windows_of_text(&c->windows, t, r->bos, text->data, text->len, length,
                         err);
    tokenizer_free(t);
    return rc;
}

/* Windows of at most `length` ids, and no longer than the context. */
static int read_windows(struct compared *c,
                        const struct model_compare_options *o, size_t length,
                        size_t context, struct err *err)
{
    const struct model_record *r = &c->model->rec;
    const char *path = o->text ? o->text : o->ids;
    struct buf text;
    int rc;

    buf_init(&text, MAX_TEXT);
    rc = file_read(&text, path, err);
    buf_put(&text, "", 0);
    length = length < context ? length : context;
    if (rc == 0)
        rc = o->text ? cut_text(c, &text, length, err)
                     : windows_of_ids(&c->windows, text.data, text.len,
                                      r->n_vocab, context, err);
    if (rc)
        err_prefix(err, "\"%s\"", path);
    else if (c->windows.longest < 2)
        rc = err_set(err, ERR_INPUT, "\"%s\" gives fewer than two ids", path);
    buf_clear(&text);
    return rc;
}

/* -------------------------------------------------------------------------- */

static int compare(struct compared *c, const struct model_compare_options *o,
                   const char *const *what, size_t length, struct err *err)
{
    uint64_t last = clock_ms();
    struct comparison_sides sides = { .progress = report_progress,
                                   .user = &last };
    struct divergence_summary sum;

    if ((o->plot && output_check(o->plot, err)) ||
        open_both(c, what[0], what[1], &sides, err) ||
        read_windows(c, o, length, comparison_context(&sides), err))
        return -1;
    divergence_init(&c->d, c->model->rec.n_vocab);
    if (comparison_run(&c->d, &sides, &c->windows, err))
        return -1;
    divergence_summary(&sum, &c->d);
    if (o->json)
        compare_out_json(&c->d, c->windows.n, &sum);
    else
        compare_out_table(&c->d, c->windows.n, &sum);
    if (o->plot) /* last: the numbers stay if there is no room for it */
        return compare_out_plot(o->plot, &c->d, what[0], what[1], err);
    return 0;
}

static void clear_compared(struct compared *c)
{
    divergence_clear(&c->d);
    windows_clear(&c->windows);
    float_source_free(c->source);
    pool_free(c->pool);
    backend_close(c->backend);
    backend_close(c->reference_backend);
    model_close(c->model);
    model_close(c->reference);
}

static const struct opt model_compare_opts[] = {
    { 0, "text", "FILE", "the text, in UTF-8",
      offsetof(struct model_compare_options, text) },
    { 0, "ids", "FILE", "the same as ids, each line a window",
      offsetof(struct model_compare_options, ids) },
    { 0, "length", "N", "ids of a window, default 512",
      offsetof(struct model_compare_options, length) },
    { 0, "json", NULL, "print JSON",
      offsetof(struct model_compare_options, json) },
    { 0, "plot", "FILE.svg", "also draw KL by position",
      offsetof(struct model_compare_options, plot) },
    { .name = NULL },
};

static const struct opt_command model_compare_command = {
    .name = "apus model compare",
    .synopsis = "MODEL REFERENCE (--text FILE | --ids FILE) [--length N] "
                "[--json] [--plot FILE.svg]",
    .about = "How far a model is from another one, or from the float values"
             " of a Hugging Face\ndirectory or a GGUF file (slow): KL of the"
             " next token over the whole vocabulary,\nequal next ids,"
             " perplexity.",
    .opts = model_compare_opts, .min_args = 2, .max_args = 2,
};

/* A number of ids that a context may have. */
static bool length_of(uint64_t *n, const char *text)
{
    char *end;

    errno = 0;
    *n = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' &&
           *n <= X1_MAX_CONTEXT;
}

/* What the command line asks for. */
static int check_options(const struct model_compare_options *o, size_t *length,
                         struct err *err)
{
    uint64_t n = WINDOW_IDS;

    *length = 0;
    if (!o->text == !o->ids)
        return err_set(err, ERR_INPUT, "apus model compare: give a text with"
                       " --text, or ids with --ids");
    if (o->length && o->ids)
        return err_set(err, ERR_INPUT, "--length is for --text");
    if (o->length && (!length_of(&n, o->length) || n < 2))
        return err_set(err, ERR_INPUT, "--length \"%s\": 2 to %d expected",
                       o->length, X1_MAX_CONTEXT);
    if (o->plot && output_is_stdout(o->plot))
        return err_set(err, ERR_INPUT, "--plot \"%s\": the numbers go to"
                       " standard output; give a file", o->plot);
    *length = (size_t)n;
    return 0;
}

int cmd_model_compare(struct settings *s, int argc, char **argv)
{
    struct model_compare_options o = { .text = NULL };
    struct compared c = { .settings = s };
    const char *args[2] = { NULL };
    struct err err = ERR_INIT;
    size_t n, length;
    int status = cmd_begin(&model_compare_command, s, argc, argv, &o, args,
                           &n);

    if (status != CMD_GO)
        return status;
    if (check_options(&o, &length, &err))
        return cmd_misused(&err);
    windows_init(&c.windows);
    status = compare(&c, &o, args, length, &err) ? cmd_fail(&err) : CMD_DONE;
    clear_compared(&c);
    return status;
}
