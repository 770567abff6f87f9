/*
 * Who needs a model, and where it is to be had.
 */
#include <config.h>

#include "cmd/model_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"
#include "base/settings.h"
#include "spool/spool.h"

#define NAMED 3 /* batches that are named; the others are counted */

struct use {
    const struct id *model;
    size_t n;
    char names[NAMED * (ID_TEXT + 2)];
};

static void count_batch(struct use *u, const struct batch *b)
{
    struct batch_info info;
    size_t at = strlen(u->names);

    if (batch_info_read(&info, b->path, NULL))
        return;
    if (id_equal(info.model, *u->model) && u->n++ < NAMED) {
        snprintf(u->names + at, sizeof(u->names) - at, "%s%s", at ? ", " : "",
                 id_text(b->id).s);
    }
    batch_info_clear(&info);
}

static int look_at_state(struct use *u, const struct spool *s,
                         enum spool_state state, struct err *err)
{
    struct batch *list;
    size_t n;

    if (spool_list(s, state, &list, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        count_batch(u, &list[i]);
    spool_list_free(list, n);
    return 0;
}

int model_check_unused(const struct settings *s, struct id id, struct err *err)
{
    const char *dir = settings_text(s, "spool");
    struct use u = { .model = &id };
    struct spool *spool;
    int rc;

    if (!file_exists(dir))
        return 0;
    if (spool_open_there(&spool, dir, err))
        return -1;
    rc = look_at_state(&u, spool, SPOOL_TODO, err) ||
         look_at_state(&u, spool, SPOOL_RUNNING, err);
    spool_close(spool);
    if (rc)
        return -1;
    if (u.n == 0)
        return 0;
    return err_set(err, ERR_INPUT,
                   "the model %.8s is needed by %zu batch%s"
                   " (%s%s): cancel them (apus cancel), or use --force",
                   id_text(id).s, u.n, plural(u.n, "", "es"), u.names,
                   u.n > NAMED ? ", .." : "");
}

char *model_use_how(const char *source)
{
    static const char arweave[] = "arweave:";
    const size_t n = sizeof(arweave) - 1;

    if (!source || !*source)
        return xstrdup("apus model fetch gets it by its id on Arweave, apus"
                       " model add makes it of its Hugging Face directory");
    if (strncmp(source, arweave, n) == 0)
        return xasprintf("apus model fetch %s gets it", source + n);
    return xasprintf("it is said to be had at %s, apus model add puts it into"
                     " the store", source);
}
