/*
 * The parameters of a draw besides the logits (doc/numerics.md, Sampling).
 */
#ifndef APUS_DISPUTE_DRAW_H
#define APUS_DISPUTE_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#define DRAW_MILLION 1000000u

/* Convert a temperature in millionths to the number that divides the logits. */
float draw_temperature(uint32_t millionths);

/* Return whether top_k excludes any of n tokens. */
bool draw_cuts_k(uint32_t top_k, uint32_t n);

/* Return the weight that the kept prefix must reach if all tokens weigh
 * `sum`. */
uint64_t draw_enough(uint64_t sum, uint32_t top_p);

/* Return whether a token of this weight and id is kept: whether it does not
 * come after (cut_weight, cut_id) in the order (weight descending, id
 * ascending). */
bool draw_keeps(uint32_t cut_weight, uint32_t cut_id, uint32_t weight,
                uint32_t id);

/* Return the 63 random bits for the token at `position`: x >> 1. */
uint64_t draw_bits(uint64_t seed, uint32_t choice, uint32_t position);

#endif
