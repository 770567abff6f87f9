/*
 * Only vectors of floats have elements that stay plausible when 1 is added.
 */
#include <config.h>

#include "dispute/pretended.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static const enum entry entries[] = { ENTRY_Q, ENTRY_K, ENTRY_V, ENTRY_O,
                                      ENTRY_Y, ENTRY_G, ENTRY_U };

int pretended_init(struct pretended *f, const char *text, struct err *err)
{
    char name[3] = "";
    int end = 0;

    if (sscanf(text, "%9" SCNu32 "/%9" SCNu32 "/%2[a-z]/%9" SCNu32 "%n",
               &f->position, &f->layer, name, &f->index, &end) == 4 &&
        text[end] == '\0')
        for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++)
            if (strcmp(operators_name(entries[i]), name) == 0) {
                f->entry = entries[i];
                return 0;
            }
    return err_set(err, ERR_INPUT, "pretended fault \"%s\": POSITION/LAYER/"
                   "ENTRY/INDEX expected, ENTRY one of q k v o y g u", text);
}

void pretended_alter(void *self, uint32_t position, uint32_t layer,
                     enum entry e, void *value, size_t n)
{
    const struct pretended *f = self;

    if (position == f->position && layer == f->layer && e == f->entry &&
        f->index < n)
        ((float *)value)[f->index] += 1.0f;
}
