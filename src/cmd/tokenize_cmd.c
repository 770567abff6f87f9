/*
 * apus tokenize: what ids a text or a chat becomes.  The worker does it, as all
 * that parses a model; this program becomes it.
 */
#include <config.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "model/models.h"
#include "node/work.h"

struct tokenize {
    const char *model, *tokenizer, *file;
    bool chat, decode;
};

static int tokenize(const struct tokenize *t, const struct settings *s,
                    struct err *err)
{
    const char *argv[10];
    char *worker, *path = NULL;
    size_t n = 0;

    if (t->model && models_resolve(&path, settings_text(s, "models"), t->model,
                                   log_line, err))
        return -1;
    worker = work_worker_path();
    argv[n++] = worker;
    argv[n++] = t->model ? "--model" : "--tokenizer";
    argv[n++] = t->model ? path : t->tokenizer;
    if (t->chat)
        argv[n++] = "--chat";
    if (t->decode)
        argv[n++] = "--decode";
    argv[n++] = "--tokenize";
    argv[n++] = t->file;
    argv[n] = NULL;
    fflush(stdout);
    execv(worker, (char **)argv);
    err_errno(err, ERR_FATAL, "cannot start \"%s\"", worker);
    free(worker);
    free(path);
    return -1;
}

/* What goes together. */
static int check_tokenize(const struct tokenize *t, struct err *err)
{
    if (!t->model == !t->tokenizer)
        return err_set(err, ERR_INPUT, "apus tokenize: give a model with -m, "
                       "or a file with --tokenizer");
    if (t->chat && t->decode)
        return err_set(err, ERR_INPUT, "apus tokenize: --chat is for messages,"
                       " --decode for ids");
    return 0;
}

static const struct opt tokenize_opts[] = {
    { 'm', "model", "MODEL", "name, id, file or directory of a model",
      offsetof(struct tokenize, model) },
    { 0, "tokenizer", "FILE", "a tokenizer without a model: tokenizer.json,"
      " tokenizer.model, tekken.json .. or their directory, a GGUF file,"
      " tokenizer.bin of llama2.c",
      offsetof(struct tokenize, tokenizer) },
    { 0, "chat", NULL, "FILE is messages, or the body of a chat request",
      offsetof(struct tokenize, chat) },
    { 0, "decode", NULL, "FILE is ids: print their text",
      offsetof(struct tokenize, decode) },
    { .name = NULL }
};

static const struct opt_command tokenize_command = {
    .name = "apus tokenize",
    .synopsis = "(-m MODEL | --tokenizer FILE) [--chat | --decode] [FILE]",
    .about = "Print the token ids of a text (standard input if no FILE is"
             " given) as a model gets\nthem, with those that a text begins"
             " with; or the text of ids.  No weights are read.",
    .opts = tokenize_opts, .max_args = 1,
};

int cmd_tokenize(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct tokenize t = { .file = "-" };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&tokenize_command, s, argc, argv, &t, args, &n_args);

    if (status == CMD_GO && check_tokenize(&t, &err))
        status = cmd_misused(&err);
    if (status == CMD_GO) {
        if (n_args > 0)
            t.file = args[0];
        status = tokenize(&t, s, &err) ? cmd_fail(&err) : CMD_DONE;
    }
    return status;
}
