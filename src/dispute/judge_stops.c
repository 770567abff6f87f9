/*
 * Shows about stop strings (doc/dispute.md, "Stop strings"): texts of output
 * tokens, and where their records lie in the tokenizer bytes.
 */
#include <config.h>

#include "dispute/judge_internal.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proof/digest.h"
#include "proof/merkle.h"
#include "proof/merkle_path.h"

#define PIECE 1024

/* The claim about output token `index`: a stop string ends in it if and only if
 * it is the last one and the answer stops at a stop string. */
int judge_decide_stops(struct judge *g)
{
    const struct judge_stops *s = &g->stops;
    bool stops = g->r.finish == RESULT_STOP && s->index + 1 == g->r.n_out;
    struct stops_shown shown;
    enum stops_end end;

    if (stops_read(&shown, g->j.n_stops, (unsigned char *)s->shown.data,
                   s->shown.len))
        return -1;
    end = stops_look(&shown, s->index);
    if (end == STOPS_UNKNOWN)
        return judge_leave(g, "a stop string may begin before what is shown");
    return judge_decide(g, (end == STOPS_ENDS) == stops ? JUDGE_HOLDS
                                                        : JUDGE_FAULT, 17);
}

static struct id root_of_stops(const struct stops_shown *s)
{
    struct merkle m;
    struct id root;

    merkle_init(&m);
    for (size_t i = 0; i < s->n_stops; i++)
        merkle_leaf(&m, s->stop[i].s, s->stop[i].n);
    merkle_root(&m, &root);
    return root;
}

int judge_show_stops(struct judge *g, const unsigned char *bytes, size_t n,
                     struct err *err)
{
    struct judge_stops *s = &g->stops;
    struct stops_shown shown;
    size_t length = 0;

    if (stops_read(&shown, g->j.n_stops, bytes, n))
        return err_set(err, ERR_INPUT, "these are not %u stop strings, and 1"
                       " to %d texts", g->j.n_stops, STOPS_TOKENS);
    if (!id_equal(root_of_stops(&shown), g->j.stops))
        return err_set(err, ERR_INPUT, "the stop strings are not those of the"
                       " job");
    for (size_t i = 0; i < shown.n_texts; i++)
        length += shown.text[i].n;
    if (g->m.tokenizer_size == 0 && length > 0)
        return err_set(err, ERR_INPUT, "a text, and the model has no"
                       " tokenizer");
    if (!stops_enough(&shown, s->index))
        return err_set(err, ERR_INPUT, "%zu texts are not as many as a stop"
                       " string can reach over", shown.n_texts);
    buf_reset(&s->shown);
    buf_put(&s->shown, bytes, n);
    s->n = (uint32_t)shown.n_texts;
    s->first = s->index + 1 - s->n;
    g->turn = JUDGE_PICKS;
    return 0;
}

/* Bytes of the first piece of the tokenizer, and of its path. */
static size_t opening_bytes(const struct judge *g, size_t *piece)
{
    size_t n = g->m.tokenizer_size, path = 0;

    *piece = n < PIECE ? n : PIECE;
    for (n = (n + PIECE - 1) / PIECE; n > 1; n = (n + 1) / 2)
        path++;
    return *piece + path * DIGEST_SIZE;
}

static int open_tokenizer(const struct judge *g, const unsigned char *bytes,
                          size_t piece, size_t all, struct err *err)
{
    struct id h;

    merkle_leaf_hash(&h, bytes, piece);
    if (!merkle_path_verify(g->m.tokenizer, h, 0,
                            (g->m.tokenizer_size + PIECE - 1) / PIECE,
                            bytes + piece, (all - piece) / DIGEST_SIZE))
        return err_set(err, ERR_INPUT, "this is not the beginning of the"
                       " tokenizer");
    return 0;
}

static int take_offsets(struct judge_stops *s, const unsigned char *bytes,
                        struct err *err)
{
    for (size_t i = 0; i < s->n_points; i++)
        s->offset[i] = get_u32(bytes + 4 * i);
    if (!stops_offsets_good(s->point, s->offset, s->n_points))
        return err_set(err, ERR_INPUT, "no tokens can have these offsets");
    return 0;
}

int judge_show_offsets(struct judge *g, const unsigned char *bytes, size_t n,
                       struct err *err)
{
    struct judge_stops s = g->stops;
    size_t piece, all = opening_bytes(g, &piece);
    bool judged;

    if (n < 4 + all)
        return err_set(err, ERR_INPUT, "%zu bytes, expected %zu and offsets",
                       n, 4 + all);
    if (open_tokenizer(g, bytes + 4, piece, all, err))
        return -1;
    judged = stops_tokenizer(&s.tokenizer, bytes + 4, piece,
                             g->m.n_vocab) == 0;
    s.id = get_u32(bytes);
    s.n_points = judged && s.id < s.tokenizer.n ? stops_points(s.point, s.id)
                                                : 0;
    if (n != 4 + all + 4 * s.n_points)
        return err_set(err, ERR_INPUT, "%zu bytes, expected %zu", n,
                       4 + all + 4 * s.n_points);
    if (!judged)
        return judge_leave(g, "the texts of its tokenizer are of another"
                           " kind");
    if (take_offsets(&s, bytes + 4 + all, err))
        return -1;
    if (s.n_points > 0 &&
        (s.offset[0] != s.tokenizer.head ||
         s.offset[s.n_points - 1] > g->m.tokenizer_size))
        return err_set(err, ERR_INPUT, "the offsets are not within the"
                       " tokenizer");
    g->stops = s;
    g->turn = JUDGE_PICKS;
    return 0;
}

int judge_show_between(struct judge *g, const unsigned char *bytes, size_t n,
                       struct err *err)
{
    unsigned char all[4 * (STOPS_STEP + 1)];
    struct judge_stops s = g->stops;
    uint32_t from = s.point[s.gap], to = s.point[s.gap + 1];
    size_t size = sizeof(all) - 8; /* both ends are known */

    if (n != size)
        return err_set(err, ERR_INPUT, "%zu bytes, expected %zu", n, size);
    set_u32(all, s.offset[s.gap]);
    memcpy(all + 4, bytes, size);
    set_u32(all + sizeof(all) - 4, s.offset[s.gap + 1]);
    s.n_points = stops_between(s.point, from, to);
    if (take_offsets(&s, all, err))
        return -1;
    g->stops = s;
    g->turn = JUDGE_PICKS;
    return 0;
}
