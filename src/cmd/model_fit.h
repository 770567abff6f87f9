/*
 * --rounding of apus model convert and add.
 */
#ifndef APUS_CMD_MODEL_FIT_H
#define APUS_CMD_MODEL_FIT_H

#include <stdint.h>

#include "fidelity/fit.h"
#include "model/convert.h"

struct err;
struct settings;

struct model_fit {
    struct fit_options o;
    struct fit *fit;
    struct convert_rounding rounding;
    char *state;
    uint64_t begun;    /* when the first layer of this run was done */
    uint64_t last;     /* when progress was reported last */
    size_t done;       /* layers that were done then .. */
    bool counted;      /* .. if that is known */
};

/* What --rounding says: "nearest" or NULL, then nothing is done, or "fitted",
 * then *o, whose note and user are taken over, is to convert by it.  What is
 * done is kept in `dir`, or, NULL, where temporary files are, under a name made
 * of the source's and this account.  ERR_INPUT: another word, or options that
 * do not go with it. */
int model_fit_begin(struct model_fit *m, const char *rounding,
                    const struct settings *s, const char *source,
                    const char *dir, struct convert_options *o,
                    struct err *err);
/* *err: why the conversion failed, empty if it did not.  One of zeros is
 * allowed. */
void model_fit_end(struct model_fit *m, const struct err *err);

#endif
