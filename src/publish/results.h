/*
 * The results of a sealed batch, as they are published: row after row from
 * its parts, each with its place in the tree of the batch (proof.md section
 * 5).  Held in memory are the hashes of the tree, never a row but one.
 */
#ifndef APUS_PUBLISH_RESULTS_H
#define APUS_PUBLISH_RESULTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"
#include "proof/merkle_path.h"
#include "spool/spool.h"
#include "store/checkpoint.h"
#include "store/seal.h"

struct err;
struct results;

struct results_row {
    struct checkpoint_row row;  /* borrowed until the next call */
    struct id request;
    uint32_t choice;
    struct id id;               /* H of the result record */
    uint64_t index;             /* in the batch's order */
    unsigned char path[MERKLE_PATH_MAX * 32];
    size_t n_path;
};

/* Read every result record, and compare the root of each part with
 * checkpoint.json.  ERR_INPUT if a batch is not sealed or does not add up. */
int results_open(struct results **out, const char *batch_path,
                 struct err *err);
void results_close(struct results *r);

const struct batch_info *results_info(const struct results *r);
const struct seal_info *results_seal(const struct results *r);
size_t results_count(const struct results *r);
const struct id *results_root(const struct results *r);

/* ERR_INPUT unless every part has the size, the SHA-256 and the root of
 * checkpoint.json. */
int results_check_files(const struct results *r, struct err *err);

/* The next row, its commitments checked. */
enum found results_next(struct results *r, struct results_row *row,
                        struct err *err);
/* Pass over n rows. */
int results_skip(struct results *r, size_t n, struct err *err);
void results_rewind(struct results *r);

#endif
