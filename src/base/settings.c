/*
 * Settings: defaults, one file, the environment, flags; the last one wins.
 * Which settings there are is the program's table, not here.
 */
#include <config.h>

#include "base/settings.h"

#include <assert.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/split.h"

#define FILE_MAX_SIZE (64u << 10)
#define SYSTEM_FILE "/etc/apus/apus.conf"
#define USER_FILE "~/.config/apus/apus.conf"
#define ENV_PREFIX "APUS_"

struct value {
    char *text;
    char *origin;
    uint64_t count; /* of a size or a count */
};

struct settings {
    const struct setting *table;
    size_t n;
    struct value *values; /* one a row */
};

static bool is_kind(const struct setting *row, const char *kind)
{
    size_t n = strlen(kind);

    return strncmp(row->kind, kind, n) == 0 &&
           (!row->kind[n] || row->kind[n] == ' ');
}

/* The row of a name, n if there is none. */
static size_t find_setting(const struct settings *s, const char *name)
{
    size_t i = 0;

    while (i < s->n && strcmp(s->table[i].name, name) != 0)
        i++;
    return i;
}

void settings_offer(const struct settings *s, struct nearest *n)
{
    for (size_t i = 0; i < s->n; i++)
        nearest_offer(n, s->table[i].name);
}

static int unknown(const struct settings *s, const char *name, struct err *err)
{
    struct nearest n;

    nearest_init(&n, name, strlen(name));
    settings_offer(s, &n);
    if (!n.name)
        return err_set(err, ERR_INPUT,
                       "unknown setting \"%s\" (see apus settings)", name);
    return err_set(err, ERR_INPUT,
                   "unknown setting \"%s\": is \"%s\" meant? (see apus"
                   " settings)", name, n.name);
}

char *settings_expand(const char *path)
{
    const char *home = getenv("HOME");
    const struct passwd *pw;

    if (strncmp(path, "~/", 2) != 0)
        return xstrdup(path);
    if (!home || !*home) {
        pw = getpwuid(getuid());
        home = pw ? pw->pw_dir : NULL;
    }
    return home ? file_join(home, path + 2) : xstrdup(path);
}

/* Digits with K, M, G or T behind them. */
static int parse_size(const char *text, uint64_t *out)
{
    static const char units[] = "KMGT";
    size_t n = strlen(text);
    const char *unit = n > 0 ? strchr(units, text[n - 1]) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    char digits[24];
    uint64_t v;

    n -= unit != NULL;
    if (n >= sizeof(digits))
        return -1;
    memcpy(digits, text, n);
    digits[n] = '\0';
    if (json_u64_text(digits, &v) || v > UINT64_MAX >> shift)
        return -1;
    *out = v << shift;
    return 0;
}

/* Whether a number is in the range of its kind, if that has one. */
static bool in_range(const char *kind, uint64_t v)
{
    const char *min = strchr(kind, ' '), *max;
    uint64_t least = 0, most = UINT64_MAX;
    char text[24] = "";

    if (!min)
        return true;
    max = strstr(++min, "..");
    assert(max && (size_t)(max - min) < sizeof(text));
    memcpy(text, min, (size_t)(max - min));
    if (parse_size(text, &least) || (max[2] && parse_size(max + 2, &most)))
        assert(!"a range is written as MIN..MAX or MIN..");
    return least <= v && v <= most;
}

/* What is expected of a number that was refused, such as "a whole number, 1 to
 * 64". */
static int refuse_number(const struct setting *row, const char *value,
                         const char *what, struct err *err)
{
    const char *min = strchr(row->kind, ' '), *max;

    max = min ? strstr(++min, "..") : NULL;
    return err_set(err, ERR_INPUT, "%s = \"%s\": %s%s%.*s%s%s expected",
                   row->name, value, what,
                   !max ? "" : max[2] ? ", " : ", at least ",
                   max ? (int)(max - min) : 0, max ? min : "",
                   max && max[2] ? " to " : "", max ? max + 2 : "");
}

static bool is_choice(const char *kind, const char *value)
{
    size_t n = strlen(value);

    for (;;) {
        size_t len = strcspn(kind, "|");

        if (len == n && memcmp(kind, value, n) == 0)
            return true;
        if (!kind[len])
            return false;
        kind += len + 1;
    }
}

