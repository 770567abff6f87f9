/*
 * What a bundler says when an item has come, whole or in parts.
 */
#ifndef APUS_LOCALNET_RECEIPTS_H
#define APUS_LOCALNET_RECEIPTS_H

struct response;
struct stored;
struct net;
struct upload;

/* Take a whole upload and answer.  *stored (may be NULL) is the item, if it was
 * taken now or before. */
void upload_answer(struct net *net, struct upload *u, struct stored **stored,
                   struct response *a);

/* A signed receipt as the body. */
void receipt_answer(struct net *net, const struct stored *h,
                    struct response *a);

#endif
