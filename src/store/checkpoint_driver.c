/*
 * A driver with which HDF5 reads an open file by its descriptor, and nothing
 * else: it opens nothing by name and has no way to write.
 */
#include <config.h>

#include "store/checkpoint_hdf5.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include "base/file.h"

#define MAX_ADDRESS (((haddr_t)1 << 62) - 1)

struct driver_reader {
    H5FD_t base; /* HDF5's own, first */
    int fd;      /* borrowed */
    haddr_t eoa, eof;
};

/* The name is "/" and the number of the descriptor. */
static H5FD_t *reader_open(const char *name, unsigned flags, hid_t fapl,
                           haddr_t max)
{
    struct driver_reader *r;
    struct stat st;
    int fd = atoi(name + 1);

    (void)fapl;
    (void)max;
    if ((flags & (H5F_ACC_RDWR | H5F_ACC_TRUNC | H5F_ACC_CREAT)) ||
        fstat(fd, &st) || !S_ISREG(st.st_mode))
        return NULL;
    r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->fd = fd;
    r->eof = (haddr_t)st.st_size;
    return &r->base;
}

static herr_t reader_close(H5FD_t *f)
{
    free(f);
    return 0;
}

static haddr_t get_eoa(const H5FD_t *f, H5FD_mem_t type)
{
    (void)type;
    return ((const struct driver_reader *)f)->eoa;
}

static herr_t set_eoa(H5FD_t *f, H5FD_mem_t type, haddr_t at)
{
    (void)type;
    ((struct driver_reader *)f)->eoa = at;
    return 0;
}

static haddr_t get_eof(const H5FD_t *f, H5FD_mem_t type)
{
    (void)type;
    return ((const struct driver_reader *)f)->eof;
}

static herr_t reader_read(H5FD_t *f, H5FD_mem_t type, hid_t dxpl, haddr_t at,
                          size_t n, void *out)
{
    const struct driver_reader *r = (const struct driver_reader *)f;

    (void)type;
    (void)dxpl;
    if (at > r->eof || n > r->eof - at)
        return -1;
    return file_read_at(r->fd, out, n, at) == (ssize_t)n ? 0 : -1;
}

static herr_t reader_write(H5FD_t *f, H5FD_mem_t type, hid_t dxpl, haddr_t at,
                           size_t n, const void *data)
{
    (void)f;
    (void)type;
    (void)dxpl;
    (void)at;
    (void)n;
    (void)data;
    return -1;
}

static const H5FD_class_t reader_class = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = H5_VFD_RESERVED + 1000, /* not the library's */
#endif
    .name = "apus",
    .maxaddr = MAX_ADDRESS,
    .fc_degree = H5F_CLOSE_STRONG,
    .open = reader_open,
    .close = reader_close,
    .get_eoa = get_eoa,
    .set_eoa = set_eoa,
    .get_eof = get_eof,
    .read = reader_read,
    .write = reader_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

int64_t layout_read_access(void)
{
    static hid_t driver = H5I_INVALID_HID;
    hid_t p = layout_access();

    if (driver < 0)
        driver = H5FDregister(&reader_class);
    if (p >= 0 && (driver < 0 || H5Pset_driver(p, driver, NULL) < 0)) {
        H5Pclose(p);
        return H5I_INVALID_HID;
    }
    return p;
}
