/*
 * For 0426: the ids that texts become, and random texts.
 *
 *     encodelines TOKENIZER.json        a JSON string a line in, an array of
 *                                       ids a line out; control tokens in a
 *                                       text are control tokens, as the
 *                                       reference takes them
 *     encodelines --random SEED N TEXT..   N texts of characters that Unicode
 *                                       15.0.0 assigns, with TEXTs in them
 */
#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#define MAX_VOCAB 262144u

static int fail(const struct err *err)
{
    fprintf(stderr, "encodelines: %s\n", err->text);
    return 1;
}

static int encode_line(const struct tokenizer *t, const char *line, size_t n,
                       struct err *err)
{
    struct tokens ids;
    struct json *v;
    int rc;

    if (json_parse(&v, line, n, err))
        return -1;
    tokens_init(&ids);
    rc = tokenizer_encode_special(t, json_string(v), strlen(json_string(v)),
                                  true, &ids, err);
    printf("[");
    for (size_t i = 0; i < ids.n; i++)
        printf("%s%u", i > 0 ? "," : "", ids.id[i]);
    printf("]\n");
    tokens_clear(&ids);
    json_free(v);
    return rc;
}

static int encode_lines(const char *path)
{
    struct tokenizer_source source = { MAX_VOCAB, UINT32_MAX, false, NULL };
    struct err err = ERR_INIT;
    struct tokenizer *t;
    struct buf b;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int rc = 0;

    buf_init(&b, (size_t)64 << 20);
    if (tokenizer_import_file(&b, path, &source, &err) ||
        tokenizer_new(&t, (const unsigned char *)b.data, b.len, MAX_VOCAB,
                      &err))
        return fail(&err);
    buf_clear(&b);
    while (rc == 0 && (n = getline(&line, &cap, stdin)) > 0)
        rc = encode_line(t, line, (size_t)n, &err);
    free(line);
    tokenizer_free(t);
    return rc ? fail(&err) : 0;
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Marks of Unicode 14 and 15, of which the reference knows no classes. */
static bool is_young_mark(uint32_t cp)
{
    return unicode_class(cp) > 0 &&
           ((cp >= 0x898 && cp <= 0x89f) || cp == 0xc3c || cp == 0x1715 ||
            (cp >= 0x1ac1 && cp <= 0x1ace) || cp == 0x1dfa || cp > 0xffff);
}

/* A character of Unicode 15.0.0 that is neither private nor unassigned. */
static uint32_t assigned(uint64_t *state)
{
    const uint32_t not = 1u << UNICODE_CN | 1u << UNICODE_CO |
                         1u << UNICODE_CS;
    uint32_t cp, below;

    do {
        below = next_random(state) % 4 ? 0x3000 : 0x20000;
        cp = 1 + next_random(state) % below;
    } while ((unicode_is(cp) & not) || is_young_mark(cp));
    return cp;
}

static void put_part(struct buf *b, uint64_t *state, char **text, size_t n)
{
    static const char *const part[] = {
        " ", " ", "  ", "\n", "\r\n", "\t", "a", "b", "the", "The", "ab",
        "apus", "request", "answers", "1", "12", "345", "'s", "'LL", ".",
        "-", "--", "_", "\xe2\x96\x81", "e\xcc\x81", "\xc3\xa9", "\xc2\xa0",
        "\xe4\xb8\xad", "\xd9\xa3", "\xf0\x9f\x98\x80", "/", "x"
    };
    size_t n_parts = sizeof(part) / sizeof(*part);

    if (n > 0 && next_random(state) % 12 == 0)
        buf_puts(b, text[next_random(state) % n]);
    else if (next_random(state) % 5 == 0)
        utf8_put(b, assigned(state));
    else
        buf_puts(b, part[next_random(state) % n_parts]);
}

static int print_random(uint64_t state, unsigned long count, char **text,
                        size_t n)
{
    struct buf b, line;

    buf_init(&b, 1 << 16);
    buf_init(&line, 1 << 18);
    for (; count > 0; count--) {
        uint32_t parts = next_random(&state) % 24;

        buf_reset(&b);
        buf_reset(&line);
        for (; parts > 0; parts--)
            put_part(&b, &state, text, n);
        json_put_string(&line, b.len > 0 ? b.data : "", b.len);
        buf_putc(&line, '\n');
        fwrite(line.data, 1, line.len, stdout);
    }
    buf_clear(&b);
    buf_clear(&line);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "--random") == 0)
        return print_random(strtoull(argv[2], NULL, 10),
                            strtoul(argv[3], NULL, 10), argv + 4,
                            (size_t)argc - 4);
    if (argc == 2)
        return encode_lines(argv[1]);
    fprintf(stderr, "usage: encodelines TOKENIZER.json | --random SEED N"
                    " TEXT..\n");
    return 2;
}
