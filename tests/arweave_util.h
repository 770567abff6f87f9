/*
 * The test wallet, and hexadecimal, for the tests of src/arweave.
 */
#ifndef APUS_TESTS_ARWEAVE_UTIL_H
#define APUS_TESTS_ARWEAVE_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/deephash.h"
#include "arweave/item.h"
#include "arweave/item_hash.h"
#include "arweave/key.h"
#include "arweave/tags.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"

/* A file of vectors/arweave, appended. */
void arweave_file(struct buf *b, const char *name);

/* The text of the wallet of vectors/arweave; free it. */
char *test_wallet(void);

struct key *test_key(void);

void unhex(unsigned char *out, const char *hex);

/* A tag as no writer of ours makes it, signed. */
void odd_item(struct buf *out, size_t n_name, size_t n_value,
              const struct key *k);

#endif
