/*
 * Files of requests line by line: what is a line, what is none, and their
 * ids.  Prints a vector that 0500-second-hash.t compares with second_hash.py.
 */
#include <config.h>

#include "base/id.h"
#include "proof/digest.h"
#include "proof/line_ids.h"
#include "spool/request_file.h"
#include "store/request.h"
#include "tests/spool_util.h"

static struct id model;
static struct err err;

static struct request_file *open_text(const char *text, size_t n)
{
    struct request_file *f = NULL;

    if (file_write(at("in.jsonl"), text, n, &err) ||
        request_file_open_v2(&f, at("in.jsonl"), model, &err)) {
        printf("# %s\n", err.text);
        exit(1);
    }
    return f;
}

/* What the lines of a text are, each in angles with its offset. */
static void shown(const char *text, const char *want, uint64_t n,
                  uint64_t n_requests, const char *name)
{
    struct request_file *f = open_text(text, strlen(text));
    char got[500] = "";
    const char *line;
    bool blank = true;
    size_t at = 0, len;

    while (request_file_next(f, &line, &len, &err) == 0 && line) {
        at += (size_t)snprintf(got + at, sizeof(got) - at, "%d<%.*s>",
                               (int)request_file_offset(f), (int)len, line);
        blank = blank && request_file_is_blank(f) == (len == 0);
    }
    if (!ok(strcmp(got, want) == 0 && request_file_count(f) == n &&
                request_file_requests(f) == n_requests && blank, "%s", name))
        printf("# %s, %d lines, %d requests\n", got, (int)request_file_count(f),
               (int)request_file_requests(f));
    request_file_close(f);
}

static void test_shape(void)
{
    shown("", "", 0, 0, "nothing");
    shown("\n", "0<>", 1, 0, "a blank line");
    shown("a", "0<a>", 1, 1, "a line without an end");
    shown("a\n", "0<a>", 1, 1, "with one");
    shown("a\n\n \t\r\nb", "0<a>2<>6<>7<b>", 4, 2, "blank lines between");
    shown(" a\t\r\n\tb c ", "1<a>6<b c>", 2, 2, "blanks at both ends");
    shown("a\n ", "0<a>3<>", 2, 1, "a blank line without an end");
    shown("\xef\xbb\xbf" "a\n\xef\xbb\xbf" "b\n",
          "3<a>5<\xef\xbb\xbf" "b>", 2, 2, "a BOM at the beginning alone");
    shown("\xef\xbb\xbf a\n", "4<a>", 1, 1, "a BOM and blanks");
    shown("\xef\xbb\xbf", "3<>", 1, 0, "nothing but a BOM");
    shown("\xef\xbb\xbf\r\n", "4<>", 1, 0, "a BOM and a blank line");
    shown("\xef\xbb", "0<\xef\xbb>", 1, 1, "half a BOM");
}

static void test_ids(void)
{
    static const char text[] =
        "\xef\xbb\xbf {\"a\":1}\r\n\n{\"a\": 1}\n\t\r\n{\"a\":1}\n"
        "\xef\xbb\xbf{\"a\":1} \r\t\n{\"a\":1}";
    struct request_file *f = open_text(text, strlen(text));
    struct digest *all = digest_new();
    struct id id;
    const char *line;
    char hex[65];
    size_t n;

    while (request_file_next(f, &line, &n, &err) == 0 && line) {
        request_file_id(f, &id);
        digest_put(all, id.b, 32);
    }
    request_file_close(f);
    digest_end(all, &id);
    digest_hex(hex, id);
    printf("# vector ids %s\n", hex);
    ok(1, "the ids of a file");
}

/* A line of more bytes than are kept has the id of all of them. */
static void test_long(void)
{
    size_t n = REQUEST_MAX_LINE + 300000, max = REQUEST_MAX_LINE, len;
    struct id id, sha256, want;
    char *text = xmalloc(n);
    const char *line = NULL;
    struct request_file *f;

    memset(text, 'x', n);
    memset(text, ' ', 70000);
    memset(text + n - 100001, '\t', 100000);
    text[n - 1] = '\n';
    text[90000] = ' ';
    f = open_text(text, n);
    digest(&sha256, text + 70000, n - 170001);
    line_id(&want, model, sha256, 0);
    ok(request_file_next(f, &line, &len, &err) == 0 && line && len == max + 1 &&
           request_file_offset(f) == 70000, "a line that is too long is cut");
    request_file_id(f, &id);
    ok(id_equal(id, want), "its id is that of the whole");
    request_file_close(f);
    memset(text + 70000 + max - 5, ' ', n - 70001 - max + 5);
    f = open_text(text, n);
    digest(&sha256, text + 70000, max - 5);
    line_id(&want, model, sha256, 0);
    ok(request_file_next(f, &line, &len, &err) == 0 && len == max - 5,
       "blanks do not make a line too long");
    request_file_id(f, &id);
    ok(id_equal(id, want), "nor are they in its id");
    request_file_close(f);
    free(text);
}

/* Enough lines for the table to grow several times, each of them twice. */
static void test_many(void)
{
    struct line_ids *t = line_ids_new(model);
    struct id id, sha256, want;
    uint32_t n;
    int bad = 0;

    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t number = i % 10000;

        digest(&sha256, &number, sizeof(number));
        line_id(&want, model, sha256, i / 10000);
        bad += line_ids_next(t, &id, sha256, &n, &err) != 0 ||
               !id_equal(id, want) || n != i / 10000;
    }
    line_ids_free(t);
    ok(bad == 0, "20000 lines, each of them twice");
}

int main(void)
{
    for (int i = 0; i < 32; i++)
        model.b[i] = (unsigned char)i;
    test_shape();
    test_ids();
    test_long();
    test_many();
    all_remove();
    return done();
}
