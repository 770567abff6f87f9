/*
 * Lines that apus show prints of batches, parts and items alike.
 */
#include <config.h>

#include "cmd/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/id.h"
#include "base/plain.h"

void show_id(const char *key, struct id id)
{
    printf("%s\t%s\n", key, id_text(id).s);
}

void show_tokens(const char *key, const void *ids, size_t n)
{
    const unsigned char *p = ids;

    printf("%s\t", key);
    for (size_t i = 0; i < n; i++)
        printf("%s%" PRIu32, i ? " " : "", get_u32(p + 4 * i));
    putchar('\n');
}

void show_text(const char *s, size_t n)
{
    for (size_t i = 0, len; i < n; i += len + 1) {
        const char *end = memchr(s + i, '\n', n - i);

        len = end ? (size_t)(end - (s + i)) : n - i;
        plain_write(stdout, s + i, len);
        putchar('\n');
    }
}
