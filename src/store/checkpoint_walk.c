/*
 * What HDF5 says about a part that anybody may have made: its attributes, and
 * where each dataset lies.  No dataset is read here, and nothing is opened
 * that is not in the layout.
 */
#include <config.h>

#include "store/checkpoint_hdf5.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <hdf5.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/found.h"

#define MAX_OBJECTS 64
#define MAX_TEXT 32 /* of an attribute */
#define NO_ID H5I_INVALID_HID

/* A file while HDF5 has it. */
struct checkpoint_walk {
    const char *path;
    uint64_t size;
    struct checkpoint_head *head;
    uint64_t *count;
    struct layout_place *place;
    hid_t file, top;
    uint64_t n_objects;
    hid_t type[N_TYPES];
};

/* ---- the walk ------------------------------------------------------------*/

/* Few links, which lie in the header of the group, as in every file of ours.
 * They are not listed: over a damaged heap of links libhdf5 1.10 frees what it
 * never allocated, over a table of the header that is too short it reads what
 * it never wrote.  Looking up one name does neither. */
static int look_at_group(struct checkpoint_walk *w, hid_t group,
                         struct err *err)
{
    H5G_info_t info;

    if (H5Gget_info(group, &info) < 0)
        return layout_none(w->path, "it is damaged, a group cannot be read",
                           err);
    if (info.storage_type != H5G_STORAGE_TYPE_COMPACT)
        return layout_none(w->path, "a group does not hold its links itself",
                           err);
    if (info.nlinks > MAX_OBJECTS - w->n_objects)
        return layout_none(w->path, "it has more than 64 objects", err);
    w->n_objects += info.nlinks;
    return 0;
}

static int damaged(const struct checkpoint_walk *w, const char *name,
                   struct err *err)
{
    return err_set(err, ERR_INPUT, "\"%s\": the file is damaged: HDF5 cannot"
                   " read what describes its %s", w->path, name);
}

/* Open an object by a name of the group: FOUND_NONE if it is not there or of
 * another kind, FOUND_FAILED if the name is not a hard link or cannot be
 * followed. */
static enum found open_object(struct checkpoint_walk *w, hid_t group,
                              const char *name, H5I_type_t kind, hid_t *out,
                              struct err *err)
{
    H5L_info_t link;
    htri_t there = H5Lexists(group, name, H5P_DEFAULT);
    hid_t id;

    *out = NO_ID;
    if (there < 0)
        return damaged(w, name, err);
    if (there == 0)
        return FOUND_NONE;
    if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0)
        return layout_none(w->path, "it is damaged, a link cannot be read",
                           err);
    if (link.type != H5L_TYPE_HARD)
        return err_set(err, ERR_INPUT, "\"%s\": %s is not a hard link", w->path,
                       name);
    id = H5Oopen(group, name, H5P_DEFAULT);
    if (id >= 0 && H5Iget_type(id) != kind) {
        H5Oclose(id);
        return FOUND_NONE;
    }
    *out = id;
    return id >= 0 ? FOUND_ONE : damaged(w, name, err);
}

static bool attribute(const struct checkpoint_walk *w, hid_t object,
                      const char *name, enum layout_type type, hssize_t n,
                      void *out)
{
    hid_t a, t = NO_ID, space = NO_ID;
    bool good = false;

    if (H5Aexists(object, name) <= 0 ||
        (a = H5Aopen(object, name, H5P_DEFAULT)) < 0)
        return false;
    t = H5Aget_type(a);
    space = H5Aget_space(a);
    if (t >= 0 && space >= 0)
        good = H5Tequal(t, w->type[type]) > 0 &&
               H5Sget_simple_extent_npoints(space) == n &&
               H5Aread(a, w->type[type], out) >= 0;
    if (space >= 0)
        H5Sclose(space);
    if (t >= 0)
        H5Tclose(t);
    H5Aclose(a);
    return good;
}

static bool read_number(const struct checkpoint_walk *w, hid_t object,
                        const char *name, enum layout_type type, uint64_t *out)
{
    unsigned char bytes[8] = { 0 };

    if (!attribute(w, object, name, type, 1, bytes))
        return false;
    *out = get_u64(bytes);
    return true;
}

static bool number32(const struct checkpoint_walk *w, hid_t object,
                     const char *name, uint32_t *out)
{
    uint64_t v;

    if (!read_number(w, object, name, TYPE_U32, &v))
        return false;
    *out = (uint32_t)v;
    return true;
}

/* Whether an attribute of the root is this text, in a fixed string. */
static bool text_is(struct checkpoint_walk *w, const char *name,
                    const char *want)
{
    char text[MAX_TEXT + 1] = "";
    hid_t a, t = NO_ID, space = NO_ID;
    bool good = false;

    if (H5Aexists(w->top, name) <= 0 ||
        (a = H5Aopen(w->top, name, H5P_DEFAULT)) < 0)
        return false;
    t = H5Aget_type(a);
    space = H5Aget_space(a);
    if (t >= 0 && space >= 0)
        good = H5Tget_class(t) == H5T_STRING &&
               H5Tis_variable_str(t) == 0 &&
               H5Tget_size(t) > 0 && H5Tget_size(t) <= MAX_TEXT &&
               H5Sget_simple_extent_npoints(space) == 1 &&
               H5Aread(a, t, text) >= 0 && strcmp(text, want) == 0;
    if (space >= 0)
        H5Sclose(space);
    if (t >= 0)
        H5Tclose(t);
    H5Aclose(a);
    return good;
}

