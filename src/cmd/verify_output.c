/*
 * apus verify of an output file: which requests it answers, and with which
 * model.
 */
#include <config.h>

#include "cmd/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/settings.h"
#include "cmd/part.h"
#include "store/request.h"
#include "store/spool.h"

bool verify_is_output(const char *what)
{
    return !part_is_file(what) && file_exists(what) && !file_is_dir(what);
}

/* Whether a batch has a request with this id: 1 and the path of its requests,
 * 0, or -1. */
static int try_batch(char **path, const struct batch *b,
                     const unsigned char id[32], struct err *err)
{
    struct batch_info info = { .n_requests = 0 };
    unsigned char line[32];
    int rc = 0;

    if (batch_info_read(&info, b->path, err))
        return -1;
    *path = file_join(b->path, "requests.jsonl");
    if (info.from_ao && !info.is_file_of_ao)
        rc = check_requests_have(*path, id, err);
    for (uint64_t i = 0; rc == 0 && i < info.n_requests; i++) {
        request_line_id(line, info.file, i);
        rc = memcmp(line, id, 32) == 0;
    }
    batch_info_clear(&info);
    if (rc != 1)
        free(*path);
    return rc;
}

/* The batch in the spool whose answers these are: 1, 0, or -1 where the spool
 * cannot be read.  A batch that cannot is passed over. */
static int search(char **path, const char *dir, const unsigned char id[32],
                  struct err *err)
{
    struct spool *s;
    int rc = 0;

    if (!file_is_dir(dir))
        return 0;
    if (spool_open(&s, dir, err))
        return -1;
    for (int state = SPOOL_TODO; rc == 0 && state < SPOOL_STATES; state++) {
        struct err unused = ERR_INIT;
        struct batch *list = NULL;
        size_t n = 0;

        rc = spool_list(s, state, &list, &n, err);
        for (size_t i = 0; i < n; i++) {
            if (rc == 0 && try_batch(path, &list[i], id, &unused) == 1)
                rc = 1;
            batch_clear(&list[i]);
        }
        free(list);
    }
    spool_close(s);
    return rc;
}

static int find_requests(char **path, struct verify *v,
                         const struct check_output_head *h, struct err *err)
{
    int rc = 0;

    if (h->has_request)
        rc = search(path, settings_text(v->settings, "spool"), h->request,
                    err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return err_set(err, ERR_INPUT, "no batch of the spool has the requests"
                       " that \"%s\" answers: say with --requests in which"
                       " file they are", v->what);
    log_info("the requests are in \"%s\"", *path);
    return 0;
}

int verify_output(struct verify *v, struct err *err)
{
    struct check_output_head h;
    char *found = NULL;
    int rc = -1;

    if (check_output_head(&h, v->what, err))
        return -1;
    if (!h.has_request && !v->requests)
        return err_set(err, ERR_INPUT, "\"%s\" is not an output file: no line"
                       " has the id of a request", v->what);
    if (!v->requests && find_requests(&found, v, &h, err))
        return -1;
    if (!v->recompute)
        v->o.recompute = CHECK_ALL;
    if (!h.has_model && !v->model_name)
        rc = 0;
    else
        rc = verify_open_model(v, h.has_model ? h.model : NULL, err);
    if (rc == 0)
        rc = check_output(v->what, found ? found : v->requests, &v->o, err);
    free(found);
    return rc;
}
