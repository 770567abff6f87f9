/*
 * apus model: convert, add, list, info, rm; fetch and publish are in
 * model_net.c, compare is in model_compare.c.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/output.h"
#include "base/room.h"
#include "base/settings.h"
#include "base/sys.h"
#include "cmd/cmd.h"
#include "cmd/keep.h"
#include "cmd/model_fit.h"
#include "cmd/model_use.h"
#include "model/convert.h"
#include "model/import/formats.h"
#include "model/model.h"
#include "model/model_layout.h"
#include "model/models.h"
#include "push/model_download.h"
#include "text/jinja.h"

#define LIST_MAX ((size_t)4 << 20)
#define TOKENIZER "of a .bin file, default tokenizer.bin beside it"
#define NO_TOKENIZER "also without a tokenizer, for prompts of token ids"
#define ROUNDING "of weights, default nearest; fitted: closer to the source"
#define STEP_S 10 /* between two lines of progress */

/* On a terminal one line that counts, else a line now and then. */
static void progress(void *user, uint32_t done, uint32_t total)
{
    static uint64_t last;
    uint64_t now = clock_ms();

    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%u of %u tensors%s", done, total,
                done == total ? "\n" : "");
    if (last == 0)
        last = now;
    if (isatty(STDERR_FILENO) || now - last < STEP_S * 1000)
        return;
    last = now;
    log_info("%s: %u of %u tensors", (const char *)user, done, total);
}

static void log_tensors(void *user, const char *line)
{
    log_warning("%s: %s", (const char *)user, line);
}

static void print_id(struct id id)
{
    printf("%s\n", id_text(id).s);
}

/* --activations and --smooth, or NULL. */
static int conversion_options(struct convert_options *o, const char *act,
                              const char *smooth, struct err *err)
{
    if (act && strcmp(act, "A14") != 0 && strcmp(act, "A8") != 0)
        return err_set(err, ERR_INPUT, "--activations \"%s\": A14 or A8 "
                       "expected", act);
    if (smooth && strcmp(smooth, "auto") != 0 && strcmp(smooth, "off") != 0)
        return err_set(err, ERR_INPUT, "--smooth \"%s\": auto or off "
                       "expected", smooth);
    o->a8 = act && strcmp(act, "A8") == 0;
    o->a14 = act && strcmp(act, "A14") == 0;
    o->smooth_auto = smooth && strcmp(smooth, "auto") == 0;
    return 0;
}

/* --tokenizer. */
static int tokenizer_option(struct convert_options *o, const char *file,
                            const char *what, struct err *err)
{
    o->tokenizer = file;
    if (!file || formats_apart(what))
        return 0;
    return err_set(err, ERR_INPUT, "--tokenizer is for a .bin file of"
                   " llama2.c, and \"%s\" is none", what);
}

static void warn_of_tokenizer(const char *what, const char *path)
{
    struct model_record rec;
    struct id id;

    if (model_peek(&rec, &id, path, NULL) == 0 && !rec.tokenizer_size)
        log_warning("\"%s\" has no tokenizer: its prompts are token ids, and"
                    " its answers have no text", what);
}

static int convert_to(const char *dir, const char *path,
                      const struct convert_options *o, struct id *id,
                      struct err *err)
{
    if (convert_model(dir, path, o, id, err))
        return -1;
    warn_of_tokenizer(dir, path);
    return 0;
}

/* A model file is written back and forth, so where the output cannot be it is
 * made aside first. */
