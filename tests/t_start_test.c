/*
 * The test of a backend at its start: every level of the CPU passes it, so that
 * its hashes are those of X1.  What fails it is in 0328-gpu-wrong.t.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "backend/start_test.h"
#include "base/err.h"
#include "kernels/kernels.h"
#include "tests/tap.h"

int main(void)
{
    const struct x1_level *level;

    for (size_t i = 0; (level = x1_level(i)) != NULL; i++) {
        struct err err = ERR_INIT;
        struct backend *b;

        if (backend_open(&b, level->name, 2, NULL))
            abort();
        ok(backend_start_test(b, &err) == 0, "%s: %s",
           level->name, err.text);
    }
    return done();
}
