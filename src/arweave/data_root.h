/*
 * The tree over the data of a transaction (doc/arweave.md): its leaves are
 * chunks of at most 256 KiB, its root is `data_root` in the transaction.
 * Here it is computed while data streams by, cut as all software cuts it, and
 * chunks of data that was cut in another way are held against it by their
 * paths.
 */
#ifndef APUS_ARWEAVE_DATA_ROOT_H
#define APUS_ARWEAVE_DATA_ROOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;
struct err;

#define CHUNK_MAX 262144
#define CHUNK_MIN 32768 /* of the last but one that would leave less */
#define DATA_PATH_MAX (256 * 1024)

/* Of data whose size is known before: chunk borders depend on it. */
struct data_root;
struct data_root *data_root_new(uint64_t size);
void data_root_free(struct data_root *d);
/* The next bytes: -1 (ERR_INPUT) if they are more than `size`. */
int data_root_put(struct data_root *d, const void *data, size_t n,
                  struct err *err);
/* All bytes came: their root.  The root of no bytes is that of one leaf. */
int data_root_end(struct data_root *d, struct id *root, struct err *err);

/* Of data in memory. */
void data_root(struct id *root, const void *data, size_t n);

/* Bytes of the chunk that begins at `at`, as all software cuts data. */
uint64_t chunk_size(uint64_t at, uint64_t size);

/* Append the path from the root to chunk number k of data of `size` bytes;
 * hash[i] is the SHA-256 of chunk i, cut by chunk_size. */
void data_root_path(struct buf *path, const struct id *hash, uint64_t size,
                    size_t k);

/* A chunk that a path leads to. */
struct chunk_place {
    uint64_t start, end;    /* in the data */
    struct id hash;         /* SHA-256 of its bytes */
};

/* Follow `path` from the root of data of `size` bytes to the chunk that has
 * the byte `at`.  ERR_INPUT if it does not lead there, or further. */
int chunk_path(struct chunk_place *c, struct id root, uint64_t size,
               uint64_t at, const void *path, size_t n, struct err *err);

/* The same, and these bytes are that chunk. */
int chunk_check(struct chunk_place *c, struct id root, uint64_t size,
                uint64_t at, const void *path, size_t n_path, const void *data,
                size_t n, struct err *err);

#endif
