/*
 * What the two networks of ao.h share: the table behind which they stand,
 * how an answer's status and text are judged, and the parser of results.
 * Not for others.
 */
#ifndef APUS_AO_AO_INTERNAL_H
#define APUS_AO_AO_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ao/ao.h"
#include "base/err.h"
#include "base/id.h"
#include "net/http.h"

/* Ceiling for one answer: a pull brings 256 KiB of lines at most, which JSON
 * may make six times as long. */
#define AO_MAX_ANSWER ((uint64_t)4 << 20)
#define AO_MAX_OUT 1000  /* messages of one result */
#define AO_MAX_TAGS 256  /* tags of one of them */
#define AO_SLOTS 64      /* remembered of what we sent */

/* Where a message of ours was scheduled (HyperBEAM asks by it). */
struct ao_slot {
    struct id id;
    uint64_t slot;
};

struct ao {
    const struct ao_network *network;
    const struct key *key; /* borrowed, may be NULL */
    struct http *http;
    struct http_limits limits;
    char *mu, *cu, *su, *node;
    char *module, *scheduler, *authority;
    struct ao_slot slot[AO_SLOTS];
    size_t n_slots; /* so far; the oldest is overwritten */
    int ask_status; /* HTTP's of the last answer to ask(), 0 if none came */
    /* the last refusal of dry runs: of which process, until when (clock_ms)
     * it is not asked again, what was said */
    struct id refused_process;
    uint64_t refused_until;
    struct err refused_why;
};

/* A message that is posted or asked for, in texts. */
struct ao_post {
    const void *item;
    size_t n;
    struct id id;           /* the item's */
    char process[44];       /* its target; "" for a process item */
    struct id *spawned;     /* NULL, or id of the process */
    unsigned again_s;       /* out: when the network wants it again, 0 */
};

enum ao_said {
    AO_SAID_DONE,
    AO_SAID_LATER, /* ask again, or send the same again */
    AO_SAID_NO     /* never */
};

/* What the two networks are.  Each function makes one attempt. */
struct ao_network {
    const char *name, *variant;
    /* tags of a process item of this network, NULL at the end */
    const struct item_text_tag *process_tag;
    /* who orders the messages of a new process and speaks for others, each
     * if it is not set: into ao->scheduler and ao->authority */
    int (*find_units)(struct ao *ao, struct err *err);
    int (*post)(struct ao *ao, struct ao_post *p, struct err *err);
    /* into *r if it is DONE; LATER: not yet, and *err says what was heard */
    enum ao_said (*result)(struct ao *ao, struct ao_result *r,
                           const char *process, struct id id,
                           struct err *err);
    int (*ask)(struct ao *ao, struct ao_result *r,
               const struct ao_message *m, struct err *err);
};
extern const struct ao_network ao_legacynet, ao_hyperbeam;

/* A GET, or a POST of body[0..n) (NULL: GET) with these headers. */
int ao_exchange(struct ao *ao, struct http_answer *a, const char *url,
                const char *const *header, const void *body, size_t n,
                struct err *err);

/* What an answer that is not a plain success means, by its text too: the
 * messenger wraps what it throws, so that anything can arrive as 500.  `url`
 * and what was said go into err, with the remedy: ERR_RETRY for LATER,
 * ERR_INPUT for NO; DONE leaves err alone.  A web page where JSON was asked
 * for is LATER, even with status 200. */
enum ao_said ao_judge(const struct http_answer *a, const char *url,
                      struct err *err);

/* The same for a GET: DONE if the body is the answer. */
enum ao_said ao_judge_get(const struct http_answer *a, const char *url,
                          struct err *err);

/* What an error means for whoever waits: LATER if it is ERR_RETRY. */
enum ao_said ao_failed(const struct err *err);

/* As ao_result_parse, for the answer of a compute unit.  {"error": ..} with
 * nothing else is the unit's own complaint, not an error of the process.
 * ERR_RETRY if that may pass, or if the answer is not JSON at all. */
int ao_result_parse_unit(struct ao_result *r, const char *text, size_t n,
                         struct err *err);

/* As ao_result_parse, for what a HyperBEAM node says of a slot or of a
 * question.  Where the result is has changed: results.raw, decoded, since
 * December 2025; results.json.body, a text, before; results, or all of it,
 * where the process runs in the node.  If it is nowhere, *err names what is
 * there.  ERR_RETRY as in ao_result_parse_unit. */
int ao_result_parse_node(struct ao_result *r, const char *text, size_t n,
                         struct err *err);

/* Whether a tag may not be ours to write: in any letter case,
 * '_' counting as '-'. */
bool ao_tag_reserved(const char *name);

/* Set a unit of a new process, if the settings name none. */
void ao_set_unit(char **unit, const char *address);

/* HTTP statuses by kind. */
static inline bool ao_status_good(int status)
{
    return status >= 200 && status < 300;
}

#endif
