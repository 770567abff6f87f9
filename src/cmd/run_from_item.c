/*
 * apus run --from of what was published: one result, or all those under a
 * statement, whose signatures and hashes are checked before.
 */
#include <config.h>

#include "cmd/run_from_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "publish/kinds.h"
#include "store/rebuild.h"
#include "store/record.h"
#include "store/request.h"
#include "verify/claims.h"
#include "verify/lookup.h"

/* Answers come by request and choice: a request is whole when the next one
 * comes. */
struct gathering {
    struct making *m;
    struct lookup *lookup;
    struct buf line;       /* of the request that is not whole yet */
    struct id request;
    char wrong[300];       /* the first claim that failed, or "" */
};

/* Claims that hold are not told here. */
static void hear(void *self, const struct check_claim *c)
{
    struct gathering *g = self;

    if (!c->holds && !c->open && !g->wrong[0])
        snprintf(g->wrong, sizeof(g->wrong), "%.90s: %.180s", c->what,
                 c->detail);
}

static int flush(struct gathering *g, struct err *err)
{
    int rc = g->line.len ? making_put(g->m, g->line.data, g->line.len, err)
                         : 0;

    buf_reset(&g->line);
    return rc;
}

static int copy_published(void *self, const struct published *p,
                          struct err *err)
{
    struct gathering *g = self;
    struct record record;

    if (p->hashed)
        return err_set(err, ERR_INPUT, "prompts were not published, only"
                       " their hashes");
    if (!id_equal(g->request, p->result.request) && flush(g, err))
        return -1;
    g->request = p->result.request;
    making_is_of(g->m, p->result.model);
    published_record(p, &record);
    buf_reset(&g->line);
    return rebuild_line(&g->line, &record, NULL, 0, p->job.choice + 1, err);
}

static int from_result(struct gathering *g, struct claims *c,
                       const struct lookup_item *i, struct err *err)
{
    struct published p;
    int rc;

    published_init(&p);
    rc = claims_result(c, &i->it, &p) || c->failed ? 0
                                                   : copy_published(g, &p, err);
    published_clear(&p);
    return rc;
}

/* The hint is a tag of the statement. */
static void take_hint(struct gathering *g, const struct lookup_item *i)
{
    char text[256];

    if (item_tag_text(&i->it.head, "Model-Source", text, sizeof(text)) == 0)
        g->m->f->hint = xstrdup(text);
}

static int from_statement(struct gathering *g, struct claims *c,
                          const struct lookup_item *i, struct err *err)
{
    struct lookup_visit visit = { .answer = copy_published, .self = g };
    struct published_statement s;

    if (claims_statement(c, &i->it, &s) || c->failed)
        return 0;
    take_hint(g, i);
    return lookup_batch(g->lookup, c, i, &s, &visit, err);
}

static int from_item(struct gathering *g, const struct lookup_item *i,
                     struct err *err)
{
    struct claims c = { .report = hear, .self = g };
    char kind[32];
    int rc;

    claims_kind(kind, &i->it.head);
    if (strcmp(kind, KIND_RESULT) == 0)
        rc = from_result(g, &c, i, err);
    else if (strcmp(kind, KIND_STATEMENT) == 0)
        rc = from_statement(g, &c, i, err);
    else
        rc = err_set(err, ERR_INPUT, "the item is neither a result nor a"
                     " statement; apus show prints what it is");
    if (rc == 0 && c.failed)
        rc = err_set(err, ERR_INPUT, "it is not what it claims: %s", g->wrong);
    return rc ? -1 : flush(g, err);
}

int making_from_item(struct making *m, const char *what, struct err *err)
{
    const struct caller caller = { .note = log_note };
    struct gathering g = { .m = m };
    struct lookup_item i;
    struct id id;
    int rc = id_parse(&id, what);

    buf_init(&g.line, REQUEST_MAX_LINE + 1);
    lookup_item_init(&i, PUBLISHED_MAX + ITEM_HEAD_MAX);
    rc = rc || lookup_new(&g.lookup, m->settings, &caller, err) ||
         lookup_get(g.lookup, id, &i, err) || from_item(&g, &i, err) ? -1 : 0;
    if (rc)
        err_prefix(err, "\"%s\"", what);
    lookup_free(g.lookup);
    lookup_item_clear(&i);
    buf_clear(&g.line);
    return rc;
}
