/*
 * A file of llama2.c has no names: where a tensor lies follows from the header,
 * and so does the size of the file.
 */
#include <config.h>

#include "model/import/llama2c.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/import/ends.h"
#include "model/import/foreign.h"
#include "model/import/hf_rope.h"
#include "model/import/import.h"
#include "model/import/llama2c_texts.h"
#include "model/model_layout.h"

#define BOS 1
#define END 2
#define NOWHERE UINT64_MAX

struct llama2c {
    int fd;
    uint64_t *at; /* of each tensor its first number, or NOWHERE */
    char (*name)[MODEL_TENSOR_NAME];
    struct import_heads heads;
};

/* ---- where tensors lie --------------------------------------------------- */

/* Those of a layer, in the order of the file, which has all layers of each. */
static const uint32_t parts[] = {
    LAYER_ATTN_NORM, LAYER_WQ, LAYER_WK, LAYER_WV, LAYER_WO, LAYER_FFN_NORM,
    LAYER_GATE, LAYER_DOWN, LAYER_UP
};

static uint64_t place_one(const struct model_record *rec, uint32_t tensor,
                          uint64_t *at, uint64_t n)
{
    struct tensor_record t;

    model_expect(rec, tensor, &t);
    if (at)
        at[tensor] = n;
    return n + (uint64_t)t.rows * t.cols;
}

/* How many numbers there are after the header, and where each tensor begins (at
 * NULL: not wanted). */
static uint64_t place(const struct model_record *rec, uint64_t *at)
{
    uint64_t n = place_one(rec, TENSOR_EMBED, at, 0);

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (uint32_t l = 0; l < rec->n_layers; l++)
            n = place_one(rec, model_tensor_at(rec, l, parts[i]), at, n);
    n = place_one(rec, TENSOR_FINAL_NORM, at, n);
    n += (uint64_t)rec->context * rec->head_dim;
    return rec->flags & MODEL_TIED ? n : place_one(rec, TENSOR_HEAD, at, n);
}

static const char *tensor_name(const struct import *m, uint32_t tensor)
{
    const struct llama2c *s = m->self;

    return s->at[tensor] == NOWHERE ? NULL : s->name[tensor];
}

static int read_numbers(const struct llama2c *s, uint64_t from, size_t n,
                        float *out, struct err *err)
{
    unsigned char *p = (unsigned char *)out;
    ssize_t got = file_read_at(s->fd, p, 4 * n, LLAMA2C_HEADER + 4 * from);

    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read a file of llama2.c");
    if ((size_t)got < 4 * n)
        return err_set(err, ERR_RETRY, "the file became shorter while it was"
                       " read");
    for (size_t i = 0; i < n; i++)
        out[i] = f32_from(get_u32(p + 4 * i));
    return 0;
}

static int read_tensor(const struct import *m, uint32_t tensor, uint64_t from,
                       size_t n, float *out, struct err *err)
{
    const struct llama2c *s = m->self;
    struct tensor_record t;

    model_expect(&m->rec, tensor, &t);
    if (!import_has_heads(&m->rec, tensor))
        return read_numbers(s, s->at[tensor] + from, n, out, err);
    while (n > 0) {
        uint64_t in = from % t.cols;
        uint64_t row = import_head_row(from / t.cols, m->rec.head_dim,
                                       &s->heads);
        size_t k = n > t.cols - in ? (size_t)(t.cols - in) : n;

        if (read_numbers(s, s->at[tensor] + row * t.cols + in, k, out, err))
            return -1;
        out += k;
        from += k;
        n -= k;
    }
    return 0;
}

static void close_file(struct import *m)
{
    struct llama2c *s = m->self;

    if (s->fd >= 0)
        close(s->fd);
    free(s->at);
    free(s->name);
    free(s);
}

static const struct import_format format = { tensor_name, read_tensor,
                                             close_file };

/* ---- the header ---------------------------------------------------------- */

static bool begins(const unsigned char *p, size_t n, const char *with)
{
    return n >= strlen(with) && memcmp(p, with, strlen(with)) == 0;
}

