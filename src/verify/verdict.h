/*
 * How a check ended: the exit status of `apus verify`.  Claims are reported one
 * by one (claims.h, check.h); this summarises them.
 */
#ifndef APUS_VERIFY_VERDICT_H
#define APUS_VERIFY_VERDICT_H

#include <stdbool.h>

enum verdict {
    VERDICT_NONE = -1, /* err: something could not be read or computed */
    VERDICT_HOLDS,     /* every claim, unless it is open */
    VERDICT_FAILS      /* a claim was reported that does not hold */
};

/* Return the verdict of a finished check. */
static inline enum verdict verdict_of(bool failed)
{
    return failed ? VERDICT_FAILS : VERDICT_HOLDS;
}

#endif
