/*
 * Rank 0's notes of the ranks of a job, which outlive a batch: where each of
 * them is, and which are lost.
 */
#ifndef APUS_MPI_RANKS_H
#define APUS_MPI_RANKS_H

#include <stdbool.h>
#include <stddef.h>

struct payload;

#define RANKS_HOST 256 /* bytes of the name of a host, with its NUL */

struct ranks {
    int size;
    bool *lost;                /* [size] */
    char (*host)[RANKS_HOST];  /* [size]; "": it has not said it */
};

struct ranks *ranks_new(int size);
/* NULL is accepted. */
void ranks_free(struct ranks *r);

/* Take a TAG_HELLO (mpi/dispatch.h), at any time: where it is, should it be
 * lost later. */
void ranks_hello(struct ranks *r, const struct payload *p);

/* Copy n bytes that came from outside this process as text: cut to `size` bytes
 * with the NUL, and `?` for each that cannot be printed. */
void ranks_text(char *out, size_t size, const unsigned char *p, size_t n);

#endif
