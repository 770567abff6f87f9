/*
 * apus diff: hold two checkpoints against each other, or one and an output
 * file: which answers are the same, and where the others differ first.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/plural.h"
#include "base/settings.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "cmd/cmd.h"
#include "cmd/named.h"
#include "cmd/part.h"
#include "spool/spool.h"
#include "store/part_file.h"
#include "store/seal.h"
#include "verify/answers.h"
#include "verify/compare.h"

#define JSON_MAX ((size_t)1 << 30)

/* One of the two things. */
struct side {
    const char *what;
    struct part_file **file; /* parts, or one output file */
    size_t n;
    struct answers *answers;
};

struct diff {
    const struct settings *settings;
    struct side a, b;
    bool json, trust;
    bool begun;      /* a difference is in the array */
    struct buf out;  /* of the JSON */
};

/* ---- opening ------------------------------------------------------------- */

static int add_file(struct side *s, struct part_file *f)
{
    VEC_MORE(s->file, s->n);
    s->file[s->n++] = f;
    return 0;
}

static int add_part(struct side *s, const struct spool *spool,
                    const char *path, bool trust, struct err *err)
{
    struct part_file *f;

    if (part_open(&f, spool, path, trust, err))
        return -1;
    return add_file(s, f);
}

static int add_batch(struct side *s, const struct spool *spool,
                     const struct batch *b, struct err *err)
{
    struct seal_info i = { .n_parts = 0 };
    int rc = seal_info_read(&i, b->path, err);

    for (size_t k = 0; rc == 0 && k < i.n_parts; k++) {
        char *path = seal_part_path(b->path, k, "h5");

        rc = add_part(s, spool, path, false, err);
        free(path);
    }
    seal_info_clear(&i);
    return rc;
}

/* A batch, or those that answer a file of requests. */
static int add_named(struct side *s, const struct spool *spool,
                     struct err *err)
{
    struct named n;
    int rc;

    if (named_find(&n, spool, s->what, NULL, err))
        return -1;
    rc = 0;
    for (size_t i = 0; rc == 0 && i < n.n; i++)
        rc = add_batch(s, spool, &n.batch[i], err);
    named_clear(&n);
    return rc;
}

static int open_output(struct side *s, struct err *err)
{
    struct part_file *f;

    if (part_file_open(&f, s->what, err))
        return -1;
    add_file(s, f);
    return answers_of_output(&s->answers, f, err);
}

static int open_side(struct diff *d, struct side *s, struct err *err)
{
    const char *dir = settings_text(d->settings, "spool");
    struct spool *spool = NULL;
    int rc;

    if (part_is_output(s->what) && !named_is_answered(s->what, dir))
        return open_output(s, err);
    if (part_is_file(s->what) && d->trust) {
        rc = add_part(s, NULL, s->what, true, err);
    } else {
        if (spool_open_there(&spool, dir, err))
            return -1;
        rc = part_is_file(s->what)
                 ? add_part(s, spool, s->what, false, err)
                 : add_named(s, spool, err);
        spool_close(spool);
    }
    if (rc)
        return -1;
    return answers_of_parts(&s->answers,
                            (const struct part_file *const *)s->file, s->n,
                            err);
}

static int close_side(struct side *s, struct err *err)
{
    int rc = 0;

    answers_free(s->answers);
    for (size_t i = 0; i < s->n; i++) {
        if (rc == 0 && err)
            rc = part_file_unchanged(s->file[i], err);
        part_file_close(s->file[i]);
    }
    free(s->file);
    memset(s, 0, sizeof(*s));
    return rc;
}

/* ---- a line for each difference ------------------------------------------ */

static void say_id(struct buf *out, uint64_t id)
{
    if (id == COMPARE_NONE)
        buf_puts(out, "none");
    else
        buf_printf(out, "%" PRIu64, id);
}

static void say_number(struct buf *out, const char *name, uint64_t a,
                       uint64_t b)
{
    buf_printf(out, "; %s is %" PRIu64 " and %" PRIu64, name, a, b);
}

static void say_millionths(struct buf *out, const char *name, uint32_t a,
                           uint32_t b)
{
    buf_printf(out, "; %s is %g and %g", name, a / 1e6, b / 1e6);
}

static void say_answer(struct buf *out, const struct compare_pair *p)
{
    if (p->differs & COMPARE_TOKENS) {
        buf_printf(out, "; token %" PRIu64 " is ", p->token + 1);
        say_id(out, p->token_a);
        buf_puts(out, " and ");
        say_id(out, p->token_b);
    } else if (p->differs & COMPARE_TEXT) {
        buf_printf(out, "; the text differs at byte %" PRIu64, p->text + 1);
    }
    if (p->differs & COMPARE_FINISH)
        buf_printf(out, "; it ends by %s and %s",
                   p->a->end && p->b->end ? p->a->end : p->a->finish,
                   p->a->end && p->b->end ? p->b->end : p->b->finish);
}

