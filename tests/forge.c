/*
 * Forge a sealed batch of one part: change one thing of one answer, and make
 * every hash fit that needs no key and no model.
 *
 *     forge CHANGE ROW BATCH [OTHER]
 *
 * BATCH is the directory of a batch; its part, index and checkpoint.json are
 * written anew.  OTHER is another batch, for changes that take a row from it.
 * `forge list` prints the changes.  Exit status 1: it could not be made.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/result_record.h"
#include "proof/statement.h"
#include "proof/trace.h"
#include "spool/ids_file.h"
#include "spool/request_file.h"
#include "spool/spool.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/record.h"
#include "store/request.h"
#include "store/seal.h"

#define MAX 96  /* ids and leaves of an answer */
#define DIM 128 /* of nano */
#define ROWS 64

struct row {
    uint32_t line;
    struct job_record j;
    struct result_record r;
    uint32_t prompt[MAX], output[MAX];
    size_t n_prompt, n_output, n_leaves, n_text, n_stops;
    struct trace_leaf leaf[MAX];
    unsigned char text[1024], stops[256], last[DIM * 4];
    char name[CHECKPOINT_CUSTOM_ID];
    size_t n_name;

    /* packed by commit */
    unsigned char job[RECORD_JOB], result[RECORD_RESULT];
    unsigned char leaves[MAX * RECORD_LEAF];
    unsigned char prompt_id[MAX * 4], output_id[MAX * 4];
};

struct forged {
    const char *path;
    struct batch_info info;
    struct checkpoint_head head;
    struct row row[ROWS];
    size_t n;
    uint64_t n_lines;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "forge: %s\n", what);
    exit(1);
}

static void check(int rc, const struct err *err)
{
    must(rc == 0, err->text);
}

/* ---- reading ------------------------------------------------------------- */

static void read_row(struct row *w, const struct checkpoint_row *row)
{
    const struct record *r = &row->record;

    memset(w, 0, sizeof(*w));
    must(r->leaf || r->n_leaves == 0, "an answer without leaves");
    must(r->n_prompt < MAX && r->n_output < MAX - 1 && r->n_leaves < MAX &&
             r->text_size < sizeof(w->text) - 8 &&
             r->stops_size < sizeof(w->stops) - 8, "a long answer");
    w->line = row->line;
    must(job_record_unpack(&w->j, r->job) == 0 &&
             result_record_unpack(&w->r, r->result) == 0, "a record");
    w->n_prompt = r->n_prompt;
    w->n_output = r->n_output;
    w->n_leaves = r->n_leaves;
    w->n_text = r->text_size;
    w->n_stops = r->stops_size;
    for (size_t i = 0; i < w->n_prompt; i++)
        w->prompt[i] = get_u32(r->prompt + 4 * i);
    for (size_t i = 0; i < w->n_output; i++)
        w->output[i] = get_u32(r->output + 4 * i);
    for (size_t i = 0; i < w->n_leaves; i++)
        must(trace_leaf_unpack(&w->leaf[i], r->leaf + i * RECORD_LEAF) == 0,
             "a leaf");
    if (w->n_text)
        memcpy(w->text, r->text, w->n_text);
    if (w->n_stops)
        memcpy(w->stops, r->stops, w->n_stops);
    if (row->last)
        memcpy(w->last, row->last, sizeof(w->last));
    w->n_name = row->custom_id_size;
    if (w->n_name)
        memcpy(w->name, row->custom_id, w->n_name);
}

/* The id that the line of the batch has. */
static void own_id(const struct forged *f, struct id *id, uint32_t line)
{
    struct err err = ERR_INIT;
    struct ids_file *ids;

    check(ids_file_open(&ids, f->path, f->info.n_lines, &err), &err);
    check(ids_file_get(ids, line, id, &err), &err);
    ids_file_close(ids);
}

static void read_batch(struct forged *f, const char *path)
{
    char *part = seal_part_path(path, 0, "h5");
    char *requests = file_join(path, "requests.jsonl");
    struct err err = ERR_INIT;
    struct checkpoint_row row;
    struct checkpoint *c;
    struct request_file *lines;

    memset(f, 0, sizeof(*f));
    f->path = path;
    check(batch_info_read(&f->info, path, &err), &err);
    check(request_file_open(&lines, requests, &err), &err);
    f->n_lines = request_file_count(lines);
    request_file_close(lines);
    check(checkpoint_open(&c, part, &err), &err);
    f->head = *checkpoint_head(c);
    must(f->head.dim == DIM && f->head.n_rows < ROWS - 1, "a large batch");
    for (uint64_t i = 0; i < f->head.n_rows; i++) {
        check(checkpoint_row(c, i, &row, &err), &err);
        read_row(&f->row[f->n++], &row);
    }
    checkpoint_close(c);
    free(requests);
    free(part);
}

