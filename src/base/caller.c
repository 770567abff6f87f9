/*
 * Asking and telling a caller who may not care.
 */
#include <config.h>

#include "base/caller.h"

bool caller_stops(const struct caller *c)
{
    return c->stop && c->stop();
}

void caller_note(const struct caller *c, bool warning, const char *text)
{
    if (c->note)
        c->note(c->self, warning, text);
}
