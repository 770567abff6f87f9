/*
 * What apus-part-index may print, read for a file of a size that the first
 * bytes say.  An index that is accepted has every dataset of its version that
 * has elements, and each lies in the file.
 */
#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "store/checkpoint_hdf5.h"
#include "store/part_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void check(const struct layout_place place[N_SETS],
                  const uint64_t count[N_COUNTS], uint32_t version,
                  uint64_t size)
{
    must(version >= LAYOUT_OLDEST && version <= LAYOUT_VERSION);
    for (int i = 0; i < N_SETS; i++) {
        const struct layout *l = &layout_table[i];
        const struct layout_place *p = &place[i];

        must(count[l->count] != COUNT_UNKNOWN);
        must(p->there || l->optional || l->since > version ||
             (version > 1 && count[l->count] == 0 && l->plus == 0));
        if (!p->there)
            continue;
        must(p->offset <= size && p->nbytes <= size - p->offset);
        must(p->rank >= 1 && p->rank <= LAYOUT_MAX_RANK);
        must(p->nbytes == p->row_bytes * p->dims[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct layout_place place[N_SETS];
    uint64_t count[N_COUNTS] = { 0 };
    struct checkpoint_head head;
    struct err err = ERR_INIT;
    struct part_file *f;
    char path[40];
    int fd;

    if (size < 3 || size > LAYOUT_INDEX_MAX)
        return 0;
    memset(place, 0, sizeof(place));
    memset(&head, 0, sizeof(head));
    fd = memfd_create("part", MFD_CLOEXEC);
    must(fd >= 0 && ftruncate(fd, data[0] | data[1] << 8) == 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    must(part_file_open(&f, path, &err) == 0);
    if (layout_parse((const char *)data + 2, size - 2, f, &head, count, place,
                     &err))
        must(err.code == ERR_INPUT);
    else
        check(place, count, head.version, part_file_size(f));
    part_file_close(f);
    close(fd);
    return 0;
}
