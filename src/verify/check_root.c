/*
 * Checks the results of a part against the root in a signed statement.  The
 * SHA-256 of a part identifies the file; it does not show that the tree of the
 * batch was made of its results.
 */
#include <config.h>

#include "verify/check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/result_record.h"
#include "store/checkpoint.h"

static int read_leaves(struct check *c, struct result_leaf *leaf,
                       struct err *err)
{
    const unsigned char *bytes;
    struct result_record r;

    for (uint64_t i = 0; i < c->head->n_rows; i++) {
        if (checkpoint_result(c->part, i, &bytes, err))
            return -1;
        if (result_record_unpack(&r, bytes))
            return err_set(err, ERR_INPUT, "row %" PRIu64 " has no result"
                           " record", i + 1);
        result_leaf(&leaf[i], &r);
    }
    return 0;
}

/* Find how the part contradicts the statement by itself; "" if it does not. */
static void contradiction(char why[160], const struct check_statement *s,
                          struct result_leaf *leaf, size_t n)
{
    struct err err = ERR_INIT;
    struct id root;

    why[0] = '\0';
    if (result_batch(&root, leaf, n, &err))
        snprintf(why, 160, "%.150s", err.text);
    else if (n > s->count || (s->n_files == 1 && n != s->count))
        snprintf(why, 160, "the statement counts %" PRIu32 " results, the"
                 " part has %zu", s->count, n);
    else if (s->n_files == 1 && !id_equal(root, s->root))
        snprintf(why, 160, "they have another root");
}

static int compare_results(struct check *c, struct result_leaf *leaf, size_t n,
                           struct err *err)
{
    const struct check_statement *s = c->o->statement;
    char why[160], text[200];
    enum verdict verdict;

    contradiction(why, s, leaf, n);
    if (why[0] || s->n_files == 1) {
        snprintf(c->wrong, sizeof(c->wrong), "%s", why);
        snprintf(text, sizeof(text), "the root of statement %s", s->id);
        check_report(c, "its results", text, "the same");
        return 0;
    }
    if (!s->compare) {
        snprintf(text, sizeof(text), "it is one of %" PRIu32 " parts, and the"
                 " root of statement %s is over all; --all compares them with"
                 " the answers that were published", s->n_files, s->id);
        check_report_open(c, "its results", text);
        return 0;
    }
    verdict = s->compare(s->self, leaf, n, err);
    if (verdict == VERDICT_NONE)
        return -1;
    c->failed = c->failed || verdict == VERDICT_FAILS;
    return 0;
}

int check_root(struct check *c, struct err *err)
{
    size_t n = (size_t)c->head->n_rows;
    void *leaf = NULL;
    int rc;

    if (mem_big(&leaf, n, sizeof(struct result_leaf), "results", err))
        return -1;
    rc = read_leaves(c, leaf, err) || compare_results(c, leaf, n, err) ? -1 : 0;
    free(leaf);
    return rc;
}
