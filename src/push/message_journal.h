/*
 * The messages of a push and their answers, in files of its batch: a message
 * is signed and kept before it is sent, sent with retries, and its answer kept
 * when it adds up.  After a crash the same message goes again.
 */
#ifndef APUS_PUSH_MESSAGE_JOURNAL_H
#define APUS_PUSH_MESSAGE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arweave/item.h"
#include "base/caller.h"
#include "base/id.h"
#include "push/push_send.h"

struct ao;
struct buf;
struct err;

/* Who sends, about which batch. */
struct message_journal {
    struct ao *ao;
    const struct id *node; /* our address */
    const char *batch_path;
    unsigned wait_s;              /* for each answer */
    struct caller caller;         /* told of conflicts and unknowns */
};

/* A message and what its answer must say. */
struct kept_message {
    const char *kind;              /* "complete", "release" */
    size_t number;
    const struct id *process;
    const struct item_text_tag *tag;
    size_t n_tags;
    const char *action;            /* "Complete-Response" */
    const char *const *count;      /* names of tags that are numbers .. */
    size_t n_counts;               /* at most 5 */
    size_t n_always;               /* of them; the others are 0 if absent */
    size_t n_lines;
    /* .. judged here, with the data: 0, or -1 if they cannot be right */
    int (*judge)(void *self, const uint64_t *count, const char *data,
                 struct err *err);
    void *self;
};

/* Send it with this data, or read the answer that is kept; count[] is
 * filled.  ERR_RETRY as long as there is no answer that is right. */
int message_send(const struct message_journal *a, const struct kept_message *x,
                 const struct buf *data, uint64_t *count, struct err *err);

#endif
