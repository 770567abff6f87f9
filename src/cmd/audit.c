/*
 * apus audit: of a statement on Arweave, the answers that a later block draws,
 * computed again.
 */
#include <config.h>

#include "cmd/verify_look.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/gateway.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plural.h"
#include "cmd/cmd.h"
#include "model/model.h"
#include "verify/claims.h"
#include "verify/lookup.h"
#include "verify/spot.h"

#define MAX_CELLS 100000

_Static_assert(SPOT_BLOCK == GATEWAY_BLOCK, "a block has one hash");

struct audit {
    struct look look; /* first: it is the self of callbacks */
    struct verify v;
    const char *rate_text, *cells_text;
    uint32_t rate;
    uint64_t n_cells;
    struct spot spot;
};

/* ---- the draw ------------------------------------------------------------ */

static int find_block(struct audit *a, struct id statement, struct err *err)
{
    struct gateway_block at, later;
    char hash[65];

    if (lookup_blocks(a->look.lookup, statement, SPOT_LATER, &at, &later,
                      err) != FOUND_ONE)
        return -1;
    a->spot.statement = statement;
    memcpy(a->spot.block, later.hash, SPOT_BLOCK);
    base64url(hash, later.hash, SPOT_BLOCK);
    printf("statement\t%s\tblock %" PRIu64 "\ndrawn by\tblock %" PRIu64
           "\t%s\n", id_text(statement).s, at.height, later.height, hash);
    return 0;
}

static bool draws(void *self, const struct published *p)
{
    const struct audit *a = self;

    return spot_draws(&a->spot, p->result.request, a->rate);
}

/* Where a node would have to show what it has, of an answer that commits to
 * its layers. */
static void print_cells(const struct audit *a, const struct published *p)
{
    uint32_t n_layers = a->v.o.model->model->rec.n_layers, position, layer;

    if (p->result.level != 1 || p->result.n == 0)
        return;
    for (uint32_t j = 0; j < a->n_cells; j++) {
        spot_cell(&a->spot, p->result.request, j, p->result.n, n_layers,
                  &position, &layer);
        printf("cell\t%s\t%" PRIu32 "/%" PRIu32 "\n",
               id_text(p->result.request).s, position, layer);
    }
}

static int audited(struct look *l, struct id item, const struct published *p,
                   bool wrong, struct err *err)
{
    const struct audit *a = (const struct audit *)l;

    (void)item;
    (void)wrong;
    (void)err;
    print_cells(a, p);
    return 0;
}

/* ---- a statement --------------------------------------------------------- */

static int audit_statement(struct audit *a, const struct lookup_item *i,
                           struct err *err)
{
    struct lookup_visit visit = { .draws = draws,
                                  .compute = look_compute,
                                  .computed = look_compute_rest,
                                  .model = look_model,
                                  .self = a };
    struct look *l = &a->look;
    struct published_statement s;

    if (claims_statement(&l->claims, &i->it, &s) || l->claims.failed)
        return 0;
    if (find_block(a, i->it.head.id, err) ||
        lookup_others(l->lookup, &l->claims, i, &s, err) ||
        lookup_batch(l->lookup, &l->claims, i, &s, &visit, err))
        return -1;
    printf("drawn\t%" PRIu64 " of %" PRIu32 " answer%s\n", l->n_computed,
           s.s.count, plural_s(s.s.count));
    return 0;
}

static int audit(struct audit *a, struct err *err)
{
    struct lookup_item i;
    int rc;

    lookup_item_init(&i, PUBLISHED_MAX + ITEM_HEAD_MAX);
    rc = look_network(&a->look, err) ||
         look_get(&a->look, a->v.what, false, &i, err) == LOOKUP_ERROR ||
         audit_statement(a, &i, err) ? -1 : 0;
    lookup_item_clear(&i);
    return rc;
}

static int check_use(struct audit *a, struct err *err)
{
    struct id id;

    if (id_parse(&id, a->v.what))
        return err_set(err, ERR_INPUT, "apus audit \"%s\": the id of a"
                       " statement expected, 43 characters", a->v.what);
    if (a->v.key_text && id_parse(&a->v.key, a->v.key_text))
        return err_set(err, ERR_INPUT, "apus audit: --key \"%s\": an address"
                       " expected, 43 characters", a->v.key_text);
    if (a->cells_text && (json_u64_text(a->cells_text, &a->n_cells) ||
                          a->n_cells > MAX_CELLS))
        return err_set(err, ERR_INPUT, "apus audit: --cells \"%s\": a number"
                       " up to %d expected", a->cells_text, MAX_CELLS);
    return spot_rate(&a->rate, a->rate_text ? a->rate_text : "0.01", err);
}

static const struct opt audit_opts[] = {
    { 0, "rate", "R", "share of answers to draw; default 0.01",
      offsetof(struct audit, rate_text) },
    { 0, "cells", "N", "cells to draw of each drawn answer of level 1",
      offsetof(struct audit, cells_text) },
    { 'm', "model", "MODEL", "the model, if it is not in the store",
      offsetof(struct audit, v.model_name) },
    { 'k', "key", "ADDRESS", "required signer: the node's address",
      offsetof(struct audit, v.key_text) },
    { .name = NULL }
};

static const struct opt_command audit_command = {
    .name = "apus audit",
    .synopsis = "STATEMENT [--rate R] [--cells N] [-m MODEL] [-k ADDRESS]",
    .about = "Recompute a sample of a statement's answers, drawn by the block"
             " two above its\nown: its node could not know the sample, and"
             " everybody draws the same one.\nPrint one line for each claim."
             "  Exit status 3 if a claim does not hold, 75 while\nthat block"
             " does not exist.",
    .opts = audit_opts, .min_args = 1, .max_args = 1,
};

static int audit_and_report(struct audit *a)
{
    struct err err = ERR_INIT;
    int rc, status = CMD_DONE;

    if (check_use(a, &err))
        return cmd_misused(&err);
    look_init(&a->look, &a->v);
    a->look.computed = audited;
    rc = audit(a, &err);
    progress_clear(&a->v.progress);
    if (rc)
        status = cmd_fail_retry(&err);
    look_clear(&a->look);
    /* what was found counts, also where another answer was not computed */
    if (!a->look.claims.failed)
        return status;
    log_error("\"%s\" is not what it claims", a->v.what);
    return CMD_NO;
}

int cmd_audit(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct audit a = { .v = { .settings = s } };
    size_t n_args;
    int status = cmd_begin(&audit_command, s, argc, argv, &a, args, &n_args);

    if (status == CMD_GO) {
        a.v.what = args[0];
        a.v.o.recompute = CHECK_ALL;
        a.v.o.claim = verify_print;
        a.v.o.progress = verify_progress;
        a.v.o.self = &a.v;
        status = audit_and_report(&a);
    }
    backend_close(a.v.o.backend);
    prompt_model_clear(&a.v.model);
    return status;
}
