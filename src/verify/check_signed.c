/*
 * Checks the statement that a pushed batch has from its node: the only file
 * beside the parts that nobody else can make.
 */
#include <config.h>

#include "verify/check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/vec.h"
#include "proof/result_record.h"
#include "publish/published_statement.h"
#include "spool/spool.h"
#include "store/seal.h"
#include "verify/lookup.h"

#define STATEMENT "push/statement.head"

bool check_has_statement(const char *batch_path)
{
    char *path = file_join(batch_path, STATEMENT);
    bool there = file_exists(path);

    free(path);
    return there;
}

void check_leaf(struct check *c, const struct result_record *res)
{
    if (!c->is_signed)
        return;
    VEC_RESERVE(c->leaf, c->cap_leaves, c->n_leaves + 1);
    result_leaf(&c->leaf[c->n_leaves++], res);
}

/* Return how the statement contradicts the batch, or NULL. */
static const char *compare_statement(struct check *c,
                                     const struct seal_info *info,
                                     const struct published_statement *s,
                                     struct id signer)
{
    struct id root;

    if (!id_equal(s->s.node, signer))
        return "its node is another than who signed it";
    if (!id_equal(s->s.batch, c->batch->id))
        return "it is about another batch";
    if (!id_equal(s->s.process, c->batch->process))
        return "its process is another";
    if (s->s.count != c->n_rows)
        return "it has another count";
    if (result_batch(&root, c->leaf, c->n_leaves, NULL) ||
        !id_equal(root, s->s.root))
        return "its root is not that of the answers";
    if (!published_files_fit(s) || s->s.n_files != info->n_parts)
        return "its files are not the parts, though its root is that of the"
               " answers";
    for (size_t i = 0; i < info->n_parts; i++)
        if (!published_has_file(s, info->part[i].size, info->part[i].sha256))
            return "its files are not the parts, though its root is that of"
                   " the answers: apus seal --again may have made other"
                   " bytes";
    return NULL;
}

int check_signed(struct check *c, const char *batch_path,
                 const struct seal_info *info, struct err *err)
{
    char *path = file_join(batch_path, STATEMENT);
    char detail[80];
    struct published_statement s;
    struct err why = ERR_INIT;
    const char *wrong = NULL;
    struct lookup_item i;
    int rc = 0;

    lookup_item_init(&i, PUBLISHED_MAX);
    if (lookup_file(path, &i, &why) == LOOKUP_GOOD &&
        published_statement_read(&s, i.it.data, i.it.n, &why) == 0)
        wrong = compare_statement(c, info, &s, i.it.head.address);
    if (why.code && why.code != ERR_INPUT) {
        rc = err_set(err, why.code, "%s", why.text);
    } else {
        c->file = STATEMENT;
        if (why.code || wrong)
            snprintf(c->wrong, sizeof(c->wrong), "%.390s",
                     wrong ? wrong : why.text);
        else
            snprintf(detail, sizeof(detail), "signed by %s",
                     c->wrong[0] ? "" : id_text(i.it.head.address).s);
        check_report(c, "its batch, root, count and files", "what is here",
                     detail);
    }
    lookup_item_clear(&i);
    free(path);
    return rc;
}