/* ---- writing ------------------------------------------------------------- */

/* Every commitment follows from the parts. */
static void commit(struct row *w)
{
    struct job_stop stop[JOB_MAX_STOPS];
    struct merkle trace;
    size_t n = 0;

    for (size_t at = 0; at < w->n_stops; n++) {
        stop[n].n = get_u32(w->stops + at);
        stop[n].text = w->stops + at + 4;
        at += 4 + stop[n].n;
    }
    job_record_prompt(&w->j, w->prompt, w->n_prompt);
    must(job_record_stops(&w->j, stop, n, NULL) == 0, "stops");
    job_record_pack(w->job, &w->j);
    merkle_init(&trace);
    for (size_t i = 0; i < w->n_leaves; i++) {
        trace_put(&trace, &w->leaf[i]);
        trace_leaf_pack(w->leaves + i * RECORD_LEAF, &w->leaf[i]);
    }
    merkle_root(&trace, &w->r.trace);
    w->r.n = (uint32_t)w->n_leaves;
    job_record_id(&w->r.job, &w->j);
    w->r.model = w->j.model;
    w->r.choice = w->j.choice;
    result_record_output(&w->r, w->output, w->n_output);
    result_record_text(&w->r, w->text, w->n_text);
    result_record_pack(w->result, &w->r);
    for (size_t i = 0; i < w->n_prompt; i++)
        set_u32(w->prompt_id + 4 * i, w->prompt[i]);
    for (size_t i = 0; i < w->n_output; i++)
        set_u32(w->output_id + 4 * i, w->output[i]);
}

static int give(void *self, uint64_t i, struct checkpoint_row *row,
                struct err *err)
{
    struct forged *f = self;
    struct row *w = &f->row[i];

    (void)err;
    row->line = w->line;
    row->last = w->last;
    row->custom_id = w->name;
    row->custom_id_size = w->n_name;
    row->record = (struct record){
        .job = w->job, .prompt = w->prompt_id, .n_prompt = w->n_prompt,
        .stops = w->stops, .stops_size = w->n_stops, .leaf = w->leaves,
        .n_leaves = w->n_leaves, .output = w->output_id,
        .n_output = w->n_output, .text = w->text, .text_size = w->n_text,
        .result = w->result,
    };
    return 0;
}

static void count(struct forged *f)
{
    struct checkpoint_head *h = &f->head;

    h->n_rows = f->n;
    h->n_stops = h->stop_bytes = 0;
    h->n_prompt = h->n_leaves = h->n_output = h->text_bytes = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct row *w = &f->row[i];

        commit(w);
        h->n_prompt += w->n_prompt;
        h->n_leaves += w->n_leaves;
        h->n_output += w->n_output;
        h->text_bytes += w->n_text;
        for (size_t at = 0; at < w->n_stops; h->n_stops++) {
            h->stop_bytes += get_u32(w->stops + at);
            at += 4 + get_u32(w->stops + at);
        }
    }
}

static void put_id(struct buf *b, const char *key, struct id id)
{
    buf_printf(b, "\"%s\":\"%s\"", key, id_text(id).s);
}

static void write_json(const struct forged *f, uint64_t size, struct id sha256,
                       struct id root)
{
    char *path = file_join(f->path, "checkpoint.json");
    char *refused = file_join(f->path, "refused.jsonl");
    struct err err = ERR_INIT;
    struct request_file *lines;
    struct buf b;

    check(request_file_open(&lines, refused, &err), &err);
    buf_init(&b, 1u << 16);
    buf_puts(&b, "{\"format\":\"apus-checkpoint-1\",");
    put_id(&b, "batch", f->info.id);
    buf_putc(&b, ',');
    put_id(&b, "model", f->head.model);
    buf_printf(&b, ",\"requests\":%" PRIu64 ",\"rows\":%zu,\"refused\":%"
               PRIu64 ",\"parts\":[\n{\"first\":%" PRIu64 ",\"count\":%"
               PRIu64 ",\"size\":\"%" PRIu64 "\",", f->n_lines, f->n,
               request_file_count(lines), f->head.first, f->head.count, size);
    put_id(&b, "sha256", sha256);
    buf_putc(&b, ',');
    put_id(&b, "root", root);
    buf_puts(&b, "}\n]}\n");
    check(file_write(path, b.data, b.len, &err), &err);
    buf_clear(&b);
    request_file_close(lines);
    free(refused);
    free(path);
}

