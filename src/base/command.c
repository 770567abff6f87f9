/*
 * Tables of commands.
 */
#include <config.h>

#include "base/command.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/nearest.h"

const struct command *command_find(const struct command *table,
                                   const char *name)
{
    for (const struct command *c = table; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

void command_list(struct buf *out, const struct command *table)
{
    for (const struct command *c = table; c->name; c++)
        buf_printf(out, "  %-10s %s\n", c->name, c->help);
}

int command_unknown(struct err *err, const char *of,
                    const struct command *table, const char *word)
{
    const char *blank = of ? " " : "";
    struct nearest n;

    of = of ? of : "";
    nearest_init(&n, word, strlen(word));
    for (const struct command *c = table; c->name; c++)
        nearest_offer(&n, c->name);
    if (n.name)
        return err_set(err, ERR_INPUT, "unknown command \"%s%s%s\": is"
                       " \"%s%s%s\" meant? (see apus %s%s--help)", of, blank,
                       word, of, blank, n.name, of, blank);
    return err_set(err, ERR_INPUT, "unknown command \"%s%s%s\" (see apus"
                   " %s%s--help)", of, blank, word, of, blank);
}
