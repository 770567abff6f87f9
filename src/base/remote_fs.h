/*
 * Which file systems other machines see: what lies there, a job on any node
 * can read.
 */
#ifndef APUS_BASE_REMOTE_FS_H
#define APUS_BASE_REMOTE_FS_H

#include <stdint.h>

/* The name of such a file system by its f_type (statfs(2)), NULL for one of
 * this machine or one that is not known. */
const char *remote_fs_name(uint32_t type);

/* The same of the one that `path` lies on; NULL if nothing is there. */
const char *remote_fs(const char *path);

#endif
