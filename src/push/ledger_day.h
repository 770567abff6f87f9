/*
 * The ledger of a wallet and a day (UTC), which every upload that this wallet
 * pays for is checked against:
 *
 *     DIR/ADDRESS-YYYY-MM-DD.jsonl    ledger.h
 *     DIR/lock                        locked while one process reads and
 *                                     writes
 *
 * DIR is the setting `ledger`; where that is empty, `ledger` beside the
 * wallet, so that all spools of a wallet share one ceiling; where that cannot
 * be written, `ledger` in the spool.
 */
#ifndef APUS_PUSH_LEDGER_DAY_H
#define APUS_PUSH_LEDGER_DAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "push/ledger.h"

struct err;
struct settings;

/* Where DIR is; the caller frees it.  `make`: create it, else only look.
 * *in_spool: it is the spool's for want of a better place, so that another
 * spool with the same wallet counts by itself.  ERR_INPUT without a wallet, or
 * if the directory that the setting names cannot be written; ERR_RETRY if the
 * disk fails. */
int ledger_dir(char **dir, bool *in_spool, const struct settings *s,
               const char *spool_dir, bool make, struct err *err);

/* The ledger of `address` on the present day.  Besides its own file it counts
 * what the same wallet has paid today by other files that this process knows:
 * SPOOL/ledger/YYYY-MM-DD.jsonl (earlier versions), and the file of the same
 * name in the other one of the two default places. */
struct ledger_day;
int ledger_day_open(struct ledger_day **out, const struct settings *s,
                    const char *spool_dir, struct id address, struct err *err);
void ledger_day_close(struct ledger_day *d);

/* As ledger_sum, ledger_ask and ledger_paid, under the lock.  ERR_RETRY if
 * another process keeps the lock for half a minute. */
int ledger_day_sum(struct ledger_day *d, uint64_t *winc, struct err *err);
enum ledger_end ledger_day_ask(struct ledger_day *d, struct id id,
                               uint64_t price, uint64_t most, uint64_t *winc,
                               struct err *err);
int ledger_day_paid(struct ledger_day *d, struct id id, uint64_t winc,
                    struct err *err);

#endif
