/*
 * One row per entry: its name, its size in the table and, for a vector, its
 * length and the kind of its elements.
 */
#include <config.h>

#include "dispute/operators.h"

#include <assert.h>
#include <string.h>

#include "proof/model_record.h"

/* Model flags that operator tables do not support. */
static const struct {
    uint32_t flag;
    const char *name;
} unknown[] = {
    { MODEL_EXPERTS, "experts" },
    { MODEL_SOFT_CAPS, "soft caps" },
    { MODEL_GELU, "GELU" },
    { MODEL_NORM_BOTH, "norms before and after a sublayer" },
    { MODEL_NORM_AFTER, "norms after a sublayer" },
    { MODEL_WIDE_NORM, "norms of q and k over all heads" },
    { MODEL_LAYERS, "layers that differ" },
};

const char *operators_unknown(const struct model_record *rec)
{
    uint32_t known = MODEL_TIED | MODEL_QKV_BIAS | MODEL_QK_NORM | MODEL_A8 |
                     MODEL_A8R;

    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
        if (rec->flags & unknown[i].flag)
            return unknown[i].name;
    return rec->flags & ~known ? "flags of a later version" : NULL;
}

/* The number of elements of a vector. */
enum length { NONE, DIM, QUERIES, KEYS, HEADS, FFN, VOCAB };

/* The kind of its elements; integers of a quantised row have one byte in A8. */
enum kind { SCALAR, FLOATS, ATTENDED, ROW, DOWN_ROW };

static const struct {
    const char *name;
    unsigned char bytes; /* in the table */
    unsigned char length, kind;
} row[ENTRIES] = {
    [ENTRY_EX] = { "ex", 4, NONE, SCALAR },
    [ENTRY_WX] = { "wx", 4, NONE, SCALAR },
    [ENTRY_S] = { "S", 8, NONE, SCALAR },
    [ENTRY_INV] = { "inv", 4, NONE, SCALAR },
    [ENTRY_EA] = { "ea", 4, NONE, SCALAR },
    [ENTRY_WA] = { "wa", 4, NONE, SCALAR },
    [ENTRY_A] = { "a", 32, DIM, ROW },
    [ENTRY_Q] = { "q", 32, QUERIES, FLOATS },
    [ENTRY_K] = { "k", 32, KEYS, FLOATS },
    [ENTRY_V] = { "v", 32, KEYS, FLOATS },
    [ENTRY_R] = { "r", 32, QUERIES, ROW },
    [ENTRY_HEADS] = { "heads", 32, HEADS, ATTENDED },
    [ENTRY_O] = { "o", 32, QUERIES, FLOATS },
    [ENTRY_EO] = { "eo", 4, NONE, SCALAR },
    [ENTRY_WO] = { "wo", 4, NONE, SCALAR },
    [ENTRY_B] = { "b", 32, QUERIES, ROW },
    [ENTRY_Y] = { "y", 32, DIM, FLOATS },
    [ENTRY_EY] = { "ey", 4, NONE, SCALAR },
    [ENTRY_WY] = { "wy", 4, NONE, SCALAR },
    [ENTRY_S2] = { "S2", 8, NONE, SCALAR },
    [ENTRY_INV2] = { "inv2", 4, NONE, SCALAR },
    [ENTRY_EC] = { "ec", 4, NONE, SCALAR },
    [ENTRY_WC] = { "wc", 4, NONE, SCALAR },
    [ENTRY_C] = { "c", 32, DIM, ROW },
    [ENTRY_G] = { "g", 32, FFN, FLOATS },
    [ENTRY_U] = { "u", 32, FFN, FLOATS },
    [ENTRY_EH] = { "eh", 4, NONE, SCALAR },
    [ENTRY_WH] = { "wh", 4, NONE, SCALAR },
    [ENTRY_H] = { "h", 32, FFN, DOWN_ROW },
    [ENTRY_EF] = { "ef", 4, NONE, SCALAR },
    [ENTRY_WF] = { "wf", 4, NONE, SCALAR },
    [ENTRY_SF] = { "S", 8, NONE, SCALAR },
    [ENTRY_INVF] = { "inv", 4, NONE, SCALAR },
    [ENTRY_EN] = { "en", 4, NONE, SCALAR },
    [ENTRY_WN] = { "wn", 4, NONE, SCALAR },
    [ENTRY_F] = { "f", 32, DIM, DOWN_ROW },
    [ENTRY_LOGITS] = { "logits", 32, VOCAB, FLOATS },
    [ENTRY_MX] = { "mx", 4, NONE, SCALAR },
    [ENTRY_WMX] = { "wmx", 4, NONE, SCALAR },
    [ENTRY_WK] = { "wk", 4, NONE, SCALAR },
    [ENTRY_IDK] = { "idk", 4, NONE, SCALAR },
    [ENTRY_WP] = { "wp", 4, NONE, SCALAR },
    [ENTRY_IDP] = { "idp", 4, NONE, SCALAR },
    [ENTRY_SUM_K] = { "W", 8, NONE, SCALAR },
    [ENTRY_SUM_P] = { "W'", 8, NONE, SCALAR },
    [ENTRY_DRAW] = { "r", 8, NONE, SCALAR },
    [ENTRY_BEFORE] = { "before", 8, NONE, SCALAR },
    [ENTRY_X] = { "x", 32, DIM, FLOATS },
    [ENTRY_KV] = { "kv", 32, NONE, SCALAR },
};

