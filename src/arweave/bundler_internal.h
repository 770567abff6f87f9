/*
 * The inside of a bundler, for the files bundler*.c.
 */
#ifndef APUS_ARWEAVE_BUNDLER_INTERNAL_H
#define APUS_ARWEAVE_BUNDLER_INTERNAL_H

#include "arweave/bundler.h"
#include "base/id.h"
#include "net/http.h"

#define BUNDLER_MAX_ANSWER ((uint64_t)4 << 20) /* lists of parts are long */

struct bundler {
    char *url, *payment;
    struct http *http;
    struct http_limits limits;
    bool (*stop)(void);
    uint64_t part, above;
    bool says_charge; /* the last answer to a post does */
    uint64_t charge;
};

/* An item's bytes as the body of a POST: [at, end) of it. */
struct bundler_body {
    const struct bundler_item *item;
    uint64_t begin, at, end;
    int fd; /* of item->path, or -1 */
};
int bundler_body_open(struct bundler_body *b, const struct bundler_item *it,
                      struct err *err);
void bundler_body_close(struct bundler_body *b);

/* A call that is tried again as http_try does, after 500 too; 0 whenever
 * there was an answer.  A body of NULL: a GET.  The answer is the caller's in
 * any case. */
int bundler_call(struct bundler *b, const char *base, const char *path,
                 struct bundler_body *body, struct http_answer *a,
                 struct err *err);

/* ERR_INPUT or ERR_RETRY, as the header says, for a status that is none of
 * success. */
int bundler_refused(const struct bundler *b, const struct http_answer *a,
                    struct err *err);
int bundler_unpaid(const struct bundler *b, const char *text,
                   struct err *err);
/* An answer that cannot be read: ERR_RETRY, whatever the reader said, for it
 * is not a fault of the item. */
int bundler_nonsense(const char *base, const char *path, struct err *err);
/* Whether the answer says that the item of this id is there already: its
 * status or text says so, and the text names the id. */
bool bundler_has_it(const struct http_answer *a, struct id id);
/* Whether a text names an item by its id. */
bool bundler_names(const char *text, struct id id);
/* Verify a receipt and append it; note what it says was charged in any
 * case. */
int bundler_keep_receipt(struct bundler *b, struct buf *receipt,
                         const struct bundler_item *it, const struct id *signer,
                         const char *json, size_t n, struct err *err);

uint64_t bundler_item_size(const struct bundler_item *it);

/* bundler_post of a large item. */
int bundler_post_parts(struct bundler *b, const struct bundler_item *it,
                       const struct id *signer, struct buf *receipt,
                       struct err *err);

#endif
