/*
 * The texts that are shown reach back from the last one as far as a stop string
 * can: the length of the longest one, less one byte.
 */
#include <config.h>

#include "dispute/stops.h"

#include <string.h>

#include "base/bytes.h"

#define HEAD 28 /* bytes of tokenizer bytes before lists of apustok2 */
#define MAX_TOKENS 262144u
#define MAX_FIRST 8u
#define MAX_STEPS 16u
#define MAX_STEP 256u

/* Bytes still to be read. */
struct stops_reader {
    const unsigned char *p;
    size_t n;
};

/* A string of u32 length and bytes. */
static int take_text(struct stops_reader *r, struct stops_text *t, size_t least,
                     size_t most)
{
    if (r->n < 4)
        return -1;
    t->n = get_u32(r->p);
    t->s = r->p + 4;
    r->n -= 4;
    if (t->n < least || t->n > most || t->n > r->n)
        return -1;
    r->p += 4 + t->n;
    r->n -= t->n;
    return 0;
}

int stops_read(struct stops_shown *s, size_t n_stops,
               const unsigned char *bytes, size_t n)
{
    struct stops_reader r = { bytes, n };

    s->n_stops = n_stops;
    for (size_t i = 0; i < n_stops; i++)
        if (take_text(&r, &s->stop[i], 1, JOB_MAX_STOP))
            return -1;
    if (r.n < 4)
        return -1;
    s->n_texts = get_u32(r.p);
    r.p += 4;
    r.n -= 4;
    if (s->n_texts < 1 || s->n_texts > STOPS_TOKENS)
        return -1;
    for (size_t i = 0; i < s->n_texts; i++)
        if (take_text(&r, &s->text[i], 0, STOPS_TEXT))
            return -1;
    return r.n == 0 ? 0 : -1;
}

/* Bytes of texts [from, to). */
static size_t length(const struct stops_shown *s, size_t from, size_t to)
{
    size_t n = 0;

    for (size_t i = from; i < to; i++)
        n += s->text[i].n;
    return n;
}

/* Return whether texts [from, n_texts - 1) have fewer bytes than a stop string
 * can have before the last text. */
static bool is_short(const struct stops_shown *s, size_t from)
{
    size_t longest = 0;

    for (size_t i = 0; i < s->n_stops; i++)
        longest = s->stop[i].n > longest ? s->stop[i].n : longest;
    return length(s, from, s->n_texts - 1) + 1 < longest;
}

bool stops_need_more(const struct stops_shown *s, uint32_t index)
{
    return s->n_texts <= index && s->n_texts < STOPS_TOKENS && is_short(s, 0);
}

bool stops_enough(const struct stops_shown *s, uint32_t index)
{
    return s->n_texts <= (uint64_t)index + 1 && !stops_need_more(s, index) &&
           (s->n_texts == 1 || is_short(s, 1));
}

/* Copy the last n bytes before the last text, or all. */
static size_t copy_before(unsigned char *out, const struct stops_shown *s,
                          size_t n)
{
    size_t all = length(s, 0, s->n_texts - 1), skip = all > n ? all - n : 0;
    size_t at = 0;

    for (size_t i = 0; i + 1 < s->n_texts; i++) {
        const struct stops_text *t = &s->text[i];
        size_t from = skip < t->n ? skip : t->n;

        memcpy(out + at, t->s + from, t->n - from);
        at += t->n - from;
        skip -= from;
    }
    return at;
}

enum stops_end stops_look(const struct stops_shown *s, uint32_t index)
{
    const struct stops_text *last = &s->text[s->n_texts - 1];
    unsigned char bytes[JOB_MAX_STOP + STOPS_TEXT];
    size_t before = copy_before(bytes, s, JOB_MAX_STOP - 1);