static void say_job(struct buf *out, const struct compare_pair *p)
{
    const struct job_record *a = &p->a->job, *b = &p->b->job;

    if (p->differs & COMPARE_PROMPT)
        buf_printf(out, "; the prompt differs at token %" PRIu64,
                   p->prompt + 1);
    if (p->differs & COMPARE_MAX_TOKENS)
        say_number(out, "max_tokens", a->max_tokens, b->max_tokens);
    if (p->differs & COMPARE_TEMPERATURE)
        say_millionths(out, "temperature", a->temperature, b->temperature);
    if (p->differs & COMPARE_TOP_P)
        say_millionths(out, "top_p", a->top_p, b->top_p);
    if (p->differs & COMPARE_TOP_K)
        say_number(out, "top_k", a->top_k, b->top_k);
    if (p->differs & COMPARE_SEED)
        say_number(out, "seed", a->seed, b->seed);
    if (p->differs & COMPARE_IGNORE_EOS)
        say_number(out, "ignore_eos", a->flags & JOB_IGNORE_EOS,
                   b->flags & JOB_IGNORE_EOS);
    if (p->differs & COMPARE_STOPS)
        buf_puts(out, "; the stop strings differ");
}

static void print_pair(const struct diff *d, const struct compare_pair *p)
{
    const struct stored_answer *one = p->a ? p->a : p->b;
    struct buf out, name;

    buf_init(&out, 1u << 16);
    buf_init(&name, 1u << 12);
    buf_printf(&out, "line %" PRIu64 ", choice %" PRIu32,
               (uint64_t)p->key->line + 1, p->key->choice);
    if (one->n_name) {
        utf8_scrub(&name, one->name, one->n_name);
        buf_printf(&out, " (%s)", name.data);
    }
    if (p->a && p->b) {
        say_answer(&out, p);
        say_job(&out, p);
    } else {
        buf_printf(&out, "; only in %s", p->a ? d->a.what : d->b.what);
    }
    printf("%s\t", !p->a || !p->b ? "only"
           : p->differs & COMPARE_ANSWER ? "differs" : "asked");
    plain_write(stdout, out.data, out.len);
    putchar('\n');
    buf_clear(&name);
    buf_clear(&out);
}

/* ---- JSON ---------------------------------------------------------------- */

static void put_token(struct buf *out, const char *key, uint64_t id)
{
    if (id == COMPARE_NONE)
        json_put_text(out, key, NULL);
    else
        json_put_number(out, key, id);
}

static void put_two(struct buf *out, const char *key, double a, double b)
{
    json_put_key(out, key);
    buf_printf(out, "[%.7g,%.7g]", a, b);
}

static void put_two_counts(struct buf *out, const char *key, uint32_t a,
                           uint32_t b)
{
    json_put_key(out, key);
    buf_printf(out, "[%" PRIu32 ",%" PRIu32 "]", a, b);
}

static void put_job(struct buf *out, const struct compare_pair *p)
{
    const struct job_record *a = &p->a->job, *b = &p->b->job;

    if (p->differs & COMPARE_PROMPT)
        json_put_number(out, "prompt", p->prompt + 1);
    if (p->differs & COMPARE_MAX_TOKENS)
        put_two_counts(out, "max_tokens", a->max_tokens, b->max_tokens);
    if (p->differs & COMPARE_TEMPERATURE)
        put_two(out, "temperature", a->temperature / 1e6,
                b->temperature / 1e6);
    if (p->differs & COMPARE_TOP_P)
        put_two(out, "top_p", a->top_p / 1e6, b->top_p / 1e6);
    if (p->differs & COMPARE_TOP_K)
        put_two_counts(out, "top_k", a->top_k, b->top_k);
    if (p->differs & COMPARE_SEED) {
        json_put_key(out, "seed");
        buf_printf(out, "[\"%" PRIu64 "\",\"%" PRIu64 "\"]", a->seed, b->seed);
    }
    if (p->differs & COMPARE_IGNORE_EOS) {
        json_put_key(out, "ignore_eos");
        buf_printf(out, "[%s,%s]",
                   a->flags & JOB_IGNORE_EOS ? "true" : "false",
                   b->flags & JOB_IGNORE_EOS ? "true" : "false");
    }
    if (p->differs & COMPARE_STOPS)
        json_put_bool(out, "stop", true);
}

