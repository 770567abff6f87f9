/*
 * The parts of a queue's code.
 */
#include <config.h>

#include "queue/code.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "proof/digest.h"

#define FIRST_MAX ((size_t)1 << 20) /* what a new process may bring along */

/* A number of at most two digits that stands at *at, which moves past it. */
static bool take_number(size_t *v, const char **at)
{
    size_t n = strspn(*at, "0123456789");
    char text[3] = "";
    uint64_t got;

    if (n < 1 || n > 2)
        return false;
    memcpy(text, *at, n);
    if (json_u64_text(text, &got))
        return false;
    *v = (size_t)got;
    *at += n;
    return true;
}

/* Whether a text begins with the line "-- apus queue, part I of N: ..". */
static bool is_part(const struct buf *b, size_t *i, size_t *n)
{
    static const char head[] = "-- apus queue, part ";
    const char *at;

    if (b->len < sizeof(head) || memcmp(b->data, head, sizeof(head) - 1) != 0)
        return false;
    at = b->data + sizeof(head) - 1;
    if (!take_number(i, &at) || strncmp(at, " of ", 4) != 0)
        return false;
    at += 4;
    return take_number(n, &at) && *at == ':';
}

/* The text that a part hands to the first: its lines but two at the front and
 * one at the end. */
static int text_of(const struct buf *b, const char **text, size_t *len)
{
    const char *from = memchr(b->data, '\n', b->len), *to;

    from = from ? strchr(from + 1, '\n') : NULL;
    if (!from || b->data[b->len - 1] != '\n')
        return -1;
    for (to = b->data + b->len - 1; to > from && to[-1] != '\n'; to--)
        ;
    if (to <= from)
        return -1;
    *text = from + 1;
    *len = (size_t)(to - *text);
    return 0;
}

/* Read part i of what has n; its name ends with the number before ".lua". */
static int read_part(struct queue_code *c, const char *first, size_t i,
                     struct digest *sum, struct err *err)
{
    size_t stem = strlen(first) - strlen(".lua"), is = 0, of = 0, len = 0;
    char *path = xasprintf("%.*s-%zu.lua", (int)stem, first, i);
    struct buf *b = &c->part[i - 1];
    const char *text = NULL;
    int rc;

    buf_init(b, AO_MAX_DATA);
    rc = file_read(b, path, err);
    if (rc == 0 && (!is_part(b, &is, &of) || is != i || of != c->n ||
                    text_of(b, &text, &len)))
        rc = err_set(err, ERR_INPUT, "\"%s\" is not part %zu of %zu of the"
                     " queue's code: build or install it again", path, i,
                     c->n);
    if (rc == 0)
        digest_put(sum, text, len);
    free(path);
    return rc;
}

static int read_parts(struct queue_code *c, const char *path, struct err *err)
{
    size_t n = strlen(path), i = 1;
    struct digest *sum;
    int rc = 0;

    c->n = 1;
    if (!is_part(&c->part[0], &i, &c->n))
        return 0;
    if (i != 1 || c->n < 1 || c->n > QUEUE_CODE_PARTS)
        return err_set(err, ERR_INPUT, "\"%s\" is part %zu of %zu: name the"
                       " first", path, i, c->n);
    if (n < 4 || strcmp(path + n - 4, ".lua") != 0)
        return err_set(err, ERR_INPUT, "\"%s\": a name that ends with .lua"
                       " expected, for other parts lie beside it", path);
    sum = digest_new();
    for (i = 2; rc == 0 && i <= c->n; i++)
        rc = read_part(c, path, i, sum, err);
    digest_end(sum, &c->sha256);
    return rc;
}

int queue_code_read(struct queue_code *c, const char *path, struct err *err)
{
    struct digest *all;
    int rc;

    memset(c, 0, sizeof(*c));
    buf_init(&c->part[0], FIRST_MAX);
    rc = file_read(&c->part[0], path, err);
    if (rc == 0)
        rc = read_parts(c, path, err);
    if (rc) {
        queue_code_clear(c);
        return err_prefix(err, "the queue's code (--lua names another file)");
    }
    all = digest_new();
    for (size_t i = 0; i < c->n; i++)
        digest_put(all, c->part[i].data, c->part[i].len);
    digest_end(all, &c->all);
    return 0;
}

void queue_code_clear(struct queue_code *c)
{
    for (size_t i = 0; i < QUEUE_CODE_PARTS; i++)
        buf_clear(&c->part[i]);
    memset(c, 0, sizeof(*c));
}
