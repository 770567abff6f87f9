/*
 * The calls of an upload in parts:
 *
 *     GET  -1/-1?chunkSize=N    begin: {id, max, min, chunkSize}
 *     POST {id}/{offset}        a part
 *     GET  {id}/-1              what is there: {size, chunks, failedReason}
 *     POST {id}/finalize        take it (202), then GET {id}/status
 *     POST {id}/-1              take it and answer with the receipt
 */
#include <config.h>

#include "localnet/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "localnet/stored.h"
#include "localnet/net.h"
#include "localnet/receipts.h"
#include "localnet/route.h"
#include "localnet/serve.h"

#define PART_MIN ((uint64_t)5 << 20)
#define PART_MAX ((uint64_t)64 << 20) /* it passes through memory */
#define PART_DEFAULT 25000000
#define MAX_PARTS 4096
#define PIECE ((size_t)256 << 10)

struct stored_parts {
    struct stored_parts *next;
    unsigned number;
    uint64_t part_size, size;
    int fd;
    char *path;
    struct part {
        uint64_t at, n;
    } part[MAX_PARTS];
    size_t n_parts;
    struct stored *stored;       /* it became this item */
    char *failed;            /* why it did not */
    int failed_status;
};

/* Under the net's lock. */
static struct stored_parts *all;
static unsigned last_number;

static void parts_drop(struct stored_parts *p)
{
    close(p->fd);
    unlink(p->path);
    free(p->path);
    free(p->failed);
    free(p);
}

void parts_free(void)
{
    while (all) {
        struct stored_parts *p = all;

        all = p->next;
        parts_drop(p);
    }
}

static void begin_upload(struct net *net, const struct call *c,
                         struct response *a)
{
    struct stored_parts *p = xcalloc(1, sizeof(*p));
    const char *size = call_query(c, "chunkSize");
    char name[32];

    p->part_size = PART_DEFAULT;
    if (size && (!route_number(size, &p->part_size) ||
                 p->part_size < PART_MIN || p->part_size > PART_MAX)) {
        answer_text(a, 400, "chunkSize is out of range");
        free(p);
        return;
    }
    p->number = ++last_number;
    snprintf(name, sizeof(name), "parts-%u", p->number);
    p->path = file_join(net->items, name);
    p->fd = open(p->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (p->fd < 0) {
        answer_text(a, 503, strerror(errno));
        free(p->path);
        free(p);
        return;
    }
    p->next = all;
    all = p;
    buf_printf(&a->body, "{\"id\":\"part-%u\",\"max\":%" PRIu64 ",\"min\":%"
               PRIu64 ",\"chunkSize\":%" PRIu64 "}", p->number, PART_MAX,
               PART_MIN, p->part_size);
}

/* Whether it is new, the same again (true too), or in the way of another. */
static bool note_part(struct stored_parts *p, uint64_t at, uint64_t n)
{
    for (size_t i = 0; i < p->n_parts; i++) {
        const struct part *q = &p->part[i];

        if (q->at == at && q->n == n)
            return true;
        if (at < q->at + q->n && q->at < at + n)
            return false;
    }
    if (p->n_parts == MAX_PARTS)
        return false;
    p->part[p->n_parts++] = (struct part){ at, n };
    if (at + n > p->size)
        p->size = at + n;
    return true;
}

static void put_part(struct stored_parts *p, const struct call *c, uint64_t at,
                     struct response *a)
{
    if (c->body_cut || c->n_body == 0 || c->n_body > p->part_size ||
        at > STORED_MAX || at % p->part_size) {
        answer_text(a, 400, "a part is 1 to chunkSize bytes at a multiple of"
                    " chunkSize");
        return;
    }
    if (!note_part(p, at, c->n_body)) {
        answer_text(a, 409, "this part overlaps another one");
        return;
    }
    if (sys_pwrite(p->fd, c->body, c->n_body, (off_t)at)) {
        answer_text(a, 503, strerror(errno));
        return;
    }
    answer_text(a, 200, "");
}

/* The file through the same door as a whole upload. */
static void assemble(struct net *net, struct stored_parts *p,
                     struct response *a)
{
    struct err err = ERR_INIT;
    struct upload *u;
    uint64_t there = 0;
    char *piece;

