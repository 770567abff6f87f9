/*
 * judge-files CHANGES SEED FILE...: the verdict on dispute files, and on each
 * with one bit changed, a line each: FILE BIT VERDICT, BIT - where nothing is
 * changed.  FILE text TEXT has the verdict's sentence.  A changed proof that
 * gets another verdict is an error.  The same lines come from
 * tests/judge_files.lua, for another judge.
 */
#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "dispute/dispute_file.h"
#include "dispute/judge.h"

static char text[sizeof(((struct judge *)0)->text)]; /* of the last one */

static const char *judged(const struct buf *file)
{
    static const char *const name[] = { "holds", "fault", "unjudged" };
    const char *verdict = "refused";
    struct judge g;

    text[0] = '\0';
    if (dispute_file_play(&g, (unsigned char *)file->data, file->len, NULL))
        return verdict;
    if (g.turn == JUDGE_OVER)
        strcpy(text, g.text);
    verdict = g.turn == JUDGE_OVER ? name[g.verdict] : "open";
    judge_clear(&g);
    return verdict;
}

/* Where the last move's bytes begin. */
static size_t last_move(const struct buf *file)
{
    size_t at = memcmp(file->data, "apusdis2", 8) == 0 ? 116 : 40;
    size_t begin = at;

    while (at + 8 <= file->len) {
        begin = at + 8;
        at = begin + get_u32(file->data + at + 4);
    }
    return begin;
}

/* Half of the changes are in the last move, which is the proof. */
static int change(const struct buf *file, const char *name, uint64_t *seed,
                  unsigned changes, const char *verdict)
{
    size_t proof = last_move(file), from, bit;
    int rc = 0;

    for (unsigned i = 0; i < changes; i++) {
        const char *now;

        from = i % 2 && proof < file->len ? proof : 0;
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        bit = from * 8 + (size_t)(*seed >> 20) % ((file->len - from) * 8);
        file->data[bit / 8] ^= (char)(1 << bit % 8);
        now = judged(file);
        file->data[bit / 8] ^= (char)(1 << bit % 8);
        printf("%s %zu %s\n", name, bit, now);
        /* what is refused by a bit may be taken without it */
        if (bit / 8 < proof || strcmp(now, "refused") == 0 ||
            strcmp(now, verdict) == 0 || strcmp(verdict, "refused") == 0)
            continue;
        fprintf(stderr, "%s, bit %zu of the proof: %s instead of %s\n", name,
                bit, now, verdict);
        rc = 1;
    }
    return rc;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    int rc = 0;

    for (int i = 3; i < argc; i++) {
        struct err err = ERR_INIT;
        const char *verdict;
        struct buf file;

        buf_init(&file, DISPUTE_FILE_MAX);
        if (file_read(&file, argv[i], &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        verdict = judged(&file);
        printf("%s - %s\n%s text %s\n", argv[i], verdict, argv[i], text);
        rc |= change(&file, argv[i], &seed, (unsigned)atoi(argv[1]), verdict);
        buf_clear(&file);
    }
    return rc;
}
