/*
 * src/dispute: a node that commits to what no right one can have (infinities,
 * numbers out of range, witnesses past the end, exponents too low), each where
 * the claim that is judged would hold without that; and shows and proofs of
 * another form.  The first is a fault, the second is refused.
 *
 *     t_hostile [DIR]   write the games into it, for other judges
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "dispute/dispute_file.h"
#include "dispute/linears.h"
#include "dispute/place.h"
#include "dispute/prover.h"
#include "dispute/terms.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/model_record.h"
#include "proof/trace.h"
#include "tests/dispute_util.h"
#include "tests/models_util.h"
#include "tests/tap.h"

#define INF 0x7f800000u
#define NAN_BITS 0x7fc00000u
#define TWO_50 0x58800000u /* bits of 2^50, of 2^60 */
#define TWO_60 0x5d800000u
#define TWO_53 (INT64_C(1) << 53)
#define LOW 0xf149f2cau    /* bits of -1e30, of -2^40 */
#define LOW_LOGIT 0xd3800000u

static struct played played;
static struct execution *x; /* the node's */
static uint32_t last;       /* position, and layer */
static uint32_t top;
static const char *save_dir;

/* ---- what is changed ----------------------------------------------------- */

struct change {
    enum entry entry; /* bytes [at, at + n) of a vector, or a scalar */
    size_t at, n;
    uint64_t value;
};

static struct {
    struct change change[4];
    size_t n;
    struct {
        size_t at;    /* word of what is shown */
        int64_t value;
    } sum[8];
    size_t n_sums;
    enum show grows;  /* a show that gets `by` bytes more, or fewer */
    int by;
} plan;

static void put(enum entry e, size_t at, size_t n, uint64_t value)
{
    plan.change[plan.n++] = (struct change){ e, at, n, value };
}

static void put_float(enum entry e, size_t i, uint32_t bits)
{
    put(e, 4 * i, 4, bits);
}

/* Let an integer of a quantised row be 0. */
static void put_zero(enum entry e, size_t i)
{
    size_t width = operators_width(&played.model->rec, e);

    put(e, width * i, width, 0);
}

static void put_sum(size_t at, int64_t value)
{
    plan.sum[plan.n_sums].at = at;
    plan.sum[plan.n_sums++].value = value;
}

static void change_table(struct buf *show, const struct judge *g)
{
    struct explained *now = (struct explained *)x->now;

    for (size_t i = 0; i < plan.n; i++) {
        const struct change *c = &plan.change[i];

        if (!operators_is_vector(c->entry))
            now->scalar[c->entry] = c->value;
        for (size_t k = 0; operators_is_vector(c->entry) && k < c->n; k++)
            now->vector[c->entry][c->at + k] =
                (unsigned char)(c->value >> 8 * k);
    }
    buf_reset(show);
    if (prover_show(show, x, g, NULL))
        abort();
}

static void change_show(void *self, const struct judge *g, struct buf *show)
{
    (void)self;
    if (g->show == SHOW_OPERATORS && plan.n)
        change_table(show, g);
    for (size_t i = 0; g->show == SHOW_SUMS && i < plan.n_sums; i++)
        set_u64((unsigned char *)show->data + 8 * plan.sum[i].at,
                (uint64_t)plan.sum[i].value);
    if (g->show != plan.grows || plan.by == 0)
        return;
    for (int i = 0; i < plan.by; i++)
        buf_putc(show, 0);
    if (plan.by < 0)
        show->len -= (size_t)-plan.by;
}

/* ---- games --------------------------------------------------------------- */

static int pick_place(void *self, const struct judge *g, char *choice)
{
    return place_pick(choice, self, g, NULL);
}

static void save(const struct buf *file, const char *end)
{
    static unsigned n;
    char *path;

    if (!save_dir)
        return;
    path = xasprintf("%s/hostile-%03u.%s", save_dir, n++, end);
    file_write(path, file->data, file->len, NULL);
    free(path);
}

/* Another execution, with what it explained. */
static void fresh(void)
{
    execution_free(x);
    x = played_execution(&played, false, NULL);
}

