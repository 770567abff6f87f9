/*
 * The answers of a bundler (doc/arweave.md), read from JSON and bounded.
 */
#ifndef APUS_ARWEAVE_BUNDLER_ANSWER_H
#define APUS_ARWEAVE_BUNDLER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct err;

#define BUNDLER_MAX_PARTS 65536
#define BUNDLER_MIN_PART 65536
#define BUNDLER_MAX_PART ((uint64_t)1 << 30)

/* GET /v1/info */
struct bundler_info {
    struct id signer;          /* addresses.arweave */
    uint64_t free_bytes;       /* items of up to this size cost nothing */
};
int bundler_read_info(struct bundler_info *i, const char *json, size_t n,
                      struct err *err);
/* {"winc": ..} of prices and balances. */
int bundler_read_winc(uint64_t *winc, const char *json, size_t n,
                      struct err *err);
/* GET /v1/tx/ID/status */
enum bundler_status { BUNDLER_UNKNOWN, BUNDLER_NEW, BUNDLER_PENDING,
                      BUNDLER_PERMANENT, BUNDLER_FAILED };
int bundler_read_status(enum bundler_status *status, struct id *root,
                        bool *has_root, const char *json, size_t n,
                        struct err *err);

/* An upload in parts. */
struct bundler_upload {
    char id[101];      /* letters, digits, '-' and '_' */
    uint64_t part;     /* bytes of each but the last */
};
int bundler_read_begin(struct bundler_upload *u, const char *json, size_t n,
                       struct err *err);
/* Sets there[i] for each part i of an item of `size` bytes that the answer
 * lists as it should be; there[] has an element a part. */
int bundler_read_list(bool *there, const struct bundler_upload *u,
                      uint64_t size, const char *json, size_t n,
                      struct err *err);
/* Where its end stands; the receipt's JSON, if there is one, is appended. */
enum bundler_end { BUNDLER_WORKING, BUNDLER_TAKEN, BUNDLER_UNPAID,
                   BUNDLER_REFUSED };
int bundler_read_end(enum bundler_end *end, struct buf *receipt,
                     const char *json, size_t n, struct err *err);

#endif
