/*
 * The line that says how far a run is.
 */
#include <config.h>

#include "cmd/progress.h"

#include <string.h>

#include "tests/tap.h"

static void shows(const struct progress *p, uint64_t done, uint64_t tokens,
                  double run, size_t width, const char *want)
{
    char line[256];

    progress_line(line, sizeof(line), p, done, tokens, run, width);
    ok(strcmp(line, want) == 0 && strlen(line) < width, "%s", line);
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
          " 18446744073709551615, 1 tokens, 0 tok/s, at most 277777:46:40"
          " left");
    return done();
}