    memcpy(bytes + before, last->s, last->n);
    for (size_t end = before + 1; end <= before + last->n; end++)
        for (size_t i = 0; i < s->n_stops; i++) {
            size_t n = s->stop[i].n;

            if (n <= end && memcmp(bytes + end - n, s->stop[i].s, n) == 0)
                return STOPS_ENDS;
        }
    return s->n_texts <= index && is_short(s, 0) ? STOPS_UNKNOWN : STOPS_NONE;
}

/* ---- tokenizer bytes ----------------------------------------------------- */

static int skip(struct stops_reader *r, size_t n)
{
    if (n > r->n)
        return -1;
    r->p += n;
    r->n -= n;
    return 0;
}

/* A count of at most `max`. */
static int take_count(struct stops_reader *r, uint32_t *n, uint32_t max)
{
    if (r->n < 4)
        return -1;
    *n = get_u32(r->p);
    return *n > max ? -1 : skip(r, 4);
}

static int skip_steps(struct stops_reader *r)
{
    struct stops_text t;
    uint32_t n;

    if (take_count(r, &n, MAX_STEPS))
        return -1;
    for (; n > 0; n--)
        if (skip(r, 8) || take_text(r, &t, 0, MAX_STEP) ||
            take_text(r, &t, 0, MAX_STEP))
            return -1;
    return 0;
}

int stops_tokenizer(struct stops_tokenizer *t, const unsigned char *bytes,
                    size_t n, uint32_t n_vocab)
{
    struct stops_reader r = { bytes, n };
    uint32_t first, steps;
    bool second;

    if (n < HEAD || memcmp(bytes, "apustok", 7) != 0)
        return -1;
    second = bytes[7] == '2';
    t->kind = get_u32(bytes + 8);
    t->n = get_u32(bytes + 24);
    if ((bytes[7] != '1' && !second) || t->kind > (second ? 2 : 1) ||
        t->n < 1 || t->n > MAX_TOKENS || t->n > n_vocab)
        return -1;
    skip(&r, HEAD);
    if (second && (take_count(&r, &first, MAX_FIRST) ||
                   skip(&r, 4 * (size_t)first) || skip_steps(&r) ||
                   skip_steps(&r) || take_count(&r, &steps, 0)))
        return -1;
    t->head = (uint32_t)(n - r.n);
    return 0;
}

size_t stops_token(unsigned char *text, const struct stops_tokenizer *t,
                   const unsigned char *record, size_t n)
{
    static const unsigned char metaspace[3] = { 0xe2, 0x96, 0x81 };
    size_t at = STOPS_RECORD, out = 0;

    if (get_u32(record) & 1) /* a control token */
        return 0;
    while (at < n) {
        if (t->kind != 0 && n - at >= sizeof(metaspace) &&
            memcmp(record + at, metaspace, sizeof(metaspace)) == 0) {
            text[out++] = ' ';
            at += sizeof(metaspace);
        } else {
            text[out++] = record[at++];
        }
    }
    return out;
}

size_t stops_points(uint32_t point[STOPS_POINTS], uint32_t id)
{
    size_t n = 0;
    uint32_t at = 0;

    point[n++] = 0;
    for (uint32_t step = STOPS_STEP * STOPS_STEP; step > 0; step /= STOPS_STEP)
        while (id - at >= step)
            point[n++] = at += step;
    point[n++] = id + 1;
    return n;
}

size_t stops_between(uint32_t point[STOPS_POINTS], uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i <= STOPS_STEP; i++)
        point[i] = from + (to - from) / STOPS_STEP * i;
    return STOPS_STEP + 1;
}

bool stops_offsets_good(const uint32_t *point, const uint32_t *offset,
                        size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t tokens = point[i] - point[i - 1];
        uint64_t most = tokens * (STOPS_RECORD + STOPS_TEXT);

        if (offset[i] < offset[i - 1] ||
            offset[i] - offset[i - 1] < tokens * STOPS_RECORD ||
            offset[i] - offset[i - 1] > most)
            return false;
    }
    return true;
}
