/*
 * Wallets on disk: the members of a JWK (RFC 7518 section 6.3) in, checked,
 * and out.
 */
#include <config.h>

#include "arweave/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arweave/key_internal.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"

#define FILE_MAX 16384 /* a wallet has 3,200 bytes */
#define PART_TEXT ((KEY_BYTES * 4 + 2) / 3 + 1)
#define ASIDE_TRIES 100

static const char *const part_keys[KEY_N_PARTS] = { "n",  "e",  "d",  "p",
                                                    "q",  "dp", "dq", "qi" };

/* ---- reading ------------------------------------------------------------- */

static int check_kind(const struct json *root, struct err *err)
{
    const char *kty = json_string(json_get(root, "kty"));
    const char *crv = json_string(json_get(root, "crv"));

    if (!kty)
        return err_set(err, ERR_INPUT, "it is not a JWK: no \"kty\"");
    if (strcmp(kty, "EC") == 0)
        return err_set(err, ERR_INPUT, "it is an EC key (%.20s): only RSA"
                       " keys of 4096 bits are used here; make one with apus"
                       " wallet new", crv ? crv : "no crv");
    if (strcmp(kty, "RSA") != 0)
        return err_set(err, ERR_INPUT, "its kty is \"%.20s\": only RSA keys of"
                       " 4096 bits are used here; make one with apus wallet"
                       " new", kty);
    return 0;
}

static int read_parts(struct key_parts *parts, const struct json *root,
                      struct err *err)
{
    for (size_t i = 0; i < KEY_N_PARTS; i++) {
        const char *text = json_string(json_get(root, part_keys[i]));

        if (!text)
            return err_set(err, ERR_INPUT, i <= KEY_E
                           ? "it has no \"%s\"" : "it has no \"%s\": the"
                           " public half of a key, or a wallet that was cut;"
                           " take the file from a backup", part_keys[i]);
        if (base64url_decode(parts->at[i], KEY_BYTES, &parts->n[i], text) ||
            parts->n[i] == 0)
            return err_set(err, ERR_INPUT, "its \"%s\" is not base64url of at"
                           " most %d bytes: only RSA keys of 4096 bits are"
                           " used here", part_keys[i], KEY_BYTES);
    }
    return 0;
}

int key_parse(struct key **out, const char *text, size_t n, struct err *err)
{
    struct key_parts *parts = xcalloc(1, sizeof(*parts));
    struct json *root = NULL;
    int rc = -1;

    if (json_parse(&root, text, n, err)) {
        err_prefix(err, "it is not a JWK");
        goto out;
    }
    if (json_type(root) != JSON_OBJECT) {
        err_set(err, ERR_INPUT, "it is not a JWK: no object");
        goto out;
    }
    if (check_kind(root, err) || read_parts(parts, root, err))
        goto out;
    rc = key_from_parts(out, parts, err);
out:
    json_wipe(root);
    mem_wipe(parts, sizeof(*parts));
    free(parts);
    return rc;
}

/* Nobody else may read it, now or by changing it. */
static int check_file(const struct stat *st, const char *path,
                      struct err *err)
{
    if (!S_ISREG(st->st_mode))
        return err_set(err, ERR_INPUT, "wallet \"%s\" is not a regular file",
                       path);
    if (st->st_uid != geteuid())
        return err_set(err, ERR_INPUT, "wallet \"%s\" belongs to the user %ju,"
                       " not to us (%ju): chown it, or run as its owner",
                       path, (uintmax_t)st->st_uid, (uintmax_t)geteuid());
    if (st->st_mode & 077)
        return err_set(err, ERR_INPUT, "wallet \"%s\" has the mode %03o:"
                       " others can reach it; chmod 600 it", path,
                       (unsigned)(st->st_mode & 0777));
    if (st->st_size > FILE_MAX)
        return err_set(err, ERR_INPUT, "wallet \"%s\" has %jd bytes: no wallet"
                       " has more than %d", path, (intmax_t)st->st_size,
                       FILE_MAX);
    return 0;
}

/* At most FILE_MAX + 1 bytes, so that one that grew shows. */
static int read_text(int fd, char *text, size_t *n, const char *path,
                     struct err *err)
{
    ssize_t got = 1;

    for (*n = 0; *n <= FILE_MAX && got != 0;) {
        got = read(fd, text + *n, FILE_MAX + 1 - *n);
        if (got < 0 && errno != EINTR)
            return err_errno(err, ERR_RETRY, "cannot read wallet \"%s\"",
                             path);
        *n += got > 0 ? (size_t)got : 0;
    }
    if (*n > FILE_MAX)
        return err_set(err, ERR_INPUT, "wallet \"%s\": no wallet has more than"
                       " %d bytes", path, FILE_MAX);
    return 0;
}

