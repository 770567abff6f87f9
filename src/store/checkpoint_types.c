/*
 * HDF5 as it must be for the layout: how it starts, its types, and its
 * properties of access.
 */
#include <config.h>

#include "store/checkpoint_hdf5.h"

#include <stdio.h>

#include <hdf5.h>

#include "base/err.h"

_Static_assert(sizeof(hid_t) == sizeof(int64_t), "an id of HDF5");

int layout_init(struct err *err)
{
    static bool begun;

    if (begun)
        return 0;
    /* Before anything else: at exit the library crashes over a file that it
     * could not finish, and we leave none open that it could. */
    if (H5dont_atexit() < 0 || H5open() < 0 ||
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0 ||
        H5PLset_loading_state(0) < 0)
        return err_set(err, ERR_FATAL, "cannot start HDF5");
    begun = true;
    return 0;
}

const char *checkpoint_library(void)
{
    static char text[64];
    unsigned a, b, c;

    if (layout_init(NULL) || H5get_libversion(&a, &b, &c) < 0)
        return "HDF5";
    snprintf(text, sizeof(text), "HDF5 %u.%u.%u", a, b, c);
    return text;
}

static hid_t string_type(size_t n, H5T_cset_t cset)
{
    hid_t t = H5Tcopy(H5T_C_S1);

    if (t >= 0 && (H5Tset_size(t, n) < 0 || H5Tset_cset(t, cset) < 0 ||
                   H5Tset_strpad(t, H5T_STR_NULLPAD) < 0)) {
        H5Tclose(t);
        return H5I_INVALID_HID;
    }
    return t;
}

int64_t layout_text_type(size_t n)
{
    return string_type(n, H5T_CSET_UTF8);
}

int64_t layout_type(enum layout_type t)
{
    switch (t) {
    case TYPE_ID:
        return string_type(LAYOUT_ID, H5T_CSET_ASCII);
    case TYPE_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case TYPE_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case TYPE_U64:
        return H5Tcopy(H5T_STD_U64LE);
    case TYPE_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case TYPE_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case TYPE_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    default:
        return H5I_INVALID_HID;
    }
}

int64_t layout_access(void)
{
    hid_t p = H5Pcreate(H5P_FILE_ACCESS);

    /* The driver is said, so that no variable of the environment may choose
     * another.  V18: its metadata has checksums and it has no flag that says
     * "open for writing".  No lock: O_EXCL and rename make the file ours. */
    if (p >= 0 &&
        (H5Pset_fapl_sec2(p) < 0 ||
         H5Pset_libver_bounds(p, H5F_LIBVER_V18, H5F_LIBVER_V18) < 0 ||
         H5Pset_fclose_degree(p, H5F_CLOSE_STRONG) < 0 ||
         H5Pset_file_locking(p, 0, 1) < 0)) {
        H5Pclose(p);
        return H5I_INVALID_HID;
    }
    return p;
}
