/*
 * The texts of a Hugging Face directory: tokenizer_config.json and, after a
 * NUL each, chat_template.jinja, chat_template.json and
 * additional_chat_templates/tool_use.jinja beside a small tokenizer.  An empty
 * one is no file.  What is taken is a text, and a template that can be read can
 * be looked at for the token that closes a turn.
 */
#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/import/formats.h"
#include "model/import/import.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#define N_VOCAB 16
#define FILES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const file_name[FILES] = {
    "tokenizer_config.json", "chat_template.jinja", "chat_template.json",
    "additional_chat_templates/tool_use.jinja"
};
static char *dir;

/* Not by file_write, which waits for the disk. */
static void write_file(const char *name, const void *bytes, size_t n)
{
    char *path = file_join(dir, name);
    FILE *f = n > 0 ? fopen(path, "w") : NULL;

    if (n == 0)
        unlink(path);
    else if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
        abort();
    free(path);
}

static void remove_all(void)
{
    char *more = file_join(dir, "additional_chat_templates");

    for (size_t i = 0; i < FILES; i++)
        write_file(file_name[i], NULL, 0);
    write_file("tokenizer.json", NULL, 0);
    rmdir(more);
    rmdir(dir);
    free(more);
    free(dir);
}

static void make_dir(void)
{
    static const char tokenizer[] =
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":"
        "[[\"<unk>\",0],[\"a\",-1],[\"hi\",-2]]},\"added_tokens\":["
        "{\"id\":3,\"content\":\"<s>\",\"special\":true},"
        "{\"id\":4,\"content\":\"<|e|>\",\"special\":true}]}";
    const char *in = getenv("TMPDIR"), *memory = "/dev/shm";
    char *more;

    /* files in memory, which no other program's writes hold up */
    if (access(memory, W_OK) == 0)
        in = memory;
    dir = xasprintf("%s/fuzz_hf_texts.XXXXXX", in ? in : "/tmp");
    if (!mkdtemp(dir))
        abort();
    atexit(remove_all);
    more = file_join(dir, "additional_chat_templates");
    if (file_mkdirs(more, NULL))
        abort();
    free(more);
    write_file("tokenizer.json", tokenizer, sizeof(tokenizer) - 1);
}

/* A template that is refused is refused for that alone. */
static void look_at_template(const struct import *m, const struct tokenizer *t)
{
    const struct buf *b = &m->chat_template;
    struct err err = ERR_INIT;
    struct chat *c = NULL;

    if (chat_new(&c, t, b->data, b->len, 3, 4, &err)) {
        if (err.code != ERR_INPUT)
            abort();
        return;
    }
    chat_turn_end(t, b->data, b->len, 3, 4);
    chat_free(c);
}

static void look(const struct import *m)
{
    struct tokenizer *t;

    if (!m->tokenizer.len ||
        tokenizer_new(&t, (const unsigned char *)m->tokenizer.data,
                      m->tokenizer.len, N_VOCAB, NULL))
        abort();
    if (m->chat_template.len > 0) {
        if (memchr(m->chat_template.data, '\0', m->chat_template.len))
            abort();
        look_at_template(m, t);
    }
    tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct import *m = NULL;

    if (!dir)
        make_dir();
    for (size_t i = 0; i < FILES; i++) {
        const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
        size_t n = nul && i < FILES - 1 ? (size_t)(nul - data) : size;

        write_file(file_name[i], data, n);
        data += nul && i < FILES - 1 ? n + 1 : n;
        size -= nul && i < FILES - 1 ? n + 1 : n;
    }
    if (formats_texts(&m, dir, N_VOCAB, &err)) {
        if (err.code != ERR_INPUT)
            abort();
        return 0;
    }
    look(m);
    import_free(m);
    return 0;
}
