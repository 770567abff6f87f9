/*
 * The compute unit is not believed: of a file that it invents no line has the
 * id of the result's request, and the queue refuses a Challenge that does not
 * fit.
 */
#include <config.h>

#include "node/asked.h"

#include <inttypes.h>
#include <string.h>

#include "ao/ao.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/found.h"
#include "node/answered.h"
#include "node/disputes.h"
#include "proof/digest.h"
#include "publish/published.h"
#include "queue/client.h"
#include "queue/pull_answer.h"
#include "queue/pull_line.h"

/* Find the line of a file in what a Pull was answered with. */
static bool find_line(struct pull_line *l, const struct ao_result *r)
{
    for (size_t i = 0; i < r->n_out; i++) {
        const char *action = ao_out_tag(&r->out[i], "Action");
        const char *at = r->out[i].data;

        if (!action || strcmp(action, "Pull-Response") != 0 ||
            pull_next_line(l, &at, NULL) != FOUND_ONE)
            continue;
        if (l->ask.form == ASK_BATCH)
            return true;
        pull_line_clear(l);
    }
    return false;
}

static int take_file(struct asked *a, const struct pull_line *l,
                     const struct published *p, struct err *err)
{
    struct judge_file some;

    a->request = l->id;
    a->file = (struct judge_file){
        .root = p->root, .model = l->model, .sha256 = l->ask.sha256,
        .lines = (uint32_t)l->ask.count, .index = p->index, .count = p->count
    };
    some = a->file;
    if (some.lines > ASKED_LINES_MAX)
        some.lines = ASKED_LINES_MAX;
    if (answered_line(&a->line, &some, p->result.request, NULL) == 0)
        return 0;
    a->line = ASKED_NO_LINE;
    if (some.lines == a->file.lines)
        return 0;
    return err_set(err, ERR_INPUT, "the queue says that the answer is to a file"
                   " of %" PRIu32 " lines: at most %u are searched for its"
                   " own, which is not among them", a->file.lines,
                   ASKED_LINES_MAX);
}

int asked_find(struct asked *a, struct client *c, const struct published *p,
               struct err *err)
{
    struct err own = ERR_INIT;
    struct pull_line l;
    struct ao_result r;
    int rc = 0;

    memset(a, 0, sizeof(*a));
    a->request = p->result.request;
    err = err_or(err, &own);
    if (ao_result(c->ao, &r, c->process, p->batch, c->wait_s, err))
        return err->code == ERR_INPUT ? 0 : -1;
    if (find_line(&l, &r)) {
        rc = take_file(a, &l, p, err);
        pull_line_clear(&l);
    }
    ao_result_clear(&r);
    return rc;
}

void asked_dispute(struct id *dispute, const struct asked *a, struct id result,
                   struct id challenger)
{
    unsigned char bytes[76];

    if (a->file.count == 0) {
        disputes_id(dispute, result, challenger);
        return;
    }
    memcpy(bytes, "apusdsp1", 8);
    memcpy(bytes + 8, a->file.root.b, 32);
    set_u32(bytes + 40, a->file.index);
    memcpy(bytes + 44, challenger.b, 32);
    digest(dispute, bytes, sizeof(bytes));
}
