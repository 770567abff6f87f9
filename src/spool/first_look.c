/*
 * What files of requests are mistaken for.  Formats are known by their magic
 * numbers, encodings by their zeros, the others by how their lines begin.
 */
#include <config.h>

#include "spool/first_look.h"

#include <stdint.h>
#include <string.h>

#include "base/err.h"

#define LINE "one JSON object a line is expected, such as " \
    "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/completions\"," \
    "\"body\":{\"prompt\":\"Once\"}}"

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- formats with a magic number ----------------------------------------- */

struct magic {
    size_t at, n;
    const char *bytes;
    const char *what;   /* after "is " */
    const char *remedy; /* NULL: LINE */
};

#define PIPE(tool) "pipe it: " tool " FILE | apus run -"
#define ANSWERS "apus export and apus show read it"

static const struct magic magics[] = {
    { 0, 2, "\x1f\x8b", "compressed with gzip", PIPE("gzip -dc") },
    { 0, 4, "\x28\xb5\x2f\xfd", "compressed with zstd", PIPE("zstd -dc") },
    { 0, 6, "\xfd" "7zXZ\0", "compressed with xz", PIPE("xz -dc") },
    { 0, 3, "BZh", "compressed with bzip2", PIPE("bzip2 -dc") },
    { 0, 4, "\x04\x22\x4d\x18", "compressed with lz4", PIPE("lz4 -dc") },
    { 0, 4, "LZIP", "compressed with lzip", PIPE("lzip -dc") },
    { 0, 2, "\x1f\x9d", "compressed", PIPE("gzip -dc") },
    { 0, 3, "\x5d\0\0", "compressed with lzma", PIPE("xz -dc") },
    { 0, 4, "PK\3\4", "a zip archive or a spreadsheet", NULL },
    { 0, 6, "7z\xbc\xaf\x27\x1c", "a 7z archive", NULL },
    { 0, 6, "Rar!\x1a\7", "a rar archive", NULL },
    { 257, 5, "ustar", "a tar archive", NULL },
    { 0, 8, "\211HDF\r\n\032\n", "an HDF5 file", ANSWERS },
    { 0, 8, "APUSLOG1", "a log of a batch", "apus show reads it" },
    { 0, 8, "APUSLOG2", "a log of a batch", "apus show reads it" },
    { 0, 8, "apusmdl1", "a model file", "it goes with -m" },
    { 0, 4, "GGUF", "a model file (GGUF)", NULL },
    { 0, 4, "%PDF", "a PDF", NULL },
    { 0, 4, "PAR1", "a Parquet file", NULL },
    { 0, 6, "ARROW1", "an Arrow file", NULL },
    { 0, 4, "Obj\1", "an Avro file", NULL },
    { 0, 6, "\x93NUMPY", "a NumPy array", NULL },
    { 0, 15, "SQLite format 3", "an SQLite database", NULL },
    { 0, 4, "\x89PNG", "a picture", NULL },
    { 0, 3, "\xff\xd8\xff", "a picture", NULL },
    { 0, 4, "GIF8", "a picture", NULL },
    { 0, 4, "\x7f" "ELF", "a program", NULL },
    { 0, 5, "{\\rtf", "a text document (RTF)", NULL },
};

static int describe(const char *name, const char *what, const char *remedy,
                    struct err *err)
{
    return err_set(err, ERR_INPUT, "%s is %s: %s", name, what,
                   remedy ? remedy : LINE);
}

/* Requests may have any word at any place. */
static bool begins_as_requests(const unsigned char *p, size_t n)
{
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        return true;
    return n > 0 && (*p == '{' || is_blank(*p));
}

static int look_at_magic(const char *name, const unsigned char *p, size_t n,
                         struct err *err)
{
    bool requests = begins_as_requests(p, n);

    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        const struct magic *m = &magics[i];

        if (requests && m->at > 0)
            continue;
        if (n >= m->at + m->n && memcmp(p + m->at, m->bytes, m->n) == 0)
            return describe(name, m->what, m->remedy, err);
    }
    return 0;
}

/* ---- encodings ----------------------------------------------------------- */

#define ICONV(from) "convert it: iconv -f " from " -t UTF-8 FILE | apus run -"

/* With a mark at the beginning, or by where the zeros of its first two
 * characters are. */
static int look_at_encoding(const char *name, const unsigned char *p,
                            size_t n, struct err *err)
{
    uint32_t zeros = 0;

    for (size_t i = 0; i < 8; i++)
        zeros = zeros << 1 | (i < n && p[i] == 0);
    if (n >= 4 && (memcmp(p, "\xff\xfe\0\0", 4) == 0 ||
                   memcmp(p, "\0\0\xfe\xff", 4) == 0))
        return describe(name, "UTF-32", ICONV("UTF-32"), err);
    if (n >= 8 && zeros == 0x77)
        return describe(name, "UTF-32", ICONV("UTF-32LE"), err);
    if (n >= 8 && zeros == 0xee)
        return describe(name, "UTF-32", ICONV("UTF-32BE"), err);
    if (n >= 2 && (memcmp(p, "\xff\xfe", 2) == 0 ||
                   memcmp(p, "\xfe\xff", 2) == 0))
        return describe(name, "UTF-16", ICONV("UTF-16"), err);
    if (n >= 4 && zeros >> 4 == 5)
        return describe(name, "UTF-16", ICONV("UTF-16LE"), err);
    if (n >= 4 && zeros >> 4 == 10)
        return describe(name, "UTF-16", ICONV("UTF-16BE"), err);
    return 0;
}