static void seal(void)
{
    struct result_record r;

    if (result_record_unpack(&r, x->result))
        abort();
    execution_seal(x, &r);
}

/* Play up to a place, and end as planned; the plan is over then. */
static void play(const char *name, const char *end, const char *where)
{
    struct place place;
    struct game g;

    if (place_init(&place, where, NULL))
        abort();
    game_play(&g, x, pick_place, &place, change_show, NULL);
    if (strcmp(end, "refused") == 0)
        ok(g.stuck, "%s: refused (%s)", name, g.why);
    else
        ok(!g.stuck && g.verdict == (strcmp(end, "fault") == 0 ? JUDGE_FAULT
                                                              : JUDGE_HOLDS),
           "%s, %s: %s (%s)", name, where, end, g.why);
    save(&g.file, end);
    game_clear(&g);
    memset(&plan, 0, sizeof(plan));
    fresh();
}

__attribute__((format(printf, 2, 3)))
static void fault(const char *name, const char *fmt, ...)
{
    char rest[80], where[120];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rest, sizeof(rest), fmt, ap);
    va_end(ap);
    snprintf(where, sizeof(where), "%u/%u/%s", last, top, rest);
    play(name, "fault", where);
}

static const struct explained *explained(uint32_t layer)
{
    if (execution_explain(x, last, layer, NULL))
        abort();
    return x->now;
}

static float number(enum entry e, size_t i)
{
    return f32_from(get_u32(explained(top)->vector[e] + 4 * i));
}

/* ---- rows ---------------------------------------------------------------- */

static void try_rows(void)
{
    uint32_t gates[] = { INF, NAN_BITS };

    put_float(ENTRY_O, 3, INF);
    put_zero(ENTRY_B, 3);
    fault("an infinity of o", "b/3");
    for (int i = 0; i < 2; i++) {
        put_float(ENTRY_G, 3, gates[i]);
        put_zero(ENTRY_H, 3);
        fault(i ? "no number in g" : "an infinity of g", "h/3");
    }
    put_float(ENTRY_G, 3, TWO_60);
    put_float(ENTRY_U, 3, TWO_60);
    put_zero(ENTRY_H, 3);
    fault("a gated 2^120", "h/3");
    put(ENTRY_INV, 0, 4, INF);
    put_zero(ENTRY_A, 3);
    fault("an infinite inv", "a/3");
    put(ENTRY_INV2, 0, 4, 0x4e800000u); /* 2^30 */
    put_zero(ENTRY_C, 3);
    fault("an inv2 of 2^30", "c/3");
}

static void try_squares(void)
{
    const struct model_record *m = &played.model->rec;
    int32_t e = (int32_t)explained(top)->scalar[ENTRY_EX];
    int32_t ey = (int32_t)explained(top)->scalar[ENTRY_EY];
    int64_t q, sum = 0;

    put(ENTRY_S, 0, 8, (uint64_t)TWO_53);
    put(ENTRY_INV, 0, 4, f32_bits(terms_inv(TWO_53, e, m->dim, m->eps)));
    fault("a sum of squares of 2^53", "inv");
    put(ENTRY_S, 0, 8, (uint64_t)-1);
    fault("a sum of squares below 0", "inv");
    put(ENTRY_EX, 0, 4, (uint32_t)-100);
    put_sum(0, 0);
    fault("an exponent that all elements exceed", "S/0");
    for (uint32_t i = 0; i < m->dim && i < 256; i++) {
        q = terms_a14(number(ENTRY_Y, i), ey);
        sum += i == 5 ? 0 : q * q;
    }
    put_float(ENTRY_Y, 5, INF);
    put_sum(0, sum);
    fault("an infinity among squares", "S2/0");
    put_sum(0, TWO_53 - 1);
    fault("a sum just below 2^53", "S/0");
}

