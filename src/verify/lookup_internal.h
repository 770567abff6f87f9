/*
 * What the files of lookup share.
 */
#ifndef APUS_VERIFY_LOOKUP_INTERNAL_H
#define APUS_VERIFY_LOOKUP_INTERNAL_H

#include "verify/lookup.h"

struct gateways;
struct graphql;

struct lookup {
    struct gateways *gateways;
    struct graphql *index;
    void (*note)(void *self, const char *text);
    void *self;
};

/* Tell that an item which was named is not used. */
void lookup_note(struct lookup *l, const unsigned char id[32],
                 const char *why);

/* Append the ids of what an owner has tagged with `Apus: kind`, and with a
 * batch if it is not NULL. */
int lookup_ids(struct lookup *l, const unsigned char owner[32],
               const char *kind, const unsigned char *batch, struct buf *ids,
               size_t max, struct err *err);

#endif
