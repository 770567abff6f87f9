/*
 * What decides a draw (doc/numerics.md, Sampling), apart from the logits.
 */
#ifndef APUS_DISPUTE_DRAW_H
#define APUS_DISPUTE_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#define DRAW_MILLION 1000000u

/* The temperature of a request in millionths as the number that logits are
 * divided by. */
float draw_temperature(uint32_t millionths);

/* top_k leaves out some of n tokens. */
bool draw_cuts_k(uint32_t top_k, uint32_t n);

/* The sum that the kept prefix has to reach, of tokens that weigh `sum`. */
uint64_t draw_enough(uint64_t sum, uint32_t top_p);

/* A token of this weight and id is not after (cut_weight, cut_id) in the order
 * (weight down, id up). */
bool draw_keeps(uint32_t cut_weight, uint32_t cut_id, uint32_t weight,
                uint32_t id);

/* The 63 bits drawn for the token at `position`: x >> 1. */
uint64_t draw_bits(uint64_t seed, uint32_t choice, uint32_t position);

#endif
