/*
 * Checks the fields of a job that follow from its request, and those of a trace
 * that follow from the ids of its answer.
 */
#include <config.h>

#include "verify/check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "proof/job_record.h"
#include "proof/trace.h"
#include "store/record.h"
#include "store/request.h"

static bool same_stops(const struct job_record *j, const struct request *r)
{
    struct job_stop stop[REQUEST_MAX_STOPS];
    struct job_record want = { .n_stops = 0 };

    for (size_t i = 0; i < r->n_stops; i++)
        stop[i] = (struct job_stop){ r->stop[i].text, r->stop[i].n };
    return job_record_stops(&want, stop, r->n_stops, NULL) == 0 &&
           want.n_stops == j->n_stops && id_equal(want.stops, j->stops);
}

/* Compare a prompt that was given as ids; a text needs the tokenizer. */
static bool same_prompt(const struct job_record *j, const struct request *r)
{
    struct job_record want = { .n_prompt = 0 };

    if (r->chat || r->prompt)
        return true;
    job_record_prompt(&want, r->prompt_id, r->n_prompt);
    return want.n_prompt == j->n_prompt && id_equal(want.prompt, j->prompt);
}

const char *check_job_differs(const struct job_record *j,
                              const struct request *r, struct id id)
{
    uint64_t seed = r->has_seed ? r->seed : request_default_seed(id);

    if (r->max_tokens && j->max_tokens != r->max_tokens)
        return "max_tokens is not that of the request";
    if (j->temperature != r->temperature)
        return "the temperature is not that of the request";
    if (j->top_p != r->top_p)
        return "top_p is not that of the request";
    if (j->top_k != r->top_k)
        return "top_k is not that of the request";
    if (j->seed != seed)
        return "the seed is not that of the request";
    if (j->flags != (r->ignore_eos ? JOB_IGNORE_EOS : 0))
        return "the flags are not those of the request";
    if (!same_stops(j, r))
        return "the stop strings are not those of the request";
    if (!same_prompt(j, r))
        return "the prompt is not that of the request";
    return NULL;
}

/* Return id i of the prompt followed by the output; TRACE_NONE past the end. */
static uint32_t token_at(const struct record *r, size_t i)
{
    if (i < r->n_prompt)
        return get_u32(r->prompt + 4 * i);
    i -= r->n_prompt;
    return i < r->n_output ? get_u32(r->output + 4 * i) : TRACE_NONE;
}

int check_trace(const struct record *r, char *why, size_t size)
{
    for (size_t i = 0; r->leaf && i < r->n_leaves; i++) {
        uint32_t next = i + 1 < r->n_prompt ? TRACE_NONE : token_at(r, i + 1);
        const char *what = NULL;
        struct trace_leaf leaf;

        if (trace_leaf_unpack(&leaf, r->leaf + i * RECORD_LEAF))
            what = "not a leaf";
        else if (leaf.position != i)
            what = "of another position";
        else if (leaf.token != token_at(r, i))
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
