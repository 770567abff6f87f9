/*
 * Publishing a model on Arweave (model_fetch.h says in what form).  The item
 * is signed while the file is read and checked, once, and its head written to
 * STORE/publish/ID before anything is sent; the same file and wallet always
 * make the same item, so every step can be made again.  Handing it over, and
 * what that may cost, is push_send.h's; what that keeps is there, too.
 */
#ifndef APUS_PUSH_MODEL_PUBLISH_H
#define APUS_PUSH_MODEL_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"

struct err;
struct item_text_tag;
struct key;
struct push_send;

struct model_publish {
    struct id model;           /* its id */
    struct id id;              /* of the item */
    struct id address;         /* of the wallet */
    uint64_t size;             /* of the item */
    bool done;                 /* it was handed over */
    /* called with the progress; may be NULL */
    void (*progress)(void *self, const char *what, uint64_t done,
                     uint64_t size);
    void *self;
    struct id attestation;     /* id of its item, if it is attested */
    bool attested;             /* that was handed over */
    /* ours */
    struct buf head, attest;
    uint64_t n_data;
    char *path; /* of the file */
    char *dir;  /* STORE/publish/ID */
};

/* The caller sets progress and self after it. */
void model_publish_init(struct model_publish *p);
void model_publish_clear(struct model_publish *p);

/* Check and sign the model file `path`. */
int model_publish_sign(struct model_publish *p, const char *store,
                       const char *path, const struct key *k,
                       struct err *err);

/* The same for a module of AO, a file that begins as WebAssembly does, with
 * these tags; `model` stays as it is.  ERR_INPUT if it is none. */
int model_publish_module(struct model_publish *p, const char *store,
                         const char *path, const struct item_text_tag *tag,
                         size_t n_tags, const struct key *k, struct err *err);

/* Sign an attestation of it, too, as WeaveDrive asks for it: {Type=Available,
 * ID=id, Data-Protocol=WeaveDrive}.  A process of Availability-Type=Individual
 * that has this wallet's address as Attestor may then read it as /data/ID.
 * Price and send are of both from then on. */
int model_publish_attest(struct model_publish *p, const struct key *k,
                         struct err *err);

/* What it costs, 0 if it is done: ERR_INPUT or ERR_RETRY if that is more than
 * the settings allow or, ERR_INPUT with "payment required", than there is. */
int model_publish_price(struct model_publish *p, struct push_send *to,
                        uint64_t *winc, struct err *err);

/* Hand it over, or what is missing of it; the attestation comes last. */
int model_publish_send(struct model_publish *p, struct push_send *to,
                       struct err *err);

#endif
