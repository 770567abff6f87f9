/*
 * Answers from checkpoints and output files.
 */
#include <config.h>

#include "verify/answers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "proof/digest.h"
#include "proof/result_record.h"
#include "store/answer.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "verify/output_line.h"

#define LINE_MAX ((size_t)1 << 30)
#define CHUNK (64u << 10)

struct answers {
    const struct part_file *const *part; /* of a checkpoint */
    const struct part_file *output;      /* or an output file */
    struct answer_key *key;
    size_t n, cap;
    struct id model;
    bool has_model;

    struct checkpoint *open; /* the part that was read last */
    uint32_t number;
    struct buf line, text, ids;
    struct output_line got;
    bool has_got;
};

static struct answer_key *new_key(struct answers *a)
{
    VEC_RESERVE(a->key, a->cap, a->n + 1);
    memset(&a->key[a->n], 0, sizeof(*a->key));
    return &a->key[a->n++];
}

static void set_name(struct answer_key *k, const char *name, size_t n)
{
    k->named = n > 0;
    digest(&k->name, name ? name : "", n);
}

/* ---- a checkpoint -------------------------------------------------------- */

static int open_part(struct answers *a, uint32_t number, struct err *err)
{
    if (a->open && a->number == number)
        return 0;
    checkpoint_close(a->open);
    a->open = NULL;
    a->number = number;
    return checkpoint_open_file(&a->open, a->part[number], err);
}

static int add_row(struct answers *a, uint32_t number, uint64_t i,
                   struct err *err)
{
    struct answer_key *k = new_key(a);
    const unsigned char *result;
    struct result_record res;
    const char *name;
    size_t n;

    if (checkpoint_place(a->open, i, &k->line, &k->choice, err) ||
        checkpoint_result(a->open, i, &result, err))
        return -1;
    if (result_record_unpack(&res, result))
        return err_set(err, ERR_INPUT, "\"%s\": row %" PRIu64 " has no result"
                       " record", part_file_path(a->part[number]), i + 1);
    k->request = res.request;
    k->file = number;
    k->at = i;
    if (checkpoint_name(a->open, i, &name, &n, err))
        return -1;
    set_name(k, name, n);
    return 0;
}

static int add_part(struct answers *a, uint32_t number, struct err *err)
{
    const struct checkpoint_head *h;

    if (open_part(a, number, err))
        return -1;
    h = checkpoint_head(a->open);
    if (a->has_model && !id_equal(a->model, h->model))
        return err_set(err, ERR_INPUT, "\"%s\" is of another model than the"
                       " part before", part_file_path(a->part[number]));
    a->model = h->model;
    a->has_model = true;
    for (uint64_t i = 0; i < h->n_rows; i++)
        if (add_row(a, number, i, err))
            return -1;
    return 0;
}

static struct answers *new_answers(void)
{
    struct answers *a = xcalloc(1, sizeof(*a));

    buf_init(&a->line, LINE_MAX);
    buf_init(&a->text, 3 * LINE_MAX);
    buf_init(&a->ids, LINE_MAX);
    return a;
}

int answers_of_parts(struct answers **out,
                     const struct part_file *const *part, size_t n,
                     struct err *err)
{
    struct answers *a = new_answers();

    a->part = part;
    for (uint32_t i = 0; i < n; i++) {
        if (add_part(a, i, err)) {
            answers_free(a);
            return -1;
        }
    }
    *out = a;
    return 0;
}

static int get_row(struct answers *a, const struct answer_key *k,
                   struct stored_answer *out, struct err *err)
{
    struct checkpoint_row row;
    struct result_record res;

    if (open_part(a, k->file, err) ||
        checkpoint_row(a->open, k->at, &row, err))
        return -1;
    if (job_record_unpack(&out->job, row.record.job) ||
        result_record_unpack(&res, row.record.result))
        return err_set(err, ERR_INPUT, "row %" PRIu64 " has no records",
                       k->at + 1);
    buf_reset(&a->text);
    utf8_scrub(&a->text, row.record.text, row.record.text_size);
    if (buf_check(&a->text, "a text", err))
        return -1;
    out->name = row.custom_id;
    out->n_name = row.custom_id_size;
    out->token = row.record.output;
    out->n_tokens = row.record.n_output;
    out->text = a->text.len ? a->text.data : "";
    out->n_text = a->text.len;
    out->end = result_finish_name(res.finish);
    out->finish = res.finish < RESULT_RANGE ? answer_finish(res.finish)
                                            : out->end;
    out->has_job = true;
    out->prompt = row.record.prompt;
    out->n_prompt = row.record.n_prompt;
    out->stops = row.record.stops;
    out->stops_size = row.record.stops_size;
    return 0;
}

