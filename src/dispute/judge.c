/*
 * Checks what the node shows against what it showed before.  judge_pick.c has
 * the picks, judge_records.c the records, statements.c the statements.
 */
#include <config.h>

#include "dispute/judge_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "dispute/linears.h"
#include "dispute/terms.h"
#include "proof/digest.h"
#include "proof/merkle.h"

static const char *const show_name[] = {
    "records", "line", "after", "stops", "offsets", "between", "chunks",
    "blocks", "leaves", "leaf", "layers", "row-blocks", "rows", "operators",
    "piece-blocks", "pieces", "piece", "sum-blocks", "sums",
};

const char *judge_show_name(enum show s)
{
    return show_name[s];
}

void judge_init(struct judge *g, struct id result)
{
    memset(g, 0, sizeof(*g));
    g->result = result;
    buf_init(&g->list.bytes, JUDGE_SHOW_MAX);
    buf_init(&g->layers, JUDGE_SHOW_MAX);
    buf_init(&g->table, JUDGE_SHOW_MAX);
    buf_init(&g->pieces.bytes, JUDGE_SHOW_MAX);
    buf_init(&g->piece.bytes, JUDGE_SHOW_MAX);
    buf_init(&g->sums.bytes, JUDGE_SHOW_MAX);
    buf_init(&g->stops.shown, JUDGE_SHOW_MAX);
}

void judge_init_file(struct judge *g, const struct judge_file *file)
{
    judge_init(g, file->root);
    g->file = *file;
    g->show = SHOW_LINE;
}

void judge_clear(struct judge *g)
{
    buf_clear(&g->list.bytes);
    buf_clear(&g->layers);
    buf_clear(&g->table);
    buf_clear(&g->pieces.bytes);
    buf_clear(&g->piece.bytes);
    buf_clear(&g->sums.bytes);
    buf_clear(&g->stops.shown);
}

bool judge_draws(const struct judge *g)
{
    return g->leaf.flags & TRACE_FIN;
}

uint32_t judge_first_key(const struct judge *g)
{
    uint32_t to = g->leaf.position + 1;

    return g->m.window && to > g->m.window ? to - g->m.window : 0;
}

void judge_shown(struct shown *s, uint32_t first, uint32_t n,
                 const unsigned char *bytes, size_t width)
{
    s->first = first;
    s->n = n;
    buf_reset(&s->bytes);
    buf_put(&s->bytes, bytes, n * width);
}

static enum operators table_of(const struct judge *g)
{
    return operators_of(&g->m, g->layer, judge_draws(g));
}

uint64_t judge_scalar(const struct judge *g, enum entry e)
{
    const char *at = g->table.data + operators_offset(table_of(g), e);

    return operators_bytes(e) == 8 ? get_u64(at) : get_u32(at);
}

const unsigned char *judge_root(const struct judge *g, enum entry e)
{
    return (const unsigned char *)g->table.data +
           operators_offset(table_of(g), e);
}

uint32_t judge_n_sums(const struct judge *g, uint32_t *first, size_t *width)
{
    const struct linear_entry *l = linears_of(g->entry);
    size_t n;

    *first = 0;
    *width = 8;
    if (l) {
        n = operators_elements(&g->m, l->input);
        return (uint32_t)((n + 1023) / 1024);
    }
    switch (g->entry) {
    case ENTRY_S: case ENTRY_S2: case ENTRY_SF:
        return (g->m.dim + 255) / 256;
    case ENTRY_SUM_K:
        *width = 32;
        return (g->m.n_vocab + 255) / 256;
    default: /* groups of keys */
        *first = judge_first_key(g) / TERMS_KEYS;
        return g->leaf.position / TERMS_KEYS + 1 - *first;
    }
}

/* ---- shows --------------------------------------------------------------- */

static struct id list_root(const unsigned char *hash, size_t n)
{
    struct merkle m;
    struct id root;

    merkle_init(&m);
    for (size_t i = 0; i < n; i++)
        merkle_hash(&m, id_at(hash + DIGEST_SIZE * i));
    merkle_root(&m, &root);
    return root;
}

static int refuse_size(size_t n, size_t want, struct err *err)
{
    return err_set(err, ERR_INPUT, "%zu bytes, expected %zu", n, want);
}

/* A list of `count` hashes under g->root, whose numbers begin at `first`. */
static int show_list(struct judge *g, struct shown *s, uint32_t first,
                     size_t count, const unsigned char *bytes, size_t n,
                     struct err *err)
{
    if (n != count * DIGEST_SIZE)
        return refuse_size(n, count * DIGEST_SIZE, err);
    if (!id_equal(list_root(bytes, count), g->root))
        return err_set(err, ERR_INPUT, "the hashes are not those of the root");
    judge_shown(s, first, (uint32_t)count, bytes, DIGEST_SIZE);
    g->turn = JUDGE_PICKS;
    return 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Take chunks, blocks or leaves.  Each pick from the list before narrows the
 * range; g->list.first is the number of the first element in it. */
static int show_trace(struct judge *g, const unsigned char *bytes, size_t n,
                      struct err *err)
{
    size_t first = g->list.first, all = g->r.n, size = 1, most;

