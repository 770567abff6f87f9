/*
 * One row per way.
 */
#include <config.h>

#include "dispute/ways.h"

#include <string.h>

static const struct {
    unsigned char entry;
    const char *field;
    unsigned char way, statement;
} row[] = {
#define MAXIMUM(e) \
    { e, NULL, WAY_WITNESS, 3 }, { e, NULL, WAY_EXCEEDS, 3 }, \
    { e, NULL, WAY_RANGE, 18 }
#define SUMMED(e, term, total) \
    { e, NULL, WAY_ELEMENT, WAYS_SUMS }, { e, NULL, WAY_TERM, term }, \
    { e, NULL, WAY_TOTAL, total }
    MAXIMUM(ENTRY_EX), MAXIMUM(ENTRY_EA), MAXIMUM(ENTRY_EO),
    MAXIMUM(ENTRY_EY), MAXIMUM(ENTRY_EC), MAXIMUM(ENTRY_EH),
    MAXIMUM(ENTRY_EF), MAXIMUM(ENTRY_EN),
    { ENTRY_S, NULL, WAY_VALUE, WAYS_SUMS },
    { ENTRY_S, NULL, WAY_TERM, 4 }, { ENTRY_S, NULL, WAY_TOTAL, 4 },
    { ENTRY_S2, NULL, WAY_VALUE, WAYS_SUMS },
    { ENTRY_S2, NULL, WAY_TERM, 4 }, { ENTRY_S2, NULL, WAY_TOTAL, 4 },
    { ENTRY_SF, NULL, WAY_VALUE, WAYS_SUMS },
    { ENTRY_SF, NULL, WAY_TERM, 4 }, { ENTRY_SF, NULL, WAY_TOTAL, 4 },
    { ENTRY_INV, NULL, WAY_VALUE, 4 }, { ENTRY_INV2, NULL, WAY_VALUE, 4 },
    { ENTRY_INVF, NULL, WAY_VALUE, 4 },
    { ENTRY_A, NULL, WAY_ELEMENT, 5 }, { ENTRY_B, NULL, WAY_ELEMENT, 5 },
    { ENTRY_C, NULL, WAY_ELEMENT, 5 }, { ENTRY_H, NULL, WAY_ELEMENT, 5 },
    { ENTRY_F, NULL, WAY_ELEMENT, 5 },
    SUMMED(ENTRY_Q, 7, 6), SUMMED(ENTRY_K, 7, 6), SUMMED(ENTRY_V, 7, 6),
    SUMMED(ENTRY_Y, 7, 6), SUMMED(ENTRY_G, 7, 6), SUMMED(ENTRY_U, 7, 6),
    SUMMED(ENTRY_X, 7, 6), SUMMED(ENTRY_LOGITS, 7, 6),
    { ENTRY_Q, NULL, WAY_RANGE, 18 }, { ENTRY_K, NULL, WAY_RANGE, 18 },
    { ENTRY_V, NULL, WAY_RANGE, 18 }, { ENTRY_LOGITS, NULL, WAY_RANGE, 18 },
    { ENTRY_R, NULL, WAY_ELEMENT, 8 },
    { ENTRY_HEADS, "er", WAY_VALUE, 8 },
    { ENTRY_HEADS, "m", WAY_WITNESS, 10 },
    { ENTRY_HEADS, "m", WAY_EXCEEDS, 10 },
    { ENTRY_HEADS, "ev", WAY_WITNESS, 11 },
    { ENTRY_HEADS, "ev", WAY_EXCEEDS, 11 },
    { ENTRY_HEADS, "Z", WAY_VALUE, WAYS_SUMS },
    { ENTRY_HEADS, "Z", WAY_TERM, 12 }, { ENTRY_HEADS, "Z", WAY_TOTAL, 12 },
    SUMMED(ENTRY_O, 13, 14),
    { ENTRY_KV, NULL, WAY_ELEMENT, 9 },
    { ENTRY_MX, NULL, WAY_WITNESS, 15 }, { ENTRY_MX, NULL, WAY_EXCEEDS, 15 },
    { ENTRY_WMX, NULL, WAY_VALUE, 15 },
    { ENTRY_SUM_K, NULL, WAY_VALUE, WAYS_SUMS },
    { ENTRY_SUM_K, NULL, WAY_TERM, 16 }, { ENTRY_SUM_K, NULL, WAY_TOTAL, 16 },
};

#define N_ROWS (sizeof(row) / sizeof(*row))

static int same_field(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

unsigned ways_statement(enum entry e, const char *field, enum way way)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (row[i].entry == e && row[i].way == way &&
            same_field(row[i].field, field))
            return row[i].statement;
    return WAYS_NONE;
}

int ways_row(size_t n, enum entry *e, const char **field, enum way *way,
             unsigned *statement)
{
    if (n >= N_ROWS)
        return 0;
    *e = row[n].entry;
    *field = row[n].field;
    *way = row[n].way;
    *statement = row[n].statement;
    return 1;
}

const char *ways_name(enum way way)
{
    static const char *const name[] = { "witness", "exceeds", "range", "value",
                                        "element", "term", "total" };

    return name[way];
}