enum operators operators_of(const struct model_record *rec, uint32_t layer,
                            bool draws)
{
    if (layer == OPERATORS_HEAD)
        return OPERATORS_OF_HEAD;
    return layer + 1 == rec->n_layers && !draws ? OPERATORS_KEYS
                                                : OPERATORS_LAYER;
}

enum entry operators_entry(enum operators table, size_t i)
{
    switch (table) {
    case OPERATORS_LAYER:
        return i <= ENTRY_H ? (enum entry)i : ENTRIES;
    case OPERATORS_OF_HEAD:
        return i <= ENTRY_BEFORE - ENTRY_EF ? (enum entry)(ENTRY_EF + i)
                                            : ENTRIES;
    default: /* without q, and without what depends on it */
        if (i <= ENTRY_A)
            return (enum entry)i;
        return i <= ENTRY_A + 2 ? (enum entry)(i + 1) : ENTRIES;
    }
}

const char *operators_name(enum entry e)
{
    return row[e].name;
}

enum entry operators_find(enum operators table, const char *name)
{
    enum entry e;

    for (size_t i = 0; (e = operators_entry(table, i)) != ENTRIES; i++)
        if (strcmp(row[e].name, name) == 0)
            break;
    return e;
}

size_t operators_size(enum operators table)
{
    size_t n = 0;
    enum entry e;

    for (size_t i = 0; (e = operators_entry(table, i)) != ENTRIES; i++)
        n += row[e].bytes;
    assert(n <= OPERATORS_MAX);
    return n;
}

size_t operators_offset(enum operators table, enum entry want)
{
    size_t n = 0;
    enum entry e;

    for (size_t i = 0; (e = operators_entry(table, i)) != want; i++) {
        assert(e != ENTRIES);
        n += row[e].bytes;
    }
    return n;
}

size_t operators_bytes(enum entry e)
{
    return row[e].bytes;
}

bool operators_is_vector(enum entry e)
{
    return row[e].kind != SCALAR;
}

size_t operators_elements(const struct model_record *rec, enum entry e)
{
    switch (row[e].length) {
    case DIM: return rec->dim;
    case QUERIES: return (size_t)rec->n_heads * rec->head_dim;
    case KEYS: return (size_t)rec->n_kv_heads * rec->head_dim;
    case HEADS: return rec->n_heads;
    case FFN: return rec->ffn_dim;
    case VOCAB: return rec->n_vocab;
    default: return 0;
    }
}

size_t operators_width(const struct model_record *rec, enum entry e)
{
    switch (row[e].kind) {
    case FLOATS: return 4;
    case ATTENDED: return OPERATORS_ATTENDED;
    case ROW: /* rows of queries are A14 in every model */
        return e != ENTRY_R && rec->flags & (MODEL_A8 | MODEL_A8R) ? 1 : 2;
    case DOWN_ROW: return rec->flags & MODEL_A8 ? 1 : 2;
    default: return 0;
    }
}

bool operators_a8(const struct model_record *rec, enum entry exponent)
{
    switch (exponent) {
    case ENTRY_EA: case ENTRY_EO: case ENTRY_EC:
        return rec->flags & (MODEL_A8 | MODEL_A8R);
    case ENTRY_EH: case ENTRY_EN:
        return rec->flags & MODEL_A8;
    default:
        return false; /* a norm's sum of squares is over A14 */
    }
}
