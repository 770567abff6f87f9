/*
 * What uploads may cost and have cost: a file of JSON lines that is only ever
 * appended to, {"item":ID,"asked":"N"} before an item is handed over and
 * {"item":ID,"paid":"N"} after its receipt.  An item counts with all that
 * was paid for it, and with the price that was asked last while nothing came
 * after it.  A line that a crash cut off is of an item that was not handed
 * over, or that counts with its price: it is passed over.
 */
#ifndef APUS_PUSH_LEDGER_H
#define APUS_PUSH_LEDGER_H

#include <stdint.h>

#include "base/id.h"

struct err;

/* What a file comes to, in winston credits; a missing file is 0. */
int ledger_sum(const char *path, uint64_t *winc, struct err *err);

/* Before item `id` is handed over for `price`: put it down, synced, if all of
 * the file then comes to no more than `most`.  *winc is what the file comes to
 * without it.  Of several processes on one machine none goes over. */
enum ledger_end {
    LEDGER_FAILED = -1,
    LEDGER_NOTED,
    LEDGER_OVER /* it would be more: nothing is put down */
};
enum ledger_end ledger_ask(const char *path, struct id id, uint64_t price,
                           uint64_t most, uint64_t *winc, struct err *err);

/* What was charged in the end. */
int ledger_paid(const char *path, struct id id, uint64_t winc, struct err *err);

#endif
