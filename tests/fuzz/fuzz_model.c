/*
 * A model file of any bytes.  The first byte of the input says whether its
 * roots are made right before it is opened, so that what is behind them is
 * reached too.  model_stream must take in pieces what model_open takes,
 * with a sink for the matrices and without.
 */
#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/id.h"
#include "model/model.h"
#include "model/model_stream.h"
#include "tests/mini_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Make the records fit the bytes if the record is one of a model whose file
 * has this size. */
static void seal(unsigned char *p, size_t n)
{
    struct mini m = { .data = p };

    if (n < MODEL_RECORD_SIZE || model_record_unpack(&m.rec, p) ||
        model_layout(&m.lay, &m.rec, NULL))
        return;
    if (m.lay.size == n)
        mini_seal(&m);
    model_layout_clear(&m.lay);
}

/* Read every byte, and the ends of what the model points to. */
static volatile unsigned sink;

static void use(const struct model *m)
{
    const unsigned char *p = m->data;
    const struct model_layer *last = &m->layers[m->rec.n_layers - 1];
    unsigned sum = (unsigned)last->down.w[(size_t)last->down.rows *
                                          last->down.cols - 1];

    for (size_t i = 0; i < m->size; i++)
        sum += p[i];
    sink = sum + (unsigned)m->head.w[0];
}

/* In pieces whose sizes are in the bytes, and once more from what is good. */
static bool stream(const unsigned char *p, size_t n)
{
    struct model_stream *s = model_stream_new(NULL);
    struct id id;
    bool good, again = false;
    size_t k;
    int rc = 0;

    for (size_t at = 0; at < n; at += k) {
        k = 1 + p[at] % 200;
        if (k > n - at)
            k = n - at;
        rc = model_stream_put(s, p + at, k, NULL);
        if (model_stream_good(s) > at + k)
            abort();
        if (!rc)
            continue;
        if (again)
            break;
        again = true;
        model_stream_back(s);
        at = (size_t)model_stream_good(s);
        k = 0;
    }
    good = !rc && !model_stream_end(s, &id, NULL);
    model_stream_free(s);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool streamed;
    struct model *m;
    struct model_record rec;
    struct id id;
    unsigned char *p;
    struct buf a, b;
    char path[40];
    int fd;

    if (size < 1 || size > 65536)
        return 0;
    p = malloc(size);
    memcpy(p, data + 1, size - 1);
    if (data[0] & 1)
        seal(p, size - 1);
    fd = memfd_create("model", 0);
    if (fd < 0 || write(fd, p, size - 1) != (ssize_t)(size - 1))
        abort();
    streamed = stream(p, size - 1);
    free(p);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (!model_open_into(&m, path, NULL, true, &model_pass, NULL)) {
        if (!streamed)
            abort();
        model_close(m);
    } else if (streamed) {
        abort();
    }
    if (!model_open(&m, path, NULL, NULL)) {
        if (!streamed)
            abort();
        use(m);
        model_close(m);
    } else if (streamed) {
        abort();
    }
    buf_init(&a, 65536);
    buf_init(&b, 65536);
    if (!model_peek(&rec, &id, path, NULL))
        model_peek_texts(&a, &b, &rec, path, NULL);
    buf_clear(&a);
    buf_clear(&b);
    close(fd);
    return 0;
}