static void write_batch(struct forged *f)
{
    char *part = seal_part_path(f->path, 0, "h5");
    char *index = seal_part_path(f->path, 0, "idx");
    struct id sha256, root;
    struct err err = ERR_INIT;
    struct part_file *file;
    struct buf b;

    count(f);
    check(checkpoint_write(part, &f->head, give, f, &root, &err), &err);
    buf_init(&b, 1u << 20);
    check(checkpoint_index(part, &b, &err), &err);
    check(file_write(index, b.data, b.len, &err), &err);
    buf_clear(&b);
    check(part_file_open(&file, part, &err), &err);
    check(part_file_hash(file, &sha256, &err), &err);
    write_json(f, part_file_size(file), sha256, root);
    part_file_close(file);
    free(index);
    free(part);
}

/* ---- changes: of one row ------------------------------------------------- */

static void text_more(struct row *w)
{
    w->text[w->n_text++] = '7';
}

static void name_other(struct row *w)
{
    must(w->n_name > 0, "no custom_id");
    w->name[0] ^= 1;
}

static void text_none(struct row *w)
{
    w->n_text = 0;
}

static void text_other(struct row *w)
{
    must(w->n_text > 0, "no text");
    w->text[w->n_text - 1] ^= 1;
}

static void output_alone(struct row *w)
{
    w->output[0] ^= 1;
}

/* The ids of the answer, what was drawn and what was fed. */
static void output_drawn(struct row *w)
{
    w->output[0] ^= 1;
    w->leaf[w->n_prompt - 1].next ^= 1;
    if (w->n_output > 1)
        w->leaf[w->n_prompt].token ^= 1;
}

static void output_last(struct row *w)
{
    w->output[w->n_output - 1] ^= 1;
    w->leaf[w->n_leaves - 1].next ^= 1;
}

/* As if it had ended one token before. */
static void output_less(struct row *w)
{
    must(w->n_output > 1, "a short answer");
    w->n_output--;
    w->n_leaves--;
    w->r.finish = RESULT_LENGTH;
    w->j.max_tokens = (uint32_t)w->n_output;
    memset(w->last, 0, sizeof(w->last));
}

/* As if a stop string had ended one token before. */
static void output_stopped(struct row *w)
{
    static const unsigned char stop[] = "\3\0\0\0xyz";

    output_less(w);
    w->j.max_tokens++;
    w->r.finish = RESULT_STOP;
    if (w->n_stops > 0)
        return;
    memcpy(w->stops, stop, 7);
    w->n_stops = 7;
}

static void trace_kv(struct row *w)
{
    w->leaf[1].kv.b[5] ^= 1;
}

static void trace_last_kv(struct row *w)
{
    w->leaf[w->n_leaves - 1].kv.b[31] ^= 1;
}

static void trace_fin(struct row *w)
{
    w->leaf[w->n_prompt - 1].fin.b[0] ^= 1;
}

static void trace_token(struct row *w)
{
    w->leaf[0].token ^= 1;
}

static void trace_position(struct row *w)
{
    w->leaf[1].position = 2;
}

static void trace_deep(struct row *w)
{
    w->r.level = 1;
    for (size_t i = 0; i < w->n_leaves; i++) {
        w->leaf[i].flags |= TRACE_DEEP;
        w->leaf[i].deep.b[0] = 1;
    }
}

static void trace_none(struct row *w)
{
    w->n_leaves = 0;
}

/* The last residual row, and what the trace commits to. */
static void last_row(struct row *w)
{
    w->last[9] ^= 1;
    merkle_blob(&w->leaf[w->n_leaves - 1].fin, w->last, sizeof(w->last));
}

static void last_alone(struct row *w)
{
    w->last[9] ^= 1;
}

static void finish_length(struct row *w)
{
    w->r.finish = RESULT_LENGTH;
}

static void finish_context(struct row *w)
{
    w->r.finish = RESULT_CONTEXT;
}

/* The answer is made an error of the range at its first position. */
static void finish_range(struct row *w)
{
    w->r.finish = RESULT_RANGE;
    w->r.error_layer = 1;
    w->r.error_op = 1;
    w->n_leaves = w->n_output = w->n_text = 0;
    memset(w->last, 0, sizeof(w->last));
}

static void finish_long(struct row *w)
{
    w->r.finish = RESULT_LONG;
    w->n_leaves = w->n_output = w->n_text = 0;
    memset(w->last, 0, sizeof(w->last));
}

/* Bytes where the record commits to none. */
static void last_free(struct row *w)
{
    finish_long(w);
    w->last[9] = 1;
}

static void job_seed(struct row *w)
{
    w->j.seed ^= 1;
}