static void try_linears(void)
{
    const struct model_layer *l = &played.model->layers[top];
    float step = terms_step((int32_t)explained(top)->scalar[ENTRY_EA]);
    int64_t big = INT64_C(1) << 39;

    put_sum(0, big);
    put_float(ENTRY_Q, 3, 0);
    fault("products of 2^39, as 0", "q/3/total");
    put_sum(0, -big);
    put_float(ENTRY_Q, 3, f32_bits(terms_linear(-big, l->wq.scale[3], step)));
    fault("products of -2^39", "q/3/total");
    put_sum(0, big);
    put_float(ENTRY_Q, 3, f32_bits(terms_linear(big, l->wq.scale[3], step)));
    fault("products of 2^39", "q/3/total");
}

/* A step in the bits of an A8 model. */
static void try_step(void)
{
    put(ENTRY_EA, 0, 4, INF);
    put_float(ENTRY_Q, 3, 0);
    fault("an infinite step", "q/3/total");
    put(ENTRY_WA, 0, 4, played.model->rec.dim);
    fault("a witness past the end of an A8 row", "a/3");
}

/* ---- attention ----------------------------------------------------------- */

static void try_heads(void)
{
    uint32_t hd = played.model->rec.head_dim, j = 0, i;
    char where[40];

    for (i = 1; i < hd / 2; i++) /* the least, so that it is no greatest */
        if (number(ENTRY_Q, i) * number(ENTRY_Q, i) <
            number(ENTRY_Q, j) * number(ENTRY_Q, j))
            j = i;
    put_float(ENTRY_Q, j, INF);
    fault("an infinity of q", "r/%u", j == 0 ? 1 : 0);
    put_float(ENTRY_Q, j, TWO_50);
    put_zero(ENTRY_R, j == 0 ? 1 : 0);
    fault("a head with 2^50", "r/%u", j == 0 ? 1 : 0);
    put_float(ENTRY_K, j, TWO_50);
    fault("keys with 2^50", "kv 0");
    put_float(ENTRY_K, j, NAN_BITS);
    fault("keys with no number", "kv 0");
    put(ENTRY_HEADS, 20, 4, 1);
    snprintf(where, sizeof(where), "%u/%u/heads/0 er", last, top);
    play("a head without zeros", "refused", where);
}

/* Let the leaf of the last position be that of its rows. */
static void put_rows(void)
{
    size_t bytes = execution_row_bytes(x), all = execution_rows_bytes(x);
    const unsigned char *row = x->rows + last * all;
    unsigned char *at = x->leaves + (size_t)last * TRACE_LEAF_SIZE;
    uint32_t hd = played.model->rec.head_dim;
    struct trace_leaf leaf, made;
    struct trace_step step;

    trace_step_init(&step);
    for (size_t i = 0; i < all; i += bytes)
        trace_step_row(&step, f32_from(get_u32(row + i)),
                       f32_from(get_u32(row + i + 4)),
                       (const int8_t *)row + i + 8,
                       (const int8_t *)row + i + 8 + hd, hd);
    trace_step_leaf(&step, &made, last, 0);
    if (trace_leaf_unpack(&leaf, at))
        abort();
    leaf.kv = made.kv;
    trace_leaf_pack(at, &leaf);
    seal();
}

/* A kv row with a value of 2^50, which follows from v. */
static void try_values(void)
{
    size_t bytes = execution_row_bytes(x), all = execution_rows_bytes(x);
    uint32_t kv = played.model->rec.n_kv_heads, hd = played.model->rec.head_dim;
    unsigned char *row = x->rows + last * all + top * kv * bytes;
    float most = f32_from(TWO_50);

    for (uint32_t i = 0; i < hd; i++)
        row[8 + hd + i] =
            (unsigned char)terms_a8(i == 2 ? most : number(ENTRY_V, i), most);
    set_u32(row + 4, f32_bits(terms_a8_scale(most)));
    put_float(ENTRY_V, 2, TWO_50);
    put_rows();
    fault("a value of 2^50 and the row that follows", "kv 0");
}

