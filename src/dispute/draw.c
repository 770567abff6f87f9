/*
 * Uses the same integers as engine/sampler.c, which never builds the whole
 * order.
 */
#include <config.h>

#include "dispute/draw.h"

#include "kernels/philox.h"

#define SAMP 0x73616d70u /* the last word of the counter */

float draw_temperature(uint32_t millionths)
{
    return (float)((double)millionths / 1e6);
}

bool draw_cuts_k(uint32_t top_k, uint32_t n)
{
    return top_k && top_k < n;
}

uint64_t draw_enough(uint64_t sum, uint32_t top_p)
{
    uint64_t rest = sum % DRAW_MILLION * top_p;

    return sum / DRAW_MILLION * top_p +
           (rest + DRAW_MILLION - 1) / DRAW_MILLION;
}

bool draw_keeps(uint32_t cut_weight, uint32_t cut_id, uint32_t weight,
                uint32_t id)
{
    return weight > cut_weight || (weight == cut_weight && id <= cut_id);
}

uint64_t draw_bits(uint64_t seed, uint32_t choice, uint32_t position)
{
    uint32_t counter[4] = { position, 0, choice, SAMP }, out[4];
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };

    philox4x32(out, counter, key);
    return (out[0] | (uint64_t)out[1] << 32) >> 1;
}