static int convert_through(const char *dir, const char *out,
                           const struct convert_options *o, struct id *id,
                           struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    char *path = xasprintf("%s/apus-model-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    struct file_out *to = NULL;
    int fd = mkstemp(path), rc = -1;

    if (fd < 0) {
        room_fail(err, ERR_RETRY, "make", path);
        goto out;
    }
    rc = convert_to(dir, path, o, id, err);
    if (rc == 0)
        rc = output_open(&to, out, err);
    if (rc == 0 && file_out_put_file(to, path, err)) {
        file_out_abort(to);
        rc = -1;
    } else if (rc == 0) {
        rc = file_out_commit(to, err);
    }
    close(fd);
    unlink(path);
out:
    free(path);
    return rc;
}

/* A model that is there already is kept unless the new one is the same. */
static int convert_over(const char *dir, const char *file,
                        const struct convert_options *o, struct id *id,
                        struct err *err)
{
    struct model_record rec;
    struct id was;
    bool is_model = model_peek(&rec, &was, file, NULL) == 0;
    uint64_t size = 0;
    char *kept = NULL;

    if (file_size(file, &size, NULL) == 0 && size > 0 &&
        keep_file(&kept, file, err))
        return -1;
    if (convert_to(dir, file, o, id, err) == 0) {
        if (kept && is_model && id_equal(was, *id))
            unlink(kept);
        else if (kept)
            log_warning("\"%s\" was %s: it is kept as \"%s\"", file,
                        is_model ? "another model" : "no model", kept);
        free(kept);
        return 0;
    }
    if (kept && file_exists(file))
        unlink(kept);
    else if (kept)
        sys_rename(kept, file);
    free(kept);
    return -1;
}

static int convert(const char *dir, const char *out,
                   const struct convert_options *o, struct err *err)
{
    struct id id;
    char *file = NULL;
    enum found found;
    int rc;

    if (output_check(out, err))
        return err_prefix(err, "output");
    found = output_file(&file, out, err);
    if (found == FOUND_FAILED)
        return -1;
    rc = found == FOUND_ONE ? convert_over(dir, file, o, &id, err)
                            : convert_through(dir, out, o, &id, err);
    free(file);
    if (rc)
        return -1;
    if (output_is_stdout(out))
        log_info("model %s", id_text(id).s);
    else
        printf("%s\n", id_text(id).s);
    return 0;
}

/* What was interrupted can go on: 75.  A plain conversion cannot. */
static int failed(const struct convert_options *o, const struct err *err)
{
    return o->rounding ? cmd_fail_retry(err) : cmd_fail(err);
}

struct model_convert_options {
    const char *out, *act, *smooth, *rounding, *tokenizer;
    bool without, no_chat;
};

static const struct opt model_convert_opts[] = {
    { 'o', "output", "OUT.apus", "the file to write",
      offsetof(struct model_convert_options, out) },
    { 0, "activations", "A14|A8", "inputs of linears, default A14",
      offsetof(struct model_convert_options, act) },
    { 0, "smooth", "auto|off", "smooth keys that stick out, default off",
      offsetof(struct model_convert_options, smooth) },
    { 0, "rounding", "nearest|fitted", ROUNDING,
      offsetof(struct model_convert_options, rounding) },
    { 0, "tokenizer", "FILE", TOKENIZER,
      offsetof(struct model_convert_options, tokenizer) },
    { 0, "no-tokenizer", NULL, NO_TOKENIZER,
      offsetof(struct model_convert_options, without) },
    { 0, "no-chat-template", NULL, "leave the chat template out",
      offsetof(struct model_convert_options, no_chat) },
    { .name = NULL },
};

static const struct opt_command model_convert_command = {
    .name = "apus model convert",
    .synopsis = "SOURCE -o OUT.apus [--activations A14|A8] "
                "[--smooth auto|off] [--rounding nearest|fitted] "
                "[--tokenizer FILE | --no-tokenizer] [--no-chat-template]",
    .about = "Convert a Hugging Face directory, a GGUF file or a .bin file of"
             " llama2.c into a\nmodel file and print the model's id.  The"
             " same input gives the same bytes on every\nmachine.",
    .opts = model_convert_opts, .min_args = 1, .max_args = 1,
};

static int model_convert(struct settings *s, int argc, char **argv)
{
    struct model_convert_options opt = { .act = NULL };
    const char *args[1] = { NULL };
    struct convert_options o = { .progress = progress,
                                 .note = log_tensors,
                                 .needs_tokenizer = true };
    struct model_fit fit;
    struct err err = ERR_INIT;
    const char *dir;
    size_t n;
    int status =
        cmd_begin(&model_convert_command, s, argc, argv, &opt, args, &n);

    dir = args[0];
    if (status != CMD_GO)
        return status;
    if (!opt.out)
        err_set(&err, ERR_INPUT, "apus model convert: no -o OUT.apus");
    if (!opt.out || conversion_options(&o, opt.act, opt.smooth, &err) ||
        tokenizer_option(&o, opt.tokenizer, dir, &err) ||
        model_fit_begin(&fit, opt.rounding, s, dir, NULL, &o, &err))
        return cmd_misused(&err);
    o.user = (void *)dir;
    o.needs_tokenizer = !opt.without;
    o.no_chat = opt.no_chat;
    status = convert(dir, opt.out, &o, &err) ? failed(&o, &err) : CMD_DONE;
    model_fit_end(&fit, &err);
    return status;
}

/* Whether a name may pass from one model to another: batches may need the
 * first by that name. */
static int check_pass(struct settings *s, const char *name, struct id was,
                      struct id id, bool force, struct err *err)
{
    if (force || id_equal(id, was) || model_check_unused(s, was, err) == 0)
        return 0;
    return err_prefix(err, "the name \"%s\"", name);
}

/* Others of the store that differ in little. */
static void show_twins(const char *store, struct id id)
{
    struct buf b;

    buf_init(&b, LIST_MAX);
    if (models_twins(&b, store, id, NULL) == 0 && b.len)
        for (char *p = strtok(b.data, "\n"); p; p = strtok(NULL, "\n"))
            log_info("%s", p);
    buf_clear(&b);
}

/* What the name stands for now; a model that it takes the name of stays. */
/* "nano, smol": the names that a model has; "" without any. */
static void put_names(struct buf *out, const char *store, struct id id)
{
    char *line, *next, *name;
    struct buf list;

    buf_init(&list, LIST_MAX);
    if (models_list(store, &list, NULL) || !list.len || list.full)
        goto out;
    next = list.data;
    while ((line = strsep(&next, "\n")) != NULL && *line) {
        name = strsep(&line, "\t");
        if (line && strcmp(name, "-") != 0 &&
            strncmp(line, id_text(id).s, ID_TEXT - 1) == 0)
            buf_printf(out, "%s\"%s\"", out->len ? ", " : "", name);
    }
out:
    buf_clear(&list);
}

/* A name is another model's now. */
static void report_passed(const char *store, const char *name, struct id was)
{
    const char *id = id_text(was).s;
    struct buf others;

    buf_init(&others, LIST_MAX);
    put_names(&others, store, was);
    if (others.len)
        log_warning("\"%s\" was the model %s until now, which is still %s",
                    name, id, others.data);
    else
        log_warning("\"%s\" was the model %s until now: apus model rm %.8s"
                    " removes that", name, id, id);
    buf_clear(&others);
}

/* Of a store that was made without --umask. */
static void warn_of_store(const char *store, const char *path)
{
    struct stat dir, file;

    if (stat(store, &dir) == 0 && stat(path, &file) == 0 &&
        (file.st_mode & S_IROTH) && !(dir.st_mode & S_IXOTH))
        log_warning("\"%s\" is for this account alone, and so is what is in"
                    " it: chmod 755 lets others read it", store);
}

static int add_name(struct settings *s, const char *what, const char *name,
                    const struct convert_options *o, bool force,
                    const char *source, struct err *err)
{
    char *called = name ? xstrdup(name) : models_own_name(what);
    const char *store = settings_text(s, "models");
    struct id was, id;
    struct model_record rec;
    char *path = NULL;
    enum found had = models_named(&was, store, called, err);
    int rc = had == FOUND_FAILED ? -1 : 0;

    if (rc == 0)
        rc = models_name_check(called, err);
    /* what is converted shows its id only then */
    if (rc == 0 && had == FOUND_ONE && model_peek(&rec, &id, what, NULL) == 0)
        rc = check_pass(s, called, was, id, force, err);
    if (rc == 0)
        rc = models_put(store, what, o, &id, err);
    if (rc == 0 && had == FOUND_ONE &&
        (rc = check_pass(s, called, was, id, force, err)) != 0)
        log_info("\"%s\" is in the store as %s", what, id_text(id).s);
    if (rc == 0)
        rc = models_name(store, called, id, err);
    if (rc == 0 && source)
        rc = models_source_set(store, id, source, err);
    if (rc == 0 && had == FOUND_ONE && !id_equal(was, id))
        report_passed(store, called, was);
    if (rc == 0) {
        path = models_path(store, id);
        warn_of_tokenizer(what, path);
        warn_of_store(store, path);
        show_twins(store, id);
        print_id(id);
    }
    free(path);
    free(called);
    return rc;
}

struct model_add_options {
    const char *act, *smooth, *source, *sum, *rounding, *tokenizer;
    bool force, without, no_chat;
};

/* Options that a model file, which is converted already, cannot obey. */
static int check_conversion(const char *what,
                            const struct model_add_options *opt,
                            struct err *err)
{
    const struct {
        const char *name;
        bool given;
    } of[] = { { "activations", opt->act }, { "smooth", opt->smooth },
               { "rounding", opt->rounding },
               { "no-chat-template", opt->no_chat } };
    struct model_record rec;
    struct id id;

    if (model_peek(&rec, &id, what, NULL))
        return 0;
    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++)
        if (of[i].given)
            return err_set(err, ERR_INPUT, "--%s is for a conversion, and"
                           " \"%s\" is a model file: name its source, or"
                           " leave the option out", of[i].name, what);
    return 0;
}

