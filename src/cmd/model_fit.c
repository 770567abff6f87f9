/*
 * Fitted conversion for a user: settings, progress with an estimate, Ctrl-C.
 */
#include <config.h>

#include "cmd/model_fit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "proof/digest.h"

#define STEP_MS 10000 /* between two lines of progress */
#define IN_NAME 16 /* characters of a digest in a name */

/* The directory for what this account has done of this source: those who share
 * a store each have their own, and so has a model with other activations. */
static char *state_of(const char *dir, const char *source, bool a8)
{
    char *real = realpath(source, NULL);
    char *name = xasprintf("%" PRIu64 " %s%s", (uint64_t)geteuid(),
                           a8 ? "A8 " : "", real ? real : source);
    struct id h;
    char *state;

    digest(&h, name, strlen(name));
    state = xasprintf("%s/fitting.%.*s", dir, IN_NAME, id_text(h).s);
    free(name);
    free(real);
    return state;
}

/* Layers take about the same time, and the head that of a few.  Before the
 * first the model generates text, so the estimate begins with the second. */
static void report_layer(void *user, size_t done, size_t of)
{
    struct model_fit *m = user;
    uint64_t now = clock_ms(), left = 0;
    char estimate[64] = "";

    if (done == 0) {
        log_info("calibration: the model generates half of the text");
        return;
    }
    if (m->counted) {
        left = (now - m->begun) / (done - m->done) * (of - done) / 1000;
        snprintf(estimate, sizeof(estimate), ", about %zu:%02zu left",
                 (size_t)left / 60, (size_t)left % 60);
    } else {
        m->done = done;
        m->begun = now;
        m->counted = true;
    }
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\rfitted %zu of %zu layers%s%s", done, of, estimate,
                done == of ? "\n" : "  ");
        return;
    }
    if (done < of && now - m->last < STEP_MS)
        return;
    m->last = now;
    log_info("fitted %zu of %zu layers%s", done, of, estimate);
}

static void report_line(void *user, const char *line)
{
    (void)user;
    log_warning("%s", line);
}

int model_fit_begin(struct model_fit *m, const char *rounding,
                    const struct settings *s, const char *source,
                    const char *dir, struct convert_options *o,
                    struct err *err)
{
    const char *tmp = getenv("TMPDIR"), *kernel = settings_text(s, "kernel");

    memset(m, 0, sizeof(*m));
    if (!rounding || strcmp(rounding, "nearest") == 0)
        return 0;
    if (strcmp(rounding, "fitted") != 0)
        return err_set(err, ERR_INPUT, "--rounding \"%s\": nearest or fitted"
                       " expected", rounding);
    if (o->smooth_auto)
        return err_set(err, ERR_INPUT, "--rounding fitted smooths keys in its"
                       " own way: leave --smooth auto out");
    m->state = state_of(dir ? dir : tmp && *tmp ? tmp : "/tmp", source,
                        o->a8);
    m->o.state = m->state;
    m->o.kernel = strcmp(kernel, "cuda") == 0 ? "auto" : kernel;
    m->o.threads = settings_count(s, "threads");
    m->o.progress = report_layer;
    m->o.note = report_line;
    m->o.stop = cmd_interrupted;
    m->o.user = m;
    m->fit = fit_new(&m->o);
    fit_rounding(&m->rounding, m->fit);
    o->rounding = &m->rounding;
    o->stop = cmd_interrupted;
    cmd_catch_signals();
    return 0;
}

void model_fit_end(struct model_fit *m, const struct err *err)
{
    fit_end(m->fit, err);
    fit_free(m->fit);
    free(m->state);
    memset(m, 0, sizeof(*m));
}
