/*
 * For contrib/kit.sh, which has no tokenizer: models are converted without
 * one, and sequences are ids alone.  And for WebAssembly, what emscripten's
 * library lacks.
 */
#include <config.h>

#include <stdlib.h>

#ifdef __EMSCRIPTEN__
#include <errno.h>
#include <sched.h>
#include <sys/random.h>
#include <unistd.h>
#endif

#include "text/chat.h"
#include "text/tokenizer.h"

int tokenizer_import(struct buf *out, const char *dir,
                     struct tokenizer_source *source, struct err *err)
{
    (void)out;
    (void)dir;
    (void)source;
    (void)err;
    return 0;
}

int tokenizer_import_arrays(struct buf *out, const struct tokenizer_arrays *a,
                            uint32_t n_vocab, struct err *err)
{
    (void)out;
    (void)a;
    (void)n_vocab;
    (void)err;
    return 0;
}

int tokenizer_new(struct tokenizer **out, const unsigned char *data,
                  size_t n, uint32_t n_vocab, struct err *err)
{
    (void)out;
    (void)data;
    (void)n;
    (void)n_vocab;
    (void)err;
    abort(); /* nobody has bytes of one */
}

void tokenizer_free(struct tokenizer *t)
{
    (void)t;
}

uint32_t tokenizer_find(const struct tokenizer *t, const char *text)
{
    (void)t;
    (void)text;
    return UINT32_MAX;
}

const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id, size_t *n)
{
    (void)t;
    (void)id;
    *n = 0;
    return "";
}

uint32_t chat_turn_end(const struct tokenizer *t, const char *tmpl, size_t n,
                       uint32_t bos, uint32_t eos)
{
    (void)t;
    (void)tmpl;
    (void)n;
    (void)bos;
    (void)eos;
    return UINT32_MAX;
}

/* Models keep no template: chat_check has nothing to look at. */
void chat_join(struct buf *out, const char *text, const char *tool_use)
{
    (void)out;
    (void)text;
    (void)tool_use;
}

int chat_check(const char *tmpl, size_t n, struct err *err)
{
    (void)tmpl;
    (void)n;
    (void)err;
    return 0;
}

#ifdef __EMSCRIPTEN__
ssize_t getrandom(void *out, size_t n, unsigned flags)
{
    (void)flags;
    return getentropy(out, n) ? -1 : (ssize_t)n;
}

int __sched_cpucount(size_t n, const cpu_set_t *set)
{
    (void)n;
    (void)set;
    return 0;
}

int sched_getaffinity(pid_t pid, size_t n, cpu_set_t *set)
{
    (void)pid;
    (void)n;
    (void)set;
    errno = ENOSYS;
    return -1;
}
#endif