/* The source is the URL unless another one is given.  What came is kept until
 * it is a model. */
static int add_url(struct settings *s, const char *url, const char *name,
                   const struct convert_options *o,
                   const struct model_add_options *opt, struct err *err)
{
    const char *source = opt->source;
    char *path = NULL;
    int status = cmd_model_download(s, url, opt->sum, &path);

    if (status != CMD_GO)
        return status;
    if (!source && models_source_check(url, NULL) == 0)
        source = url;
    if (check_conversion(path, opt, err))
        status = cmd_misused(err);
    else
        status = add_name(s, path, name, o, opt->force, source, err)
                     ? failed(o, err) : CMD_DONE;
    if (status == CMD_DONE)
        model_download_drop(path);
    free(path);
    return status;
}

static const struct opt model_add_opts[] = {
    { 0, "activations", "A14|A8", "of a conversion: inputs of linears",
      offsetof(struct model_add_options, act) },
    { 0, "smooth", "auto|off", "of a conversion: smooth keys",
      offsetof(struct model_add_options, smooth) },
    { 0, "rounding", "nearest|fitted", ROUNDING,
      offsetof(struct model_add_options, rounding) },
    { 0, "tokenizer", "FILE", TOKENIZER,
      offsetof(struct model_add_options, tokenizer) },
    { 0, "no-tokenizer", NULL, NO_TOKENIZER,
      offsetof(struct model_add_options, without) },
    { 0, "no-chat-template", NULL, "of a conversion: leave it out",
      offsetof(struct model_add_options, no_chat) },
    { 0, "source", "TEXT", "where others get it, such as hf:ORG/NAME: a"
      " hint in checkpoints", offsetof(struct model_add_options, source) },
    { 0, "sha256", "HEX", "of a URL: what its file must have",
      offsetof(struct model_add_options, sum) },
    { 0, "force", NULL, "also if batches need the model that had the name",
      offsetof(struct model_add_options, force) },
    { .name = NULL },
};

