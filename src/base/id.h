/*
 * A 32-byte id by value: a SHA-256 digest, a Merkle root, an Arweave address or
 * item id, a symmetric key.  It has no alignment and no padding, so that an
 * array of ids is their bytes one after another.
 */
#ifndef APUS_BASE_ID_H
#define APUS_BASE_ID_H

#include <stdbool.h>
#include <string.h>

#define ID_TEXT 44 /* 43 characters of a 32-byte id, and a NUL */

struct id {
    unsigned char b[32];
};

/* Return true if the bytes are equal.  Not for secrets: the time it takes
 * depends on them. */
static inline bool id_equal(struct id a, struct id b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

/* Order by bytes, as memcmp. */
static inline int id_compare(struct id a, struct id b)
{
    return memcmp(a.b, b.b, sizeof(a.b));
}

/* Return the id whose 32 bytes are at p. */
static inline struct id id_at(const void *p)
{
    struct id id;

    memcpy(id.b, p, sizeof(id.b));
    return id;
}

/* Return the bytes at p as an id: to write one among other bytes, and to read
 * one there without a copy. */
static inline struct id *id_in(void *p)
{
    return (struct id *)p; /* C++ wants the cast */
}

static inline const struct id *id_view(const void *p)
{
    return (const struct id *)p;
}

/* Text of an id in base64url, 43 characters and a NUL. */
struct id_text {
    char s[ID_TEXT];
};

/* Return the text of an id.  `id_text(id).s` lives until the end of the full
 * expression that it stands in. */
struct id_text id_text(struct id id);

/* Parse exactly 43 characters of base64url in canonical form.  Return 0, or -1
 * with *id untouched. */
int id_parse(struct id *id, const char *text);

#endif
