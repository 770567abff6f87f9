/*
 * Small files of the spool that hold numbers, and what they are called:
 *
 *     {"format":"apus-lease-1","until":"1700000000000","ttl":"600"}
 *
 * A number is a text of digits, at most 2^53 - 1.
 */
#ifndef APUS_SPOOL_NUMBERS_H
#define APUS_SPOOL_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define NUMBERS_MAX 9007199254740991u /* 2^53 - 1 */
#define NUMBERS_FILE_MAX 4096         /* bytes of such a file */

struct number {
    const char *key;
    uint64_t value;
};

/* Give each of the n_v numbers its value from the n bytes of such a file.
 * ERR_INPUT if one is missing or the format is another. */
int numbers_parse(struct number *v, size_t n_v, const char *format,
                  const char *text, size_t n, struct err *err);

/* Replace the file dir/name. */
int numbers_write(const struct number *v, size_t n_v, const char *format,
                  const char *dir, const char *name, struct err *err);

#endif