static const struct opt_command model_add_command = {
    .name = "apus model add",
    .synopsis = "WHAT|URL [NAME] [--source TEXT] [--sha256 HEX] "
                "[--rounding nearest|fitted] [--tokenizer FILE | "
                "--no-tokenizer] [--no-chat-template] [--force]",
    .about = "Put a model file, or a Hugging Face directory, a GGUF file or a"
             " .bin file of\nllama2.c (converted), into the store and print"
             " the model's id.  NAME is that of the\nfile or directory if it"
             " is not given.  A URL is downloaded first: run it again to\n"
             "resume after an interruption.",
    .opts = model_add_opts, .min_args = 1, .max_args = 2,
};

static int model_add(struct settings *s, int argc, char **argv)
{
    struct model_add_options opt = { .act = NULL };
    const char *args[2] = { NULL };
    struct convert_options o = { .progress = progress,
                                 .note = log_tensors,
                                 .needs_tokenizer = true };
    struct model_fit fit;
    struct err err = ERR_INIT;
    const char *what, *name;
    size_t n = 0;
    int status = cmd_begin(&model_add_command, s, argc, argv, &opt, args, &n);

    what = args[0];
    name = n > 1 ? args[1] : NULL;
    if (status != CMD_GO)
        return status;
    if (conversion_options(&o, opt.act, opt.smooth, &err) ||
        tokenizer_option(&o, opt.tokenizer, what, &err) ||
        (opt.source && models_source_check(opt.source, &err)) ||
        (opt.sum && model_download_check(opt.sum, &err)))
        return cmd_misused(&err);
    if (opt.sum && !model_download_is(what)) {
        err_set(&err, ERR_INPUT, "--sha256 is for a URL, not for \"%s\"",
                what);
        return cmd_misused(&err);
    }
    o.user = (void *)what;
    o.needs_tokenizer = !opt.without;
    o.no_chat = opt.no_chat;
    if (model_fit_begin(&fit, opt.rounding, s, what,
                        settings_text(s, "models"), &o, &err))
        return cmd_misused(&err);
    if (model_download_is(what))
        status = add_url(s, what, name, &o, &opt, &err);
    else if (check_conversion(what, &opt, &err))
        status = cmd_misused(&err);
    else
        status = add_name(s, what, name, &o, opt.force, opt.source, &err)
                     ? failed(&o, &err) : CMD_DONE;
    model_fit_end(&fit, &err);
    return status;
}