static void try_keys(void)
{
    for (uint32_t key = 0; key <= last; key += 5) {
        put(ENTRY_HEADS, 4, 4, INF);
        fault("an infinite m", "heads/0 m %u", key);
    }
    put(ENTRY_HEADS, 8, 4, last + 1);
    fault("a wm past the position", "heads/0 m");
    put(ENTRY_HEADS, 16, 4, last + 1);
    fault("a wv past the position", "heads/0 ev");
    put(ENTRY_HEADS, 4, 4, LOW);
    put_sum(0, 0);
    fault("an m that all scores exceed", "heads/0 Z/0");
    put(ENTRY_HEADS, 4, 4, LOW);
    put_sum(0, 0);
    fault("the same of a mix", "o/0/0");
    put(ENTRY_HEADS, 12, 4, (uint32_t)-97);
    put_sum(0, 0);
    fault("an ev that all values exceed", "heads/0 Z/0");
}

static void try_mixed(void)
{
    const unsigned char *head = explained(top)->vector[ENTRY_HEADS];
    int32_t ev = (int32_t)get_u32(head + 12);
    int64_t z = (int64_t)get_u64(head + 24), big = TWO_53 - 1;

    put_sum(0, 1000);
    put_sum(1, 1000);
    put(ENTRY_HEADS, 24, 8, (uint64_t)TWO_53);
    put_float(ENTRY_O, 0, f32_bits(terms_mixed(2000, TWO_53, ev)));
    fault("a Z of 2^53", "o/0/total");
    put_sum(0, 1000);
    put_sum(1, 1000);
    put(ENTRY_HEADS, 24, 8, (uint64_t)-5);
    put_float(ENTRY_O, 0, f32_bits(terms_mixed(2000, -5, ev)));
    fault("a Z below 0", "o/0/total");
    for (int sign = 1; sign >= -1; sign -= 2) {
        put_sum(0, sign * big);
        put_sum(1, sign * big);
        put_float(ENTRY_O, 0, f32_bits(terms_mixed(2 * sign * big, z, ev)));
        fault("sums that make 2^54", "o/0/total");
    }
}

/* ---- the head ------------------------------------------------------------ */

static void head_fault(const char *name, const char *rest)
{
    char where[80];

    snprintf(where, sizeof(where), "%u/head/%s", last, rest);
    play(name, "fault", where);
}

static void try_logits(void)
{
    const struct explained *now = explained(OPERATORS_HEAD);
    uint32_t w = (uint32_t)now->scalar[ENTRY_WMX], j = 0;
    char pick[16];

    while (f32_from(get_u32(now->vector[ENTRY_LOGITS] + 4 * j)) >= 0)
        j++;
    snprintf(pick, sizeof(pick), "mx %u", j);
    put(ENTRY_MX, 0, 4, INF);
    head_fault("an infinite mx", pick);
    put(ENTRY_MX, 0, 4, TWO_60);
    head_fault("an mx of 2^60", pick);
    put(ENTRY_MX, 0, 4, 0);
    put_float(ENTRY_LOGITS, w, INF);
    head_fault("an infinite logit", "mx");
    put(ENTRY_WMX, 0, 4, played.model->rec.n_vocab);
    head_fault("a wmx past the end", "mx");
}

/* An idk past the end, with sums as of the right one: nothing else is wrong. */
static void try_idk(void)
{
    const struct explained *now = explained(OPERATORS_HEAD);
    struct job_record j;

    if (job_record_unpack(&j, played.job))
        abort();
    put(ENTRY_WK, 0, 4, 0);
    put(ENTRY_IDK, 0, 4, played.model->rec.n_vocab);
    put(ENTRY_WP, 0, 4, 0);
    put(ENTRY_IDP, 0, 4, played.model->rec.n_vocab);
    put_sum(0, j.top_k);
    put_sum(1, (int64_t)now->scalar[ENTRY_SUM_K]);
    put_sum(2, (int64_t)now->scalar[ENTRY_SUM_P]);
    put_sum(3, (int64_t)now->scalar[ENTRY_BEFORE]);
    for (size_t i = 4; i < 8; i++)
        put_sum(i, 0);
    head_fault("an idk past the end alone", "W/total");
}