static void put_pair(struct diff *d, const struct compare_pair *p)
{
    const struct stored_answer *one = p->a ? p->a : p->b;
    struct buf *out = &d->out;

    buf_puts(out, d->begun ? ",\n{" : "\n{");
    json_put_id(out, "request", p->key->request);
    json_put_number(out, "line", (uint64_t)p->key->line + 1);
    json_put_number(out, "choice", p->key->choice);
    d->begun = true;
    if (one->n_name) {
        json_put_key(out, "custom_id");
        json_put_string(out, one->name, one->n_name);
    }
    if (!p->a || !p->b) {
        json_put_text(out, "only", p->a ? "a" : "b");
    } else {
        if (p->differs & COMPARE_TOKENS) {
            json_put_number(out, "token", p->token + 1);
            put_token(out, "a", p->token_a);
            put_token(out, "b", p->token_b);
        }
        if (p->differs & COMPARE_TEXT)
            json_put_number(out, "text", p->text + 1);
        if (p->differs & COMPARE_FINISH) {
            json_put_text(out, "finish_a", p->a->finish);
            json_put_text(out, "finish_b", p->b->finish);
        }
        put_job(out, p);
    }
    buf_putc(out, '}');
}

/* ---- both ---------------------------------------------------------------- */

static int report_pair(void *self, const struct compare_pair *p,
                       struct err *err)
{
    struct diff *d = self;

    if (!d->json) {
        print_pair(d, p);
        return 0;
    }
    put_pair(d, p);
    return buf_check(&d->out, "the differences", err);
}

static void print_counts(const struct diff *d, const struct compare_counts *n)
{
    if (d->json) {
        printf("{\"same\":%" PRIu64 ",\"differ\":%" PRIu64 ",\"parameters\":%"
               PRIu64 ",\"only_a\":%" PRIu64 ",\"only_b\":%" PRIu64
               ",\"same_model\":%s,\"differences\":[%s%s]}\n", n->same,
               n->differ, n->parameters, n->only_a, n->only_b,
               n->other_model ? "false" : "true",
               d->out.len ? d->out.data : "", d->begun ? "\n" : "");
        return;
    }
    if (n->other_model)
        puts("model\tthey were answered by two models");
    printf("%s\t%" PRIu64 " the same, %" PRIu64 " different, %" PRIu64
           " with other parameters, %" PRIu64 " and %" PRIu64
           " without a counterpart\n",
           n->differ || n->parameters || n->only_a || n->only_b ||
           n->other_model ? "total" : "same", n->same, n->differ,
           n->parameters, n->only_a, n->only_b);
}

enum diff_end { DIFF_FAILED = -1, DIFF_SAME, DIFF_DIFFERENT };

static enum diff_end do_diff(struct diff *d, struct err *err)
{
    struct compare_counts n;
    int rc = open_side(d, &d->a, err) || open_side(d, &d->b, err) ||
                     compare_answers(&n, d->a.answers, d->b.answers,
                                     report_pair, d, err)
                 ? -1
                 : 0;

    if (rc == 0)
        print_counts(d, &n);
    if (close_side(&d->a, rc ? NULL : err) | close_side(&d->b, rc ? NULL : err))
        rc = -1;
    if (rc)
        return DIFF_FAILED;
    return n.differ || n.parameters || n.only_a || n.only_b || n.other_model
               ? DIFF_DIFFERENT : DIFF_SAME;
}

static const struct opt diff_opts[] = {
    { 0, "json", NULL, "print one object", offsetof(struct diff, json) },
    { 0, "trust", NULL, "open files that were not made in this spool",
      offsetof(struct diff, trust) },
    { .name = NULL }
};

static const struct opt_command diff_command = {
    .name = "apus diff",
    .synopsis = "A B [--json] [--trust]",
    .about = "Compare two things that have answers: a batch of the spool or"
             " the file of its\nrequests, a part FILE.h5 of a checkpoint, or"
             " an output file.  A line for each\nanswer that differs, with the"
             " first token that does, from 1, and for each that\nwas asked for"
             " with other parameters.  Exit status 0 if there is none, else 3.",
    .opts = diff_opts, .min_args = 2, .max_args = 2,
};

int cmd_diff(struct settings *s, int argc, char **argv)
{
    const char *args[2] = { NULL };
    struct diff d = { .settings = s };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&diff_command, s, argc, argv, &d, args, &n_args);

    if (status == CMD_GO) {
        enum diff_end end;

        buf_init(&d.out, JSON_MAX);
        d.a.what = args[0];
        d.b.what = args[1];
        end = do_diff(&d, &err);
        status = end == DIFF_FAILED ? cmd_fail(&err)
                 : end == DIFF_SAME ? CMD_DONE : CMD_NO;
        buf_clear(&d.out);
    }
    return status;
}