/* A value is one line, or what `apus settings` prints could not be read. */
static bool is_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static int check_words(const char *text, struct err *err)
{
    char **words;

    if (split_words(&words, text, err))
        return -1;
    split_free(words);
    return 0;
}

static int check_kind(const struct setting *row, const char *value,
                      uint64_t *count, struct err *err)
{
    const char *want = NULL;

    *count = 0;
    if (is_kind(row, "size")) {
        if (parse_size(value, count) || !in_range(row->kind, *count))
            return refuse_number(row, value, "a size such as 512M", err);
    } else if (is_kind(row, "count")) {
        if (json_u64_text(value, count) || !in_range(row->kind, *count))
            return refuse_number(row, value, "a whole number", err);
    } else if (strchr(row->kind, '|')) {
        if (!is_choice(row->kind, value))
            want = row->kind;
    } else {
        assert(is_kind(row, "text") || is_kind(row, "words") ||
               is_kind(row, "path"));
        if (!is_line(value))
            want = "one line of text";
        else if (is_kind(row, "words") && check_words(value, err))
            return err_prefix(err, "%s = \"%s\"", row->name, value);
    }
    if (want)
        return err_set(err, ERR_INPUT, "%s = \"%s\": %s expected", row->name,
                       value, want);
    return 0;
}

/* Without the blanks around it; the text is changed. */
static char *trim(char *text)
{
    size_t n;

    text += strspn(text, " \t");
    n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

/* Takes `origin` whatever happens. */
static int set(struct settings *s, size_t i, const char *value, char *origin,
               struct err *err)
{
    const struct setting *row = &s->table[i];
    struct value *v = &s->values[i];
    uint64_t count;
    char *bare, *text;

    /* a file could not hold blanks around it; `value` may be the old text */
    bare = xstrdup(value);
    value = trim(bare);
    if (check_kind(row, value, &count, err)) {
        err_prefix(err, "%s", origin);
        free(bare);
        free(origin);
        return -1;
    }
    text = is_kind(row, "path") ? settings_expand(value) : xstrdup(value);
    free(bare);
    free(v->text);
    free(v->origin);
    v->text = text;
    v->origin = origin;
    v->count = count;
    return 0;
}

static int load_defaults(struct settings *s, struct err *err)
{
    for (size_t i = 0; i < s->n; i++)
        if (set(s, i, s->table[i].def, xstrdup("default"), err))
            return -1;
    return 0;
}

static int load_line(struct settings *s, char *line, const char *path,
                     size_t number, struct err *err)
{
    char *name = trim(line), *equals, *comment;
    size_t i;

    if (!*name || *name == '#')
        return 0;
    equals = strchr(name, '=');
    if (!equals)
        return err_set(err, ERR_INPUT, "file %s:%zu: no \"=\" in \"%s\"", path,
                       number, name);
    *equals = '\0';
    name = trim(name);
    i = find_setting(s, name);
    if (i == s->n) {
        unknown(s, name, err);
        return err_prefix(err, "file %s:%zu", path, number);
    }
    /* no value has a tab: this is a line that settings_print made */
    comment = strstr(equals + 1, "\t#");
    if (comment)
        *comment = '\0';
    if (strncmp(s->values[i].origin, "file ", 5) == 0)
        return err_set(err, ERR_INPUT, "file %s:%zu: \"%s\" is there a second"
                       " time (%s)", path, number, name, s->values[i].origin);
    return set(s, i, trim(equals + 1), xasprintf("file %s:%zu", path, number),
               err);
}

static int load_file(struct settings *s, const char *path, struct err *err)
{
    struct buf text;
    size_t number = 0;
    char *line;
    int rc;

    buf_init(&text, FILE_MAX_SIZE);
    rc = file_read(&text, path, err);
    if (rc == 0 && strlen(text.data) != text.len)
        rc = err_set(err, ERR_INPUT, "\"%s\" has a NUL byte", path);
    line = text.data;
    if (rc == 0 && text.len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3; /* editors on Windows write it */
    for (char *next; rc == 0 && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        rc = load_line(s, line, path, ++number, err);
    }
    buf_clear(&text);
    return rc;
}

/* The file that counts, NULL if there is none; the caller frees it. */
static char *find_file(void)
{
    const char *named = getenv("APUS_CONFIG");
    char *path;

    if (named && *named) /* /dev/null is the custom for "none" */
        return strcmp(named, "/dev/null") != 0 ? xstrdup(named) : NULL;
    path = settings_expand(USER_FILE);
    if (file_exists(path))
        return path;
    free(path);
    return file_exists(SYSTEM_FILE) ? xstrdup(SYSTEM_FILE) : NULL;
}

/* "log-level" is APUS_LOG_LEVEL; the caller frees it. */
static char *env_name(const char *name)
{
    char *env = xasprintf("%s%s", ENV_PREFIX, name);

    for (char *p = env + strlen(ENV_PREFIX); *p; p++) {
        if (*p == '-')
            *p = '_';
        else if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    }
    return env;
}

static int load_env(struct settings *s, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        char *env = env_name(s->table[i].name);
        const char *value = getenv(env);

        if (value)
            rc = set(s, i, value, xasprintf("environment %s", env), err);
        free(env);
    }
    return rc;
}

int settings_new(struct settings **out, const struct setting *table,
                 struct err *err)
{
    struct settings *s = xcalloc(1, sizeof(*s));
    char *path = find_file();
    int rc = -1;

    s->table = table;
    while (table[s->n].name)
        s->n++;
    s->values = xcalloc(s->n, sizeof(*s->values));
    if (load_defaults(s, err))
        goto out;
    if (path && load_file(s, path, err))
        goto out;
    if (load_env(s, err))
        goto out;
    *out = s;
    s = NULL;
    rc = 0;
out:
    free(path);
    settings_free(s);
    return rc;
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        free(s->values[i].text);
        free(s->values[i].origin);
    }
    free(s->values);
    free(s);
}