/* Sums that agree with a table of what cannot be: top_p keeps less than its
 * last id weighs, or the ids before the drawn one weigh less than nothing. */
static void try_weights(void)
{
    struct job_record j;
    bool cut;

    if (job_record_unpack(&j, played.job))
        abort();
    cut = j.top_p < 1000000;
    put(ENTRY_SUM_K, 0, 8, 1);
    put(ENTRY_SUM_P, 0, 8, 1);
    put(ENTRY_DRAW, 0, 8, 0);
    put(ENTRY_BEFORE, 0, 8, cut ? 0 : (uint64_t)-1);
    for (size_t i = 1; i < 8; i++)
        if (i == 3)
            put_sum(i, cut ? 0 : -1);
        else if (i != 4)
            put_sum(i, i < 3);
    head_fault(cut ? "less is kept than the last id weighs"
                   : "a weight below 0", "W/total");
}

static void try_draw(void)
{
    bool whole = explained(OPERATORS_HEAD)->scalar[ENTRY_WK] == 0;

    put(ENTRY_MX, 0, 4, LOW_LOGIT);
    for (size_t i = 0; i < 4; i++)
        put_sum(i, i == 0 && whole ? 256 : 0);
    head_fault("a greatest logit that all exceed", "W/0");
    put(ENTRY_SUM_P, 0, 8, 0);
    head_fault("nothing is kept", "W/total");
    put(ENTRY_SUM_K, 0, 8, (uint64_t)TWO_53);
    put_sum(1, TWO_53 - 1);
    put_sum(5, 1);
    head_fault("weights of 2^53", "W/total");
    try_weights();
    if (!whole) {
        put(ENTRY_WK, 0, 4, 0);
        put(ENTRY_IDK, 0, 4, played.model->rec.n_vocab);
        put(ENTRY_WP, 0, 4, 0);
        put(ENTRY_IDP, 0, 4, played.model->rec.n_vocab);
        head_fault("an idk past the end", "W/total");
        try_idk();
    }
}

/* ---- a model that no converter writes ------------------------------------ */

/* Set the last word of a tensor record, which has to be 0; model and job have
 * its hash. */
static void set_reserved(uint32_t tensor, uint32_t value)
{
    struct model *m = played.model;
    unsigned char *record = (unsigned char *)m->data + MODEL_RECORD_SIZE;
    struct merkle tensors;

    set_u32(record + tensor * TENSOR_RECORD_SIZE + 12, value);
    merkle_init(&tensors);
    for (uint32_t i = 0; i < m->rec.n_tensors; i++)
        merkle_leaf(&tensors, record + i * TENSOR_RECORD_SIZE,
                    TENSOR_RECORD_SIZE);
    merkle_root(&tensors, &m->rec.tensors);
    model_record_id(&m->id, &m->rec);
    memcpy(played.job + 8, m->id.b, sizeof(m->id.b));
    fresh();
}

/* Let a game be about the answer of x, whose trace is the same. */
static void put_records(unsigned char *file)
{
    struct id result;

    digest(&result, x->result, RESULT_RECORD_SIZE);
    memcpy(file + 8, result.b, sizeof(result.b));
    file += 8 + sizeof(result.b) + 8; /* the first move */
    memcpy(file, x->result, RESULT_RECORD_SIZE);
    memcpy(file + RESULT_RECORD_SIZE, played.job, JOB_RECORD_SIZE);
    model_record_pack(file + RESULT_RECORD_SIZE + JOB_RECORD_SIZE,
                      &played.model->rec);
}