static const struct opt_command model_list_command = {
    .name = "apus model list",
    .synopsis = "",
    .about = "One line a model of the store: name, id, parameters, bytes"
             " (tabs between).",
};

static int model_list(struct settings *s, int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct buf b;
    size_t n;
    int status = cmd_begin(&model_list_command, s, argc, argv, NULL, NULL, &n);

    if (status != CMD_GO)
        return status;
    buf_init(&b, LIST_MAX);
    if (models_there(settings_text(s, "models"), &err) ||
        models_list(settings_text(s, "models"), &b, &err)) {
        status = cmd_fail(&err);
    } else {
        if (b.len)
            fwrite(b.data, 1, b.len, stdout);
        status = CMD_DONE;
    }
    buf_clear(&b);
    return status;
}

static const char *tokenizer_text(const struct buf *b)
{
    if (!b->len)
        return "none (token ids only)";
    if (b->len < 12)
        return "damaged";
    switch (get_u32(b->data + 8)) {
    case 0:
        return "byte-level BPE";
    case 1:
        return "SentencePiece BPE";
    case 2:
        return "unigram";
    }
    return "unknown";
}

static const char *template_text(const struct buf *b)
{
    static struct err why;
    struct jinja *tmpl;

    if (!b->len)
        return "none (no messages)";
    why = (struct err)ERR_INIT;
    if (jinja_new(&tmpl, b->data, b->len, &why)) {
        err_prefix(&why, "not supported (no messages)");
        return why.text;
    }
    jinja_free(tmpl);
    return "its own";
}

