/*
 * apus prove: an answer of a checkpoint computed again, and of one place in it
 * the dispute file that a judge decides: all that is shown on the way there,
 * and the proof where the place names a statement.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/output.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/named.h"
#include "cmd/part.h"
#include "dispute/dispute_file.h"
#include "dispute/execution.h"
#include "dispute/judge.h"
#include "dispute/place.h"
#include "dispute/prover.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/models.h"
#include "node/answered.h"
#include "proof/digest.h"
#include "spool/spool.h"
#include "store/answer.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/record.h"
#include "store/seal.h"

struct prove {
    struct settings *settings;
    const char *what, *request, *at, *out, *model_name;
    bool trust;
    struct id id;
    struct place place;
    uint64_t position; /* 0 if the place names none */
    bool found;
    struct answered answer;
};

/* ---- the answer ---------------------------------------------------------- */

static int find_row(struct prove *p, struct checkpoint *c, struct err *err)
{
    struct checkpoint_row row;
    struct result_record res;

    for (uint64_t i = 0; !p->found && i < checkpoint_head(c)->n_rows; i++) {
        if (checkpoint_row(c, i, &row, err))
            return -1;
        if (result_record_unpack(&res, row.record.result) ||
            !id_equal(res.request, p->id))
            continue;
        if (record_check_untraced(&row.record, err))
            return -1;
        if (answered_take(&p->answer, &row.record, err))
            return -1;
        p->found = true;
    }
    return 0;
}

static int find_in_part(struct prove *p, const struct spool *s,
                        const char *path, struct err *err)
{
    struct part_file *f;
    struct checkpoint *c;
    int rc;

    if (part_open(&f, s, path, p->trust, err))
        return -1;
    rc = checkpoint_open_file(&c, f, err);
    if (rc == 0) {
        rc = find_row(p, c, err);
        checkpoint_close(c);
    }
    part_file_close(f);
    return rc;
}

static int find_in_batch(struct prove *p, const struct spool *s,
                         const struct batch *b, struct err *err)
{
    struct seal_info i;
    int rc = 0;

    if (seal_info_read(&i, b->path, err))
        return -1;
    for (size_t k = 0; rc == 0 && !p->found && k < i.n_parts; k++) {
        char *path = seal_part_path(b->path, k, "h5");

        rc = find_in_part(p, s, path, err);
        free(path);
    }
    seal_info_clear(&i);
    return rc;
}

static int find_answer(struct prove *p, struct err *err)
{
    const char *dir = settings_text(p->settings, "spool");
    struct spool *spool;
    struct named found = { .n = 0 };
    int rc;

    if (spool_open_there(&spool, dir, err))
        return -1;
    if (part_is_file(p->what)) {
        rc = find_in_part(p, spool, p->what, err);
    } else {
        rc = named_find_all(&found, spool, &p->what, 1, err);
        for (size_t i = 0; rc == 0 && !p->found && i < found.n; i++)
            rc = find_in_batch(p, spool, &found.batch[i], err);
        named_clear(&found);
    }
    spool_close(spool);
    if (rc == 0 && !p->found)
        return err_set(err, ERR_INPUT, "no answer to the request \"%s\" in"
                       " \"%s\"", p->request, p->what);
    return rc;
}

/* ---- the way to the place ------------------------------------------------ */

enum move_end {
    MOVE_FAILED = -1,
    MOVE_MADE,
    MOVE_ARRIVED /* the place is reached, no move is left */
};

static enum move_end move(const struct prove *p, struct judge *g,
                          struct execution *x, struct buf *file,
                          struct err *err)
{
    char choice[JUDGE_PICK_MAX + 1];
    struct buf b;
    enum found found;
    int rc;

    if (g->turn == JUDGE_PICKS) {
        found = place_pick(choice, &p->place, g, err);
        if (found != FOUND_ONE)
            return found == FOUND_FAILED ? MOVE_FAILED : MOVE_ARRIVED;
        if (judge_pick(g, choice, err))
            return err_prefix(err, "\"%s\" of the %s", choice,
                              judge_show_name(g->show));
        dispute_file_put(file, DISPUTE_PICK, choice, strlen(choice));
        return MOVE_MADE;
    }
    buf_init(&b, DISPUTE_FILE_MAX);
    if (g->turn == JUDGE_SHOWS)
        rc = prover_show(&b, x, g, err) ||
             judge_show(g, (unsigned char *)b.data, b.len, err);
    else
        rc = prover_prove(&b, x, g, err) ||
             judge_prove(g, (unsigned char *)b.data, b.len, err);
    if (rc == 0)
        dispute_file_put(file, g->turn == JUDGE_OVER && g->place.code
                                   ? DISPUTE_PROVE : DISPUTE_SHOW,
                         b.data, b.len);
    buf_clear(&b);
    return rc ? MOVE_FAILED : MOVE_MADE;
}

/* As other outputs: a device, a pipe and the target of a link stay what they
 * are, "-" is standard output. */
static int write_out(const char *path, const struct buf *file, struct err *err)
{
    struct file_out *out;

    if (output_open(&out, path, err))
        return -1;
    if (file_out_put(out, file->data, file->len, err)) {
        file_out_abort(out);
        return -1;
    }
    return file_out_commit(out, err);
}