    if (g->show == SHOW_CHUNKS)
        size = 4096;
    else if (g->show == SHOW_BLOCKS)
        size = JUDGE_LIST;
    all = (all + size - 1) / size;
    most = g->show == SHOW_CHUNKS ? all : JUDGE_LIST;
    return show_list(g, &g->list, (uint32_t)first, least(all - first, most),
                     bytes, n, err);
}

static int show_leaf(struct judge *g, const unsigned char *bytes, size_t n,
                     struct err *err)
{
    uint32_t at = g->list.first;
    bool draws = at + 1 >= g->j.n_prompt;
    struct trace_leaf leaf;
    struct id h;

    if (n != TRACE_LEAF_SIZE)
        return refuse_size(n, TRACE_LEAF_SIZE, err);
    merkle_leaf_hash(&h, bytes, n);
    if (!id_equal(h, g->root))
        return err_set(err, ERR_INPUT, "the leaf has another hash");
    if (trace_leaf_unpack(&leaf, bytes) || leaf.position != at ||
        draws != (leaf.next != TRACE_NONE) ||
        draws != !!(leaf.flags & TRACE_FIN) ||
        (g->r.level == 1) != !!(leaf.flags & TRACE_DEEP))
        return err_set(err, ERR_INPUT, "the fields of leaf %u contradict it",
                       at);
    g->leaf = leaf;
    g->turn = JUDGE_PICKS;
    return 0;
}

static int show_layers(struct judge *g, const unsigned char *bytes, size_t n,
                       struct err *err)
{
    size_t count = g->m.n_layers + (judge_draws(g) ? 1 : 0);
    struct merkle deep;
    struct id root;

    if (n != count * DIGEST_SIZE)
        return refuse_size(n, count * DIGEST_SIZE, err);
    if (judge_draws(g) &&
        !id_equal(id_at(bytes + n - DIGEST_SIZE), g->leaf.fin))
        return err_set(err, ERR_INPUT, "the last row is not that of the leaf");
    merkle_init(&deep); /* whose leaves the roots are */
    for (size_t i = 0; i < count; i++)
        merkle_leaf(&deep, bytes + DIGEST_SIZE * i, DIGEST_SIZE);
    merkle_root(&deep, &root);
    if (g->leaf.flags & TRACE_DEEP && !id_equal(root, g->leaf.deep))
        return err_set(err, ERR_INPUT, "the rows are not those of the leaf");
    buf_reset(&g->layers);
    buf_put(&g->layers, bytes, n);
    g->turn = JUDGE_PICKS;
    return 0;
}

/* All kv row hashes of the position, in blocks where they are many. */
static int show_rows(struct judge *g, const unsigned char *bytes, size_t n,
                     struct err *err)
{
    size_t all = (size_t)g->m.n_layers * g->m.n_kv_heads;
    size_t first = g->list.first;

    if (g->show == SHOW_ROW_BLOCKS)
        return show_list(g, &g->list, 0, (all + JUDGE_LIST - 1) / JUDGE_LIST,
                         bytes, n, err);
    return show_list(g, &g->list, (uint32_t)first,
                     least(all - first, JUDGE_LIST), bytes, n, err);
}

/* Hashes of a range of leaves, and those of the subtrees beside it from left
 * to right. */
struct range {
    const unsigned char *row, *beside, *end;
    size_t from, to;
    bool short_of;
};

static struct id range_root(struct range *r, size_t at, size_t n)
{
    struct id left, right;
    size_t k = 1;

    if (at >= r->to || at + n <= r->from) {
        if (r->beside == r->end) {
            r->short_of = true;
            return (struct id){ { 0 } };
        }
        r->beside += DIGEST_SIZE;
        return id_at(r->beside - DIGEST_SIZE);
    }
    if (n == 1)
        return id_at(r->row + (at - r->from) * DIGEST_SIZE);
    while (2 * k < n)
        k *= 2;
    left = range_root(r, at, k);
    right = range_root(r, at + k, n - k);
    merkle_node_hash(&left, left, right);
    return left;
}

static int show_operators(struct judge *g, const unsigned char *bytes,
                          size_t n, struct err *err)
{
    size_t size = operators_size(table_of(g)), kv = g->m.n_kv_heads;
    size_t rows = g->layer == OPERATORS_HEAD ? 0 : kv * DIGEST_SIZE;
    struct range r = { bytes + size, bytes + size + rows, bytes + n, 0, 0,
                       false };
    struct id root;

    if (n < size + rows || n > JUDGE_SHOW_MAX || (n - size) % DIGEST_SIZE ||
        (rows == 0 && n != size))
        return refuse_size(n, size + rows, err);
    if (rows) {
        r.from = g->layer * kv;
        r.to = r.from + kv;
        root = range_root(&r, 0, g->m.n_layers * kv);
        if (r.short_of || r.beside != r.end)
            return err_set(err, ERR_INPUT, "the opening of the kv rows has "
                           "another length");
        if (!id_equal(root, g->leaf.kv))
            return err_set(err, ERR_INPUT, "the kv rows are not those of the "
                           "leaf");
    }
    buf_reset(&g->table);
    buf_put(&g->table, bytes, size + rows);
    g->rows = rows ? (unsigned char *)g->table.data + size : NULL;
    g->turn = JUDGE_PICKS;
    return 0;
}

/* Bytes of the vector that was picked. */
static size_t vector_bytes(const struct judge *g)
{
    return operators_elements(&g->m, g->entry) *
           operators_width(&g->m, g->entry);
}

static int show_pieces(struct judge *g, const unsigned char *bytes, size_t n,
                       struct err *err)
{
    size_t all = (vector_bytes(g) + 1023) / 1024, first = g->pieces.first;

