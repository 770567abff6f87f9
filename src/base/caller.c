/*
 * Asking and telling a caller who may not care.
 */
#include <config.h>

#include "base/caller.h"

#include <stddef.h>

struct caller caller_or_none(const struct caller *c)
{
    return c ? *c : (struct caller){ .note = NULL };
}

bool caller_stops(const struct caller *c)
{
    return c->stop && c->stop();
}

void caller_note(const struct caller *c, bool warning, const char *text)
{
    if (c->note)
        c->note(c->self, warning, text);
}
