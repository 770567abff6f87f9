/*
 * File systems that other machines see.  FUSE is not among them: what is
 * behind it may be of this machine.
 */
#include <config.h>

#include "base/remote_fs.h"

#include <stddef.h>
#include <sys/vfs.h>

const char *remote_fs_name(uint32_t type)
{
    /* statfs(2), and the headers of Lustre, GPFS, BeeGFS and OrangeFS */
    static const struct { uint32_t type; const char *name; } known[] = {
        { 0x6969, "NFS" }, { 0x517b, "SMB" }, { 0xff534d42, "CIFS" },
        { 0xfe534d42, "SMB2" }, { 0x0bd00bd0, "Lustre" },
        { 0x47504653, "GPFS" }, { 0x19830326, "BeeGFS" },
        { 0x00c36400, "Ceph" }, { 0x5346414f, "AFS" },
        { 0x01021997, "9p" }, { 0x20030528, "OrangeFS" },
        { 0x01161970, "GFS2" }, { 0x7461636f, "OCFS2" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (type == known[i].type)
            return known[i].name;
    return NULL;
}

const char *remote_fs(const char *path)
{
    struct statfs fs;

    /* f_type is signed and wider in places: its low half is the number */
    return statfs(path, &fs) ? NULL : remote_fs_name((uint32_t)fs.f_type);
}
