/*
 * What of a trace follows from the ids of its answer alone.
 */
#include <config.h>

#include "verify/check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proof/trace.h"
#include "store/record.h"

/* Id i of prompt and output, in this order; TRACE_NONE past their end. */
static uint32_t id_at(const struct record *r, size_t i)
{
    if (i < r->n_prompt)
        return get_u32(r->prompt + 4 * i);
    i -= r->n_prompt;
    return i < r->n_output ? get_u32(r->output + 4 * i) : TRACE_NONE;
}

int check_trace(const struct record *r, char *why, size_t size)
{
    for (size_t i = 0; r->leaf && i < r->n_leaves; i++) {
        uint32_t next = i + 1 < r->n_prompt ? TRACE_NONE : id_at(r, i + 1);
        const char *what = NULL;
        struct trace_leaf leaf;

        if (trace_leaf_unpack(&leaf, r->leaf + i * RECORD_LEAF))
            what = "not a leaf";
        else if (leaf.position != i)
            what = "of another position";
        else if (leaf.token != id_at(r, i))
            what = "of another token than the answer's";
        else if (leaf.next != next)
            what = "one that draws another token than the answer's";
        if (!what)
            continue;
        snprintf(why, size, "leaf %zu of its trace is %s", i, what);
        return -1;
    }
    return 0;
}
