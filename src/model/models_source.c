/*
 * Where the models of the store are to be had, for people elsewhere: what
 * whoever added one said (`origins`), else an id on Arweave (`arweave`).  It
 * is a hint and never a path of this machine.
 */
#include <config.h>

#include "model/models.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "model/models_internal.h"

#define ID (ID_TEXT - 1) /* characters of an id */

int models_source_check(const char *text, struct err *err)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("\"\\", text[i]))
            n = MODELS_SOURCE; /* no such text is a source */
    if (n < 1 || n >= MODELS_SOURCE)
        return err_set(err, ERR_INPUT, "\"%.40s\": where a model is to be had"
                       " is 1 to %d characters of ASCII without blanks, such"
                       " as hf:ORG/NAME", text, MODELS_SOURCE - 1);
    return 0;
}

int models_source_set(const char *store, struct id id, const char *text,
                      struct err *err)
{
    char known[MODELS_SOURCE];
    struct buf b;
    int rc;

    if (models_source_check(text, err))
        return -1;
    models_source(known, store, id);
    if (strcmp(known, text) == 0)
        return 0;
    buf_init(&b, MODELS_MAX_TEXT);
    /* the first line of a model counts */
    buf_printf(&b, "%s %s\n", id_text(id).s, text);
    rc = models_read_text(&b, store, "origins", err) ||
         buf_check(&b, "the list of origins", err) ||
         models_write_text(&b, store, "origins", err) ? -1 : 0;
    buf_clear(&b);
    return rc;
}

/* The rest of the first line "KEY rest" of a file of the store, or with `back`
 * the beginning of the first "rest KEY". */
static bool find_line(char out[MODELS_SOURCE], const char *store,
                      const char *file, const char *key, bool back)
{
    bool found = false;
    struct buf b;

    buf_init(&b, MODELS_MAX_TEXT);
    if (models_read_text(&b, store, file, NULL))
        buf_reset(&b);
    for (const char *p = b.len ? b.data : ""; *p && !found;) {
        size_t n = strcspn(p, "\n"), more = n > ID + 1 ? n - ID - 1 : 0;
        const char *its = back ? p + more + 1 : p;
        const char *rest = back ? p : p + ID + 1;

        if (more > 0 && more < MODELS_SOURCE && memcmp(its, key, ID) == 0) {
            snprintf(out, MODELS_SOURCE, "%.*s", (int)more, rest);
            found = true;
        }
        p += p[n] ? n + 1 : n;
    }
    buf_clear(&b);
    return found;
}

void models_source(char out[MODELS_SOURCE], const char *store, struct id id)
{
    char arweave[MODELS_SOURCE];

    out[0] = '\0';
    if (find_line(out, store, "origins", id_text(id).s, false) &&
        models_source_check(out, NULL) == 0)
        return;
    out[0] = '\0';
    if (find_line(arweave, store, "arweave", id_text(id).s, true) &&
        strlen(arweave) == ID)
        snprintf(out, MODELS_SOURCE, "arweave:%.*s", (int)ID, arweave);
}

/* The part of a path up to the next slash, into out[0..size). */
static const char *copy_segment(char *out, size_t size, const char *at)
{
    size_t n = strcspn(at, "/");

    snprintf(out, size, "%.*s", (int)n, at);
    return n < size && at[n] == '/' ? at + n + 1 : at + n;
}

void models_source_of_path(char out[MODELS_SOURCE], const char *path)
{
    static const char begin[] = "/models--", between[] = "snapshots/";
    char real[PATH_MAX], repository[128], revision[64], *dashes;
    const char *at = NULL;

    out[0] = '\0';
    if (!realpath(path, real))
        return;
    for (const char *p = real; (p = strstr(p, begin)); p++)
        at = p + sizeof(begin) - 1;
    if (!at)
        return;
    at = copy_segment(repository, sizeof(repository), at);
    if (strncmp(at, between, sizeof(between) - 1) != 0)
        return;
    copy_segment(revision, sizeof(revision), at + sizeof(between) - 1);
    dashes = strstr(repository, "--");
    if (!dashes || !revision[0])
        return;
    *dashes = '/';
    memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    snprintf(out, MODELS_SOURCE, "hf:%s@%s", repository, revision);
}