static void job_temperature(struct row *w)
{
    w->j.temperature += 1;
}

static void job_top_p(struct row *w)
{
    w->j.top_p -= 1;
}

static void job_top_k(struct row *w)
{
    w->j.top_k += 50;
}

static void job_max_tokens(struct row *w)
{
    w->j.max_tokens += 1;
}

static void job_flags(struct row *w)
{
    w->j.flags ^= JOB_IGNORE_EOS;
}

static void job_numerics(struct row *w)
{
    w->j.numerics = 2;
}

static void job_stop(struct row *w)
{
    static const unsigned char stop[] = "\6\0\0\0forged";

    must(w->n_stops == 0, "stops");
    memcpy(w->stops, stop, 10);
    w->n_stops = 10;
}

static void job_prompt(struct row *w)
{
    w->prompt[w->n_prompt - 1] ^= 1;
    w->leaf[w->n_prompt - 1].token ^= 1;
}

static void request_other(struct row *w)
{
    w->r.request.b[0] ^= 1;
}

/* ---- changes: of the batch ----------------------------------------------- */

static void remove_rows(struct forged *f, uint32_t line)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        if (f->row[i].line != line)
            f->row[n++] = f->row[i];
    f->n = n;
}

static void row_removed(struct forged *f, size_t i, const struct forged *other)
{
    (void)other;
    remove_rows(f, f->row[i].line);
}

/* With a reason in refused.jsonl, which nothing else has. */
static void row_refused(struct forged *f, size_t i, const struct forged *other)
{
    char *path = file_join(f->path, "refused.jsonl");
    uint32_t line = f->row[i].line;
    struct err err = ERR_INIT;
    struct buf b;

    (void)other;
    buf_init(&b, 1u << 12);
    buf_printf(&b, "{\"line\":%" PRIu32 ",\"code\":\"invalid_request\","
               "\"message\":\"no\"}\n", line);
    check(file_write(path, b.data, b.len, &err), &err);
    buf_clear(&b);
    free(path);
    remove_rows(f, line);
}

/* Each request has the answer of the next one. */
static void rows_shifted(struct forged *f, size_t i,
                         const struct forged *other)
{
    struct row first = f->row[0];

    (void)i;
    (void)other;
    for (size_t k = 0; k < f->n; k++) {
        uint32_t line = f->row[k].line;

        f->row[k] = k + 1 < f->n ? f->row[k + 1] : first;
        f->row[k].line = line;
        own_id(f, &f->row[k].r.request, line);
    }
}

/* Two answers change their places, and have the ids of these. */
static void rows_swapped(struct forged *f, size_t i,
                         const struct forged *other)
{
    struct row *a = &f->row[i], *b = &f->row[i + 1], t = *a;

    (void)other;
    *a = *b;
    *b = t;
    b->line = a->line;
    a->line = t.line;
    own_id(f, &a->r.request, a->line);
    own_id(f, &b->r.request, b->line);
}

/* The same, and keep their own ids. */
static void places_swapped(struct forged *f, size_t i,
                           const struct forged *other)
{
    struct row *a = &f->row[i], *b = &f->row[i + 1], t = *a;

    (void)other;
    *a = *b;
    *b = t;
    b->line = a->line;
    a->line = t.line;
}

/* As another choice, which nobody asked for. */
static void row_doubled(struct forged *f, size_t i,
                        const struct forged *other)
{
    (void)other;
    memmove(f->row + i + 1, f->row + i, (f->n - i) * sizeof(*f->row));
    f->n++;
    f->row[i + 1].j.choice++;
}

/* The right answer to a request of another batch. */
static void row_of_other(struct forged *f, size_t i,
                         const struct forged *other)
{
    uint32_t line = f->row[i].line;

    must(other && other->n > i, "another batch expected");
    f->row[i] = other->row[i];
    f->row[i].line = line;
}

static void row_of_other_renamed(struct forged *f, size_t i,
                                 const struct forged *other)
{
    row_of_other(f, i, other);
    own_id(f, &f->row[i].r.request, f->row[i].line);
}

/* The whole part of another batch, said to be of this one. */
static void part_of_other(struct forged *f, size_t i,
                          const struct forged *other)
{
    (void)i;
    must(other != NULL, "another batch expected");
    memcpy(f->row, other->row, sizeof(f->row));
    f->n = other->n;
    f->head.count = f->n_lines;
}

static void all_of_model(struct forged *f, size_t i,
                         const struct forged *other)
{
    (void)i;
    (void)other;
    f->head.model.b[0] ^= 1;
    for (size_t k = 0; k < f->n; k++)
        f->row[k].j.model.b[0] ^= 1;
}