    for (size_t i = 0; i < p->n_parts; i++)
        there += p->part[i].n;
    if (there != p->size || p->size == 0) {
        answer_text(a, 400, "parts are missing");
        return;
    }
    pthread_mutex_unlock(&net->lock); /* upload_new takes it */
    u = upload_new(net, p->size, &err);
    pthread_mutex_lock(&net->lock);
    if (!u) {
        answer_text(a, 400, err.text);
        return;
    }
    piece = xmalloc(PIECE);
    for (uint64_t at = 0; at < p->size;) {
        ssize_t n = pread(p->fd, piece, PIECE, (off_t)at);

        if (n <= 0)
            break;
        upload_put(u, piece, (size_t)n);
        at += (uint64_t)n;
    }
    free(piece);
    upload_answer(net, u, &p->stored, a);
    upload_free(u);
}

static void finish_parts(struct net *net, struct stored_parts *p, bool at_once,
                         struct response *a)
{
    if (p->stored) {
        receipt_answer(net, p->stored, a);
        a->status = 201;
        return;
    }
    assemble(net, p, a);
    free(p->failed);
    p->failed = NULL;
    if (!p->stored) {
        p->failed = xstrdup(a->body.data);
        p->failed_status = a->status;
    } else if (at_once && a->status == 202) {
        buf_reset(&a->body);
        receipt_answer(net, p->stored, a);
        a->status = 201;
    }
    if (!at_once)
        answer_text(a, 202, "");
}

static void list(const struct stored_parts *p, struct response *a)
{
    buf_printf(&a->body, "{\"size\":%" PRIu64 ",\"chunkSize\":%" PRIu64
               ",\"chunks\":[", p->size, p->part_size);
    for (size_t i = 0; i < p->n_parts; i++)
        buf_printf(&a->body, "%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : "",
                   p->part[i].at, p->part[i].n);
    buf_puts(&a->body, p->failed ? "],\"failedReason\":\"INVALID\"}"
                                 : "],\"failedReason\":null}");
}

static void status(struct net *net, const struct stored_parts *p,
                   struct response *a)
{
    const char *word = "ASSEMBLING";

    if (p->failed)
        word = p->failed_status == 402 ? "UNDERFUNDED" : "INVALID";
    if (!p->stored) {
        buf_printf(&a->body, "{\"status\":\"%s\",\"timestamp\":%" PRIu64 "}",
                   word, net->last_ms);
        return;
    }
    buf_printf(&a->body, "{\"status\":\"FINALIZED\",\"timestamp\":%" PRIu64
               ",\"receipt\":", p->stored->taken_ms);
    receipt_answer(net, p->stored, a);
    buf_puts(&a->body, "}");
}

void parts_route(struct net *net, const struct call *c, const char *path,
                 struct response *a)
{
    bool post = strcmp(c->method, "POST") == 0;
    const char *slash = strchr(path, '/'), *what = slash ? slash + 1 : "";
    struct stored_parts *p = all;
    unsigned number = 0;
    uint64_t at;

    if (!post && strcmp(path, "-1/-1") == 0) {
        begin_upload(net, c, a);
        return;
    }
    sscanf(path, "part-%u/", &number);
    while (p && p->number != number)
        p = p->next;
    if (!p)
        answer_text(a, 404, "Multipart upload not found");
    else if (post && strcmp(what, "finalize") == 0)
        finish_parts(net, p, false, a);
    else if (post && strcmp(what, "-1") == 0)
        finish_parts(net, p, true, a);
    else if (post && route_number(what, &at))
        put_part(p, c, at, a);
    else if (!post && strcmp(what, "-1") == 0)
        list(p, a);
    else if (!post && strcmp(what, "status") == 0)
        status(net, p, a);
    else
        answer_text(a, 404, "Not Found");
}
