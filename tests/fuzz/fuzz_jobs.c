/*
 * A file of jobs, and one of ids, of any bytes.  Jobs that are read ascend
 * and are of rows that the file has; ids are the bytes that lie there.
 */
#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "spool/ids_file.h"
#include "store/jobs_file.h"

#define HEAD 80
#define ENTRY 36

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[40];

static void remove_dir(void)
{
    rmdir(dir);
}

static void must(bool good)
{
    if (!good)
        abort();
}

static void write_program(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "w");

    must(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

static void read_jobs(const char *path, const uint8_t *p, size_t size)
{
    struct id job, last = { 0 };
    struct err err = ERR_INIT;
    struct jobs_file *f = NULL;
    uint32_t row, last_row = 0, n = 0, rows;
    enum found rc;

    if (jobs_file_open(&f, path, &err)) {
        must(err.code == ERR_INPUT && !f);
        return;
    }
    must(size >= HEAD && (size - HEAD) % ENTRY == 0);
    rows = (uint32_t)((size - HEAD) / ENTRY);
    while ((rc = jobs_file_next(f, &job, &row, &err)) == FOUND_ONE) {
        int c = id_compare(last, job);

        must(id_equal(job, id_at(p + HEAD + n * ENTRY)));
        must(row < rows);
        must(n == 0 || c < 0 || (c == 0 && last_row < row));
        last = job;
        last_row = row;
        n++;
    }
    must(rc == FOUND_NONE ? n == rows : err.code == ERR_INPUT);
    jobs_file_close(f);
}

static void read_ids(const uint8_t *p, size_t size, uint64_t n_lines)
{
    struct err err = ERR_INIT;
    struct ids_file *f = NULL;
    struct id id;

    if (ids_file_open(&f, dir, n_lines, &err)) {
        must(size != n_lines * 32 && err.code == ERR_INPUT);
        return;
    }
    must(size == n_lines * 32);
    for (uint64_t i = n_lines; i-- > 0;)
        must(ids_file_get(f, i, &id, &err) == 0 &&
             id_equal(id, id_at(p + i * 32)));
    must(ids_file_get(f, n_lines, &id, &err) == -1);
    ids_file_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[50];
    uint8_t *p;

    if (size < 1 || size > 65536)
        return 0;
    if (!dir[0]) {
        strcpy(dir, "/tmp/apus-fuzz-XXXXXX");
        must(mkdtemp(dir) != NULL && atexit(remove_dir) == 0);
    }
    p = malloc(size);
    memcpy(p, data + 1, size - 1);
    if (data[0] & 1 && size > HEAD) {
        memcpy(p, "APUSJOBS", 8);
        set_u32(p + 8, 1);
        set_u32(p + 12, (uint32_t)((size - 1 - HEAD) / ENTRY));
    }
    snprintf(path, sizeof(path), "%s/ids", dir);
    write_program(path, p, size - 1);
    read_jobs(path, p, size - 1);
    read_ids(p, size - 1, (size - 1) / 32 + (data[0] >> 7));
    unlink(path);
    free(p);
    return 0;
}
