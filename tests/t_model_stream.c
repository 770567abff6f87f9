/*
 * src/model/model_stream: what model_open takes is taken in pieces of any
 * size, a byte that is changed is found in its part, and the part can be put
 * once more.
 */
#include <config.h>

#include "model/model_stream.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "tests/mini_model.h"
#include "tests/models_util.h"
#include "tests/tap.h"

static struct err err;

/* All of it in pieces of n bytes: 0 and the id. */
static int put_all(struct model_stream *s, const unsigned char *p,
                   size_t size, size_t n)
{
    for (size_t at = 0; at < size; at += n)
        if (model_stream_put(s, p + at, size - at < n ? size - at : n, &err))
            return -1;
    return 0;
}

static void test_pieces(const struct mini *m, struct id id)
{
    static const size_t piece[] = { 1, 2, 3, 7, 36, 64, 100, 225, 100000 };
    size_t size = (size_t)m->lay.size;
    struct id got;

    for (size_t i = 0; i < sizeof(piece) / sizeof(*piece); i++) {
        struct model_stream *s = model_stream_new(&id);

        ok(!put_all(s, m->data, size, piece[i]) &&
               !model_stream_end(s, &got, &err) && id_equal(got, id) &&
               model_stream_good(s) == size && model_stream_at(s) == size &&
               model_stream_size(s) == size,
           "in pieces of %zu: %s", piece[i], err.text);
        model_stream_free(s);
    }
}

/* A byte is changed: never taken for good; and then the part once more. */
static void test_changed(const struct mini *m, const char *what)
{
    size_t size = (size_t)m->lay.size, missed = 0, lost = 0;
    struct id id, got;
    unsigned char *bad = xmalloc(size);

    model_record_id(&id, &m->rec);
    memcpy(bad, m->data, size);
    for (size_t i = 0; i < size; i++) {
        struct model_stream *s = model_stream_new(&id);
        size_t good;

        bad[i] ^= 1;
        if (!put_all(s, bad, size, 50) || model_stream_good(s) > i)
            missed++;
        bad[i] ^= 1;
        model_stream_back(s);
        good = (size_t)model_stream_good(s);
        if (model_stream_at(s) != good ||
            put_all(s, m->data + good, size - good, 31) ||
            model_stream_end(s, &got, &err) || !id_equal(got, id))
            lost++;
        model_stream_free(s);
    }
    ok(!missed, "%s: each of %zu bytes that is changed is found", what, size);
    ok(!lost, "%s: and continues with the right ones", what);
    free(bad);
}

static void test_ends(const struct mini *m, struct id id)
{
    size_t size = (size_t)m->lay.size;
    struct id other = { "other" }, got;
    struct model_stream *s = model_stream_new(NULL);
    unsigned wrong = 0;

    ok(!put_all(s, m->data, size, 64) && !model_stream_end(s, &got, &err) &&
           id_equal(got, id),
       "any model");
    ok(model_stream_put(s, "x", 1, &err) == -1 && err.code == ERR_INPUT,
       "a byte behind the end: %s", err.text);
    model_stream_free(s);
    s = model_stream_new(&other);
    ok(put_all(s, m->data, size, 64) == -1 && model_stream_good(s) == 0 &&
       err.code == ERR_INPUT, "another model: %s", err.text);
    model_stream_free(s);
    for (size_t n = 0; n < size; n++) {
        s = model_stream_new(NULL);
        if (put_all(s, m->data, n, 64) || !model_stream_end(s, &got, &err) ||
            model_stream_good(s) > n)
            wrong++;
        model_stream_free(s);
    }
    ok(!wrong, "every end that is too early: %s", err.text);
}

static void test_file(const char *path)
{
    struct model *m = NULL;
    struct model_stream *s = model_stream_new(NULL);
    struct id got;

    ok(!model_open(&m, path, NULL, &err) &&
           !put_all(s, m->data, m->size, 65521) &&
           !model_stream_end(s, &got, &err) && id_equal(got, m->id),
       "a converted model: %s", err.text);
    model_stream_free(s);
    model_close(m);
}

static void test_converted(void)
{
    char *dir = tree_path("models/nano"), *path = tmp_path("nano.apus");
    struct convert_options o = { .a8 = false };
    struct id id;

    if (convert_model(dir, path, &o, &id, &err))
        ok(0, "convert: %s", err.text);
    else
        test_file(path);
    free(dir);
    free(path);
}

int main(void)
{
    static const uint32_t flags[] = { 0, MODEL_TIED, MODEL_QKV_BIAS,
                                      MODEL_QK_NORM | MODEL_A8 };
    struct id id;
    char what[32];
    struct mini m;

    for (size_t i = 0; i < 4; i++) {
        mini_init(&m, flags[i]);
        snprintf(what, sizeof(what), "flags %u", flags[i]);
        test_changed(&m, what);
        mini_clear(&m);
    }
    mini_init(&m, MODEL_QKV_BIAS);
    model_record_id(&id, &m.rec);
    test_pieces(&m, id);
    test_ends(&m, id);
    mini_clear(&m);
    test_converted();
    tmp_remove();
    return done();
}
