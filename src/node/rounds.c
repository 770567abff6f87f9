/*
 * The file of the last rounds.
 */
#include <config.h>

#include "node/rounds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "spool/spool.h"

#define FORMAT "apus-rounds-1"
#define NAME "rounds"
#define FILE_MAX 4096
#define MAX_NUMBER 9007199254740991u /* 2^53 - 1 */

static int get_number(uint64_t *v, const struct json *root, const char *key,
                      struct err *err)
{
    const char *text = json_string(json_get(root, key));

    if (!text || json_u64_text(text, v) || *v > MAX_NUMBER)
        return err_set(err, ERR_INPUT, "\"%s\": a text of digits expected",
                       key);
    return 0;
}

int rounds_parse(struct rounds *r, const char *text, size_t n,
                 struct err *err)
{
    struct rounds got = { .lost = 0 };
    struct json *root;
    const char *format;
    int rc;

    if (json_parse(&root, text, n, err))
        return -1;
    format = json_string(json_get(root, "format"));
    if (!format || strcmp(format, FORMAT) != 0)
        rc = err_set(err, ERR_INPUT, "format \"" FORMAT "\" expected");
    else
        rc = get_number(&got.lost, root, "lost", err) ||
                     get_number(&got.pulled_s, root, "pulled", err) ||
                     get_number(&got.told_s, root, "told", err)
                 ? -1 : 0;
    json_free(root);
    if (rc == 0)
        *r = got;
    return rc;
}

int rounds_read(struct rounds *r, const struct spool *s, struct err *err)
{
    struct buf text;
    int rc;

    memset(r, 0, sizeof(*r));
    buf_init(&text, FILE_MAX);
    rc = batch_file_read(&text, spool_dir(s), NAME, err);
    if (rc > 0 && rounds_parse(r, text.data ? text.data : "", text.len, err))
        rc = err_prefix(err, "\"%s/" NAME "\" is damaged (apus drain --resume"
                        " begins a new one)", spool_dir(s));
    buf_clear(&text);
    return rc < 0 ? -1 : 0;
}

int rounds_write(const struct rounds *r, const struct spool *s,
                 struct err *err)
{
    char text[200];
    int n = snprintf(text, sizeof(text), "{\"format\":\"" FORMAT "\","
                     "\"lost\":\"%" PRIu64 "\",\"pulled\":\"%" PRIu64 "\","
                     "\"told\":\"%" PRIu64 "\"}\n", r->lost, r->pulled_s,
                     r->told_s);

    return batch_file_write(spool_dir(s), NAME, text, (size_t)n, err);
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
