/*
 * Fields of a record one after the other: each puts or takes one and moves on.
 * Private to the records of this directory.
 */
#ifndef APUS_PROOF_FIELDS_H
#define APUS_PROOF_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

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
