/*
 * Reads the challenger's picks.  A pick names what the node must show next, or
 * the statement to prove.  It has one to four words.
 */
#include <config.h>

#include "dispute/judge_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "dispute/ways.h"
#include "proof/digest.h"

struct pick_words {
    char text[JUDGE_PICK_MAX + 1];
    const char *word[4];
    size_t n;
};

/* Words between single blanks. */
static int split(struct pick_words *w, const char *choice)
{
    char *at = w->text;

    memset(w, 0, sizeof(*w));
    if (strlen(choice) > JUDGE_PICK_MAX)
        return -1;
    strcpy(w->text, choice);
    while (w->n < 4) {
        w->word[w->n++] = at;
        at = strchr(at, ' ');
        if (!at)
            return 0;
        *at++ = '\0';
    }
    return -1;
}

/* A number in [first, first + n). */
static int number_in(const char *word, uint32_t first, uint64_t n,
                     uint32_t *out)
{
    uint64_t v;

    if (!word || json_u64_text(word, &v) || v < first || v - first >= n)
        return -1;
    *out = (uint32_t)v;
    return 0;
}

static int wrong(struct err *err)
{
    return err_set(err, ERR_INPUT, "invalid pick");
}

static int wants(struct judge *g, enum show s)
{
    g->show = s;
    g->turn = JUDGE_SHOWS;
    return 0;
}

static int proves(struct judge *g, uint32_t code, uint32_t head,
                  uint32_t index, uint32_t part)
{
    g->place = (struct statement_place){ code, g->leaf.position, g->layer,
                                         head, index, part };
    g->turn = JUDGE_PROVES;
    return 0;
}

/* ---- records, trace, leaf ------------------------------------------------ */

/* Dispute whether a stop string ends in an output token. */
static int pick_stop(struct judge *g, const struct pick_words *w,
                     struct err *err)
{
    struct judge_stops *s = &g->stops;

    if (w->n != 2 || strcmp(w->word[0], "stop") != 0 || g->j.n_stops == 0 ||
        g->j.n_stops > JOB_MAX_STOPS ||
        number_in(w->word[1], 0, g->r.n_out, &s->index))
        return wrong(err);
    g->leaf.position = g->r.n - g->r.n_out + s->index;
    return wants(g, SHOW_STOPS);
}

static int pick_record(struct judge *g, const struct pick_words *w,
                       struct err *err)
{
    uint32_t i;

    g->layer = JUDGE_NONE;
    if (w->n == 1 && strcmp(w->word[0], "job") == 0)
        return judge_decide(g, judge_records_good(g) ? JUDGE_HOLDS
                                                     : JUDGE_FAULT, 0);
    if (w->n == 1 && strcmp(w->word[0], "order") == 0 && g->file.count &&
        g->file.index + 1 < g->file.count)
        return wants(g, SHOW_AFTER);
    if (g->r.n == 0 || g->r.n_out == 0 || g->r.n > g->m.context ||
        g->r.n_out > g->r.n)
        return wrong(err); /* such records end with `job` */
    if (w->n == 1 && strcmp(w->word[0], "trace") == 0) {
        g->root = g->r.trace;
        g->list.first = 0;
        return wants(g, g->r.n > 4096 ? SHOW_CHUNKS
                        : g->r.n > JUDGE_LIST ? SHOW_BLOCKS : SHOW_LEAVES);
    }
    if (w->n == 2 && strcmp(w->word[0], "finish") == 0 &&
        number_in(w->word[1], 0, g->r.n_out, &i) == 0) {
        g->leaf.position = g->r.n - g->r.n_out + i;
        return proves(g, 1, JUDGE_NONE, i, JUDGE_NONE);
    }
    return pick_stop(g, w, err);
}

