/*
 * The operator table of a position: every scalar of a layer or of the head, and
 * the root of every vector, in the order in which they are computed
 * (doc/dispute.md, "The operator table").  The model record alone determines
 * the layout.
 *
 * A vector enters as blob(its bytes), little-endian.  Scalars have 4 or 8
 * bytes.  An exponent e belongs to a row that is quantised as A14; for an A8
 * row the entry holds the bits of s.  A witness w is the index of an element
 * whose size determines the exponent.
 */
#ifndef APUS_DISPUTE_OPERATORS_H
#define APUS_DISPUTE_OPERATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model_record;

#define OPERATORS_HEAD 0xffffffffu /* the head, as a layer */
#define OPERATORS_MAX 768          /* bytes of a table at most */
#define OPERATORS_ATTENDED 32      /* bytes of an entry of `heads` */

/* Entries.  ENTRY_X, the output of a layer, is in the layer table. */
enum entry {
    ENTRY_EX, ENTRY_WX, ENTRY_S, ENTRY_INV, ENTRY_EA, ENTRY_WA, ENTRY_A,
    ENTRY_Q, ENTRY_K, ENTRY_V, ENTRY_R, ENTRY_HEADS, ENTRY_O, ENTRY_EO,
    ENTRY_WO, ENTRY_B, ENTRY_Y, ENTRY_EY, ENTRY_WY, ENTRY_S2, ENTRY_INV2,
    ENTRY_EC, ENTRY_WC, ENTRY_C, ENTRY_G, ENTRY_U, ENTRY_EH, ENTRY_WH,
    ENTRY_H,
    /* of the head */
    ENTRY_EF, ENTRY_WF, ENTRY_SF, ENTRY_INVF, ENTRY_EN, ENTRY_WN, ENTRY_F,
    ENTRY_LOGITS, ENTRY_MX, ENTRY_WMX, ENTRY_WK, ENTRY_IDK, ENTRY_WP,
    ENTRY_IDP, ENTRY_SUM_K, ENTRY_SUM_P, ENTRY_DRAW, ENTRY_BEFORE,
    /* of no table */
    ENTRY_X, ENTRY_KV, ENTRIES
};

/* Return the feature of a model that tables have no entry for, as a plural noun
 * ("norms after a sublayer"); NULL if tables cover the whole model. */
const char *operators_unknown(const struct model_record *rec);

/* The kinds of tables: a whole layer (any layer but the last, and the last one
 * at a position that draws); the last layer at other positions, which ends with
 * its keys and values; and the head. */
enum operators { OPERATORS_LAYER, OPERATORS_KEYS, OPERATORS_OF_HEAD };

/* Return the kind of table for a layer (or OPERATORS_HEAD) at a position that
 * draws or does not. */
enum operators operators_of(const struct model_record *rec, uint32_t layer,
                            bool draws);

/* Return the i-th entry of a table, ENTRIES past the last one. */
enum entry operators_entry(enum operators table, size_t i);

/* Return the name of an entry as picks spell it: "ex", "heads". */
const char *operators_name(enum entry e);

/* Return the entry of a table with this name, ENTRIES if none has it. */
enum entry operators_find(enum operators table, const char *name);

/* Return the size of a table in bytes, and the offset of an entry in it. */
size_t operators_size(enum operators table);
size_t operators_offset(enum operators table, enum entry e);

/* Return the size of an entry in its table: 4, 8, or 32 for the root of a
 * vector. */
size_t operators_bytes(enum entry e);
bool operators_is_vector(enum entry e);

/* Return the number of elements of a vector, and the size of one element. */
size_t operators_elements(const struct model_record *rec, enum entry e);
size_t operators_width(const struct model_record *rec, enum entry e);

/* Return whether the row that an exponent belongs to is A8 in this model. */
bool operators_a8(const struct model_record *rec, enum entry exponent);

#endif
