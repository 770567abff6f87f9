/*
 * Fields of a record one after the other: each puts or takes one and moves on.
 * Private to the records of this directory.
 *
 * A record is never a struct in memory: its bytes are those of doc/proof.md,
 * without gaps, little-endian on every machine, floats as their 32 bits.  The
 * caller knows the size of its record and has that many bytes; nothing here
 * looks after an end.  A pack asserts that it ends exactly at its SIZE.
 */
#ifndef APUS_PROOF_FIELDS_H
#define APUS_PROOF_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

/* Ids, hashes and magics: bytes as they are. */
static inline void field_put(unsigned char **at, const void *data, size_t n)
{
    memcpy(*at, data, n);
    *at += n;
}

static inline void field_put_u32(unsigned char **at, uint32_t v)
{
    set_u32(*at, v);
    *at += 4;
}

static inline void field_put_u64(unsigned char **at, uint64_t v)
{
    set_u64(*at, v);
    *at += 8;
}

/* The same fields in the same order, backwards.  Values are not judged. */
static inline void field_take(const unsigned char **at, void *data, size_t n)
{
    memcpy(data, *at, n);
    *at += n;
}

static inline uint32_t field_take_u32(const unsigned char **at)
{
    *at += 4;
    return get_u32(*at - 4);
}

static inline uint64_t field_take_u64(const unsigned char **at)
{
    *at += 8;
    return get_u64(*at - 8);
}

#endif