/* Pick one of a list of hashes: the root of what the node shows next. */
static int pick_hash(struct judge *g, struct shown *s,
                     const struct pick_words *w, uint32_t *i, struct err *err)
{
    if (w->n != 1 || number_in(w->word[0], s->first, s->n, i))
        return wrong(err);
    g->root = id_at(s->bytes.data + DIGEST_SIZE * (*i - s->first));
    return 0;
}

static int pick_trace(struct judge *g, const struct pick_words *w,
                      struct err *err)
{
    uint32_t i = 0;

    if (pick_hash(g, &g->list, w, &i, err))
        return -1;
    g->list.first = g->show == SHOW_LEAVES ? i : JUDGE_LIST * i;
    return wants(g, (enum show)(g->show + 1));
}

static int pick_field(struct judge *g, const struct pick_words *w,
                      struct err *err)
{
    const char *field = w->word[0];

    if (w->n != 1)
        return wrong(err);
    if (strcmp(field, "token") == 0)
        return proves(g, 1, JUDGE_NONE, JUDGE_NONE, JUDGE_NONE);
    if (strcmp(field, "next") == 0 && judge_draws(g)) {
        g->layer = OPERATORS_HEAD;
        return wants(g, SHOW_OPERATORS);
    }
    if (strcmp(field, "kv") == 0 ||
        (strcmp(field, "fin") == 0 && judge_draws(g)) ||
        (strcmp(field, "deep") == 0 && g->leaf.flags & TRACE_DEEP))
        return wants(g, SHOW_LAYERS);
    return wrong(err);
}

/* ---- stop strings -------------------------------------------------------- */

/* Pick a text that is not that of its token, or the conclusion. */
static int pick_text(struct judge *g, const struct pick_words *w,
                     struct err *err)
{
    struct judge_stops *s = &g->stops;

    if (w->n == 1 && strcmp(w->word[0], "total") == 0)
        return judge_decide_stops(g);
    if (w->n != 1 || g->m.tokenizer_size == 0 ||
        number_in(w->word[0], s->first, s->n, &s->at))
        return wrong(err);
    return wants(g, SHOW_OFFSETS);
}

/* Pick the text of the token, or a shown offset that the next one does not
 * follow from. */
static int pick_offset(struct judge *g, const struct pick_words *w,
                       struct err *err)
{
    struct judge_stops *s = &g->stops;
    uint32_t token;
    size_t i = 0;

    if (w->n == 1 && g->show == SHOW_OFFSETS &&
        strcmp(w->word[0], "text") == 0)
        return proves(g, 17, JUDGE_NONE, s->index, s->at);
    if (w->n != 1 || number_in(w->word[0], 0, g->m.n_vocab, &token))
        return wrong(err);
    while (i < s->n_points && s->point[i] != token)
        i++;
    if (i + 1 >= s->n_points)
        return wrong(err);
    s->gap = i;
    return s->point[i + 1] - token == 1
               ? proves(g, 17, token, s->index, s->at)
               : wants(g, SHOW_BETWEEN);
}

/* ---- layers and operators ------------------------------------------------ */

/* Pick the vector of an entry, which the node shows next. */
static int pick_vector(struct judge *g, enum entry e,
                       const unsigned char *root)
{
    size_t bytes = operators_elements(&g->m, e) * operators_width(&g->m, e);

    g->entry = e;
    g->root = id_at(root);
    g->pieces.first = 0;
    return wants(g, bytes > 1024 * JUDGE_LIST ? SHOW_PIECE_BLOCKS
                                              : SHOW_PIECES);
}

static int pick_layer(struct judge *g, const struct pick_words *w,
                      struct err *err)
{
    if (w->n != 1)
        return wrong(err);
    if (strcmp(w->word[0], "embed") == 0) {
        g->layer = JUDGE_NONE;
        return pick_vector(g, ENTRY_X, (unsigned char *)g->layers.data);
    }
    if (strcmp(w->word[0], "kv") == 0) {
        g->root = g->leaf.kv;
        g->list.first = 0;
        return wants(g, g->m.n_layers * (uint64_t)g->m.n_kv_heads > JUDGE_LIST
                            ? SHOW_ROW_BLOCKS : SHOW_ROWS);
    }
    if (number_in(w->word[0], 0, g->m.n_layers, &g->layer))
        return wrong(err);
    return wants(g, SHOW_OPERATORS);
}