bool settings_has(const struct settings *s, const char *name)
{
    return find_setting(s, name) < s->n;
}

const char *settings_help(const struct settings *s, const char *name)
{
    size_t i = find_setting(s, name);

    assert(i < s->n);
    return s->table[i].help;
}

bool settings_from_flag(const struct settings *s, const char *name)
{
    size_t i = find_setting(s, name);

    assert(i < s->n);
    return strncmp(s->values[i].origin, "flag ", 5) == 0;
}

int settings_set(struct settings *s, const char *name, const char *value,
                 struct err *err)
{
    size_t i = find_setting(s, name);
    char *origin, *words;
    int rc;

    if (i == s->n)
        return unknown(s, name, err);
    origin = xasprintf("flag --%s", name);
    if (!is_kind(&s->table[i], "words") ||
        strcmp(s->values[i].origin, origin) != 0)
        return set(s, i, value, origin, err);
    words = xasprintf("%s %s", s->values[i].text, value);
    rc = set(s, i, words, origin, err);
    free(words);
    return rc;
}

int settings_check(const struct settings *s, const char *name,
                   const char *value, uint64_t *count, struct err *err)
{
    size_t i = find_setting(s, name);
    uint64_t v;

    assert(i < s->n);
    if (check_kind(&s->table[i], value, &v, err))
        return -1;
    *count = v;
    return 0;
}

const char *settings_text(const struct settings *s, const char *name)
{
    size_t i = find_setting(s, name);

    assert(i < s->n);
    return s->values[i].text;
}

uint64_t settings_count(const struct settings *s, const char *name)
{
    size_t i = find_setting(s, name);

    assert(i < s->n);
    assert(is_kind(&s->table[i], "size") || is_kind(&s->table[i], "count"));
    return s->values[i].count;
}

char **settings_for_worker(const struct settings *s)
{
    char **flags = xcalloc(s->n + 1, sizeof(*flags));
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        if (s->table[i].worker)
            flags[n++] = xasprintf("--%s=%s", s->table[i].name,
                                   s->values[i].text);
    return flags;
}

void settings_print(const struct settings *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++)
        buf_printf(out, "%s = %s\t# %s: %s\n", s->table[i].name,
                   s->values[i].text, s->values[i].origin, s->table[i].help);
}

void settings_print_file(const struct settings *s, struct buf *out)
{
    buf_printf(out, "# Settings of apus.  Those that begin with '#' have their"
               " default.\n");
    for (size_t i = 0; i < s->n; i++)
        buf_printf(out, "\n# %s\n%s%s = %s\n", s->table[i].help,
                   strcmp(s->values[i].origin, "default") == 0 ? "#" : "",
                   s->table[i].name, s->values[i].text);
}