/* A right claim of the same model but for this word, which every path fits. */
static void try_tensor(void)
{
    uint32_t tensor = linears_tensor(top, LAYER_WQ);
    unsigned char record[TENSOR_RECORD_SIZE], *opened;
    struct err err = ERR_INIT;
    struct place place;
    struct judge judge;
    struct game g;
    char where[80];
    int rc;

    memcpy(record, (unsigned char *)played.model->data + MODEL_RECORD_SIZE +
                       tensor * TENSOR_RECORD_SIZE, sizeof(record));
    snprintf(where, sizeof(where), "%u/%u/q/3/total", last, top);
    if (place_init(&place, where, NULL))
        abort();
    game_play(&g, x, pick_place, &place, NULL, NULL);
    ok(!g.stuck && g.verdict == JUDGE_HOLDS, "a right claim holds (%s)", g.why);
    set_reserved(tensor, 1);
    put_records((unsigned char *)g.file.data);
    opened = memmem(g.file.data, g.file.len, record, sizeof(record));
    if (!opened)
        abort();
    set_u32(opened + 12, 1);
    rc = dispute_file_play(&judge, (unsigned char *)g.file.data, g.file.len,
                           &err);
    ok(rc, "a tensor record whose last word is not 0: refused (%s)", err.text);
    if (rc == 0)
        judge_clear(&judge);
    save(&g.file, "refused");
    game_clear(&g);
    set_reserved(tensor, 0);
}

/* ---- tokens -------------------------------------------------------------- */

static void try_leaves(void)
{
    static const struct {
        const char *name;
        size_t at;
        uint32_t value;
    } field[] = {
        { "a leaf of another position", 0, 1 },
        { "a leaf that drew nothing", 8, 0xffffffff },
        { "a leaf without fin", 12, 0 },
        { "a leaf with deep", 12, 3 },
        { "a leaf with other flags", 12, 5 },
        { "a leaf with a part of deep", 80, 1 },
    };
    char where[40];

    /* a judge that passes over them takes it for one that drew 0 */
    set_u32(x->leaves + (size_t)(last - 1) * TRACE_LEAF_SIZE + 12, 5);
    set_u32(x->leaves + (size_t)last * TRACE_LEAF_SIZE + 4, 0);
    seal();
    snprintf(where, sizeof(where), "%u/token", last);
    play("flags of a leaf that nobody has", "fault", where);
    set_u32(x->leaves + 4, 0xfffffff0u);
    seal();
    play("an embedding of no token", "fault", "0/embed/5");
    for (size_t i = 0; i < sizeof(field) / sizeof(*field); i++) {
        unsigned char *leaf = x->leaves + (size_t)last * TRACE_LEAF_SIZE;

        set_u32(leaf + field[i].at, field[i].value);
        seal();
        play(field[i].name, "refused", where);
    }
}

/* ---- forms --------------------------------------------------------------- */

static void try_sizes(void)
{
    static const struct {
        enum show show;
        const char *place;
        int by;
    } form[] = {
        { SHOW_RECORDS, "0", 1 }, { SHOW_RECORDS, "0", -1 },
        { SHOW_LEAVES, "0", 32 }, { SHOW_LEAVES, "0", -32 },
        { SHOW_LEAF, "0/0", 1 }, { SHOW_LEAF, "0/0", -1 },
        { SHOW_LAYERS, "5/0/q/3/total", 32 },
        { SHOW_LAYERS, "5/0/q/3/total", -32 },
        { SHOW_OPERATORS, "5/0/q/3/total", 32 },
        { SHOW_OPERATORS, "5/0/q/3/total", 1 },
        { SHOW_OPERATORS, "5/0/q/3/total", -32 },
        { SHOW_OPERATORS, "30/head/mx", 32 },
        { SHOW_PIECES, "5/0/q/3/total", 32 },
        { SHOW_PIECE, "5/0/q/3/total", 4 },
        { SHOW_PIECE, "5/0/q/3/total", -4 },
        { SHOW_SUMS, "5/0/q/3/total", 8 },
        { SHOW_SUMS, "5/0/q/3/total", -8 },
        { SHOW_SUMS, "5/0/heads/0 Z/0", 8 },
        { SHOW_RECORDS, "0", 8192 },
    };

    for (size_t i = 0; i < sizeof(form) / sizeof(*form); i++) {
        char name[60];

        plan.grows = form[i].show;
        plan.by = form[i].by;
        snprintf(name, sizeof(name), "%s with %+d bytes",
                 judge_show_name(form[i].show), form[i].by);
        play(name, "refused", form[i].place);
    }
    for (int sign = 1; sign >= -1; sign -= 2) {
        put_sum(0, sign * TWO_53);
        play("a sum of 2^53", "refused", "5/0/S/0");
    }
}