/* Pick a block of kv rows, or a row, whose layer the node shows next. */
static int pick_row(struct judge *g, const struct pick_words *w,
                    struct err *err)
{
    uint32_t i = 0;

    if (pick_hash(g, &g->list, w, &i, err))
        return -1;
    g->list.first = JUDGE_LIST * i;
    g->layer = i / g->m.n_kv_heads;
    return wants(g, (enum show)(g->show + 1));
}

/* Ask for the partial sums of an entry, or go to the statement of a pick that
 * needs none. */
static int follow(struct judge *g, enum entry e, const char *field,
                  enum way way, uint32_t head, uint32_t index,
                  struct err *err)
{
    unsigned s = ways_statement(e, field, way);
    uint32_t first;
    size_t width;

    if (s == WAYS_NONE || (e == ENTRY_SUM_K && g->j.temperature == 0))
        return wrong(err);
    g->entry = e;
    g->place.head = head;
    g->place.index = index;
    if (s != WAYS_SUMS)
        return proves(g, s, head, index, JUDGE_NONE);
    g->sums_blocked = false;
    return wants(g, judge_n_sums(g, &first, &width) > JUDGE_SUMS
                        ? SHOW_SUM_BLOCKS : SHOW_SUMS);
}

/* Return the length of the row that an exponent belongs to, or that a maximum
 * ranges over. */
static size_t row_length(const struct judge *g, enum entry e)
{
    switch (e) {
    case ENTRY_EO: return operators_elements(&g->m, ENTRY_O);
    case ENTRY_EH: return g->m.ffn_dim;
    case ENTRY_MX: return g->m.n_vocab;
    default: return g->m.dim;
    }
}

static int pick_operator(struct judge *g, const struct pick_words *w,
                         struct err *err)
{
    enum operators table = operators_of(&g->m, g->layer, judge_draws(g));
    bool range = strcmp(w->word[0], "range") == 0;
    const char *name = w->word[range], *last = w->word[range + 1];
    enum entry e;
    uint32_t i;

    if (w->n > (size_t)range + 2 || !name)
        return wrong(err);
    if (!range && g->rows && strcmp(name, "kv") == 0)
        return number_in(last, 0, g->m.n_kv_heads, &i)
                   ? wrong(err)
                   : follow(g, ENTRY_KV, NULL, WAY_ELEMENT, i, JUDGE_NONE, err);
    if (w->n == 1 && table == OPERATORS_LAYER && strcmp(name, "x") == 0 &&
        (g->layer + 1) * DIGEST_SIZE < g->layers.len)
        return pick_vector(g, ENTRY_X, (unsigned char *)g->layers.data +
                                           (g->layer + 1) * DIGEST_SIZE);
    e = operators_find(table, name);
    if (e == ENTRIES || (range && !last))
        return wrong(err);
    if (operators_is_vector(e))
        return w->n == 1 ? pick_vector(g, e, judge_root(g, e)) : wrong(err);
    if (last)
        return number_in(last, 0, row_length(g, e), &i)
                   ? wrong(err)
                   : follow(g, e, NULL, range ? WAY_RANGE : WAY_EXCEEDS,
                            JUDGE_NONE, i, err);
    return follow(g, e, NULL, ways_statement(e, NULL, WAY_WITNESS) == WAYS_NONE
                                  ? WAY_VALUE : WAY_WITNESS,
                  JUDGE_NONE, JUDGE_NONE, err);
}

/* ---- pieces, elements, sums ---------------------------------------------- */

static int pick_piece(struct judge *g, const struct pick_words *w,
                      struct err *err)
{
    uint32_t i = 0;

