/*
 * What the records of a row say about its columns.
 */
#include <config.h>

#include "store/checkpoint_hdf5.h"

#include <string.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "proof/job_record.h"
#include "proof/result_record.h"

int layout_records(struct job_record *job, struct result_record *res,
                   const struct record *r, const struct checkpoint_head *h,
                   struct err *err)
{
    if (job_record_unpack(job, r->job))
        return err_set(err, ERR_INPUT, "the job record is none");
    if (result_record_unpack(res, r->result))
        return err_set(err, ERR_INPUT, "the result record is none");
    if (!id_equal(job->model, h->model) || !id_equal(res->model, h->model))
        return err_set(err, ERR_INPUT,
                       "the records are of another model than the part");
    if (job->choice != res->choice)
        return err_set(err, ERR_INPUT,
                       "the job record is of choice %u, the result of %u",
                       (unsigned)job->choice, (unsigned)res->choice);
    return 0;
}

void layout_cell(unsigned char *out, enum layout_set set, uint32_t line,
                 const struct job_record *job,
                 const struct result_record *res)
{
    char id[ID_TEXT];

    switch (set) {
    case SET_ID:
        base64url(id, res->request.b, sizeof(res->request));
        memcpy(out, id, LAYOUT_ID);
        break;
    case SET_INDEX:
        set_u32(out, line);
        break;
    case SET_CHOICE:
        set_u32(out, res->choice);
        break;
    case SET_FINISH:
        set_u32(out, res->finish);
        break;
    case SET_SEED:
        set_u64(out, job->seed);
        break;
    case SET_MAX_TOKENS:
        set_u32(out, job->max_tokens);
        break;
    case SET_TOP_K:
        set_u32(out, job->top_k);
        break;
    case SET_TEMPERATURE:
        set_u32(out, job->temperature);
        break;
    case SET_TOP_P:
        set_u32(out, job->top_p);
        break;
    case SET_IGNORE_EOS:
        out[0] = (job->flags & JOB_IGNORE_EOS) != 0;
        break;
    case SET_TRACE:
        memcpy(out, res->trace.b, sizeof(res->trace));
        break;
    default:
        break;
    }
}
