/*
 * Values of config.json: what is there, and errors that show what is not as it
 * must be.
 */
#ifndef APUS_MODEL_IMPORT_HF_VALUES_H
#define APUS_MODEL_IMPORT_HF_VALUES_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct json;

/* Neither absent nor null nor false. */
bool hf_given(const struct json *v);

/* ERR_INPUT "KEY is VALUE; KNOWN"; returns -1. */
int hf_refuse(const char *key, const struct json *v, const char *known,
              struct err *err);

/* A whole number of 1 to 2^32 - 2 that must be there, unless `optional`,
 * which leaves *out alone. */
int hf_count(uint32_t *out, const struct json *root, const char *key,
             bool optional, struct err *err);

/* A finite number of at least `least`; absent or null leaves *out alone. */
int hf_number(double *out, const struct json *root, const char *key,
              double least, struct err *err);

/* The same number from a second place, *out being what the first one, the
 * member `name` of root, says or its default.  ERR_INPUT if both say it and
 * they differ: only one can hold. */
int hf_number_again(double *out, const struct json *root, const char *name,
                    const struct json *second, const char *key, double least,
                    struct err *err);

#endif
