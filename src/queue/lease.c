/*
 * Leases: their file, Renew and Release.
 */
#include <config.h>

#include "queue/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/vec.h"
#include "queue/client.h"
#include "spool/numbers.h"
#include "spool/spool.h"

#define FORMAT "apus-lease-1"
#define MAX_MS 9007199254740991u  /* 2^53 - 1 */
#define RELEASE_MAX 80000         /* bytes of lines in one message */
#define REASON_MAX 300           /* bytes of a reason */

/* ---- the file ------------------------------------------------------------ */

int lease_write(const char *batch_path, uint64_t until_ms, uint64_t ttl_s,
                struct err *err)
{
    const struct number v[] = {
        { "until", until_ms }, { "ttl", ttl_s },
        { "taken", (uint64_t)time(NULL) },
    };

    return numbers_write(v, 3, FORMAT, batch_path, "lease", err);
}

int lease_parse(struct lease *l, const char *text, size_t n, struct err *err)
{
    struct number v[] = { { "until", 0 }, { "ttl", 0 }, { "taken", 0 } };

    if (numbers_parse(v, 3, FORMAT, text, n, err))
        return -1;
    *l = (struct lease){ .until_ms = v[0].value, .ttl_s = v[1].value,
                         .taken_s = (int64_t)v[2].value };
    return 0;
}

enum found lease_read(struct lease *l, const char *batch_path, struct err *err)
{
    struct buf text;
    enum found found;

    buf_init(&text, NUMBERS_FILE_MAX);
    found = batch_file_read(&text, batch_path, "lease", err);
    if (found == FOUND_ONE &&
        lease_parse(l, text.data ? text.data : "", text.len, err))
        found = err_prefix(err, "\"%s/lease\"", batch_path);
    buf_clear(&text);
    return found;
}

uint64_t lease_left_s(const struct lease *l)
{
    int64_t gone = (int64_t)time(NULL) - l->taken_s;

    /* a clock that was put back says nothing: the lease may be over */
    if (gone < 0 || (uint64_t)gone >= l->ttl_s)
        return 0;
    return l->ttl_s - (uint64_t)gone;
}

/* ---- Renew --------------------------------------------------------------- */

/* It is asked for once more if that cannot be kept, which does no harm. */
static enum lease_end lease_over(const char *batch_path)
{
    lease_write(batch_path, 0, 0, NULL);
    return LEASE_OVER;
}

enum lease_end lease_renew(struct client *t, const char *batch_path,
                           struct id batch, uint64_t ttl_s,
                           struct err *err)
{
    char id[ID_TEXT], ttl[24];
    const struct item_text_tag tag[] = {
        { "Action", "Renew" }, { "Batch", id }, { "TTL", ttl }
    };
    const struct ao_message m = { .tag = tag, .n_tags = 3 };
    const struct ao_out *out = NULL;
    uint64_t count = 0, until = 0;
    struct ao_result r;
    int rc;

    base64url(id, batch.b, 32);
    snprintf(ttl, sizeof(ttl), "%" PRIu64, ttl_s);
    rc = client_say(t, &m, "Renew-Response", &r, &out, err);
    /* a queue that knows of no such lease is an answer too */
    if (rc < 0)
        return t->code == 404 ? lease_over(batch_path) : LEASE_FAILED;
    rc = client_number(&count, out, "Count", UINT32_MAX, err);
    if (rc == 0 && count > 0)
        rc = client_number(&until, out, "Until", MAX_MS, err) ||
                     lease_write(batch_path, until, ttl_s, err)
                 ? -1 : 0;
    ao_result_clear(&r);
    if (rc)
        return LEASE_FAILED;
    return count ? LEASE_KEPT : lease_over(batch_path);
}

/* ---- Release ------------------------------------------------------------- */

static struct release *add_release(struct releases *r, struct id request)
{
    struct release *one;

    VEC_RESERVE(r->list, r->cap, r->n + 1);
    one = &r->list[r->n++];
    one->request = request;
    one->reason = NULL;
    one->later_s = LATER_MENDED_S;
    return one;
}

void releases_blame(struct releases *r, struct id request, const char *reason)
{
    add_release(r, request)->reason = xstrdup(reason);
}

void releases_put_off(struct releases *r, struct id request, unsigned later_s)
{
    add_release(r, request)->later_s = later_s;
}

void releases_clear(struct releases *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->list[i].reason);
    free(r->list);
    memset(r, 0, sizeof(*r));
}

void release_put(struct buf *out, struct id request, const char *reason,
                 unsigned later_s)
{
    size_t n;

    buf_putc(out, '{');
    json_put_id(out, "request", request);
    if (reason) {
        /* it may name what came from outside, and is cut anywhere */
        n = strlen(reason);
        json_put_scrubbed(out, "reason", reason,
                          n < REASON_MAX ? n : REASON_MAX);
    }
    if (later_s)
        json_put_digits(out, "later", later_s);
    buf_puts(out, "}\n");
}

static int say_release(struct client *t, struct id batch,
                       const struct buf *lines,
                       uint64_t *released, struct err *err)
{
    char id[ID_TEXT];
    const struct item_text_tag tag[] = { { "Action", "Release" },
                                         { "Batch", id } };
    const struct ao_message m = { .tag = tag, .n_tags = 2,
                                  .data = lines->data, .n = lines->len };
    const struct ao_out *out = NULL;
    struct ao_result r;
    uint64_t count = 0;
    int rc;

    base64url(id, batch.b, 32);
    rc = client_say(t, &m, "Release-Response", &r, &out, err);
    if (rc < 0)
        return -1;
    rc = client_number(&count, out, "Count", UINT32_MAX, err);
    ao_result_clear(&r);
    if (rc == 0 && released)
        *released += count;
    return rc;
}

int lease_release(struct client *t, struct id batch, const struct releases *r,
                  uint64_t *released, struct err *err)
{
    bool takes_later = r->n > 0 &&
                       client_takes_later(t->ao, t->process, t->wait_s);
    struct buf lines;
    size_t i = 0;
    int rc;

    if (released)
        *released = 0;
    buf_init(&lines, 2 * RELEASE_MAX);
    do {
        buf_reset(&lines);
        for (; i < r->n && lines.len < RELEASE_MAX - 8 * REASON_MAX; i++)
            release_put(&lines, r->list[i].request, r->list[i].reason,
                        takes_later ? r->list[i].later_s : 0);
        rc = say_release(t, batch, &lines, released, err);
    } while (rc == 0 && i < r->n);
    buf_clear(&lines);
    return rc;
}