    if (pick_hash(g, &g->pieces, w, &i, err))
        return -1;
    g->pieces.first = g->show == SHOW_PIECES ? i : JUDGE_LIST * i;
    return wants(g, (enum show)(g->show + 1));
}

/* "HEAD FIELD", or "HEAD FIELD POSITION" of a key that is greater. */
static int pick_attended(struct judge *g, const struct pick_words *w,
                         struct err *err)
{
    uint32_t head, key, from = judge_first_key(g);
    const char *field = w->word[1];

    if (w->n < 2 || number_in(w->word[0], g->piece.first, g->piece.n, &head))
        return wrong(err);
    g->element = head;
    if (w->n == 3)
        return number_in(w->word[2], from, g->leaf.position + 1 - from, &key)
                   ? wrong(err)
                   : follow(g, g->entry, field, WAY_EXCEEDS, head, key, err);
    return w->n > 3 ? wrong(err)
                    : follow(g, g->entry, field,
                             ways_statement(g->entry, field, WAY_WITNESS) ==
                                     WAYS_NONE ? WAY_VALUE : WAY_WITNESS,
                             head, JUDGE_NONE, err);
}

static int pick_element(struct judge *g, const struct pick_words *w,
                        struct err *err)
{
    bool range = strcmp(w->word[0], "range") == 0;
    uint32_t i, head = JUDGE_NONE;

    if (g->entry == ENTRY_HEADS)
        return pick_attended(g, w, err);
    if (w->n != (size_t)range + 1 ||
        number_in(w->word[range], g->piece.first, g->piece.n, &i))
        return wrong(err);
    g->element = i;
    if (g->layer == JUDGE_NONE && g->entry == ENTRY_X)
        return range ? wrong(err)
                     : proves(g, 2, JUDGE_NONE, i, JUDGE_NONE);
    if (g->entry == ENTRY_R || g->entry == ENTRY_O)
        head = i / g->m.head_dim;
    return follow(g, g->entry, NULL, range ? WAY_RANGE : WAY_ELEMENT, head, i,
                  err);
}

static int pick_sum(struct judge *g, const struct pick_words *w,
                    struct err *err)
{
    const char *field = g->entry == ENTRY_HEADS ? "Z" : NULL;
    uint32_t i, first;
    size_t width;

    judge_n_sums(g, &first, &width);
    if (w->n == 1 && strcmp(w->word[0], "total") == 0 &&
        (g->show == SHOW_SUM_BLOCKS || !g->sums_blocked))
        return proves(g, ways_statement(g->entry, field, WAY_TOTAL),
                      g->place.head, g->place.index, JUDGE_NONE);
    if (w->n != 1 || number_in(w->word[0], g->sums.first, g->sums.n, &i))
        return wrong(err);
    if (g->show == SHOW_SUMS)
        return proves(g, ways_statement(g->entry, field, WAY_TERM),
                      g->place.head, g->place.index, i);
    /* keep only the sum that the terms of the block must add up to */
    memmove(g->sums.bytes.data, g->sums.bytes.data + width * i, width);
    g->sums.first = i;
    g->sums_blocked = true;
    return wants(g, SHOW_SUMS);
}

int judge_pick(struct judge *g, const char *choice, struct err *err)
{
    static int (*const pick[])(struct judge *, const struct pick_words *,
                               struct err *) = {
        pick_record, NULL, NULL, pick_text, pick_offset, pick_offset,
        pick_trace, pick_trace, pick_trace, pick_field, pick_layer, pick_row,
        pick_row, pick_operator, pick_piece, pick_piece, pick_element,
        pick_sum, pick_sum,
    };
    struct pick_words w;

    if (g->turn != JUDGE_PICKS)
        return err_set(err, ERR_INPUT, "nothing is to be picked now");
    if (split(&w, choice) || pick[g->show](g, &w, err))
        return wrong(err);
    g->number++;
    return 0;
}