static int walk(const struct prove *p, struct execution *x, struct err *err)
{
    struct buf file;
    struct judge g;
    struct id result;
    enum move_end end = MOVE_MADE;
    int rc = -1;

    digest(&result, p->answer.result, RECORD_RESULT);
    judge_init(&g, result);
    buf_init(&file, DISPUTE_FILE_MAX);
    dispute_file_begin(&file, result);
    while (end == MOVE_MADE && g.turn != JUDGE_OVER)
        end = move(p, &g, x, &file, err);
    if (end != MOVE_FAILED)
        rc = write_out(p->out, &file, err);
    if (rc == 0 && !output_is_stdout(p->out)) {
        printf("file\t%s\nbytes\t%zu\nmoves\t%" PRIu32 "\n", p->out, file.len,
               g.number);
        if (g.turn == JUDGE_OVER)
            printf("verdict\t%s\n", g.text);
    }
    judge_clear(&g);
    buf_clear(&file);
    return rc;
}

/* The trace that was computed is the one of the record, or there is nothing to
 * show. */
static int check_trace(const struct execution *x, struct err *err)
{
    struct result_record r, own;
    struct execution copy = *x;

    if (result_record_unpack(&r, x->in.result))
        return err_set(err, ERR_INPUT, "the answer has no result record");
    own = r;
    execution_seal(&copy, &own);
    if (!id_equal(own.trace, r.trace))
        return err_set(err, ERR_INPUT, "computed again, the answer has another"
                       " trace: apus verify --recompute says where");
    return 0;
}

static int prove(struct prove *p, struct err *err)
{
    struct execution_input in = { .prompt = NULL };
    struct answered *a = &p->answer;
    struct execution *x;
    struct x1_kernels k;
    struct model *m;
    int rc;

    if (output_check(p->out, err) || find_answer(p, err))
        return -1;
    if (p->position >= a->r.n)
        return err_set(err, ERR_INPUT, "position %" PRIu64 ": the answer has"
                       " %" PRIu32 " positions", p->position, a->r.n);
    if (models_open_hashed(&m, settings_text(p->settings, "models"),
                           p->model_name ? p->model_name
                                         : id_text(a->r.model).s, NULL, err))
        return err_prefix(err, "to compute again");
    in = (struct execution_input){ .model = m, .prompt = a->prompt,
                                   .output = a->output, .job = a->job,
                                   .result = a->result, .stops = a->stops,
                                   .stops_size = a->stops_size,
                                   .deep = a->r.level == 1,
                                   .first = (uint32_t)p->position,
                                   .n = 1 };
    rc = x1_kernels_find(&k, "reference");
    x1_thread_init();
    rc = rc ? rc : execution_new(&x, &in, a->n_out, &k, NULL, NULL, err);
    if (rc == 0) {
        rc = check_trace(x, err) || walk(p, x, err) ? -1 : 0;
        execution_free(x);
    }
    model_close(m);
    return rc;
}

/* A number, "job", or "finish" or "stop" and a number. */
static int read_position(struct prove *p, struct err *err)
{
    const char *word = p->place.word[0];
    uint64_t id;

    if (strcmp(word, "job") == 0 || json_u64_text(word, &p->position) == 0 ||
        (strncmp(word, "finish ", 7) == 0 &&
         json_u64_text(word + 7, &id) == 0) ||
        (strncmp(word, "stop ", 5) == 0 && json_u64_text(word + 5, &id) == 0))
        return 0;
    return err_set(err, ERR_INPUT, "apus prove: --at \"%s\": a position from"
                   " 0, \"job\", \"finish I\" or \"stop I\" expected first",
                   p->at);
}

static int check_use(struct prove *p, struct err *err)
{
    if (!p->request || answer_id_parse(&p->id, p->request))
        return err_set(err, ERR_INPUT, "--request: the id of a request"
                       " expected, 43 characters (apus show lists them)");
    if (!p->at || !p->out)
        return err_set(err, ERR_INPUT, "apus prove: --at PLACE and -o FILE"
                       " expected");
    if (place_init(&p->place, p->at, err))
        return -1;
    return read_position(p, err);
}

static const struct opt prove_opts[] = {
    { 0, "request", "ID", "the request whose answer it is",
      offsetof(struct prove, request) },
    { 0, "at", "PLACE", "POSITION[/LAYER[/ENTRY[/ELEMENT[/TERM]]]]",
      offsetof(struct prove, at) },
    { 'o', "output", "FILE", "where the dispute file goes",
      offsetof(struct prove, out) },
    { 'm', "model", "MODEL", "its model, where it is not found by its id",
      offsetof(struct prove, model_name) },
    { 0, "trust", NULL, "open a file that was not made in this spool",
      offsetof(struct prove, trust) },
    { .name = NULL }
};

static const struct opt_command prove_command = {
    .name = "apus prove",
    .synopsis = "BATCH|FILE.h5 --request ID --at PLACE -o FILE [-m MODEL]"
                " [--trust]",
    .about = "Compute an answer again and write the dispute file of one place"
             " in it, for apus\njudge: what is shown on the way, and the proof"
             " of the number there.",
    .opts = prove_opts, .min_args = 1, .max_args = 1,
};

int cmd_prove(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct prove p = { .settings = s };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&prove_command, s, argc, argv, &p, args, &n_args);

    if (status == CMD_GO) {
        p.what = args[0];
        if (check_use(&p, &err))
            status = cmd_misused(&err);
        else
            status = prove(&p, &err) ? cmd_fail(&err) : CMD_DONE;
    }
    answered_clear(&p.answer);
    free(args);
    return status;
}
