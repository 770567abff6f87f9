/*
 * Reads and writes the file of the last rounds.
 */
#include <config.h>

#include "node/rounds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "spool/numbers.h"
#include "spool/spool.h"

#define FORMAT "apus-rounds-1"
#define NAME "rounds"

int rounds_parse(struct rounds *r, const char *text, size_t n,
                 struct err *err)
{
    struct number v[] = { { "lost", 0 }, { "pulled", 0 }, { "told", 0 } };

    if (numbers_parse(v, 3, FORMAT, text, n, err))
        return -1;
    *r = (struct rounds){ .lost = v[0].value, .pulled_s = v[1].value,
                          .told_s = v[2].value };
    return 0;
}

int rounds_read(struct rounds *r, const struct spool *s, struct err *err)
{
    struct buf text;
    enum found found;

    memset(r, 0, sizeof(*r));
    buf_init(&text, NUMBERS_FILE_MAX);
    found = batch_file_read(&text, spool_dir(s), NAME, err);
    if (found == FOUND_ONE &&
        rounds_parse(r, text.data ? text.data : "", text.len, err))
        found = err_prefix(err, "\"%s/" NAME "\" is damaged (apus drain"
                           " --resume begins a new one)", spool_dir(s));
    buf_clear(&text);
    return found == FOUND_FAILED ? -1 : 0;
}

int rounds_write(const struct rounds *r, const struct spool *s,
                 struct err *err)
{
    const struct number v[] = {
        { "lost", r->lost }, { "pulled", r->pulled_s }, { "told", r->told_s },
    };

    return numbers_write(v, 3, FORMAT, spool_dir(s), NAME, err);
}

int rounds_forget(const struct spool *s, struct err *err)
{
    char *path = file_join(spool_dir(s), NAME);
    int rc = 0;

    if (unlink(path) && errno != ENOENT)
        rc = err_errno(err, ERR_RETRY, "cannot remove \"%s\"", path);
    free(path);
    return rc;
}

bool rounds_limited(const struct rounds *r)
{
    return r->lost >= ROUNDS_LOST;
}

uint64_t rounds_now(void)
{
    return (uint64_t)time(NULL);
}

bool rounds_due(uint64_t since_s, uint64_t seconds)
{
    uint64_t now = rounds_now();

    return now < since_s || now - since_s >= seconds;
}