/* Files with the same end of their name that are something else. */
static int check_kind(const unsigned char *p, size_t n, struct err *err)
{
    static const char *const ggml[] = { "lmgg", "fmgg", "tjgg", "algg" };

    if (begins(p, n, "PK\3\4") ||
        (n > 2 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5 && p[2]))
        return err_set(err, ERR_INPUT, "it is a file of PyTorch; of these"
                       " apus takes the safetensors of the same model, or what"
                       " export.py of llama2.c makes of it");
    for (size_t i = 0; i < sizeof(ggml) / sizeof(ggml[0]); i++)
        if (begins(p, n, ggml[i]))
            return err_set(err, ERR_INPUT, "it is a file of ggml from before"
                           " GGUF: download the GGUF file of the same model");
    if (begins(p, n, "24ka") && n >= 8)
        return err_set(err, ERR_INPUT, "it is of version %" PRIu32 " of"
                       " llama2.c's format, which is not supported: export.py"
                       " --version 0 writes one that is", get_u32(p + 4));
    return 0;
}

/* The numbers of the header; the vocabulary becomes positive. */
static int take_numbers(uint32_t v[7], bool *tied, const unsigned char *p,
                        struct err *err)
{
    static const char *const names[] = {
        "width", "width of the ffn", "number of layers", "number of heads",
        "number of kv heads", "vocabulary", "context"
    };

    *tied = (int32_t)get_u32(p + 4 * 5) > 0;
    for (size_t i = 0; i < 7; i++) {
        int64_t x = (int32_t)get_u32(p + 4 * i);

        if (i == 5 && x < 0)
            x = -x;
        if (x < 1)
            return err_set(err, ERR_INPUT, "its header has %" PRId64 " for the"
                           " %s: it is not a file of llama2.c", x, names[i]);
        v[i] = (uint32_t)x;
    }
    return 0;
}

static int fill_record(struct model_record *rec, const unsigned char *p,
                       struct err *err)
{
    uint32_t v[7];
    bool tied;

    if (take_numbers(v, &tied, p, err))
        return -1;
    if (v[0] % v[3])
        return err_set(err, ERR_INPUT, "its header has a width of %u and %u"
                       " heads, which does not divide it: it is not a file of"
                       " llama2.c", v[0], v[3]);
    *rec = (struct model_record){
        .numerics = X1_VERSION, .architecture = 1, .dim = v[0],
        .ffn_dim = v[1], .n_layers = v[2], .n_heads = v[3],
        .n_kv_heads = v[4], .head_dim = v[0] / v[3], .n_vocab = v[5],
        .context = v[6], .eps = 1e-5f, .flags = tied ? MODEL_TIED : 0,
        .bos = MODEL_NONE,
    };
    memset(rec->eos, 0xff, sizeof(rec->eos));
    rec->attn_scale = (float)(1 / sqrt(rec->head_dim));
    rec->n_tensors = model_tensor_at(rec, rec->n_layers, 0);
    if (model_check(rec, err))
        return err_prefix(err, "its header is not that of a file of llama2.c");
    return 0;
}

int llama2c_header(struct model_record *rec, const void *bytes, size_t n,
                   uint64_t size, struct err *err)
{
    uint64_t want;

    if (check_kind(bytes, n, err))
        return -1;
    if (n < LLAMA2C_HEADER)
        return err_set(err, ERR_INPUT, "it has %zu bytes, the header of a file"
                       " of llama2.c has %d", n, LLAMA2C_HEADER);
    if (fill_record(rec, bytes, err))
        return -1;
    want = LLAMA2C_HEADER + 4 * place(rec, NULL);
    if (size < want)
        return err_set(err, ERR_INPUT, "it has %" PRIu64 " bytes, and a file of"
                       " llama2.c with its header %" PRIu64 ": the download"
                       " did not finish", size, want);
    if (size > want)
        return err_set(err, ERR_INPUT, "it has %" PRIu64 " bytes, and a file of"
                       " llama2.c with its header %" PRIu64, size, want);
    return 0;
}

/* ---- the model ----------------------------------------------------------- */

