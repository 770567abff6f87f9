/*
 * published_read on any bytes: what is accepted is within its bounds and, as a
 * record, can be checked; and published_statement_read on the same bytes.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "publish/published.h"
#include "publish/published_statement.h"
#include "store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void try_result(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct published p;
    struct record r;

    published_init(&p);
    if (published_read(&p, (const char *)data, size, &err)) {
        must(err.code == ERR_INPUT);
    } else {
        must(p.n_path <= MERKLE_PATH_MAX && p.job.n_stops <= JOB_MAX_STOPS);
        must(p.hashed ? p.prompt.len == 0
                      : p.prompt.len == (size_t)p.job.n_prompt * 4);
        published_is_in(&p, p.root, p.count);
        published_record(&p, &r);
        if (!p.hashed && record_check_untraced(&r, &err))
            must(err.code == ERR_INPUT);
    }
    published_clear(&p);
}

static void try_statement(const uint8_t *data, size_t size)
{
    struct published_statement s;
    struct err err = ERR_INIT;

    if (published_statement_read(&s, data, size, &err))
        return;
    must(size == STATEMENT_SIZE + (size_t)s.s.n_files * PUBLISHED_FILE);
    published_files_fit(&s);
    must(!published_file_twice(&s) || s.s.n_files > 1);
    published_has_file(&s, 7, s.s.batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_result(data, size);
    try_statement(data, size);
    return 0;
}