    if (g->show == SHOW_PIECE_BLOCKS)
        return show_list(g, &g->pieces, 0, (all + JUDGE_LIST - 1) / JUDGE_LIST,
                         bytes, n, err);
    return show_list(g, &g->pieces, (uint32_t)first,
                     least(all - first, JUDGE_LIST), bytes, n, err);
}

static int show_piece(struct judge *g, const unsigned char *bytes, size_t n,
                      struct err *err)
{
    size_t width = operators_width(&g->m, g->entry);
    uint32_t piece = g->pieces.first;
    size_t want = least(vector_bytes(g) - (size_t)piece * 1024, 1024);
    struct id h;

    if (n != want)
        return refuse_size(n, want, err);
    merkle_leaf_hash(&h, bytes, n);
    if (!id_equal(h, g->root))
        return err_set(err, ERR_INPUT, "the piece has another hash");
    for (size_t i = 20; g->entry == ENTRY_HEADS && i < n; i += width)
        if (get_u32(bytes + i) != 0)
            return err_set(err, ERR_INPUT, "an entry of a head has no zeros");
    judge_shown(&g->piece, (uint32_t)(piece * 1024 / width),
                (uint32_t)(n / width), bytes, width);
    g->turn = JUDGE_PICKS;
    return 0;
}

/* Check that each sum is below 2^53 in size, and that the sums of a block add
 * up to the picked one. */
static int check_sums(const struct judge *g, const unsigned char *bytes,
                      size_t count, size_t width, struct err *err)
{
    int64_t sum[4] = { 0 };
    size_t each = width / 8;

    for (size_t i = 0; i < count * each; i++) {
        int64_t v = (int64_t)get_u64(bytes + 8 * i);

        if (v <= -SUM_LIMIT || v >= SUM_LIMIT)
            return err_set(err, ERR_INPUT, "a sum of 2^53 or more");
        sum[i % each] += v;
    }
    for (size_t i = 0; g->sums_blocked && i < each; i++)
        if (sum[i] != (int64_t)get_u64(g->sums.bytes.data + 8 * i))
            return err_set(err, ERR_INPUT, "the sums are not those of the "
                           "block");
    return 0;
}

static int show_sums(struct judge *g, const unsigned char *bytes, size_t n,
                     struct err *err)
{
    uint32_t start, first = g->sums.first;
    size_t width, all = judge_n_sums(g, &start, &width), count;

    if (g->show == SHOW_SUM_BLOCKS) {
        count = (all + JUDGE_SUMS - 1) / JUDGE_SUMS;
        first = 0;
    } else if (g->sums_blocked) { /* one block; first is its number */
        count = least(all - (size_t)first * JUDGE_SUMS, JUDGE_SUMS);
        first = start + first * JUDGE_SUMS;
    } else {
        count = all;
        first = start;
    }
    if (n != count * width)
        return refuse_size(n, count * width, err);
    if (check_sums(g, bytes, count, width, err))
        return -1;
    judge_shown(&g->sums, first, (uint32_t)count, bytes, width);
    g->turn = JUDGE_PICKS;
    return 0;
}

/* ---- records ------------------------------------------------------------- */

static int show_records(struct judge *g, const unsigned char *bytes, size_t n,
                        struct err *err)
{
    struct id h;

    if (n != JUDGE_RECORDS)
        return refuse_size(n, JUDGE_RECORDS, err);
    digest(&h, bytes, RESULT_RECORD_SIZE);
    if (!id_equal(h, g->result))
        return err_set(err, ERR_INPUT, "the result record is not that of the "
                       "answer");
    return judge_take_records(g, bytes, err);
}

int judge_show(struct judge *g, const unsigned char *bytes, size_t n,
               struct err *err)
{
    static int (*const show[])(struct judge *, const unsigned char *, size_t,
                               struct err *) = {
        show_records, judge_show_line, judge_show_after, judge_show_stops,
        judge_show_offsets, judge_show_between, show_trace, show_trace,
        show_trace, show_leaf,
        show_layers, show_rows, show_rows, show_operators, show_pieces,
        show_pieces, show_piece, show_sums, show_sums,
    };

    if (g->turn != JUDGE_SHOWS)
        return err_set(err, ERR_INPUT, "nothing is to be shown now");
    if (n > JUDGE_SHOW_MAX)
        return err_set(err, ERR_INPUT, "%zu bytes, at most %d", n,
                       JUDGE_SHOW_MAX);
    if (show[g->show](g, bytes, n, err))
        return -1;
    g->number++;
    return 0;
}