bool llama2c_is(const char *path)
{
    size_t n = strlen(path);
    char magic[8] = "";
    struct stat st;
    bool is = false;
    int fd;

    if (n < 5 || strcasecmp(path + n - 4, ".bin") != 0)
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        is = file_read_at(fd, magic, sizeof(magic), 0) >= 0 &&
             memcmp(magic, "apusmdl1", sizeof(magic)) != 0;
    if (fd >= 0)
        close(fd);
    return is;
}

/* The first bytes of a file, and its size. */
static int open_file(int *fd, const char *path, unsigned char *head,
                     size_t *n, uint64_t *size, struct err *err)
{
    struct stat st;
    ssize_t got;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", path);
    got = fstat(*fd, &st) ? -1
                          : file_read_at(*fd, head, LLAMA2C_HEADER, 0);
    if (got < 0)
        return err_errno(err, ERR_RETRY, "cannot read \"%s\"", path);
    *n = (size_t)got;
    *size = (uint64_t)st.st_size;
    return 0;
}

static void name_tensors(struct llama2c *s, const struct model_record *rec)
{
    s->at = xmalloc(rec->n_tensors * sizeof(*s->at));
    s->name = xmalloc(rec->n_tensors * sizeof(*s->name));
    for (uint32_t i = 0; i < rec->n_tensors; i++) {
        s->at[i] = NOWHERE;
        model_tensor_name(s->name[i], rec, i);
    }
    place(rec, s->at);
}

/* bos and end, and the file that has the texts. */
static int read_texts(struct import *m, const char *path, const char *tokenizer,
                      struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *beside = xasprintf("%.*stokenizer.bin",
                             slash ? (int)(slash + 1 - path) : 0, path);
    int rc = 0;

    if (m->rec.n_vocab > END) {
        m->rec.bos = BOS;
        rc = ends_add(&m->rec, END, err) || ends_add(&m->rec, BOS, err)
                 ? -1 : 0;
    }
    if (rc == 0 && (tokenizer || file_exists(beside)))
        rc = llama2c_tokenizer_file(&m->tokenizer,
                                    tokenizer ? tokenizer : beside,
                                    m->rec.n_vocab, true, err);
    free(beside);
    return rc;
}

int llama2c_open(struct import *m, const char *path, const char *tokenizer,
                 struct err *err)
{
    static const struct hf_rope rope = { .type = HF_ROPE_PLAIN,
                                         .theta = 10000 };
    struct llama2c *s = xcalloc(1, sizeof(*s));
    unsigned char head[LLAMA2C_HEADER];
    uint64_t size = 0;
    size_t n = 0;

    s->fd = -1;
    m->self = s;
    m->format = &format;
    if (foreign_check_file(path, err) ||
        open_file(&s->fd, path, head, &n, &size, err))
        return -1;
    if (llama2c_header(&m->rec, head, n, size, err))
        return err_prefix(err, "\"%s\"", path);
    name_tensors(s, &m->rec);
    s->heads = (struct import_heads){ m->rec.head_dim, true };
    import_frequencies(m->inv_freq, &rope, m->rec.head_dim, &s->heads);
    return read_texts(m, path, tokenizer, err);
}

int llama2c_texts(struct import *m, const char *path, struct err *err)
{
    unsigned char head[LLAMA2C_HEADER];
    uint32_t max = m->rec.n_vocab;
    struct model_record rec;
    uint64_t size = 0;
    size_t n = 0;
    int fd = -1;
    bool is_model = foreign_check_file(path, NULL) == 0 &&
                    open_file(&fd, path, head, &n, &size, NULL) == 0 &&
                    llama2c_header(&rec, head, n, size, NULL) == 0;

    if (fd >= 0)
        close(fd);
    if (is_model && rec.n_vocab <= max) {
        m->rec.n_vocab = rec.n_vocab;
        return read_texts(m, path, NULL, err);
    }
    m->rec.bos = BOS;
    return ends_add(&m->rec, END, err) || ends_add(&m->rec, BOS, err) ||
           llama2c_tokenizer_file(&m->tokenizer, path, max, false, err)
               ? -1 : 0;
}
