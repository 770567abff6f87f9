/*
 * Optimal string alignment: edit distance with swapped neighbours (R. A.
 * Wagner and M. J. Fischer, 1974; L. Boytsov, 2011, section 2.2), three rows of
 * the table at a time.
 */
#include <config.h>

#include "base/nearest.h"

#include <string.h>

#define WORD_MAX 40

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t slips_between(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *above2 = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= nb; j++)
        above[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *oldest = above2;

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1,
                           above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
        above2 = above;
        above = row;
        row = oldest;
    }
    return above[nb];
}

void nearest_init(struct nearest *n, const char *typed, size_t len)
{
    *n = (struct nearest){ .typed = typed, .typed_len = len };
    n->slips = (len <= 4 ? 1 : 2) + 1;
}

void nearest_offer(struct nearest *n, const char *name)
{
    size_t len = strlen(name), slips;

    if (n->typed_len < 2 || n->typed_len > WORD_MAX || len > WORD_MAX)
        return;
    slips = slips_between(n->typed, n->typed_len, name, len);
    if (slips == 0)
        return;
    if (n->typed_len >= 3 && n->typed_len < len &&
        memcmp(n->typed, name, n->typed_len) == 0)
        slips = 1;
    if (slips < n->slips) {
        n->slips = slips;
        n->name = name;
    }
}
