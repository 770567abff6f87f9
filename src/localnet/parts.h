/*
 * Uploads in parts: a file that is filled at offsets, in any order.  They are
 * forgotten when localnet ends; whoever goes on with one is told that it is
 * unknown and begins anew.
 */
#ifndef APUS_LOCALNET_PARTS_H
#define APUS_LOCALNET_PARTS_H

struct response;
struct call;
struct net;

/* /v1/chunks/{token}/...; path is behind the token. */
void parts_route(struct net *net, const struct call *c, const char *path,
                 struct response *a);

/* Forget all; their files too. */
void parts_free(void);

#endif
