/*
 * apus-part-index, seen by who runs it: a parser that fails or lies, and the
 * index of a part.
 */
#include <config.h>

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "store/checkpoint.h"
#include "tests/checkpoint_util.h"
#include "tests/tap.h"

/* ---- a parser that fails ------------------------------------------------- */

/* Programs of the name of the parser which do this instead. */
static void parser_is(const char *script, int code, const char *text)
{
    struct err err = ERR_INIT;
    struct checkpoint *c = NULL;
    char *path = xstrdup(part_at("bin/apus-part-index"));
    int rc;

    mkdir(part_at("bin"), 0700);
    if (script) {
        overwrite(path, "#!/bin/sh\n", 10);
        append(path, script);
        chmod(path, 0700);
    }
    rc = checkpoint_open(&c, part_at("whole.h5"), &err);
    ok(rc == -1 && (int)err.code == code && strstr(err.text, text) &&
           strstr(err.text, "whole.h5") && !strchr(err.text, '\n'),
       "%s: %s", script ? script : "no parser", err.text);
    if (rc == 0)
        checkpoint_close(c);
    unlink(path);
    free(path);
    rmdir(part_at("bin"));
}

/* As it would be, but for one line. */
static void index_is(const char *sed, const char *text)
{
    char *script = xasprintf("%s/apus-part-index -- x | sed '%s'\n",
                             getenv("APUS_TEST_BIN"), sed);

    parser_is(script, ERR_INPUT, text);
    free(script);
}

static void test_parser(void)
{
    char *before = xstrdup(getenv("APUS_LIBEXEC"));
    struct err err = ERR_INIT;

    make_part(part_at("whole.h5"), 3, true, NULL, &err);
    setenv("APUS_TEST_BIN", before, 1);
    setenv("APUS_LIBEXEC", part_at("bin"), 1);
    parser_is(NULL, ERR_FATAL, "APUS_LIBEXEC");
    parser_is("kill -SEGV $$\n", ERR_INPUT, " died ");
    parser_is("kill -XCPU $$\n", ERR_INPUT, "took too long");
    parser_is("kill -KILL $$\n", ERR_RETRY, " died ");
    parser_is("echo no such library >&2; exit 127\n", ERR_FATAL,
              "no such library");
    parser_is("exit 7\n", ERR_FATAL, "no message");
    parser_is("echo '\"whole.h5\" is not a part'; exit 0\n", ERR_INPUT,
              "index");
    parser_is("echo '\"whole.h5\" is not a part' >&2; exit 3\n", ERR_INPUT,
              "is not a part");
    parser_is("exit 0\n", ERR_INPUT, "is empty");
    parser_is("printf x\n", ERR_INPUT, "is cut off");
    parser_is("while echo 'x'; do :; done 2>/dev/null | head -c 200000\n",
              ERR_INPUT, "index of");
    index_is("1s/index-2/index-1/", "apus-part-index-2");
    index_is("1s/\"n_layers\":/\"n_layer\":/", "lacks an attribute");
    index_is("1s/\"first\":10/\"first\":11/", "lines of other parts");
    index_is("1d", "apus-part-index-2");
    index_is("1s/\"version\":2/\"version\":3/", "lacks an attribute");
    index_is("/custom_id/s/S[0-9]*/S0/", "no such length");
    index_is("/custom_id/s/S[0-9]*/S513/", "no such length");
    index_is("/custom_id/s/S[0-9]*/S7/", "in another size");
    index_is("/custom_id/s/S[0-9]*/S/", "custom_id is of another type");
    index_is("/ignore_eos/d", "requests/ignore_eos is missing");
    index_is("1s/\"version\":2/\"version\":1/", "not in the layout");
    index_is("/trace.start/d", "trace/start is missing");
    index_is("2d", "requests/id is missing");
    index_is("2p", "twice");
    index_is("2s/requests/request/", "not in the layout");
    index_is("2s/S43/S44/", "requests/id is of another type");
    index_is("2s/\\[3\\]/[4]/", "requests/id is stored in another size");
    index_is("2s/\\[3\\]/[3,1]/", "requests/id is of another rank");
    index_is("2s/\\[3\\]/[3,1,1,1]/", "lacks a shape");
    index_is("2s/\\[3\\]/[]/", "requests/id is of another rank");
    index_is("2s/\\[3\\]/[18446744073709551615]/", "is too large");
    index_is("2s/\\[3\\]/[-1]/", "lacks a shape");
    index_is("3s/\\[3\\]/[2]/", "has 2 in axis 0, not 3");
    index_is("2s/\"offset\":[0-9]*/\"offset\":99999999/",
             "does not lie within the file");
    index_is("2s/\"offset\":[0-9]*/\"offset\":18446744073709551615/",
             "does not lie within the file");
    index_is("2s/\"nbytes\":129/\"nbytes\":128/", "in another size");
    index_is("3s/\"offset\":[0-9]*/\"offset\":0/", "lines of other parts");
    setenv("APUS_LIBEXEC", before, 1);
    unlink(part_at("whole.h5"));
    free(before);
}

static void test_index(void)
{
    static const char begin[] =
        "{\"path\":\"/requests/id\",\"dtype\":\"|S43\",\"shape\":[3],"
        "\"offset\":";
    struct err err = ERR_INIT;
    struct checkpoint_row row;
    struct buf b, index;
    struct maker k;
    size_t lines = 0;

    make_part(part_at("whole.h5"), 3, true, NULL, &err);
    contents(&b, part_at("whole.h5"));
    buf_init(&index, 1u << 20);
    ok(checkpoint_index(part_at("whole.h5"), &index, &err) == 0 &&
           strncmp(index.data, begin, sizeof(begin) - 1) == 0,
       "an index %s", err.text);
    for (size_t i = 0; i < index.len; i++)
        lines += index.data[i] == '\n';
    ok(lines == 26, "of %zu lines", lines);
    ok(strstr(index.data, "\"/requests/result\",\"dtype\":\"|u1\","
                          "\"shape\":[3,240],\"offset\":") &&
           strstr(index.data, "\"/last/value\",\"dtype\":\"<f4\","
                              "\"shape\":[3,6],\"offset\":") &&
           strstr(index.data, "\"nbytes\":72}\n"),
       "with shapes");
    maker_init(&k);
    make_row(&k, 2, &row, &err);
    ok(memcmp(b.data + offset_of(index.data, "requests/result") + 480,
              row.record.result, 240) == 0 &&
           memcmp(b.data + offset_of(index.data, "requests/id") + 86,
                  id_text(k.m.r.request).s, 43) == 0,
       "the bytes are where it says");
    buf_clear(&index);
    buf_init(&index, 100);
    ok(checkpoint_index(part_at("whole.h5"), &index, &err) == -1,
       "an index that is too long: %s", err.text);
    buf_clear(&index);
    buf_clear(&b);
    unlink(part_at("whole.h5"));
}

int main(void)
{
    test_parser();
    test_index();
    rmdir(tap_tmp());
    return done();
}
