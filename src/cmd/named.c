/*
 * Files and batches by name.
 */
#include <config.h>

#include "cmd/named.h"

#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/log.h"
#include "store/spool.h"

bool named_is_file(const char *what)
{
    struct stat st;

    return strcmp(what, "-") == 0 ||
           (stat(what, &st) == 0 && !S_ISDIR(st.st_mode));
}

void named_tell_both(const struct spool *s, const char *what)
{
    struct batch b = { .path = NULL };
    struct err unused = ERR_INIT;
    char id[ID_TEXT];

    if (!s || strchr(what, '/') || spool_find(s, what, &b, &unused))
        return;
    base64url(id, b.id, 32);
    log_info("\"%s\" is a file here, and batch %s begins so: the file is"
             " taken", what, id);
    batch_clear(&b);
}
