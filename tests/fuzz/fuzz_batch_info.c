/*
 * The texts of batch.json, an owner and a split, as the first byte says.  What
 * is accepted is within the limits that the header promises and, written, is
 * read as the same; what is refused leaves its argument alone.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/utf8.h"
#include "spool/file_split.h"
#include "spool/spool_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_path(const char *path)
{
    must(!path || (strlen(path) <= 4096 && utf8_valid(path, strlen(path))));
}

static void try_split(const char *text, size_t n)
{
    struct file_split p = { .n = 7 };
    struct err err = ERR_INIT;

    if (file_split_parse(&p, text, n, &err)) {
        must(err.code == ERR_INPUT && p.n == 7 && !p.part);
        return;
    }
    must(p.n >= 1 && p.n <= FILE_SPLIT_MAX && p.part);
    must(p.source && strlen(p.source) <= 4096);
    file_split_clear(&p);
}

static void try_info(const char *text, size_t n)
{
    struct batch_info i = { .n_requests = 7 }, again;
    struct err err = ERR_INIT;
    struct buf out;

    if (batch_info_parse(&i, text, n, &err)) {
        must(err.code == ERR_INPUT && i.n_requests == 7 && !i.source);
        return;
    }
    must(i.n_requests <= i.n_lines && i.n_lines <= UINT32_MAX &&
         (i.ids == 1 || (i.ids <= 3 && !i.from_ao)));
    check_path(i.source);
    check_path(i.output);
    buf_init(&out, BATCH_FILE_MAX);
    must(batch_info_put(&out, &i, &err) == 0);
    must(batch_info_parse(&again, out.data, out.len, &err) == 0);
    must(id_equal(i.id, again.id) && id_equal(i.model, again.model) &&
         id_equal(i.file, again.file) && id_equal(i.process, again.process) &&
         id_equal(i.request, again.request) &&
         i.is_file_of_ao == again.is_file_of_ao && i.from_ao == again.from_ao &&
         i.n_requests == again.n_requests && i.ids == again.ids &&
         i.n_lines == again.n_lines &&
         id_equal(i.earlier, again.earlier) &&
         same_text(i.source, again.source) &&
         same_text(i.output, again.output));
    batch_info_clear(&i);
    batch_info_clear(&again);
    buf_clear(&out);
}

static void try_owner(const char *text, size_t n)
{
    struct owner o = { .pid = 7 }, again;
    struct err err = ERR_INIT;
    struct buf out;

    if (owner_parse(&o, text, n, &err)) {
        must(err.code == ERR_INPUT && o.pid == 7);
        return;
    }
    must(o.pid > 0 && o.host[0] && strlen(o.host) < sizeof(o.host) &&
         strlen(o.boot) < sizeof(o.boot) &&
         strspn(o.slurm_job, "0123456789") == strlen(o.slurm_job));
    buf_init(&out, BATCH_FILE_MAX);
    owner_put(&out, &o);
    must(!out.full && owner_parse(&again, out.data, out.len, &err) == 0 &&
         memcmp(&o, &again, sizeof(o)) == 0);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 'o')
        try_owner((const char *)data + 1, size - 1);
    else if (data[0] == 's')
        try_split((const char *)data + 1, size - 1);
    else
        try_info((const char *)data + 1, size - 1);
    return 0;
}
