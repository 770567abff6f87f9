/*
 * Command lines and --help, both from the command's table.
 */
#include <config.h>

#include "base/opt.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/nearest.h"
#include "base/mem.h"
#include "base/settings.h"

#define COLUMNS 79
#define NAME_ROOM 64 /* of an option's name or argument, with its end */
#define HELP_AT 28 /* where the right column begins, at most */
#define ID_SHORT 4 /* letters of an id that is shortened, at least */

/* Where we are in argv. */
struct opt_cursor {
    const struct opt_command *c;
    struct settings *s;
    int argc;
    char **argv;
    int i;
    char *into; /* the struct of the command */
};

static const struct opt help_opt = { 'h', "help", NULL, "print this text", 0 };

static int misused(const struct opt_cursor *at, struct err *err,
                   const char *what, const char *name)
{
    return err_set(err, ERR_INPUT, "%s: %s \"%s\" (see %s --help)", at->c->name,
                   what, name, at->c->name);
}

/* The table may be missing. */
static bool is_row(const struct opt *o)
{
    return o && o->name;
}

static const struct opt *find_letter(const struct opt *o, char letter)
{
    for (; is_row(o); o++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

static const struct opt *find_name(const struct opt *o, const char *name,
                                   size_t n)
{
    for (; is_row(o); o++)
        if (strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

/* Whether a word that is no option may be the beginning of an id: options have
 * no capitals and digits. */
static bool may_be_id(const struct opt_cursor *at, const char *word)
{
    static const char never[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t n = strlen(word);

    for (const char *p = word; *p; p++)
        if (!strchr(never, *p) && !strchr("abcdefghijklmnopqrstuvwxyz-", *p))
            return false;
    return at->c->max_args > 0 && n >= ID_SHORT && strpbrk(word, never);
}

/* A word that begins with a dash and is not an option. */
static int not_an_option(const struct opt_cursor *at, struct err *err,
                         const char *word)
{
    if (find_name(at->c->opts, word + 1, strlen(word + 1)))
        return err_set(err, ERR_INPUT, "%s: unknown option \"%s\": is -%s"
                       " meant? (see %s --help)", at->c->name, word, word,
                       at->c->name);
    if (!may_be_id(at, word))
        return misused(at, err, "unknown option", word);
    return err_set(err, ERR_INPUT, "%s: unknown option \"%s\": put -- before"
                   " an id that begins with a dash (see %s --help)",
                   at->c->name, word, at->c->name);
}

/* An option that is in no table, nor a setting: --name, of n letters. */
static int unknown(const struct opt_cursor *at, struct err *err,
                   const char *word, size_t n)
{
    struct nearest near;

    nearest_init(&near, word + 2, n);
    for (const struct opt *o = at->c->opts; is_row(o); o++)
        nearest_offer(&near, o->name);
    if (at->s)
        settings_offer(at->s, &near);
    if (!near.name)
        return not_an_option(at, err, word);
    return err_set(err, ERR_INPUT,
                   "%s: unknown option \"%s\": is --%s meant? (see %s --help)",
                   at->c->name, word, near.name, at->c->name);
}

/* Columns of the name of its argument, without the "..." of a list. */
static size_t arg_width(const struct opt *o)
{
    size_t n = strlen(o->arg);

    return n > 3 && strcmp(o->arg + n - 3, "...") == 0 ? n - 3 : n;
}

static bool is_list(const struct opt *o)
{
    return o->arg && o->arg[arg_width(o)];
}

static void set_flag(const struct opt_cursor *at, const struct opt *o)
{
    *(bool *)(void *)(at->into + o->at) = true;
}

static void put_argument(const struct opt_cursor *at, const struct opt *o,
                         const char *value)
{
    void *to = at->into + o->at;
    const char **text = is_list(o) ? *(const char ***)to : to;

    while (is_list(o) && *text)
        text++;
    *text = value;
}

/* --help wherever it stands, but not among what follows "--". */
static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* The next word, which is the argument of `option`. */
static const char *argument(struct opt_cursor *at, const char *option,
                            struct err *err)
{
    if (at->i + 1 < at->argc)
        return at->argv[++at->i];
    misused(at, err, "no argument for", option);
    return NULL;
}

static int take_setting(struct opt_cursor *at, const char *name,
                        const char *value, struct err *err)
{
    if (!value)
        value = argument(at, at->argv[at->i], err);
    if (!value)
        return -1;
    if (settings_set(at->s, name, value, err))
        return err_prefix(err, "%s", at->c->name);
    return 0;
}

/* --name, --name VALUE, --name=VALUE */
static int take_long(struct opt_cursor *at, struct err *err)
{
    const char *word = at->argv[at->i], *name = word + 2;
    size_t n = strcspn(name, "=");
    const char *value = name[n] ? name + n + 1 : NULL;
    const struct opt *o = find_name(at->c->opts, name, n);
    char bare[64];

    if (o && !o->arg) {
        if (value)
            return misused(at, err, "no argument is wanted in", word);
        set_flag(at, o);
        return 0;
    }
    if (o) {
        if (!value)
            value = argument(at, word, err);
        if (!value)
            return -1;
        put_argument(at, o, value);
        return 0;
    }
    if (n >= sizeof(bare))
        return unknown(at, err, word, n);
    memcpy(bare, name, n);
    bare[n] = '\0';
    if (!at->s || !settings_has(at->s, bare))
        return unknown(at, err, word, n);
    return take_setting(at, bare, value, err);
}

/* -v, -vq, -m MODEL, -mMODEL */
static int take_letters(struct opt_cursor *at, struct err *err)
{
    const char *word = at->argv[at->i];

    for (const char *p = word + 1; *p; p++) {
        const struct opt *o = find_letter(at->c->opts, *p);
        const char *value;

        if (!o)
            return not_an_option(at, err, word);
        if (!o->arg) {
            set_flag(at, o);
            continue;
        }
        value = p[1] ? p + 1 : argument(at, word, err);
        if (!value)
            return -1;
        put_argument(at, o, value);
        return 0;
    }
    return 0;
}

/* Ids are random, so one in 64 begins with a dash: an id is never an option,
 * which has not that many letters. */
static bool is_argument(const char *word)
{
    struct id id;

    return word[0] != '-' || !word[1] || id_parse(&id, word) == 0;
}

int opt_parse(const struct opt_command *c, struct settings *s, int argc,
              char **argv, void *into, const char **args, size_t *n_args,
              bool *help, struct err *err)
{
    struct opt_cursor at = { c, s, argc, argv, 1, into };
    const char *extra = NULL; /* the first that there is no room for */
    bool more_options = true;
    size_t n = 0;

    *n_args = 0;
    *help = wants_help(argc, argv);
    if (*help)
        return 0;
    for (; at.i < argc; at.i++) {
        const char *word = argv[at.i];
        int rc = 0;

        if (!more_options || is_argument(word)) {
            if (n < c->max_args)
                args[n++] = word;
            else if (!extra)
                extra = word;
        } else if (strcmp(word, "--") == 0) {
            more_options = false;
        } else if (word[1] == '-') {
            rc = take_long(&at, err);
        } else {
            rc = take_letters(&at, err);
        }
        if (rc)
            return -1;
    }
    if (extra)
        return misused(&at, err, "unexpected argument", extra);
    if (n < c->min_args)
        return err_set(err, ERR_INPUT, "%s: missing argument, usage: %s %s",
                       c->name, c->name, c->synopsis);
    *n_args = n;
    return 0;
}

static void spaces(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_putc(out, ' ');
}

/* Text by words from column `at`, later lines from column `indent`; ends the
 * line. */
static void wrap(struct buf *out, const char *text, size_t indent, size_t at)
{
    bool first = true; /* of its line */

    text += strspn(text, " \n");
    while (*text) {
        size_t n = strcspn(text, " \n");

        if (!first && at + 1 + n > COLUMNS) {
            buf_putc(out, '\n');
            spaces(out, indent);
            at = indent;
            first = true;
        }
        if (!first) {
            buf_putc(out, ' ');
            at++;
        }
        buf_put(out, text, n);
        at += n;
        first = false;
        text += n;
        text += strspn(text, " \n");
    }
    buf_putc(out, '\n');
}

/* Columns of "  -m, --model MODEL". */
static size_t left_width(const struct opt *o)
{
    size_t n = strlen("  -x, --") + strlen(o->name);

    return o->arg ? n + 1 + arg_width(o) : n;
}

static void put_option(struct buf *out, const struct opt *o, size_t column)
{
    char *help = xasprintf("%s%s", o->help, is_list(o)
                           ? "; may be given several times" : "");
    size_t at = left_width(o);

    if (o->letter)
        buf_printf(out, "  -%c, --%s", o->letter, o->name);
    else
        buf_printf(out, "      --%s", o->name);
    if (o->arg)
        buf_printf(out, " %.*s", (int)arg_width(o), o->arg);
    if (at + 2 > column) { /* too long for the left column */
        buf_putc(out, '\n');
        at = 0;
    }
    spaces(out, column - at);
    wrap(out, help, column, column);
    free(help);
}

/* The next "--name" of a synopsis that is a setting, as an option with the word
 * behind it; `at` is the rest of the synopsis.  False at its end. */
static bool next_setting(struct opt *o, char name[NAME_ROOM],
                         char arg[NAME_ROOM], const char **at,
                         const struct settings *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
    const char *p = *at;

    while ((p = strstr(p, "--")) != NULL) {
        size_t n = strspn(p + 2, letters);
        size_t n_arg;

        snprintf(name, NAME_ROOM, "%.*s", (int)n, p + 2);
        p += 2 + n;
        *at = p;
        if (!n || *p != ' ' || !settings_has(s, name))
            continue;
        n_arg = strcspn(p + 1, " ]");
        snprintf(arg, NAME_ROOM, "%.*s", (int)n_arg, p + 1);
        *o = (struct opt){ .name = name, .arg = arg,
                           .help = settings_help(s, name) };
        return true;
    }
    return false;
}

/* Let the right column begin behind this option, unless it is too long. */
static void widen(size_t *column, const struct opt *o)
{
    size_t at = left_width(o) + 2;

    if (at > *column && at <= HELP_AT)
        *column = at;
}

void opt_help(const struct opt_command *c, const struct settings *s,
              struct buf *out)
{
    size_t column = left_width(&help_opt) + 2;
    size_t usage = strlen("usage: ") + strlen(c->name) + 1;
    char name[NAME_ROOM], arg[NAME_ROOM];
    const char *at = c->synopsis;
    struct opt set;

    buf_printf(out, "usage: %s%s", c->name, *c->synopsis ? " " : "");
    wrap(out, c->synopsis, usage, usage);
    if (c->about && *c->about)
        buf_printf(out, "\n%s\n", c->about);
    buf_putc(out, '\n');
    for (const struct opt *o = c->opts; is_row(o); o++)
        widen(&column, o);
    while (s && next_setting(&set, name, arg, &at, s))
        widen(&column, &set);
    for (const struct opt *o = c->opts; is_row(o); o++)
        put_option(out, o, column);
    at = c->synopsis;
    while (s && next_setting(&set, name, arg, &at, s))
        put_option(out, &set, column);
    put_option(out, &help_opt, column);
    buf_puts(out, "\nevery setting is an option too: apus settings\n");
}
