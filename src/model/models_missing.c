/*
 * A model that is not there: what may have been meant, and where to look.
 */
#include <config.h>

#include "model/models_internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/nearest.h"

/* The name in the store that is near; its bytes are in `names`, whose lines
 * "name id" end with their names here. */
static const char *name_meant(struct buf *names, const char *store,
                              const char *what)
{
    struct nearest near;
    char *line;

    if (models_read_text(names, store, "names", NULL) || !names->len)
        return NULL;
    nearest_init(&near, what, strlen(what));
    for (line = names->data; *line;) {
        size_t n = strcspn(line, "\n");
        char *end = line + n + (line[n] == '\n');

        line[strcspn(line, " \n")] = '\0';
        nearest_offer(&near, line);
        line = end;
    }
    return near.name;
}

int models_missing(const char *store, const char *what, struct err *err)
{
    const char *meant;
    struct buf names;

    if (!file_exists(store))
        return err_set(err, ERR_INPUT, "there is no model \"%s\": no file,"
                       " and no model store at \"%s\" (apus model add makes"
                       " one)", what, store);
    buf_init(&names, MODELS_MAX_TEXT);
    meant = name_meant(&names, store, what);
    err_set(err, ERR_INPUT, "there is no model \"%s\": not an id or name in"
            " \"%s\", and no file or directory (apus model list shows those"
            " that there are)%s%s%s", what, store, meant ? ", is \"" : "",
            meant ? meant : "", meant ? "\" meant" : "");
    buf_clear(&names);
    return -1;
}
