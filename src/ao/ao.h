/*
 * Speaking to a process on AO.  One kind of message serves both networks, a
 * signed data item in a POST; behind a table stand legacynet
 * (messenger, compute unit, scheduler) and HyperBEAM (one node).  An answer
 * is read from the result of our own message, never from a reply that would
 * have to be delivered.
 *
 * The way of a message: ao_sign signs it, the caller journals the bytes,
 * ao_send posts them (as often as needed: the same bytes are the same
 * message), ao_result waits for what the process said.
 */
#ifndef APUS_AO_AO_H
#define APUS_AO_AO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arweave/item.h"
#include "base/id.h"

struct ao;
struct buf;
struct err;
struct json;
struct key;
struct settings;

#define AO_MAX_DATA 90000 /* bytes of data in a message of ours */

/* The network of the settings ao-network, ao-mu, ao-cu, ao-su, ao-node.
 * `key` signs (NULL: only ao_ask and ao_result work) and must live as long. */
int ao_new(struct ao **out, const struct settings *s, const struct key *key,
           struct err *err);
void ao_free(struct ao *ao);

/* What is said or asked.  It owns nothing. */
struct ao_message {
    struct id process; /* to whom */
    const struct item_text_tag *tag;
    size_t n_tags;
    const void *data; /* NULL if n is 0 */
    size_t n;
};

/* Append a signed message with a new random anchor: our protocol tags, then
 * its own.  ERR_INPUT: a reserved name, data over AO_MAX_DATA. */
int ao_sign(struct ao *ao, struct buf *item, struct id *id,
            const struct ao_message *m, struct err *err);

/* Append a signed process item: module, scheduler and authority of the
 * settings, On-Boot=Data, the tags of m too, and its data, which is Lua;
 * m->process is not read.  A scheduler or authority
 * that is not set is the node's own, which is asked for its address, or the
 * legacynet's. */
int ao_process(struct ao *ao, struct buf *item, struct id *id,
               const struct ao_message *m, struct err *err);

/* Post signed bytes; "already exists" is success.  ERR_RETRY for what may
 * pass (try again with the same bytes), ERR_INPUT if the item is refused for
 * good, with what was said and the remedy. */
int ao_send(struct ao *ao, const void *item, size_t n, struct err *err);
/* The same for ao_process: *id (NULL is allowed) is what the network calls
 * the process. */
int ao_spawn(struct ao *ao, const void *item, size_t n, struct id *id,
             struct err *err);

/* What an evaluation gave. */
struct ao_tag {
    const char *name, *value;
};
struct ao_out {
    const char *target, *data; /* texts; data is "" if there is none */
    struct ao_tag *tag;
    size_t n_tags;
};
struct ao_result {
    struct json *root;  /* owns every text below */
    const char *error;  /* the process raised an error, else NULL */
    const char *output; /* Output.data or "" */
    struct ao_out *out;
    size_t n_out;
};
void ao_result_clear(struct ao_result *r);
/* Read one that was kept: a JSON text as ao_out_put makes it, or as a compute
 * unit gives it. */
int ao_result_parse(struct ao_result *r, const char *text, size_t n,
                    struct err *err);
/* Append a result with this one message as JSON, to be kept. */
void ao_out_put(struct buf *out, const struct ao_out *o);
/* Value of a tag (its name in any letter case), NULL if there is none. */
const char *ao_out_tag(const struct ao_out *o, const char *name);

/* Wait for the result of message `id`, at most wait_s seconds.  ERR_RETRY if
 * it is not there by then; ERR_INPUT if what came is not a result, or if the
 * network says that this result is gone for good (then ask for the state by
 * ao_ask). */
int ao_result(struct ao *ao, struct ao_result *r, struct id process,
              struct id id, unsigned wait_s, struct err *err);

/* Ask without changing anything: a dry run, which nobody signs.  Proves
 * nothing.  *refused (NULL is allowed): what answers makes none, now or at
 * all (403, 404, 405, 410, 429, 501, and not a 404 that says that it knows no
 * such process); what must be known is then asked by ao_say.  It is not asked
 * again about this process for ten minutes. */
int ao_ask(struct ao *ao, struct ao_result *r, const struct ao_message *m,
           bool *refused, struct err *err);

/* Say something that need not be kept: ao_sign, ao_send, ao_result.  *sent
 * (NULL is allowed): the network has taken it, whatever came after. */
int ao_say(struct ao *ao, struct ao_result *r, const struct ao_message *m,
           unsigned wait_s, bool *sent, struct err *err);

#endif