static void print_ids(const struct model_record *r)
{
    if (r->bos == MODEL_NONE)
        printf("bos: none\n");
    else
        printf("bos: %u\n", r->bos);
    printf("eos:");
    for (uint32_t i = 0; i < r->n_eos; i++)
        printf(" %u", r->eos[i]);
    printf("%s\n", r->n_eos ? "" : " none");
}

static void print_record(const struct model_record *r)
{
    printf("architecture: %u, numerics X%u\n", r->architecture, r->numerics);
    printf("layers: %u\nwidth: %u\nheads: %u\nkv heads: %u\nhead width: %u\n"
           "ffn width: %u\nvocabulary: %u\n", r->n_layers, r->dim,
           r->n_heads, r->n_kv_heads, r->head_dim, r->ffn_dim, r->n_vocab);
    printf("context: %u%s\n", r->context, r->context == X1_MAX_CONTEXT
           ? " (the most there is; the source may say more)" : "");
    if (r->flags & MODEL_LAYERS)
        printf("window, attention scale, RoPE: by layer\n");
    else if (r->window)
        printf("window: %u\n", r->window);
    else
        printf("window: none\n");
    printf("head: %s\n", r->flags & MODEL_TIED ? "tied to the embedding"
                                               : "its own");
    printf("biases of q, k, v: %s\n", r->flags & MODEL_QKV_BIAS ? "yes"
                                                                : "no");
    printf("norms of q, k: %s\n",
           r->flags & MODEL_WIDE_NORM ? "over all heads"
           : r->flags & MODEL_QK_NORM ? "yes" : "no");
    printf("norms of a layer: %s\n",
           r->flags & MODEL_NORM_BOTH    ? "before and after"
           : r->flags & MODEL_NORM_AFTER ? "after" : "before");
    if (r->flags & MODEL_EXPERTS)
        printf("experts: %u, a token has %u\n", model_experts(r),
               model_experts_used(r));
    printf("gate: %s\n", r->flags & MODEL_GELU ? "GELU" : "SiLU");
    printf("soft caps: %s\n", r->flags & MODEL_SOFT_CAPS ? "yes" : "no");
    printf("activations: %s\n", r->flags & MODEL_A8R ? "A8R"
           : r->flags & MODEL_A8 ? "A8" : "A14");
    printf("eps: %.9g\n", (double)r->eps);
    if (!(r->flags & MODEL_LAYERS))
        printf("attention scale: %.9g\n", (double)r->attn_scale);
    print_ids(r);
    printf("parameters: %" PRIu64 "\n", model_parameters(r));
}

/* What other engines take unasked. */
static void print_sampling(const char *store, struct id id)
{
    struct buf b;

    buf_init(&b, LIST_MAX);
    if (models_sampling(&b, store, id))
        printf("sampling defaults of its source (say them in a request; they"
               " are not taken): %s\n", b.data);
    buf_clear(&b);
}

/* Of a model that was converted here. */
static void print_rounding(const char *store, struct id id)
{
    unsigned rule;

    if (!models_rounding(&rule, store, id))
        return;
    if (rule)
        printf("rounding: fitted, rule %u (%s)\n", rule,
               rule == 1 ? "text 1" : "generated text and text 1");
    else
        printf("rounding: nearest\n");
}

/* Record and texts of a file; its tensors are not read. */
static int print_info(const char *store, const char *path, struct err *err)
{
    struct model_record r;
    struct id id;
    struct buf tok, chat;
    uint64_t size;
    int rc = -1;

    buf_init(&tok, (size_t)MODEL_MAX_TOKENIZER);
    buf_init(&chat, (size_t)MODEL_MAX_TEMPLATE);
    if (model_peek(&r, &id, path, err) || file_size(path, &size, err) ||
        model_peek_texts(&tok, &chat, &r, path, err))
        goto out;
    printf("id: %s\nfile: %s\nsize: %" PRIu64 "\n", id_text(id).s, path, size);
    print_record(&r);
    print_rounding(store, id);
    printf("tokenizer: %s\nchat template: %s\n", tokenizer_text(&tok),
           template_text(&chat));
    print_sampling(store, id);
    rc = 0;
out:
    buf_clear(&tok);
    buf_clear(&chat);
    return rc;
}

