/*
 * How a check ended: what `apus verify` exits with.  Claims are reported one
 * by one (claims.h, check.h); this is what they come to.
 */
#ifndef APUS_VERIFY_VERDICT_H
#define APUS_VERIFY_VERDICT_H

#include <stdbool.h>

enum verdict {
    VERDICT_NONE = -1, /* err: something could not be read or computed */
    VERDICT_HOLDS,     /* every claim, unless it is open */
    VERDICT_FAILS      /* a claim was reported that does not hold */
};

/* Of a check that came to its end. */
static inline enum verdict verdict_of(bool failed)
{
    return failed ? VERDICT_FAILS : VERDICT_HOLDS;
}

#endif
