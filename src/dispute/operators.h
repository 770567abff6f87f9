/*
 * The operator table of a position: every scalar of a layer or of the head,
 * and the root of every vector, in the order in which they are computed
 * (doc/dispute.md, "The operator table").  What is where follows from the
 * model record alone.
 *
 * A vector enters as blob(its bytes), little-endian.  Scalars have 4 or 8
 * bytes.  An exponent e belongs to a row that is quantised as A14; for an A8
 * row its place has the bits of s.  A witness w is the index of an element
 * that has the size which made the exponent.
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

/* Entries.  ENTRY_X, what a layer adds up to, is in the layer table. */
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

/* What such a model has that no table has an entry for, in the plural: "norms
 * after a sublayer"; NULL if tables have all of it. */
const char *operators_unknown(const struct model_record *rec);

/* A layer at a position where the last one has something to draw from, or any
 * but the last; the last one elsewhere, which ends with its keys and values;
 * and the head. */
enum operators { OPERATORS_LAYER, OPERATORS_KEYS, OPERATORS_OF_HEAD };

/* The table of a layer (or OPERATORS_HEAD) at a position that draws or does
 * not. */
enum operators operators_of(const struct model_record *rec, uint32_t layer,
                            bool draws);

/* The i-th entry of a table, ENTRIES past its last. */
enum entry operators_entry(enum operators table, size_t i);

/* The name of an entry, as picks have it: "ex", "heads". */
const char *operators_name(enum entry e);

/* An entry of a table by its name, ENTRIES if there is none. */
enum entry operators_find(enum operators table, const char *name);

/* Bytes of a table, and where in it an entry begins. */
size_t operators_size(enum operators table);
size_t operators_offset(enum operators table, enum entry e);

/* Bytes of an entry in its table: 4, 8, or 32 for the root of a vector. */
size_t operators_bytes(enum entry e);
bool operators_is_vector(enum entry e);

/* Elements of a vector and bytes of one of them. */
size_t operators_elements(const struct model_record *rec, enum entry e);
size_t operators_width(const struct model_record *rec, enum entry e);

/* The row behind an exponent is A8 in this model. */
bool operators_a8(const struct model_record *rec, enum entry exponent);

#endif
