/*
 * Windows of ids, cut from a text or read.
 */
#include <config.h>

#include "fidelity/windows.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/vec.h"
#include "text/tokenizer.h"

void windows_init(struct windows *w)
{
    memset(w, 0, sizeof(*w));
    VEC_RESERVE(w->start, w->cap, 1);
    w->start[0] = 0;
}

void windows_clear(struct windows *w)
{
    free(w->id);
    free(w->start);
    memset(w, 0, sizeof(*w));
}

/* One more id of the window that is being filled. */
static void put_id(struct windows *w, size_t at, uint32_t id)
{
    VEC_RESERVE(w->id, w->cap_ids, at + 1);
    w->id[at] = id;
}

/* The window that was filled is one; so many ids are in all of them now. */
static void end_window(struct windows *w, size_t ids)
{
    size_t n = ids - w->start[w->n];

    w->n++;
    VEC_RESERVE(w->start, w->cap, w->n + 1);
    w->start[w->n] = ids;
    w->longest = n > w->longest ? n : w->longest;
}

int windows_of_text(struct windows *w, const struct tokenizer *t, uint32_t bos,
                    const char *text, size_t n, size_t length,
                    struct err *err)
{
    uint32_t first[TOKENIZER_FIRST];
    size_t n_first = tokenizer_first(t, bos, first), at = w->start[w->n];
    struct tokens ids;

    tokens_init(&ids);
    if (tokenizer_encode(t, text, n, true, &ids, err)) {
        tokens_clear(&ids);
        return -1;
    }
    if (n_first + 1 >= length)
        n_first = 0;
    for (size_t i = 0; ids.n - i >= 2; ) {
        for (size_t k = 0; k < n_first; k++)
            put_id(w, at++, first[k]);
        for (size_t k = n_first; k < length && i < ids.n; k++)
            put_id(w, at++, ids.id[i++]);
        end_window(w, at);
    }
    tokens_clear(&ids);
    return 0;
}

void windows_zeros(struct windows *w, size_t n, size_t length)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = w->start[w->n];

        for (size_t k = 0; k < length; k++)
            put_id(w, at + k, 0);
        end_window(w, at + length);
    }
}

/* The id at p, of the digits up to a space; -1 if there is none. */
static int read_id(uint32_t *id, const char **p, const char *end,
                   uint32_t n_vocab)
{
    uint64_t v = 0;
    const char *s = *p;

    while (s < end && *s >= '0' && *s <= '9' && v < n_vocab)
        v = v * 10 + (uint64_t)(*s++ - '0');
    if (s == *p || v >= n_vocab || (s < end && !strchr(" \t\r\n", *s)))
        return -1;
    *id = (uint32_t)v;
    *p = s;
    return 0;
}

static int too_long(size_t line, size_t context, struct err *err)
{
    return err_set(err, ERR_INPUT, "line %zu has more ids than the context of"
                   " %zu", line, context);
}

int windows_of_ids(struct windows *w, const char *text, size_t n,
                   uint32_t n_vocab, size_t context, struct err *err)
{
    const char *p = text, *end = text + n;
    size_t at = w->start[w->n], line = 1;

    while (p < end) {
        uint32_t id;

        if (*p == '\n') {
            if (at > w->start[w->n])
                end_window(w, at);
            line++;
            p++;
        } else if (*p == ' ' || *p == '\t' || *p == '\r') {
            p++;
        } else if (read_id(&id, &p, end, n_vocab)) {
            return err_set(err, ERR_INPUT, "line %zu has a word that is not an"
                           " id below %u", line, n_vocab);
        } else if (at - w->start[w->n] == context) {
            return too_long(line, context, err);
        } else {
            put_id(w, at++, id);
        }
    }
    if (at > w->start[w->n])
        end_window(w, at);
    return 0;
}
