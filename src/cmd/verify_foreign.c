/*
 * apus verify of a part of a checkpoint from elsewhere: a statement names it,
 * and the root that is signed there is over its results.
 */
#include <config.h>

#include "cmd/verify_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "proof/result_record.h"
#include "store/part_file.h"

struct foreign {
    struct look look;
    const struct part_file *file;
    uint64_t size;
    struct id sha256;
    struct id id; /* of the statement's item */
    struct lookup_item item;
    struct published_statement s; /* points into it */
    struct check_statement against;

    /* its results, while they are compared with what was published */
    const struct result_leaf *leaf;
    size_t n;
    bool *found;
};

static void report_claim(struct foreign *f, const char *what,
                         const char *against, const char *detail, bool holds)
{
    struct verify *v = f->look.v;

    f->look.claims.failed = f->look.claims.failed || !holds;
    v->o.claim(v->o.self, &(struct check_claim){
        .file = v->what, .what = what, .against = against, .holds = holds,
        .detail = detail });
}

/* ---- the statement ------------------------------------------------------- */

static enum found try_statement(void *self, const struct lookup_item *i,
                                const struct published_statement *s,
                                struct err *err)
{
    struct foreign *f = self;

    (void)err;
    if (!published_has_file(s, f->size, f->sha256))
        return FOUND_NONE;
    f->id = i->it.head.id;
    return FOUND_ONE;
}

/* The one that was named; FOUND_NONE if it does not have the file. */
static enum found get_named(struct foreign *f, struct err *err)
{
    const char *name = f->look.v->statement;
    struct err why = ERR_INIT;
    enum lookup_found found = look_get(&f->look, name, false, &f->item, err);

    if (found != LOOKUP_GOOD)
        return found == LOOKUP_ERROR ? FOUND_FAILED : FOUND_NONE;
    if (published_statement_read(&f->s, f->item.it.data, f->item.it.n, &why))
        return err_set(err, ERR_INPUT, "\"%s\": %s", name, why.text);
    return published_has_file(&f->s, f->size, f->sha256) ? FOUND_ONE
                                                         : FOUND_NONE;
}

/* The newest of the key that has the file. */
static enum found find_newest(struct foreign *f, struct err *err)
{
    struct look *l = &f->look;
    enum found found;

    if (look_network(l, err))
        return FOUND_FAILED;
    found = lookup_statements(l->lookup, l->v->key, NULL, try_statement, f,
                              err);
    if (found != FOUND_ONE)
        return found;
    return lookup_get(l->lookup, f->id, &f->item, err) ? FOUND_FAILED
                                                          : FOUND_ONE;
}

/* What it claims, and that its node signed nothing else about the batch. */
static int check_statement(struct foreign *f, struct err *err)
{
    struct look *l = &f->look;
    char against[ID_TEXT + 40];

    if (claims_statement(&l->claims, &f->item.it, &f->s))
        return 0;
    base64url(f->against.id, f->item.it.head.id.b, 32);
    f->against.root = f->s.s.root;
    f->against.count = f->s.s.count;
    f->against.n_files = f->s.s.n_files;
    snprintf(against, sizeof(against), "the files of statement %s",
             f->against.id);
    claims_report(&l->claims, f->item.it.head.id,
                  "the size and SHA-256 of the"
                  " part",
                  against, id_text(f->sha256).s, NULL);
    if (l->v->statement && !l->v->all)
        return 0;
    return look_network(l, err) ||
                   lookup_others(l->lookup, &l->claims, &f->item, &f->s, err)
               ? -1 : 0;
}

/* ---- its results --------------------------------------------------------- */

static int mark(void *self, const struct published *p, struct err *err)
{
    const struct result_leaf *found;
    struct foreign *f = self;
    struct result_leaf leaf;

    (void)err;
    result_leaf(&leaf, &p->result);
    found = bsearch(&leaf, f->leaf, f->n, sizeof(leaf), result_leaf_compare);
    if (found && id_equal(found->hash, leaf.hash))
        f->found[found - f->leaf] = true;
    return 0;
}

static void report_results(struct foreign *f)
{
    char against[ID_TEXT + 40], text[ID_TEXT + 80];
    size_t n_wrong = 0;

    snprintf(against, sizeof(against), "the answers under statement %s",
             f->against.id);
    for (size_t i = 0; i < f->n; i++) {
        if (f->found[i] || n_wrong++ >= LOOKUP_NAMED)
            continue;
        snprintf(text, sizeof(text), "request %s, choice %" PRIu32,
                 id_text(f->leaf[i].request).s, f->leaf[i].choice);
        report_claim(f, text, against, "its result is not one of them", false);
    }
    snprintf(text, sizeof(text), "%zu of %zu are among them",
             f->n - n_wrong, f->n);
    report_claim(f, "its results", against, text, n_wrong == 0);
}

/* Of a part that is not the only one: fetch what was published. */
static enum verdict compare_leaves(void *self, const struct result_leaf *leaf,
                                   size_t n, struct err *err)
{
    struct foreign *f = self;
    struct lookup_visit visit = { .answer = mark, .self = f };
    int rc;

    f->leaf = leaf;
    f->n = n;
    f->found = xcalloc(n + 1, sizeof(*f->found));
    rc = lookup_batch(f->look.lookup, &f->look.claims, &f->item, &f->s,
                      &visit, err);
    if (rc == 0)
        report_results(f);
    free(f->found);
    return rc ? VERDICT_NONE : verdict_of(f->look.claims.failed);
}

static enum verdict check_part_of(struct foreign *f, struct err *err)
{
    struct verify *v = f->look.v;
    struct id model, batch;
    enum verdict verdict;
    bool same;

    if (check_part_ids(&model, &batch, f->file, err))
        return VERDICT_NONE;
    same = id_equal(batch, f->s.s.batch);
    report_claim(f, "its batch", "the statement",
                 same ? "the same" : "another batch", same);
    if (v->all) {
        f->against.compare = compare_leaves;
        f->against.self = f;
    }
    v->o.statement = &f->against;
    verdict = verify_opened(v, f->file, model, err);
    v->o.statement = NULL;
    return verdict;
}

static enum verdict check_foreign(struct foreign *f, struct err *err)
{
    struct verify *v = f->look.v;
    enum verdict verdict;
    enum found found;

    if (part_file_hash(f->file, &f->sha256, err))
        return VERDICT_NONE;
    found = v->statement ? get_named(f, err) : find_newest(f, err);
    if (found == FOUND_FAILED)
        return VERDICT_NONE;
    if (found == FOUND_NONE) {
        log_error("\"%s\" is not a file of %s: it is not opened", v->what,
                  v->statement ? "that statement"
                               : "any statement that --key signed and the"
                                 " gateways name");
        return VERDICT_FAILS;
    }
    if (check_statement(f, err))
        return VERDICT_NONE;
    if (f->look.claims.failed)
        return VERDICT_FAILS;
    verdict = check_part_of(f, err);
    return verdict == VERDICT_HOLDS ? verdict_of(f->look.claims.failed)
                                    : verdict;
}

enum verdict verify_foreign(struct verify *v, struct err *err)
{
    struct foreign f = { .size = 0 };
    struct part_file *file;
    enum verdict verdict;

    if (part_file_open(&file, v->what, err))
        return VERDICT_NONE;
    f.file = file;
    f.size = part_file_size(file);
    look_init(&f.look, v);
    lookup_item_init(&f.item, PUBLISHED_MAX + ITEM_HEAD_MAX);
    verdict = check_foreign(&f, err);
    lookup_item_clear(&f.item);
    look_clear(&f.look);
    part_file_close(file);
    return verdict;
}