/* A proof of statement 12, in which a leaf comes without a path. */
static size_t find_proof(const struct buf *file)
{
    size_t at = 40;

    while (get_u32((unsigned char *)file->data + at) != DISPUTE_PROVE)
        at += 8 + get_u32((unsigned char *)file->data + at + 4);
    return at;
}

static void refuse_proof(const char *name, const struct buf *file, size_t cut,
                         const void *more, size_t n)
{
    size_t at = find_proof(file);
    struct judge g;
    struct buf b;

    buf_init(&b, DISPUTE_FILE_MAX);
    buf_put(&b, file->data, cut);
    buf_put(&b, more, n);
    buf_put(&b, file->data + cut, file->len - cut);
    set_u32((unsigned char *)b.data + at + 4, (uint32_t)(b.len - at - 8));
    ok(dispute_file_play(&g, (unsigned char *)b.data, b.len, NULL) != 0,
       "a proof %s: refused", name);
    save(&b, "refused");
    buf_clear(&b);
}

static void try_proofs(void)
{
    static const unsigned char zeros[70000];
    struct place place;
    struct game g;
    unsigned char *p;
    size_t at, first, bare;

    place_init(&place, "5/0/heads/0 Z/0", NULL);
    game_play(&g, x, pick_place, &place, NULL, NULL);
    at = find_proof(&g.file) + 8;
    p = (unsigned char *)g.file.data;
    refuse_proof("with a byte more", &g.file, g.file.len, zeros, 1);
    refuse_proof("of more than 64 kB", &g.file, g.file.len, zeros, 70000);
    refuse_proof("with a path that is longer", &g.file, g.file.len, zeros, 32);
    set_u32(p + at + 32, get_u32(p + at + 32) + 1); /* openings */
    refuse_proof("that has fewer openings", &g.file, g.file.len, zeros, 0);
    refuse_proof("with an opening more", &g.file, g.file.len, zeros, 20);
    set_u32(p + at + 32, get_u32(p + at + 32) - 1);
    first = at + 36;
    p[first + 8] = 1; /* index of 2^32 and more */
    refuse_proof("of an index of 2^32", &g.file, g.file.len, zeros, 0);
    p[first + 8] = 0;
    p[at + 16] ^= 1; /* its head */
    refuse_proof("of another place", &g.file, g.file.len, zeros, 0);
    p[at + 16] ^= 1;
    /* the leaf, which is bare, behind r and the block */
    for (bare = first; get_u32(p + bare) != 1;)
        bare += 20 + 32 * get_u32(p + bare + 12) + get_u32(p + bare + 16);
    set_u32(p + bare + 12, 1);
    refuse_proof("with a path where none is", &g.file, bare + 20, zeros, 32);
    game_clear(&g);
}

/* ---- models -------------------------------------------------------------- */

static void begin(const char *name, uint32_t run)
{
    played_init(&played, name, run, 12);
    fresh();
    last = (uint32_t)x->n - 1;
    top = played.model->rec.n_layers - 1;
    printf("# %s, run %u, position %u\n", name, run, last);
}

int main(int argc, char **argv)
{
    save_dir = argc > 1 ? argv[1] : NULL;
    begin("nano", 1);
    try_rows();
    try_squares();
    try_linears();
    try_tensor();
    try_heads();
    try_values();
    try_keys();
    try_mixed();
    try_logits();
    try_leaves();
    try_sizes();
    try_proofs();
    begin("nano", 6);
    try_draw();
    begin("nano", 8); /* top_p */
    try_draw();
    begin("nano", 9); /* top_k */
    try_draw();
    begin("tiny-qwen3", 3); /* norms of q and k */
    try_heads();
    begin("tiny-llama-a8", 2);
    try_step();
    execution_free(x);
    tmp_remove();
    return done();
}
