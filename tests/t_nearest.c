/*
 * The word that was probably meant.  Expected values are counted by hand.
 */
#include <config.h>

#include "base/nearest.h"

#include <string.h>

#include "tests/tap.h"

static const char *const names[] = { "run",    "submit", "status", "seal",
                                     "export", "show",   "push",   "pull",
                                     "settings", "temperature" };

static const char *meant(const char *typed)
{
    struct nearest n;

    nearest_init(&n, typed, strlen(typed));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        nearest_offer(&n, names[i]);
    return n.name ? n.name : "";
}

static void is(const char *typed, const char *name)
{
    const char *got = meant(typed);

    ok(strcmp(got, name) == 0, "\"%s\" is near \"%s\"", typed, name);
}

int main(void)
{
    struct nearest n;

    is("rn", "run");
    is("urn", "run");
    is("runs", "run");
    is("sumbit", "submit");
    is("statsu", "status");
    is("exoprt", "export");
    is("temp", "temperature");
    is("sett", "settings");
    is("puhs", "push");
    /* two slips in a short word, or nothing like a name */
    is("rm", "");
    is("pup", "");
    is("frobnicate", "");
    is("", "");
    is("r", "");
    is("runrunrunrunrunrunrunrunrunrunrunrunrunrunrun", "");

    /* a name itself was not mistyped; the first of equals stays */
    is("run", "");
    nearest_init(&n, "pusl", 4);
    nearest_offer(&n, "push");
    nearest_offer(&n, "pull");
    ok(n.name && strcmp(n.name, "push") == 0 && n.slips == 1,
       "the first is kept");
    return done();
}