static void head_batch(struct forged *f, size_t i, const struct forged *other)
{
    (void)i;
    (void)other;
    f->head.batch.b[0] ^= 1;
}

static void head_vocab(struct forged *f, size_t i, const struct forged *other)
{
    (void)i;
    (void)other;
    f->head.n_vocab++;
}

static void head_layers(struct forged *f, size_t i,
                        const struct forged *other)
{
    (void)i;
    (void)other;
    f->head.n_layers++;
}

static void head_count(struct forged *f, size_t i, const struct forged *other)
{
    (void)i;
    (void)other;
    f->head.count++;
}

/* Long texts, which JSON quotes and quotes again in a message. */
static void texts_quotes(struct forged *f, size_t i,
                         const struct forged *other)
{
    (void)i;
    (void)other;
    for (size_t k = 0; k < f->n; k++) {
        f->row[k].n_text = 1000;
        memset(f->row[k].text, '"', 1000);
    }
}

/* ---- the list ------------------------------------------------------------ */

static const struct change {
    const char *name;
    void (*row)(struct row *w);
    void (*batch)(struct forged *f, size_t i, const struct forged *other);
} changes[] = {
    { "text-more", text_more, NULL },
    { "text-none", text_none, NULL },
    { "name-other", name_other, NULL },
    { "text-other", text_other, NULL },
    { "output-alone", output_alone, NULL },
    { "output-drawn", output_drawn, NULL },
    { "output-last", output_last, NULL },
    { "output-less", output_less, NULL },
    { "output-stopped", output_stopped, NULL },
    { "trace-kv", trace_kv, NULL },
    { "trace-last-kv", trace_last_kv, NULL },
    { "trace-fin", trace_fin, NULL },
    { "trace-token", trace_token, NULL },
    { "trace-position", trace_position, NULL },
    { "trace-deep", trace_deep, NULL },
    { "trace-none", trace_none, NULL },
    { "last-row", last_row, NULL },
    { "last-alone", last_alone, NULL },
    { "last-free", last_free, NULL },
    { "finish-length", finish_length, NULL },
    { "finish-context", finish_context, NULL },
    { "finish-range", finish_range, NULL },
    { "finish-long", finish_long, NULL },
    { "job-seed", job_seed, NULL },
    { "job-temperature", job_temperature, NULL },
    { "job-top-p", job_top_p, NULL },
    { "job-top-k", job_top_k, NULL },
    { "job-max-tokens", job_max_tokens, NULL },
    { "job-flags", job_flags, NULL },
    { "job-numerics", job_numerics, NULL },
    { "job-stop", job_stop, NULL },
    { "job-prompt", job_prompt, NULL },
    { "request-other", request_other, NULL },
    { "row-removed", NULL, row_removed },
    { "row-refused", NULL, row_refused },
    { "row-doubled", NULL, row_doubled },
    { "row-of-other", NULL, row_of_other },
    { "row-of-other-renamed", NULL, row_of_other_renamed },
    { "rows-shifted", NULL, rows_shifted },
    { "rows-swapped", NULL, rows_swapped },
    { "places-swapped", NULL, places_swapped },
    { "part-of-other", NULL, part_of_other },
    { "all-of-another-model", NULL, all_of_model },
    { "texts-quotes", NULL, texts_quotes },
    { "head-batch", NULL, head_batch },
    { "head-vocab", NULL, head_vocab },
    { "head-layers", NULL, head_layers },
    { "head-count", NULL, head_count },
    { "nothing", NULL, NULL }, /* what is written again is right */
};
#define N_CHANGES (sizeof(changes) / sizeof(*changes))

int main(int argc, char **argv)
{
    static struct forged f, other;
    size_t row, i = 0;

    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (; i < N_CHANGES; i++)
            puts(changes[i].name);
        return 0;
    }
    must(argc == 4 || argc == 5, "forge CHANGE ROW BATCH [OTHER]");
    while (i < N_CHANGES && strcmp(changes[i].name, argv[1]) != 0)
        i++;
    must(i < N_CHANGES, "no such change");
    read_batch(&f, argv[3]);
    if (argc == 5)
        read_batch(&other, argv[4]);
    row = strtoul(argv[2], NULL, 10);
    must(row + (changes[i].batch != NULL) < f.n, "no such row");
    if (changes[i].row)
        changes[i].row(&f.row[row]);
    if (changes[i].batch)
        changes[i].batch(&f, row, argc == 5 ? &other : NULL);
    write_batch(&f);
    batch_info_clear(&f.info);
    batch_info_clear(&other.info);
    return 0;
}
