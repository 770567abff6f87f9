/*
 * config.json of a Hugging Face directory (and generation_config.json) as the
 * fields of a model record.  The families are those of the table in
 * hf_config.c.  Whatever would change a number and has no paragraph in X1 is
 * refused by name.
 */
#ifndef APUS_MODEL_IMPORT_HF_CONFIG_H
#define APUS_MODEL_IMPORT_HF_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "model/import/fold.h"
#include "model/import/import.h"
#include "model/model_layout.h"
#include "proof/model_record.h"

struct err;

struct hf_config {
    struct model_record rec; /* but tokenizer, template and tensors root */
    float inv_freq[MODEL_MAX_FREQUENCIES]; /* that tensor */
    unsigned names;          /* HF_... (hf_tensors.h) */
    struct import_heads heads;
    float embedding;         /* what it is multiplied by, 0: nothing; a tied
                                head is not */
    float score_cap, logit_cap; /* soft caps, 0: none */
    bool one_plus;           /* gains are what is there, plus 1 */
    bool folds;              /* `fold` is to be applied */
    bool part;               /* the language model of one that sees, too */
    struct fold fold;
};

/* From texts; gen is NULL if there is no generation_config.json. */
int hf_config_parse(struct hf_config *c, const char *text, size_t n,
                    const char *gen, size_t n_gen, struct err *err);

/* From the files of a directory. */
int hf_config_read(struct hf_config *c, const char *dir, struct err *err);

#endif
