/*
 * What a push reads from others and from its own files, as the first byte says:
 * an answer of the queue to Complete (its four numbers are the next bytes), or
 * a line of items.jsonl.  An answer that is accepted adds up; a line that is
 * accepted names a place that does not overflow.
 */
#include <config.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "push/complete_answer.h"
#include "push/push_index.h"

#define A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define MESSAGE "{\"request\":\"" A "A\",\"choice\":\"0\"}\n" \
                "{\"request\":\"" A "E\",\"choice\":\"0\"}\n" \
                "{\"request\":\"" A "I\",\"choice\":\"0\"}\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void try_answer(const uint8_t *data, size_t n)
{
    uint64_t count[COMPLETE_COUNTS];
    struct err err = ERR_INIT;
    char *text;

    if (n < COMPLETE_COUNTS)
        return;
    for (int i = 0; i < COMPLETE_COUNTS; i++)
        count[i] = data[i] == 0xff ? UINT64_MAX - 1 : data[i] & 7;
    text = xstrndup((const char *)data + COMPLETE_COUNTS,
                    n - COMPLETE_COUNTS);
    if (complete_answer(MESSAGE, 3, count, text, &err))
        must(err.code == ERR_RETRY);
    else
        must(count[0] + count[1] + count[2] + count[3] == 3 &&
             (count[2] + count[3] == 0 || strstr(text, A)));
    free(text);
}

static void try_line(const char *text, size_t n)
{
    struct push_index_line l;
    struct err err = ERR_INIT;

    if (push_index_parse(&l, text, n, &err))
        must(err.code == ERR_INPUT);
    else
        must(l.offset + l.size >= l.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        try_answer(data + 1, size - 1);
    else
        try_line((const char *)data + 1, size - 1);
    return 0;
}