int key_load(struct key **out, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text = NULL;
    struct stat st;
    size_t n = 0;
    int rc = -1;

    if (fd < 0)
        return err_errno(err, ERR_INPUT, "cannot open wallet \"%s\"", path);
    if (fstat(fd, &st)) {
        err_errno(err, ERR_RETRY, "cannot open wallet \"%s\"", path);
        goto out;
    }
    if (check_file(&st, path, err))
        goto out;
    text = xmalloc(FILE_MAX + 1);
    if (read_text(fd, text, &n, path, err))
        goto out;
    rc = key_parse(out, text, n, err);
    if (rc)
        err_prefix(err, "wallet \"%s\"", path);
out:
    if (text)
        mem_wipe(text, FILE_MAX + 1);
    free(text);
    close(fd);
    return rc;
}

/* ---- writing ------------------------------------------------------------- */

/* The JWK in text[0..max), its length in *n. */
static int put_jwk(const struct key *k, char *text, size_t max, size_t *n,
                   struct err *err)
{
    struct key_parts *parts = xcalloc(1, sizeof(*parts));
    char *part = xmalloc(PART_TEXT);
    int rc = key_to_parts(k, parts, err);

    *n = (size_t)snprintf(text, max, "{\"kty\":\"RSA\"");
    for (size_t i = 0; rc == 0 && i < KEY_N_PARTS; i++) {
        base64url(part, parts->at[i], parts->n[i]);
        *n += (size_t)snprintf(text + *n, max - *n, ",\"%s\":\"%s\"",
                               part_keys[i], part);
    }
    *n += (size_t)snprintf(text + *n, max - *n, "}\n");
    mem_wipe(parts, sizeof(*parts));
    mem_wipe(part, PART_TEXT);
    free(parts);
    free(part);
    return rc;
}

/* A new file beside `path`, which only we can read; its name in *aside. */
static int open_aside(const char *path, char **aside, struct err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int fd = -1;

    if (!*name)
        return err_set(err, ERR_INPUT, "\"%s\" is not a name of a file", path);
    for (int i = 0; i < ASIDE_TRIES; i++) {
        unsigned char r[6];
        char tail[9];

        if (key_random(r, sizeof(r), err))
            return -1;
        base64url(tail, r, sizeof(r));
        free(*aside);
        *aside = xasprintf("%.*s.%.200s.%s", (int)(name - path), path, name,
                           tail);
        fd = open(*aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST)
            break;
    }
    if (fd < 0) {
        free(*aside);
        *aside = NULL;
        return room_fail(err, err_code_of(errno), "write wallet", path);
    }
    return fd;
}

/* Set the error of a link that failed. */
static void not_linked(const char *path, struct err *err)
{
    if (errno == EEXIST)
        err_errno(err, ERR_INPUT, "wallet \"%s\" is not written over", path);
    else if (sys_lacks_links(errno))
        err_set(err, ERR_INPUT, "cannot write wallet \"%s\": this file system"
                " has no hard links, write it to another", path);
    else
        room_fail(err, ERR_RETRY, "write wallet", path);
}

static int save_text(const char *path, const char *text, size_t n,
                     struct err *err)
{
    char *aside = NULL;
    int fd = open_aside(path, &aside, err);
    int rc = -1;

    if (fd < 0)
        return -1;
    /* The umask may have taken bits of ours away. */
    if (fchmod(fd, 0600) || sys_write(fd, text, n) || sys_fsync(fd))
        room_fail(err, ERR_RETRY, "write wallet", path);
    else if (sys_link(aside, path)) /* a rename would replace */
        not_linked(path, err);
    else
        rc = 0;
    unlink(aside);
    if (rc == 0 && sys_sync_parent(path))
        rc = err_errno(err, ERR_RETRY, "cannot sync the directory of wallet"
                       " \"%s\"", path);
    close(fd);
    free(aside);
    return rc;
}

int key_save(const struct key *k, const char *path, struct err *err)
{
    char *text = xmalloc(FILE_MAX);
    size_t n;
    int rc = put_jwk(k, text, FILE_MAX, &n, err);

    if (rc == 0)
        rc = save_text(path, text, n, err);
    mem_wipe(text, FILE_MAX);
    free(text);
    return rc;
}
