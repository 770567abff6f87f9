/*
 * The tables of unicode.c, which contrib/unicode/tables.lua writes.
 */
#ifndef APUS_TEXT_UNICODE_INTERNAL_H
#define APUS_TEXT_UNICODE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/* Runs of code points that have one value; the first begins at 0. */
extern const uint32_t unicode_category_run[], unicode_class_run[];
extern const size_t unicode_category_run_n, unicode_class_run_n;

/* Canonical decompositions into one or two code points, by code point. */
extern const uint64_t unicode_parts[];
extern const size_t unicode_parts_n;
/* Those of two parts that compose again, by the parts. */
extern const uint16_t unicode_pair[];
extern const size_t unicode_pair_n;

#endif
