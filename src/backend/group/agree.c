/*
 * Reasons go in words of an array, of which each member fills its own: the
 * greatest of a word and zeros is the word.
 */
#include <config.h>

#include "backend/group/agree.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/group.h"

#define TEXT sizeof(((struct err *)NULL)->text)
#define WORDS (1 + TEXT / 4) /* of a member: a code, and its text */

static void show(uint32_t *word, const struct group *g, const struct err *mine)
{
    unsigned char text[TEXT] = { 0 };
    struct err named = *mine;

    if (g->name)
        err_prefix(&named, "%s", g->name);
    else
        err_prefix(&named, "member %u of its group", g->rank);
    memcpy(text, named.text, strnlen(named.text, TEXT));
    word[0] = (uint32_t)mine->code;
    for (size_t i = 0; i < TEXT / 4; i++)
        word[1 + i] = get_u32(text + 4 * i);
}

static int take(const uint32_t *word, struct err *err)
{
    unsigned char text[TEXT];

    for (size_t i = 0; i < TEXT / 4; i++)
        set_u32(text + 4 * i, word[1 + i]);
    return err_set(err, (enum err_code)word[0], "%.*s", (int)TEXT,
                   (const char *)text);
}

/* The reason of the first member that has one. */
static enum agreed tell(const struct group *g, const struct err *mine,
                        struct err *err)
{
    size_t n = (size_t)g->size * WORDS;
    uint32_t *all = xcalloc(n, sizeof(*all));
    enum agreed rc = AGREED_FAILED;
    size_t at = 0;

    if (mine->code)
        show(all + (size_t)g->rank * WORDS, g, mine);
    if (g->ops->max_u32(g->self, all, n, err)) {
        rc = AGREED_BROKEN;
    } else {
        while (at + WORDS < n && !all[at])
            at += WORDS;
        take(all + at, err);
    }
    free(all);
    return rc;
}

enum agreed agree(const struct group *g, const struct err *mine,
                  struct err *err)
{
    uint32_t failed = mine->code != ERR_NONE;
    enum agreed rc = AGREED_WELL;

    if (g->ops->barrier(g->self, err) ||
        g->ops->max_u32(g->self, &failed, 1, err))
        rc = AGREED_BROKEN;
    else if (failed)
        rc = tell(g, mine, err);
    if (mine->code)
        err_copy(err, mine);
    return rc;
}
