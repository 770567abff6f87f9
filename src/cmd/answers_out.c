/*
 * Answers of several batches.
 */
#include <config.h>

#include "cmd/answers_out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/log.h"
#include "base/mem.h"
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
    if (!partial && !seal_is_done(b->path) && !seal_is_due(b->path) &&
        file_exists(b->path))
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

/* Put the answers of all batches into an open output. */
static int put_all(const struct named *n, bool partial, bool quiet,
                   struct file_out *out, struct export_counts *sum,
                   struct err *err)
{
    struct export_counts one;
    uint64_t before, next = 0;

    memset(sum, 0, sizeof(*sum));
    for (size_t i = 0; i < n->n; i++) {
        if (count_lines(n, i, &before, &next, err))
            return -1;
        if ((partial ? export_partial : export_batch)(
                n->batch[i].path, &before, put_line, out, &one, err))
            return name_partial(&n->batch[i], partial, err);
        sum->answered += one.answered;
        sum->refused += one.refused;
        sum->missing += one.missing;
        sum->tokens += one.tokens;
        sum->lost += one.lost;
        if (!one.damage.code)
            continue;
        sum->damage = one.damage;
        if (!quiet)
            log_err(&one.damage);
    }
    return 0;
}

/* Instead of an output that is to be complete. */
static int write_what_fits(const struct named *n, const char *output,
                           struct export_counts *sum, struct err *err)
{
    char *path;
    enum found found = answers_write_beside(&path, n, output, sum, err);

    if (found != FOUND_ONE)
        return found == FOUND_FAILED ? -1 : 0;
    log_info("the other answers are in \"%s\"", path);
    free(path);
    return 0;
}

int answers_write(const struct named *n, const char *output, bool partial,
                  struct export_counts *sum, struct err *err)
{
    struct file_out *out = NULL;

    if (output_open(&out, output, err))
        return err_prefix(err, "output");
    if (put_all(n, partial, false, out, sum, err)) {
        file_out_abort(out);
        return -1;
    }
    if (sum->lost && !partial && file_out_aside(out)) {
        file_out_abort(out);
        return write_what_fits(n, output, sum, err);
    }
    return keep_commit(out, partial, err) ? err_prefix(err, "output") : 0;
}

enum found answers_write_beside(char **path, const struct named *n,
                                const char *output,
                                struct export_counts *sum, struct err *err)
{
    char *file, *name;
    struct file_out *out = NULL;
    enum found found = output_file(&file, output, err);

    if (found != FOUND_ONE)
        return found;
    name = xasprintf("%s.partial", file);
    free(file);
    found = FOUND_FAILED;
    if (output_open(&out, name, err) == 0) {
        if (put_all(n, true, true, out, sum, err)) {
            file_out_abort(out);
        } else if (sum->answered + sum->refused == 0) {
            file_out_abort(out);
            found = FOUND_NONE;
        } else if (keep_commit(out, true, err) == 0) {
            found = FOUND_ONE;
        }
    }
    if (found == FOUND_ONE)
        *path = name;
    else
        free(name);
    return found;
}

int answers_check(const struct named *n, struct export_counts *sum,
                  struct err *err)
{
    struct err why = ERR_INIT;

    memset(sum, 0, sizeof(*sum));
    for (size_t i = 0; i < n->n; i++) {
        if (seal_check_parts(n->batch[i].path, n->batch[i].id, &why) == 0)
            continue;
        if (why.code != ERR_INPUT)
            return err_copy(err, &why);
        log_err(&why);
        sum->damage = why;
    }
    return 0;
}

void answers_report(const struct export_counts *sum, const char *output)
{
    if (sum->missing)
        log_info("%" PRIu64 " answered, %" PRIu64 " refused, %" PRIu64
                 " without an answer yet", sum->answered, sum->refused,
                 sum->missing);
    else if (!output_is_stdout(output) && !sum->lost)
        log_info("%" PRIu64 " answered, %" PRIu64 " refused: \"%s\"",
                 sum->answered, sum->refused, output);
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
