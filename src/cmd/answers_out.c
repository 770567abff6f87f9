/*
 * Answers of several batches.
 */
#include <config.h>

#include "cmd/answers_out.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/output.h"
#include "cmd/keep.h"
#include "cmd/named.h"
#include "spool/spool.h"
#include "store/export.h"
#include "store/refusals.h"
#include "store/seal.h"

static int put_line(void *self, const char *line, size_t n, struct err *err)
{
    return file_out_put(self, line, n, err);
}

/* What helps where a batch is not done. */
static int name_partial(const struct batch *b, bool partial, struct err *err)
{
    struct err own = ERR_INIT;

    err = err_or(err, &own);
    if (!partial && !seal_is_done(b->path) && file_exists(b->path))
        err_set(err, err->code, "%s; --partial writes the answers that there"
                " are", err->text);
    return -1;
}

/* Lines of the file before batch i, whose number of lines is added. */
static int count_lines(const struct named *n, size_t i, uint64_t *before,
                       uint64_t *next, struct err *err)
{
    struct batch_info info;

    if (batch_info_read(&info, n->batch[i].path, err))
        return -1;
    *before = n->is_file ? *next : info.lines_before;
    *next += info.n_lines;
    batch_info_clear(&info);
    return 0;
}

int answers_write(const struct named *n, const char *output, bool partial,
                  struct err *err)
{
    struct export_counts sum = { .answered = 0 }, one;
    struct file_out *out = NULL;
    uint64_t before, next = 0;

    if (output_open(&out, output, err))
        return err_prefix(err, "output");
    for (size_t i = 0; i < n->n; i++) {
        if (count_lines(n, i, &before, &next, err) ||
            (partial ? export_partial : export_batch)(
                n->batch[i].path, &before, put_line, out, &one, err)) {
            file_out_abort(out);
            return name_partial(&n->batch[i], partial, err);
        }
        sum.answered += one.answered;
        sum.refused += one.refused;
        sum.missing += one.missing;
    }
    if (keep_commit(out, partial, err))
        return err_prefix(err, "output");
    if (sum.missing)
        log_info("%" PRIu64 " answered, %" PRIu64 " refused, %" PRIu64
                 " without an answer yet", sum.answered, sum.refused,
                 sum.missing);
    else if (!output_is_stdout(output))
        log_info("%" PRIu64 " answered, %" PRIu64 " refused: \"%s\"",
                 sum.answered, sum.refused, output);
    return 0;
}

int answers_refused(const struct named *n, struct refusals *r,
                    struct err *err)
{
    struct refusals one;
    uint64_t before, next = 0;

    memset(r, 0, sizeof(*r));
    for (size_t i = 0; i < n->n; i++) {
        if (count_lines(n, i, &before, &next, err) ||
            refusals_read(&one, n->batch[i].path, false, err))
            return -1;
        if (one.n && !r->n) {
            r->line = before + one.line;
            r->why = one.why;
        }
        r->n += one.n;
        r->n_requests += one.n_requests;
    }
    return 0;
}
