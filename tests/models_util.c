/*
 * Paths of a test, and models converted for it.
 */
#include <config.h>

#include "tests/models_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "model/convert.h"
#include "model/model.h"
#include "tests/tap.h"

char *tree_path(const char *name)
{
    const char *top = getenv("top_srcdir");

    return file_join(top && *top ? top : ".", name);
}

char *data_path(const char *name)
{
    const char *top = getenv("APUS_TEST_DATA");

    return top && *top ? file_join(top, name) : NULL;
}

char *tmp_path(const char *name)
{
    return file_join(tap_tmp(), name);
}

void tmp_remove(void)
{
    char *cmd = xasprintf("rm -rf %s", tap_tmp());

    if (system(cmd))
        fprintf(stderr, "cannot remove %s\n", tap_tmp());
    free(cmd);
}

struct model *model_from_hf(const char *dir, const struct convert_options *o)
{
    struct err err = ERR_INIT;
    struct model *m = NULL;
    struct id id;
    char *path = tmp_path("model_from_hf.apus");

    if (convert_model(dir, path, o, &id, &err) ||
        model_open(&m, path, &id, &err))
        printf("# %s\n", err.text);
    unlink(path);
    free(path);
    return m;
}

char *stories_dir(void)
{
    static const char *const file[][2] = {
        { "stories260K.config.json", "config.json" },
        { "stories260K.safetensors", "model.safetensors" },
        { "tok512.model", "tokenizer.model" },
    };
    char *from = data_path("models/stories260K"), *dir;

    if (!from)
        return NULL;
    dir = tmp_path("stories260K");
    file_mkdirs(dir, NULL);
    for (size_t i = 0; i < 3; i++) {
        char *target = file_join(from, file[i][0]);
        char *path = file_join(dir, file[i][1]);

        if (!file_exists(path) && symlink(target, path))
            printf("# cannot link %s\n", path);
        free(target);
        free(path);
    }
    free(from);
    return dir;
}
