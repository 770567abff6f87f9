/*
 * The system calls that change what lies on a disk, in one place, so that
 * tests can end or fail a program at each of them.  In a build with
 * --enable-crash-tests APUS_CRASH=N ends the process (SIGKILL) just before the
 * N-th of them, and half-way through it where it is a write; APUS_ENOSPC=N
 * makes the N-th fail with ENOSPC, a write after half of its bytes;
 * APUS_NO_LINKS=1 makes each link fail as on a file system that has none.
 * Other builds have none of it.
 */
#ifndef APUS_BASE_SYS_H
#define APUS_BASE_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* As write(2), but whole: loops on short writes and EINTR.  0 or -1 with
 * errno; part of it may then be on the disk. */
int sys_write(int fd, const void *data, size_t n);
/* The same of two pieces, one behind the other, with one writev(2). */
int sys_write2(int fd, const void *head, size_t n_head, const void *data,
               size_t n);
int sys_pwrite(int fd, const void *data, size_t n, off_t at);
int sys_fsync(int fd);
int sys_fdatasync(int fd);
int sys_ftruncate(int fd, off_t size);

/* A client of NFS whose answer is lost asks again, and is told of what it did
 * itself: no such file to rename, a name to link that exists.  So these ask
 * what lies there, and where that is what was to be, it is done.  As rename(2)
 * and link(2) otherwise. */
int sys_rename(const char *from, const char *to);
int sys_link(const char *from, const char *to);
/* Return whether this errno of sys_link means that the file system has no hard
 * links. */
bool sys_lacks_links(int why);

/* What is not there has been removed. */
int sys_unlink(const char *path);
/* mkdir, mode 0777 less the umask, of a name that nobody else makes up: a
 * directory of ours that exists is the one. */
int sys_mkdir_own(const char *path);

/* A place to be ended at (APUS_CRASH) that is not a write: a send. */
void sys_crash_point(void);

/* The same where the variable has this number, for what happens at one place
 * only: a request that ends its process. */
void sys_crash_if(const char *variable, unsigned long n);

/* fsync of a directory by its path: 0 or -1 with errno. */
int sys_sync_dir(const char *path);
/* Sync all that was written to the file system of this open directory, also by
 * other processes: 0, or -1 with errno, ENOTSUP where that is not known to sync
 * files and to tell what failed. */
int sys_sync_fs(int dir);
/* As sys_sync_dir for the directory that contains the path. */
int sys_sync_parent(const char *path);

/* Close this descriptor and all with greater numbers. */
void sys_close_from(int first);

#endif