static int look_at_zeros(const char *name, const unsigned char *p, size_t n,
                         struct err *err)
{
    const unsigned char *end = memchr(p, '\n', n);

    /* one in a later line is that line's fault */
    if (n && memchr(p, 0, end ? (size_t)(end - p) : n))
        return describe(name, "not text", NULL, err);
    return 0;
}

/* ---- lines --------------------------------------------------------------- */

struct text {
    const unsigned char *p, *end;
};

static void skip_blanks(struct text *t)
{
    while (t->p < t->end && is_blank(*t->p))
        t->p++;
}

static const unsigned char *end_of_line(const struct text *t)
{
    const unsigned char *end =
        t->p < t->end ? memchr(t->p, '\n', (size_t)(t->end - t->p)) : NULL;

    return end ? end : t->end;
}

/* Whether the object that begins here is open at the end of its line, outside
 * of any string. */
static bool is_open(const struct text *t, const unsigned char *end)
{
    bool string = false, escaped = false;
    int depth = 0;

    for (const unsigned char *p = t->p; p < end; p++) {
        if (string) {
            string = escaped || *p != '"';
            escaped = !escaped && *p == '\\';
        } else if (*p == '"') {
            string = true;
        } else {
            depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        }
    }
    return !string && depth > 0;
}

/* A JSON object whose next lines belong to it; a line that was merely cut is
 * followed by another object. */
static bool is_indented(struct text t)
{
    const unsigned char *end = end_of_line(&t), *last = end;

    if (end == t.end || !is_open(&t, end))
        return false;
    while (last > t.p && is_blank(last[-1]))
        last--;
    t.p = end;
    skip_blanks(&t);
    if (t.p == t.end)
        return false;
    return *t.p != '{' || strchr("[,:", last[-1]) != NULL;
}

/* Whether any line begins as an object; the last may be cut. */
static bool has_object(struct text t)
{
    for (skip_blanks(&t); t.p < t.end; skip_blanks(&t)) {
        if (*t.p == '{')
            return true;
        t.p = end_of_line(&t);
    }
    return false;
}

static bool begins(const struct text *t, const char *with)
{
    size_t n = strlen(with);

    return (size_t)(t->end - t->p) >= n && memcmp(t->p, with, n) == 0;
}

/* An answer, as apus and OpenAI's API write it. */
static bool is_answer(struct text t)
{
    static const char *const head[] = { "{", "\"id\"", ":", "\"batch_req_" };

    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
        skip_blanks(&t);
        if (!begins(&t, head[i]))
            return false;
        t.p += strlen(head[i]);
    }
    return true;
}

/* Objects, each on a line that ends with CR. */
static bool has_cr_lines(struct text t)
{
    const unsigned char *cr;

    if (t.p == t.end || *t.p != '{' || end_of_line(&t) < t.end)
        return false;
    cr = memchr(t.p, '\r', (size_t)(t.end - t.p));
    if (!cr || cr[-1] != '}')
        return false;
    t.p = cr;
    skip_blanks(&t);
    return t.p < t.end && *t.p == '{';
}

/* As the first line of CSV has. */
static bool has_separators(const struct text *t)
{
    for (const unsigned char *p = t->p, *end = end_of_line(t); p < end; p++)
        if (*p == ',' || *p == ';' || *p == '\t' || *p == '|')
            return true;
    return false;
}

#define TO_LINES "make lines of it: jq -c "

/* No line begins as an object. */
static int look_at_others(const char *name, const struct text *t,
                          struct err *err)
{
    if (begins(t, "\x1e"))
        return describe(name, "a JSON text sequence",
                        TO_LINES "--seq . FILE | apus run -", err);
    if (begins(t, "<"))
        return describe(name, "XML or HTML", NULL, err);
    if (begins(t, "---") || begins(t, "- "))
        return describe(name, "YAML", NULL, err);
    if (has_separators(t))
        return describe(name, "not JSONL (CSV, it seems)", NULL, err);
    return describe(name, "not JSONL", NULL, err);
}

int first_look(const char *name, const void *data, size_t n, bool whole,
               struct err *err)
{
    struct text t = { data, (const unsigned char *)data + n };

    if (look_at_magic(name, data, n, err) ||
        look_at_encoding(name, data, n, err))
        return -1;
    if (begins(&t, "\xef\xbb\xbf"))
        t.p += 3;
    skip_blanks(&t);
    if (t.p == t.end)
        return whole ? err_set(err, ERR_INPUT, "%s %s: %s", name,
                               n ? "has no requests" : "is empty", LINE) : 0;
    if (look_at_zeros(name, t.p, (size_t)(t.end - t.p), err))
        return -1;
    if (begins(&t, "["))
        return describe(name, "a JSON array",
                        TO_LINES "'.[]' FILE | apus run -", err);
    if (is_answer(t))
        return describe(name, "a file of answers, not of requests",
                        "apus verify and apus diff read it", err);
    if (has_cr_lines(t))
        return describe(name, "text with lines that end with CR alone",
                        "convert it: tr '\\r' '\\n' <FILE | apus run -", err);
    if (begins(&t, "{") && is_indented(t))
        return describe(name, "JSON over several lines",
                        TO_LINES ". FILE | apus run -", err);
    return has_object(t) ? 0 : look_at_others(name, &t, err);
}