static int no_attribute(const struct checkpoint_walk *w, struct err *err)
{
    return layout_none(w->path, "an attribute is missing or of another type",
                       err);
}

/* Of the model, and which requests: in version 1 of the root, then of groups
 * of their own.  NO_ID is a group that is not there. */
static int read_numbers(struct checkpoint_walk *w, hid_t model, hid_t requests,
                        struct err *err)
{
    struct checkpoint_head *h = w->head;

    if (model < 0 || requests < 0 ||
        !number32(w, model, "vocab_size", &h->n_vocab) ||
        !number32(w, model, "n_layers", &h->n_layers) ||
        !number32(w, model, "hidden_size", &h->dim) ||
        !read_number(w, requests, "first", TYPE_U64, &h->first) ||
        !read_number(w, requests, "count", TYPE_U64, &h->count))
        return no_attribute(w, err);
    return 0;
}

static int read_groups(struct checkpoint_walk *w, struct err *err)
{
    hid_t model = NO_ID, requests = NO_ID;
    int rc = 0;

    if (w->head->version == 1)
        return read_numbers(w, w->top, w->top, err);
    if (open_object(w, w->top, "model", H5I_GROUP, &model, err) ==
            FOUND_FAILED ||
        open_object(w, w->top, "requests", H5I_GROUP, &requests, err) ==
            FOUND_FAILED)
        rc = -1;
    if (rc == 0 && model >= 0)
        rc = look_at_group(w, model, err);
    rc = rc ? rc : read_numbers(w, model, requests, err);
    if (requests >= 0)
        H5Gclose(requests);
    if (model >= 0)
        H5Gclose(model);
    return rc;
}

static int read_head(struct checkpoint_walk *w, struct err *err)
{
    struct checkpoint_head *h = w->head;

    if (!text_is(w, "format", LAYOUT_FORMAT) ||
        !number32(w, w->top, "format_version", &h->version))
        return layout_none(w->path, "it does not say that it is one", err);
    if (h->version < LAYOUT_OLDEST || h->version > LAYOUT_VERSION)
        return err_set(err, ERR_INPUT, "\"%s\" " LAYOUT_OTHER_VERSION " %u;"
                       " versions %d to %d can be read", w->path,
                       (unsigned)h->version, LAYOUT_OLDEST, LAYOUT_VERSION);
    if (!text_is(w, "numerics", LAYOUT_NUMERICS))
        return layout_none(w->path, "its numerics are not " LAYOUT_NUMERICS,
                           err);
    if (!attribute(w, w->top, "model_id", TYPE_U8, 32, h->model.b) ||
        !attribute(w, w->top, "batch_id", TYPE_U8, 32, h->batch.b) ||
        !attribute(w, w->top, "part_root", TYPE_U8, 32, h->part_root.b))
        return no_attribute(w, err);
    return read_groups(w, err);
}

/* The type of a dataset: that of the table.  How answers ended was an enum in
 * version 1, which may have more names than ours; of strings that may be of
 * any length it is told. */
static bool type_fits(const struct checkpoint_walk *w, hid_t set,
                      enum layout_set i, uint64_t *size)
{
    enum layout_type want = layout_table[i].type;
    hid_t t = H5Dget_type(set), base = NO_ID;
    bool good = false;

    if (t < 0)
        return false;
    if (want == TYPE_TEXT) {
        good = H5Tget_class(t) == H5T_STRING && H5Tis_variable_str(t) == 0 &&
               H5Tget_strpad(t) == H5T_STR_NULLPAD &&
               H5Tget_cset(t) == H5T_CSET_UTF8;
        *size = good ? H5Tget_size(t) : 0;
    } else if (i != SET_FINISH || w->head->version > 1) {
        good = H5Tequal(t, w->type[want]) > 0;
    } else if (H5Tget_class(t) == H5T_ENUM && (base = H5Tget_super(t)) >= 0) {
        good = H5Tequal(base, w->type[want]) > 0;
        H5Tclose(base);
    }
    H5Tclose(t);
    return good;
}

/* In one piece in this file, as it is. */
static bool storage_fits(hid_t set)
{
    hid_t p = H5Dget_create_plist(set);
    bool good;

    if (p < 0)
        return false;
    good = H5Pget_layout(p) == H5D_CONTIGUOUS && H5Pget_nfilters(p) == 0 &&
           H5Pget_external_count(p) == 0;
    H5Pclose(p);
    return good;
}