static const struct opt_command model_info_command = {
    .name = "apus model info",
    .synopsis = "WHAT",
    .about = "What a model is: WHAT is an id or the beginning of one, a"
             " name, a model file,\na Hugging Face directory or a GGUF"
             " file.  Only records are read; the weights are\nnot"
             " checked.",
    .min_args = 1, .max_args = 1,
};

static int model_info(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL }, *what;
    struct err err = ERR_INIT;
    char *path = NULL;
    size_t n;
    int status = cmd_begin(&model_info_command, s, argc, argv, NULL, args, &n);

    what = args[0];
    if (status != CMD_GO)
        return status;
    status = CMD_DONE;
    if (models_resolve(&path, settings_text(s, "models"), what, log_line,
                       &err) ||
        print_info(settings_text(s, "models"), path, &err))
        status = cmd_fail(&err);
    free(path);
    return status;
}

static int rm(struct settings *s, const char *what, bool force,
              struct err *err)
{
    const char *store = settings_text(s, "models");
    struct buf names;
    struct id id;
    enum models_rm_takes takes;
    int rc;

    if (models_there(store, err))
        return -1;
    takes = models_rm_takes(&id, store, what, err);
    if (takes == MODELS_RM_FAILED ||
        (takes == MODELS_RM_FILE && !force && model_check_unused(s, id, err)))
        return -1;
    buf_init(&names, LIST_MAX);
    if (takes == MODELS_RM_FILE)
        put_names(&names, store, id);
    rc = models_rm(store, what, err);
    if (rc == 0 && takes == MODELS_RM_FILE)
        log_info("model %s is removed%s%s", id_text(id).s,
                 names.len ? ", which was " : "", names.len ? names.data : "");
    else if (rc == 0)
        log_info("the name \"%s\" is removed; its model has others", what);
    buf_clear(&names);
    return rc;
}

struct model_rm_options {
    bool force;
};

static const struct opt model_rm_opts[] = {
    { 0, "force", NULL, "also if batches need it",
      offsetof(struct model_rm_options, force) },
    { .name = NULL },
};

static const struct opt_command model_rm_command = {
    .name = "apus model rm",
    .synopsis = "WHAT [--force]",
    .about = "Take a name away, and the file if no other name is left"
             " for it.  By its id, a\nmodel goes with all its names.  One"
             " that batches need stays.",
    .opts = model_rm_opts, .min_args = 1, .max_args = 1,
};

static int model_rm(struct settings *s, int argc, char **argv)
{
    struct model_rm_options opt = { .force = false };
    const char *args[1] = { NULL }, *what;
    struct err err = ERR_INIT;
    size_t n;
    int status = cmd_begin(&model_rm_command, s, argc, argv, &opt, args, &n);

    what = args[0];
    if (status != CMD_GO)
        return status;
    if (rm(s, what, opt.force, &err))
        return cmd_fail(&err);
    return CMD_DONE;
}

const struct command cmd_model_verbs[] = {
    { "convert", "a directory or GGUF file into a model file",
      .run = model_convert },
    { "add", "a file or directory to the store", .run = model_add },
    { "list", "the models of the store", .run = model_list },
    { "info", "what a model is", .run = model_info },
    { "rm", "a model from the store", .run = model_rm },
    { "compare", "how far a model is from another, or from float",
      .run = cmd_model_compare },
    { "fetch", "a model from Arweave into the store", .run = cmd_model_fetch },
    { "publish", "a model on Arweave", .run = cmd_model_publish },
    { .name = NULL },
};
