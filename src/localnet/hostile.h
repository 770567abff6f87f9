/*
 * --hostile CASE: what an outside that is broken or lies does, for tests.
 * CASE is [UNIT/]NAME[:N | :every-N], such as "gateway/short:2": only the
 * first N times that it could happen, or each N-th time; without either,
 * always.  UNIT is gateway, bundler, mu, cu, su or hb; without one, every
 * unit where the case makes sense.
 */
#ifndef APUS_LOCALNET_HOSTILE_H
#define APUS_LOCALNET_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

enum unit { UNIT_GATEWAY, UNIT_SECOND, UNIT_BUNDLER, UNIT_MU, UNIT_CU,
            UNIT_SU, UNIT_HB, UNIT_NONE };
/* "gateway" .., also the first part of the path. */
const char *unit_name(enum unit u);

enum hostile_case {
    HOSTILE_WRONG_BYTES, HOSTILE_SHORT, HOSTILE_STALLED,
    HOSTILE_200_TO_RANGE, HOSTILE_REDIRECT_LOOP, HOSTILE_ENDLESS_BODY,
    HOSTILE_LOST_ANSWER, HOSTILE_429, HOSTILE_500, HOSTILE_PAGE,
    HOSTILE_BAD_RECEIPT,
    HOSTILE_OTHER_SIGNER, HOSTILE_EMPTY_ACCOUNT, HOSTILE_CU_FALSE_REQUESTS,
    HOSTILE_CU_WRONG_IDS, HOSTILE_CU_TWICE, HOSTILE_CU_HUGE_PROMPT,
    HOSTILE_CU_ABSURD_NUMBERS, HOSTILE_CU_FALSE_ACK, HOSTILE_CLOCK_AHEAD,
    HOSTILE_CLOCK_BEHIND, HOSTILE_NOTHING_FREE, HOSTILE_OVER_CHARGE,
    HOSTILE_NAMELESS_ALREADY, HOSTILE_NO_RESULT,
    HOSTILE_DRY_RUN_403, HOSTILE_DRY_RUN_404, HOSTILE_DRY_RUN_429,
    HOSTILE_NO_PLACE, HOSTILE_N
};

#define HOSTILE_MAX 32

struct hostile {
    struct hostile_rule {
        enum hostile_case what;
        enum unit unit;        /* UNIT_NONE: all that it makes sense for */
        unsigned first, every; /* 0: no limit */
        unsigned seen;
    } rule[HOSTILE_MAX];
    size_t n;
};

/* Add one; ERR_INPUT names those that there are. */
int hostile_add(struct hostile *h, const char *text, struct err *err);

/* Whether it happens now, at this unit; counts.  Under the net's lock. */
bool hostile_now(struct hostile *h, enum hostile_case what, enum unit u);

/* Whether there is such a rule at all; counts nothing. */
bool hostile_has(const struct hostile *h, enum hostile_case what);

/* Names, one a line, for --help. */
void hostile_names(struct buf *out);

#endif
