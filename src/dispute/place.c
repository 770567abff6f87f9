/*
 * The numbers of a list count blocks: of 4096, 64 and 1 leaves, of 64 pieces
 * and 1, of 128 sums.
 */
#include <config.h>

#include "dispute/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/found.h"
#include "dispute/judge.h"

int place_init(struct place *p, const char *text, struct err *err)
{
    char *at = p->text;

    memset(p, 0, sizeof(*p));
    if (strlen(text) > PLACE_MAX)
        return err_set(err, ERR_INPUT, "a place of over %d characters",
                       PLACE_MAX);
    strcpy(p->text, text);
    for (size_t i = 0; i < PLACE_WORDS; i++) {
        p->word[i] = at;
        at = strchr(at, '/');
        if (!at)
            return 0;
        *at++ = '\0';
    }
    return err_set(err, ERR_INPUT, "place \"%s\": at most POSITION/LAYER/"
                   "ENTRY/ELEMENT/TERM", text);
}

/* Divide the number at the start of a word, if there is one. */
static enum found divide_number(char *choice, const char *word, uint64_t times,
                                uint64_t divisor, struct err *err)
{
    char *end;
    uint64_t n;

    if (!word)
        return FOUND_NONE;
    n = strtoull(word, &end, 10);
    if (end == word || n > UINT32_MAX)
        return err_set(err, ERR_INPUT, "\"%s\" in the place: a number "
                       "expected", word);
    snprintf(choice, JUDGE_PICK_MAX + 1, "%" PRIu64, n * times / divisor);
    return FOUND_ONE;
}

static enum found word(char *choice, const char *text)
{
    if (text)
        snprintf(choice, JUDGE_PICK_MAX + 1, "%s", text);
    return text ? FOUND_ONE : FOUND_NONE;
}

/* Pick a term of the shown sums. */
static enum found pick_sum(char *choice, const char *term,
                           const struct judge *g, struct err *err)
{
    uint32_t first;
    size_t width;
    uint64_t n;

    judge_n_sums(g, &first, &width);
    if (!term || strcmp(term, "total") == 0 || g->show == SHOW_SUMS)
        return word(choice, term);
    if (divide_number(choice, term, 1, 1, err) == FOUND_FAILED)
        return FOUND_FAILED;
    n = strtoull(term, NULL, 10);
    if (n < first)
        return err_set(err, ERR_INPUT, "term %s: the first is %" PRIu32, term,
                       first);
    snprintf(choice, JUDGE_PICK_MAX + 1, "%" PRIu64, (n - first) / JUDGE_SUMS);
    return FOUND_ONE;
}

enum found place_pick(char *choice, const struct place *p,
                      const struct judge *g, struct err *err)
{
    const char *position = p->word[0], *layer = p->word[1];
    bool embed = layer && strcmp(layer, "embed") == 0;
    const char *element = p->word[embed ? 2 : 3];
    uint64_t width;

    switch (g->show) {
    case SHOW_RECORDS:
        return word(choice, strcmp(position, "job") == 0 ||
                            strncmp(position, "finish ", 7) == 0 ||
                            strncmp(position, "stop ", 5) == 0
                                ? position : "trace");
    case SHOW_STOPS: return word(choice, layer);
    case SHOW_OFFSETS: return word(choice, p->word[2]);
    case SHOW_BETWEEN:
        /* the second of them is move 8 */
        return word(choice, p->word[g->number > 8 ? 4 : 3]);
    case SHOW_CHUNKS:
        return divide_number(choice, position, 1, 4096, err);
    case SHOW_BLOCKS:
        return divide_number(choice, position, 1, JUDGE_LIST, err);
    case SHOW_LEAVES:
        return divide_number(choice, position, 1, 1, err);
    case SHOW_LEAF:
        if (layer && strcmp(layer, "head") == 0)
            return word(choice, "next");
        return word(choice, layer && strcmp(layer, "token") != 0 ? "kv"
                                                                 : layer);
    case SHOW_LAYERS: return word(choice, layer);
    case SHOW_OPERATORS:
        return word(choice, p->word[2]);
    case SHOW_PIECE_BLOCKS: case SHOW_PIECES:
        width = operators_width(&g->m, g->entry);
        return divide_number(choice, element, width,
                             g->show == SHOW_PIECES ? 1024 : 1024 * JUDGE_LIST,
                             err);
    case SHOW_PIECE: return word(choice, element);
    case SHOW_SUM_BLOCKS: case SHOW_SUMS:
        return pick_sum(choice, p->word[g->entry == ENTRY_S ||
                                        g->entry == ENTRY_S2 ||
                                        g->entry == ENTRY_SF ||
                                        g->entry == ENTRY_SUM_K ? 3 : 4],
                        g, err);
    default:
        return err_set(err, ERR_INPUT, "no place is there");
    }
}
