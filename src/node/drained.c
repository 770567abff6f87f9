/*
 * Reads and writes the file of the last round.
 */
#include <config.h>

#include "node/drained.h"

#include "base/buf.h"
#include "base/err.h"
#include "node/rounds.h"
#include "spool/numbers.h"
#include "spool/spool.h"

#define FORMAT "apus-drained-3"
#define FORMAT_2 "apus-drained-2" /* without the turn */
#define FORMAT_1 "apus-drained-1" /* nor the window */
#define NAME "drained"

#define DAY_S 86400

enum found drained_read(struct drained *d, const struct spool *s,
                        struct err *err)
{
    struct number v[] = { { "at", 0 }, { "gap", 0 }, { "window", 0 },
                          { "turn", 0 } };
    enum found found;
    struct buf text;
    const char *at;

    buf_init(&text, NUMBERS_FILE_MAX);
    found = batch_file_read(&text, spool_dir(s), NAME, err);
    at = text.data ? text.data : "";
    if (found == FOUND_ONE &&
        numbers_parse(v, 2, FORMAT_1, at, text.len, NULL) &&
        numbers_parse(v, 3, FORMAT_2, at, text.len, NULL) &&
        numbers_parse(v, 4, FORMAT, at, text.len, err))
        found = err_prefix(err, "\"%s/" NAME "\" is damaged (the next round of"
                           " apus drain replaces it)", spool_dir(s));
    buf_clear(&text);
    *d = (struct drained){ .at_s = v[0].value, .gap_s = v[1].value,
                           .window_s = v[2].value, .turn_s = v[3].value };
    return found;
}

int drained_write(const struct drained *d, const struct spool *s,
                  struct err *err)
{
    const struct number v[] = { { "at", d->at_s }, { "gap", d->gap_s },
                                { "window", d->window_s },
                                { "turn", d->turn_s } };

    return numbers_write(v, 4, FORMAT, spool_dir(s), NAME, err);
}

uint64_t drained_kept(uint64_t window_s, uint64_t turn_s)
{
    uint64_t disputes_s = 8 * turn_s + 2 * DAY_S;

    if (window_s == 0)
        return 0;
    return window_s + (disputes_s > 7 * DAY_S ? disputes_s : 7 * DAY_S);
}

uint64_t drained_since(uint64_t at_s)
{
    uint64_t now = rounds_now();

    return now > at_s ? now - at_s : 0;
}
