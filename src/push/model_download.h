/*
 * A model that lies on a web server: a GGUF file (or a set that was split), or
 * safetensors with what belongs to them.  What came before an interruption is
 * kept in the store and resumed.  The server is not trusted with more than the
 * bytes: a SHA-256 that the user gives is checked, and the conversion checks
 * what it reads.
 */
#ifndef APUS_PUSH_MODEL_DOWNLOAD_H
#define APUS_PUSH_MODEL_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "net/http.h"

struct err;

struct model_download {
    const char *store;
    const char *url;    /* ends in .gguf, .safetensors or .index.json, but for
                           a query */
    const char *sha256; /* of the file at url, 64 hexadecimal digits; or NULL */
    struct http_limits limits;
    bool (*stop)(void); /* or NULL */
    /* Called with how much of a file is here; or NULL. */
    void (*progress)(void *self, const char *name, uint64_t done,
                     uint64_t size);
    void *self;
};

/* Whether a text is the address of such a file: it begins with a scheme. */
bool model_download_is(const char *what);

/* ERR_INPUT unless it is 64 hexadecimal digits. */
int model_download_check(const char *sha256, struct err *err);

/* Fetch what is missing.  *path, which the caller frees, is the file or the
 * directory to be added to the store, in a directory of the store that is this
 * URL's; its last component is the model's name.
 * ERR_RETRY: the same call resumes.  ERR_INPUT: the server has no such file,
 * or it has another SHA-256, in which case it is removed. */
int model_download(const struct model_download *d, char **path,
                   struct err *err);

/* Remove what model_download made, the model being in the store. */
void model_download_drop(const char *path);

#endif
