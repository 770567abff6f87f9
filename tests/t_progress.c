/*
 * The line that says how far a run is.
 */
#include <config.h>

#include "cmd/progress.h"

#include <string.h>

#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "spool/spool.h"
#include "tests/tap.h"

static void shows(const struct progress *p, uint64_t done, uint64_t tokens,
                  double run, size_t width, const char *want)
{
    char line[256];

    progress_line(line, sizeof(line), p, done, tokens, run, width);
    ok(strcmp(line, want) == 0 && strlen(line) < width, "%s", line);
}

/* When the first lines come, away from a terminal. */
static void comes_soon(void)
{
    struct progress p = { .started = 100, .shown = 100 };

    ok(!progress_due(&p, 5, 101), "no line in the first second");
    ok(progress_due(&p, 5, 102), "one as soon as there are tokens");
    ok(!progress_due(&p, 0, 109), "without tokens it waits for them");
    ok(progress_due(&p, 0, 110), "but not for long");
    p.has_before = true;
    p.shown = 102;
    ok(!progress_due(&p, 500, 161), "the next one is not before a minute");
    ok(progress_due(&p, 500, 162), "but then");
    p.terminal = true;
    p.shown = 100;
    ok(progress_due(&p, 0, 100.25), "a bar follows every look");
}

static void writes(const char *text)
{
    struct err err = ERR_INIT;

    ok(progress_write(tap_tmp(), text, strlen(text), &err) == 0, "%s", text);
}

/* What a dead start has left is not shown. */
static void ignores(void)
{
    struct caller_work w = { .path = tap_tmp(), .total = 9 };
    struct progress p = { .quiet = true };
    char *path;

    writes("{\"done\":3,\"total\":9,\"tokens\":70,\"tok_s\":7,"
           "\"started\":5,\"updated\":8}");
    progress_look(&p, tap_tmp());
    ok(p.has_rate && p.tok_s == 7, "the file of a worker is read");
    p.has_rate = false;
    progress_report(&p, CALLER_START, &w);
    progress_look(&p, tap_tmp());
    ok(!p.has_rate, "what is there before a start is not");
    writes("{\"done\":3,\"total\":9,\"tokens\":0,\"tok_s\":0,"
           "\"started\":9,\"updated\":9}");
    progress_look(&p, tap_tmp());
    ok(p.has_rate && p.tok_s == 0, "what the start writes is");
    path = file_join(tap_tmp(), "progress");
    unlink(path);
    free(path);
}

int main(void)
{
    struct progress p = { .total = 150, .most = 3000 };

    shows(&p, 0, 0, 0.5, 80, "0 of 150, ? left");
    shows(&p, 0, 300, 1, 80,
          "0 of 150, 300 tokens, 300 tok/s, at most 0:09 left");
    p.most = 0;
    shows(&p, 0, 300, 1, 80, "0 of 150, 300 tokens, 300 tok/s, ? left");
    shows(&p, 50, 3000, 10, 80,
          "50 of 150, 3000 tokens, 300 tok/s, 0:20 left");
    p.before = 100;
    shows(&p, 100, 30, 1, 80, "100 of 150, 30 tokens, 30 tok/s, ? left");
    p.before = 0;
    p.most = 4000;
    shows(&p, 50, 3000, 10, 80,
          "50 of 150, 3000 tokens, 300 tok/s, 0:03 left");
    p.before = 75;
    shows(&p, 75, 1000, 10, 80,
          "75 of 150, 1000 tokens, 100 tok/s, at most 0:10 left");
    p.most = 0;
    p.terminal = true;
    p.before = 0;
    shows(&p, 75, 3000, 10, 100, "[############............] 75 of 150,"
          " 3000 tokens, 300 tok/s, 0:10 left");
    shows(&p, 75, 3000, 10, 60, "75 of 150, 3000 tokens, 300 tok/s, 0:10 left");
    shows(&p, 75, 3000, 10, 40, "75 of 150, 0:10 left");
    shows(&p, 75, 3000, 10, 15, "75 of 150");
    shows(&p, 75, 3000, 10, 5, "75 o");
    p.total = UINT64_MAX;
    p.most = UINT64_MAX;
    shows(&p, 0, 1, 1e9, 200, "[........................] 0 of"
          " 18446744073709551615, 1 token, 0 tok/s, at most 277777:46:40"
          " left");
    comes_soon();
    ignores();
    return done();
}
