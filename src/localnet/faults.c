/*
 * Which case happens when.  What happens then is where it happens.
 */
#include <config.h>

#include "localnet/faults.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

static const char *const units[] = {
    [UNIT_GATEWAY] = "gateway", [UNIT_SECOND] = "second",
    [UNIT_BUNDLER] = "bundler", [UNIT_MU] = "mu", [UNIT_CU] = "cu",
    [UNIT_SU] = "su", [UNIT_HB] = "hb", [UNIT_NONE] = "",
};

/* The second gateway is the honest one: nothing happens there unless it is
 * named. */
#define AT(u) (1u << UNIT_##u)
#define ALL (AT(GATEWAY) | AT(BUNDLER) | AT(MU) | AT(CU) | AT(SU) | AT(HB))

static const struct {
    const char *name;
    unsigned at;
} cases[FAULTS_N] = {
    [FAULTS_WRONG_BYTES] = { "wrong-bytes", AT(GATEWAY) },
    [FAULTS_SHORT] = { "short", AT(GATEWAY) },
    [FAULTS_STALLED] = { "stalled", AT(GATEWAY) },
    [FAULTS_200_TO_RANGE] = { "200-to-range", AT(GATEWAY) },
    [FAULTS_REDIRECT_LOOP] = { "redirect-loop", AT(GATEWAY) },
    [FAULTS_ENDLESS_BODY] = { "endless-body", AT(GATEWAY) },
    [FAULTS_LOST_ANSWER] = { "lost-answer", AT(BUNDLER) | AT(MU) | AT(HB) },
    [FAULTS_429] = { "429", ALL },
    [FAULTS_500] = { "500", ALL },
    [FAULTS_PAGE] = { "page", ALL },
    [FAULTS_BAD_RECEIPT] = { "bad-receipt", AT(BUNDLER) },
    [FAULTS_OTHER_SIGNER] = { "other-signer", AT(BUNDLER) },
    [FAULTS_EMPTY_ACCOUNT] = { "empty-account", AT(BUNDLER) },
    [FAULTS_CU_FALSE_REQUESTS] = { "cu-false-requests", AT(CU) | AT(HB) },
    [FAULTS_CU_WRONG_IDS] = { "cu-wrong-ids", AT(CU) | AT(HB) },
    [FAULTS_CU_TWICE] = { "cu-twice", AT(CU) | AT(HB) },
    [FAULTS_CU_HUGE_PROMPT] = { "cu-huge-prompt", AT(CU) | AT(HB) },
    [FAULTS_CU_ABSURD_NUMBERS] = { "cu-absurd-numbers", AT(CU) | AT(HB) },
    [FAULTS_CU_FALSE_ACK] = { "cu-false-ack", AT(CU) | AT(HB) },
    [FAULTS_CLOCK_AHEAD] = { "clock-ahead", 0 },
    [FAULTS_CLOCK_BEHIND] = { "clock-behind", 0 },
    [FAULTS_NOTHING_FREE] = { "nothing-free", 0 },
    [FAULTS_OVER_CHARGE] = { "over-charge", AT(BUNDLER) },
    [FAULTS_NAMELESS_ALREADY] = { "nameless-already", AT(BUNDLER) },
    [FAULTS_NO_RESULT] = { "no-result", AT(HB) },
    [FAULTS_DRY_RUN_403] = { "dry-run-403", AT(CU) | AT(HB) },
    [FAULTS_DRY_RUN_404] = { "dry-run-404", AT(CU) | AT(HB) },
    [FAULTS_DRY_RUN_429] = { "dry-run-429", AT(CU) | AT(HB) },
    [FAULTS_NO_PLACE] = { "no-place", AT(GATEWAY) },
};

const char *unit_name(enum unit u)
{
    return units[u];
}

void faults_names(struct buf *out)
{
    for (size_t i = 0; i < FAULTS_N; i++)
        buf_printf(out, "%s%s", i ? ", " : "", cases[i].name);
}

/* ":N" or ":every-N" behind a name. */
static int parse_limit(struct faults_rule *r, const char *text)
{
    static const char every[] = "every-";
    bool each = strncmp(text, every, strlen(every)) == 0;
    uint64_t n;

    if (json_u64_text(each ? text + strlen(every) : text, &n) || n < 1 ||
        n > 1000000)
        return -1;
    *(each ? &r->every : &r->first) = (unsigned)n;
    return 0;
}

static int refuse_rule(const char *text, struct err *err)
{
    struct buf names;

    buf_init(&names, 4096);
    faults_names(&names);
    err_set(err, ERR_INPUT, "--hostile \"%s\": [UNIT/]CASE[:N|:every-N]"
            " expected; cases: %s", text, names.data);
    buf_clear(&names);
    return -1;
}

int faults_add(struct faults *h, const char *text, struct err *err)
{
    const char *slash = strchr(text, '/'), *name = text, *colon;
    struct faults_rule r = { .what = FAULTS_N, .unit = UNIT_NONE };
    size_t n;

    if (h->n == FAULTS_MAX)
        return err_set(err, ERR_INPUT, "more than %d cases of --hostile",
                       FAULTS_MAX);
    if (slash) {
        n = (size_t)(slash - text);
        for (int u = 0; u < UNIT_NONE; u++)
            if (strlen(units[u]) == n && memcmp(units[u], text, n) == 0)
                r.unit = (enum unit)u;
        if (r.unit == UNIT_NONE)
            return refuse_rule(text, err);
        name = slash + 1;
    }
    colon = strchr(name, ':');
    n = colon ? (size_t)(colon - name) : strlen(name);
    for (int i = 0; i < FAULTS_N; i++)
        if (strlen(cases[i].name) == n && memcmp(cases[i].name, name, n) == 0)
            r.what = (enum faults_case)i;
    if (r.what == FAULTS_N || (colon && parse_limit(&r, colon + 1)))
        return refuse_rule(text, err);
    h->rule[h->n++] = r;
    return 0;
}

bool faults_now(struct faults *h, enum faults_case what, enum unit u)
{
    for (size_t i = 0; i < h->n; i++) {
        struct faults_rule *r = &h->rule[i];
        bool here = r->unit == UNIT_NONE ? (cases[what].at >> u) & 1
                                         : r->unit == u;

        if (r->what != what || !here)
            continue;
        r->seen++;
        if ((!r->first || r->seen <= r->first) &&
            (!r->every || r->seen % r->every == 0))
            return true;
    }
    return false;
}

bool faults_has(const struct faults *h, enum faults_case what)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->rule[i].what == what)
            return true;
    return false;
}
