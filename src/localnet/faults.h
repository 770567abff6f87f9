/*
 * --hostile CASE: what an outside that is broken or lies does, for tests.
 * CASE is [UNIT/]NAME[:N | :every-N], such as "gateway/short:2": only the
 * first N times that it could happen, or each N-th time; without either,
 * always.  UNIT is gateway, bundler, mu, cu, su or hb; without one, every
 * unit where the case makes sense.
 */
#ifndef APUS_LOCALNET_FAULTS_H
#define APUS_LOCALNET_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

enum unit { UNIT_GATEWAY, UNIT_SECOND, UNIT_BUNDLER, UNIT_MU, UNIT_CU,
            UNIT_SU, UNIT_HB, UNIT_NONE };
/* "gateway" .., also the first part of the path. */
const char *unit_name(enum unit u);

enum faults_case {
    FAULTS_WRONG_BYTES, FAULTS_SHORT, FAULTS_STALLED,
    FAULTS_200_TO_RANGE, FAULTS_REDIRECT_LOOP, FAULTS_ENDLESS_BODY,
    FAULTS_LOST_ANSWER, FAULTS_429, FAULTS_500, FAULTS_PAGE,
    FAULTS_BAD_RECEIPT,
    FAULTS_OTHER_SIGNER, FAULTS_EMPTY_ACCOUNT, FAULTS_CU_FALSE_REQUESTS,
    FAULTS_CU_WRONG_IDS, FAULTS_CU_TWICE, FAULTS_CU_HUGE_PROMPT,
    FAULTS_CU_ABSURD_NUMBERS, FAULTS_CU_FALSE_ACK, FAULTS_CLOCK_AHEAD,
    FAULTS_CLOCK_BEHIND, FAULTS_NOTHING_FREE, FAULTS_OVER_CHARGE,
    FAULTS_NAMELESS_ALREADY, FAULTS_NO_RESULT,
    FAULTS_DRY_RUN_403, FAULTS_DRY_RUN_404, FAULTS_DRY_RUN_429,
    FAULTS_NO_PLACE, FAULTS_N
};

#define FAULTS_MAX 32

struct faults {
    struct faults_rule {
        enum faults_case what;
        enum unit unit;        /* UNIT_NONE: all that it makes sense for */
        unsigned first, every; /* 0: no limit */
        unsigned seen;
    } rule[FAULTS_MAX];
    size_t n;
};

/* Add one; ERR_INPUT names those that there are. */
int faults_add(struct faults *h, const char *text, struct err *err);

/* Whether it happens now, at this unit; counts.  Under the net's lock. */
bool faults_now(struct faults *h, enum faults_case what, enum unit u);

/* Whether there is such a rule at all; counts nothing. */
bool faults_has(const struct faults *h, enum faults_case what);

/* Names, one a line, for --help. */
void faults_names(struct buf *out);

#endif
