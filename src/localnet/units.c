/*
 * The units of AO are not there yet.
 */
#include <config.h>

#include "localnet/units.h"

#include "localnet/net.h"
#include "localnet/routes.h"
#include "localnet/serve.h"

int units_new(struct net *net, unsigned delay_ms, struct err *err)
{
    (void)net;
    (void)delay_ms;
    (void)err;
    return 0;
}

int units_start(struct net *net, struct err *err)
{
    (void)net;
    (void)err;
    return 0;
}

void units_stop(struct net *net)
{
    (void)net;
}

void units_free(struct net *net)
{
    (void)net;
}

int units_replay(struct net *net, const struct journal_record *r,
                 struct err *err)
{
    (void)net;
    (void)r;
    (void)err;
    return 0;
}

#define STUB(name)                                                      \
    void name(struct net *net, const struct call *c, const char *path,  \
              struct answer *a)                                         \
    {                                                                   \
        (void)net;                                                      \
        (void)c;                                                        \
        (void)path;                                                     \
        answer_error(a, 501, "not there yet");                          \
    }
STUB(mu_route)
STUB(cu_route)
STUB(su_route)
STUB(hb_route)