/* ---- an output file ------------------------------------------------------ */

static void drop_line(struct answers *a)
{
    if (a->has_got)
        output_line_clear(&a->got);
    a->has_got = false;
}

/* Read the line at this offset, without its newline; *next is the offset after
 * it. */
static int read_line(struct answers *a, uint64_t at, uint64_t *next,
                     struct err *err)
{
    uint64_t size = part_file_size(a->output);
    char chunk[CHUNK];

    buf_reset(&a->line);
    for (*next = at; *next < size;) {
        size_t n = size - *next < CHUNK ? (size_t)(size - *next) : CHUNK;
        char *end;

        if (part_file_read(a->output, chunk, n, *next, err))
            return -1;
        end = memchr(chunk, '\n', n);
        buf_put(&a->line, chunk, end ? (size_t)(end - chunk) : n);
        *next += end ? (uint64_t)(end - chunk) + 1 : n;
        if (end)
            break;
    }
    return buf_check(&a->line, "a line", err);
}

static int parse_line(struct answers *a, uint32_t line, struct err *err)
{
    drop_line(a);
    if (output_line_read(&a->got, a->line.len ? a->line.data : "",
                         a->line.len, err))
        return err_prefix(err, "\"%s\", line %" PRIu64,
                          part_file_path(a->output), (uint64_t)line + 1);
    a->has_got = true;
    return 0;
}

static void add_line(struct answers *a, uint32_t line, uint64_t at)
{
    const struct output_line *o = &a->got;
    size_t n = o->n_choices ? o->n_choices : 1;

    for (uint32_t c = 0; c < n; c++) {
        struct answer_key *k = new_key(a);

        k->request = o->request;
        set_name(k, o->custom_id, o->custom_id ? strlen(o->custom_id) : 0);
        k->refused = o->n_choices == 0;
        k->line = line;
        k->choice = c;
        k->at = at;
    }
    if (o->has_model)
        a->model = o->model;
    a->has_model = a->has_model || o->has_model;
}

int answers_of_output(struct answers **out, const struct part_file *f,
                      struct err *err)
{
    struct answers *a = new_answers();
    uint64_t at = 0, next;
    uint32_t line = 0;

    a->output = f;
    for (; at < part_file_size(f); at = next, line++) {
        if (read_line(a, at, &next, err) || parse_line(a, line, err)) {
            answers_free(a);
            return -1;
        }
        add_line(a, line, at);
    }
    *out = a;
    return 0;
}

static int get_line(struct answers *a, const struct answer_key *k,
                    struct stored_answer *out, struct err *err)
{
    const struct output_choice *c;
    uint64_t next;

    if (read_line(a, k->at, &next, err) || parse_line(a, k->line, err))
        return -1;
    out->name = a->got.custom_id;
    out->n_name = out->name ? strlen(out->name) : 0;
    if (k->refused) {
        out->finish = out->end = a->got.code;
        return 0;
    }
    c = &a->got.choice[k->choice];
    buf_reset(&a->ids);
    for (size_t i = 0; i < c->n_tokens; i++)
        buf_put_u32(&a->ids, c->token[i]);
    if (buf_check(&a->ids, "the tokens of an answer", err))
        return -1;
    out->token = (const unsigned char *)a->ids.data;
    out->n_tokens = c->n_tokens;
    out->text = c->text;
    out->n_text = c->text ? strlen(c->text) : 0;
    out->finish = c->finish;
    return 0;
}

/* ---- both ---------------------------------------------------------------- */

void answers_free(struct answers *a)
{
    if (!a)
        return;
    drop_line(a);
    checkpoint_close(a->open);
    buf_clear(&a->line);
    buf_clear(&a->text);
    buf_clear(&a->ids);
    free(a->key);
    free(a);
}

size_t answers_count(const struct answers *a)
{
    return a->n;
}

const struct answer_key *answers_key(const struct answers *a, size_t i)
{
    return &a->key[i];
}

int answers_get(struct answers *a, size_t i, struct stored_answer *out,
                struct err *err)
{
    const struct answer_key *k = &a->key[i];

    memset(out, 0, sizeof(*out));
    return a->output ? get_line(a, k, out, err) : get_row(a, k, out, err);
}

const struct id *answers_model(const struct answers *a)
{
    return a->has_model ? &a->model : NULL;
}