static bool shape_of(hid_t set, struct layout_found *f)
{
    hsize_t dims[LAYOUT_MAX_RANK] = { 0 };
    hid_t space = H5Dget_space(set);
    bool good;

    if (space < 0)
        return false;
    f->rank = H5Sget_simple_extent_ndims(space);
    good = H5Sget_simple_extent_type(space) == H5S_SIMPLE && f->rank >= 1 &&
           f->rank <= LAYOUT_MAX_RANK &&
           H5Sget_simple_extent_dims(space, dims, NULL) == f->rank;
    H5Sclose(space);
    for (int k = 0; k < LAYOUT_MAX_RANK; k++)
        f->dims[k] = dims[k];
    return good;
}

static int look_at_set(struct checkpoint_walk *w, enum layout_set i, hid_t id,
                       struct err *err)
{
    struct layout_found f = { .rank = 0 };
    haddr_t at;

    if (!storage_fits(id))
        return layout_bad(w->path, i, "is not contiguous in this file", err);
    if (!type_fits(w, id, i, &f.size))
        return layout_bad(w->path, i, "is of another type", err);
    if (!shape_of(id, &f))
        return layout_bad(w->path, i, "is of another rank", err);
    f.nbytes = H5Dget_storage_size(id);
    at = f.nbytes > 0 ? H5Dget_offset(id) : 0;
    if (at == HADDR_UNDEF)
        return layout_bad(w->path, i, "does not lie within the file", err);
    f.offset = at;
    return layout_put(&w->place[i], w->count, i, w->path, &f, w->size, err);
}

/* Go to the group of a dataset, if it is another than before. */
static int change_group(struct checkpoint_walk *w, enum layout_set i,
                        hid_t *group, char before[16], struct err *err)
{
    char name[16];

    layout_group(name, &layout_table[i]);
    if (strcmp(name, before) == 0)
        return 0;
    memcpy(before, name, sizeof(name));
    if (*group >= 0)
        H5Gclose(*group);
    if (open_object(w, w->top, name, H5I_GROUP, group, err) == FOUND_FAILED)
        return -1;
    return *group >= 0 ? look_at_group(w, *group, err) : 0;
}

static int look_at_sets(struct checkpoint_walk *w, struct err *err)
{
    hid_t group = NO_ID, id;
    char before[16] = "";
    int rc = 0;

    for (int i = 0; rc == 0 && i < N_SETS; i++) {
        const char *name = strchr(layout_table[i].path, '/') + 1;

        if (layout_table[i].since > w->head->version)
            continue;
        id = NO_ID;
        rc = change_group(w, i, &group, before, err);
        if (rc == 0 && group >= 0 &&
            open_object(w, group, name, H5I_DATASET, &id, err) == FOUND_FAILED)
            rc = -1;
        if (id >= 0) {
            rc = look_at_set(w, i, id, err);
            H5Dclose(id);
        }
    }
    if (group >= 0)
        H5Gclose(group);
    return rc ? rc : layout_complete(w->place, w->count, w->head->version,
                                     w->path, err);
}

static int walk_in_child(struct checkpoint_walk *w, int fd, struct err *err)
{
    hid_t fapl = layout_read_access();
    char name[16];

    if (fapl < 0)
        return err_set(err, ERR_FATAL, "HDF5 makes no properties");
    snprintf(name, sizeof(name), "/%d", fd);
    w->file = H5Fopen(name, H5F_ACC_RDONLY, fapl);
    H5Pclose(fapl);
    if (w->file < 0)
        return layout_none(w->path, "it is damaged, HDF5 cannot read it",
                           err);
    for (int i = 0; i < N_TYPES; i++)
        if ((w->type[i] = layout_type(i)) < 0)
            return err_set(err, ERR_FATAL, "HDF5 makes no types");
    w->top = H5Gopen2(w->file, "/", H5P_DEFAULT);
    if (w->top < 0)
        return layout_none(w->path, "it is damaged, it has no root", err);
    if (look_at_group(w, w->top, err) || read_head(w, err))
        return -1;
    layout_unknown(w->count, w->head);
    return look_at_sets(w, err);
}

int layout_walk(int fd, const char *path, struct checkpoint_head *h,
                uint64_t count[N_COUNTS], struct layout_place place[N_SETS],
                struct err *err)
{
    struct checkpoint_walk w = { .path = path,
                                 .head = h,
                                 .count = count,
                                 .place = place,
                                 .file = NO_ID,
                                 .top = NO_ID };
    struct stat st;
    int rc;

    if (fstat(fd, &st))
        return layout_fail(err, ERR_RETRY, "read", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "\"%s\" is not a regular file", path);
    w.size = (uint64_t)st.st_size;

    for (int i = 0; i < N_TYPES; i++)
        w.type[i] = NO_ID;
    rc = walk_in_child(&w, fd, err);
    for (int i = 0; i < N_TYPES; i++)
        if (w.type[i] >= 0)
            H5Tclose(w.type[i]);
    if (w.top >= 0)
        H5Gclose(w.top);
    if (w.file >= 0 && H5Fclose(w.file) < 0 && rc == 0)
        rc = layout_none(w.path, "HDF5 cannot close it", err);
    return rc;
}
