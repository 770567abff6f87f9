/*
 * The first look at a file of requests: what is not JSONL is named with its
 * remedy, everything that may be JSONL passes.
 */
#include <config.h>

#include "spool/first_look.h"

#include <string.h>

#include "base/err.h"
#include "tests/tap.h"

#define LINE "{\"custom_id\":\"a\",\"body\":{\"prompt\":\"x\"}}"

static const struct {
    const char *bytes;
    size_t n;
    const char *says; /* NULL: it passes */
} cases[] = {
#define CASE(text, says) { text, sizeof(text) - 1, says }
    CASE(LINE, NULL),
    CASE(LINE "\n" LINE "\n", NULL),
    CASE("\xef\xbb\xbf" LINE "\n", NULL),
    CASE("\n \r\n\t" LINE "\r\n", NULL),
    CASE("{", NULL),
    CASE("{\"custom_id\":\"cut", NULL),
    CASE("{\"custom_id\":\"cut\",\n" LINE "\n", "over several lines"),
    CASE("{\"custom_id\":\"cut\n" LINE "\n", NULL),
    CASE("{\"custom_id\":\"cut\"\n" LINE "\n", NULL),
    CASE("{\"a\":\"{[\\\"{\"}\n{}\n", NULL),
    CASE("{'custom_id': 'a'}\n", NULL),
    CASE("# requests\n" LINE "\n", NULL),
    CASE(LINE "\na\0b\n", NULL),
    CASE("{\"custom_id\":\"\0\"}\n" LINE "\n", "not text"),
    CASE("", "is empty"),
    CASE("\n\r\n  \n", "no requests"),
    CASE("\xef\xbb\xbf", "no requests"),
    CASE("{\n  \"custom_id\": \"a\",\n", "jq -c . FILE"),
    CASE("{\r\n  \"custom_id\": \"a\",\r\n", "over several lines"),
    CASE("{ \"body\": [\n{\"a\":1},\n", "over several lines"),
    CASE("[{\"custom_id\":\"a\"}]", "jq -c '.[]' FILE"),
    CASE("[\n  {\n    \"custom_id\": \"a\"", "JSON array"),
    CASE("{\"id\":\"batch_req_x\",\"custom_id\":\"a\"}\n", "of answers"),
    CASE("\n{ \"id\": \"batch_req_1\", \"custom_id\"", "apus verify"),
    CASE("{\"id\":\"a\",\"body\":{\"prompt\":\"x\"}}\n", NULL),
    CASE(LINE "\r" LINE "\r", "tr '\\r' '\\n'"),
    CASE(LINE "\r  \r" LINE, "CR alone"),
    CASE(LINE "\r", NULL),
    CASE("{\r\"custom_id\":\"a\",\r\"body\":\r{\"prompt\":\"x\"}}", NULL),
    CASE("\r" LINE, NULL),
    CASE("custom_id,prompt\na,Hello\n", "CSV"),
    CASE("id\tprompt\na\tHello\n", "CSV"),
    CASE("\"id\";\"prompt\"\n", "CSV"),
    CASE("What is this?\n", "not JSONL"),
    CASE("\"a\"\n\"b\"\n", "not JSONL"),
    CASE("<html>\n", "XML"),
    CASE("---\n- a: b\n", "YAML"),
    CASE("\x1e{\"a\":1}\n", "--seq"),
    CASE("\x1f\x8b\x08\0", "gzip -dc"),
    CASE("\x28\xb5\x2f\xfd\x04", "zstd -dc"),
    CASE("\xfd" "7zXZ\0\0", "xz -dc"),
    CASE("BZh91AY", "bzip2 -dc"),
    CASE("\x04\x22\x4d\x18", "lz4 -dc"),
    CASE("PK\3\4\x14", "zip archive"),
    CASE("\211HDF\r\n\032\n\2", "apus export"),
    CASE("APUSLOG1", "apus show"),
    CASE("APUSLOG2", "apus show"),
    CASE("apusmdl1", "-m"),
    CASE("GGUF\3", "GGUF"),
    CASE("%PDF-1.7\n", "PDF"),
    CASE("PAR1\x15", "Parquet"),
    CASE("\x93NUMPY\1", "NumPy"),
    CASE("SQLite format 3\0", "SQLite"),
    CASE("\x7f" "ELF\2", "program"),
    CASE("\xff\xfe{\0\"\0", "UTF-16"),
    CASE("\xfe\xff\0{\0\"", "UTF-16"),
    CASE("{\0\"\0", "UTF-16LE"),
    CASE("\0{\0\"", "UTF-16BE"),
    CASE("\xff\xfe\0\0{\0\0\0", "UTF-32"),
    CASE("\0\0\xfe\xff\0\0\0{", "UTF-32"),
    CASE("{\0\0\0\"\0\0\0", "UTF-32LE"),
    CASE("\0\0\0{\0\0\0\"", "UTF-32BE"),
    CASE("\0\0\0\0\0\0\0\0\0", "not text"),
};

static void test_tar(void)
{
    struct err err = ERR_INIT;
    char tar[512] = "my.jsonl";

    memcpy(tar + 257, "ustar", 6);
    ok(first_look("x", tar, sizeof(tar), false, &err) == -1 &&
           strstr(err.text, "tar archive"), "%s", err.text);
}

/* The same word in a request. */
static void test_mustard(void)
{
    static const char *const begin[] = { "{\"prompt\":\"", " {\"a\":\"",
                                         "\n{\"a\":\"",
                                         "\xef\xbb\xbf{\"a\":\"" };

    for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++) {
        struct err err = ERR_INIT;
        char text[512];

        memset(text, 'm', sizeof(text));
        memcpy(text, begin[i], strlen(begin[i]));
        memcpy(text + 257, "ustard\"}\n", 9);
        ok(first_look("x", text, 266, true, &err) == 0,
           "mustard where tar has its name: %s", err.text);
    }
}

/* A line that does not end in what is looked at. */
static void test_long(void)
{
    static char text[FIRST_LOOK];
    struct err err = ERR_INIT;

    memset(text, 'a', sizeof(text));
    ok(first_look("x", text, sizeof(text), false, &err) == -1, "%s", err.text);
    memcpy(text, "{\"a\":{", 6);
    ok(first_look("x", text, sizeof(text), false, &err) == 0, "a long line");
    memset(text, '\n', sizeof(text));
    ok(first_look("x", text, sizeof(text), false, &err) == 0,
       "blank lines, and more of the file");
}

int main(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        int rc = first_look("\"x\"", cases[i].bytes, cases[i].n, true, &err);

        ok(cases[i].says ? rc == -1 && err.code == ERR_INPUT &&
                               strncmp(err.text, "\"x\" ", 4) == 0 &&
                               strstr(err.text, cases[i].says) != NULL
                         : rc == 0,
           "case %zu: %s", i, rc ? err.text : "passes");
    }
    test_tar();
    test_mustard();
    test_long();
    return done();
}
