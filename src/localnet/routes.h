/*
 * What is served under each path.  Each takes the part of the path behind its
 * unit's, without the first slash; the lock is held unless it says otherwise.
 */
#ifndef APUS_LOCALNET_ROUTES_H
#define APUS_LOCALNET_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "localnet/faults.h"

struct response;
struct call;
struct net;
struct upload;

/* GET /raw/{id}, /{id}, /tx/{id}.., /info .., POST /mine/N */
void gateway_route(struct net *net, const struct call *c, const char *path,
                   enum unit u, struct response *a);
/* Its POST /graphql: items by owner and tags. */
void graphql_route(struct net *net, const struct call *c, struct response *a);

/* The bundler.  The sink of an upload is a struct upload; a part of one in
 * parts is in memory. */
void bundler_route(struct net *net, const struct call *c, const char *path,
                   struct response *a);
/* Whether this path takes a whole item. */
bool bundler_takes_item(const char *path);

/* The units of AO; these take the lock by themselves, since they wait. */
void mu_route(struct net *net, const struct call *c, const char *path,
              struct response *a);
void cu_route(struct net *net, const struct call *c, const char *path,
              struct response *a);
void su_route(struct net *net, const struct call *c, const char *path,
              struct response *a);
void hb_route(struct net *net, const struct call *c, const char *path,
              struct response *a);

#endif
