/*
 * A part whose metadata was changed byte by byte, with its checksums made to
 * fit: whatever libhdf5 does of that in its process, this one refuses the file
 * or reads rows that lie in it.  The input is a list of changes of four bytes:
 * three for the place, of those under a checksum, and one for the value.
 */
#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "store/checkpoint.h"
#include "tests/checkpoint_util.h"
#include "tests/hdf5_mutate.h"

#define MAX_CHANGES 16
#define N_ROWS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf good;
static struct mutate_block block[MUTATE_BLOCKS];
static size_t n_blocks, n_covered; /* bytes under a checksum */

static void must(bool it)
{
    if (!it)
        abort();
}

static void make_good(void)
{
    struct err err = ERR_INIT;

    must(make_part(part_at("good.h5"), N_ROWS, true, NULL, &err) == 0);
    contents(&good, part_at("good.h5"));
    unlink(part_at("good.h5"));
    rmdir(tap_tmp());
    n_blocks = mutate_find(block, (unsigned char *)good.data, good.len);
    must(n_blocks > 20);
    for (size_t i = 0; i < n_blocks; i++)
        n_covered += block[i].n;
}

/* The place of the so many-th byte under a checksum. */
static size_t place_of(size_t k)
{
    size_t i = 0;

    for (; k >= block[i].n; i++)
        k -= block[i].n;
    return block[i].at + k;
}

static void read_changed(const unsigned char *p, size_t n)
{
    int fd = memfd_create("part", MFD_CLOEXEC);
    struct err err = ERR_INIT;
    char path[40];

    must(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    /* a death of the other process is not a fault of the file for certain */
    if (read_all(path, &err))
        must(err.code == ERR_INPUT || err.code == ERR_RETRY);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *p;

    if (n_blocks == 0)
        make_good();
    if (size < 4 || size > 4 * MAX_CHANGES)
        return 0;
    p = malloc(good.len);
    memcpy(p, good.data, good.len);
    for (; size >= 4; data += 4, size -= 4)
        p[place_of((get_u32(data) & 0xffffff) % n_covered)] = data[3];
    mutate_repair(p, block, n_blocks);
    read_changed(p, good.len);
    free(p);
    return 0;
}
