/*
 * Bytes of an HDF5 file changed as somebody does who means harm: the checksums
 * of its metadata (superblock, object headers and their continuations; HDF5
 * File Format Specification III) are made to fit.
 */
#ifndef APUS_TESTS_HDF5_MUTATE_H
#define APUS_TESTS_HDF5_MUTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

#define MUTATE_SUPERBLOCK 44 /* bytes before its checksum */
#define MUTATE_MAX 4096      /* of a header */
#define MUTATE_BLOCKS 256

struct mutate_block {
    size_t at, n; /* the checksum follows */
};

uint32_t mutate_rot(uint32_t x, int k);

/* Bob Jenkins' lookup3, hashlittle() with 0 to begin with. */
uint32_t mutate_sum(const unsigned char *p, size_t n);

bool mutate_fits(const unsigned char *p, size_t at, size_t n);

/* The blocks of a good file that end with a checksum: how many. */
size_t mutate_find(struct mutate_block out[MUTATE_BLOCKS],
                   const unsigned char *p, size_t n);

/* Make the checksums of these blocks right again. */
void mutate_repair(unsigned char *p, const struct mutate_block *b, size_t n);

#endif
