/*
 * src/base: settings (precedence, kinds, the file and its errors, printing)
 * and opt (options of all forms, settings as options, errors, --help).
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "tests/tap.h"

static const struct setting table[] = {
    { "log-level", "error|warning|info", "warning", true, "what is logged" },
    { "store", "path", "~/models", false, "where models are" },
    { "cache", "size", "1G", true, "bytes kept" },
    { "threads", "count", "4", false, "threads of a rank" },
    { "note", "text", "", false, "anything" },
    { "more", "words", "", false, "further options" },
    { "seats", "count 2..64", "8", false, "a range" },
    { "part", "size 1M..", "8M", false, "a least size" },
    { NULL, NULL, NULL, false, NULL },
};

static char *conf; /* the file, as $APUS_CONFIG */

/* Settings with this text in the file; NULL and err if they are refused. */
static struct settings *with_file(const char *text, struct err *err)
{
    struct settings *s = NULL;

    if (file_write(conf, text, strlen(text), err) ||
        settings_new(&s, table, err))
        return NULL;
    return s;
}

static int is(const struct settings *s, const char *name, const char *value)
{
    return strcmp(settings_text(s, name), value) == 0;
}

static void test_precedence(void)
{
    struct err err = ERR_INIT;
    struct settings *s = with_file("", &err);

    ok(s && is(s, "log-level", "warning") && is(s, "note", "") &&
       is(s, "store", "/home/someone/models") &&
       settings_count(s, "cache") == 1 << 30 &&
       settings_count(s, "threads") == 4, "defaults, home");
    settings_free(s);

    s = with_file("# a comment\n\n \t# another\n  threads=8\r\n"
                  "note =  a = b # c \nstore = ~/x\nlog-level = info", &err);
    ok(s && settings_count(s, "threads") == 8 && is(s, "threads", "8") &&
       is(s, "note", "a = b # c") && is(s, "store", "/home/someone/x") &&
       is(s, "log-level", "info"), "the file is over the defaults");
    settings_free(s);

    setenv("APUS_LOG_LEVEL", "error", 1);
    setenv("APUS_UNKNOWN", "x", 1);
    s = with_file("log-level = info\nnote = file\nthreads = 8\n", &err);
    ok(s && is(s, "log-level", "error") && is(s, "note", "file"),
       "the environment is over the file");
    unsetenv("APUS_UNKNOWN");
    if (!s)
        return;
    ok(settings_set(s, "log-level", "info", &err) == 0 &&
       is(s, "log-level", "info"), "a flag is over all");
    ok(settings_set(s, "cache", "2K", &err) == 0 &&
       settings_count(s, "cache") == 2048 && is(s, "cache", "2K"), "2K");
    ok(settings_set(s, "note", settings_text(s, "note"), &err) == 0 &&
       is(s, "note", "file"), "set to its own text");
    unsetenv("APUS_LOG_LEVEL");
    settings_free(s);
    settings_free(NULL);
}

static void test_which_file(const char *dir)
{
    char *home = file_join(dir, "home"), *old = xstrdup(getenv("HOME"));
    char *up = file_join(home, ".config/apus");
    char *path = file_join(up, "apus.conf");
    struct settings *s = NULL;
    struct err err = ERR_INIT;

    unsetenv("APUS_CONFIG");
    setenv("HOME", home, 1);
    ok(file_mkdirs(up, &err) == 0 &&
       file_write(path, "threads = 77\n", 13, &err) == 0 &&
       settings_new(&s, table, &err) == 0 &&
       settings_count(s, "threads") == 77, "~/.config/apus/apus.conf");
    settings_free(s);
    unlink(path);
    rmdir(up);
    *strrchr(up, '/') = '\0';
    rmdir(up);
    rmdir(home);
    setenv("APUS_CONFIG", tap_missing("apus.conf"), 1);
    ok(settings_new(&s, table, &err) == -1 && err.code == ERR_INPUT &&
       strstr(err.text, tap_missing("apus.conf")), "%s", err.text);
    setenv("APUS_CONFIG", conf, 1);
    setenv("HOME", old, 1);
    free(home);
    free(old);
    free(up);
    free(path);
}

static void test_bad_file(void)
{
    static const char *const rows[][2] = {
        { "threads = 1\ncolour = red\n", ":2: unknown setting \"colour\"" },
        { "\n\nthreads\n", ":3: no \"=\"" },
        { "threads = many\n", ":1: threads = \"many\"" },
        { "= 1\n", ":1: unknown setting \"\"" },
        { "Threads = 1\n", "unknown" },
        { "threads =\n", "whole number expected" },
        { "seats = 65\n", ":1: seats = \"65\": a whole number, 2 to 64 exp" },
        { "part = 1K\n", ":1: part = \"1K\": a size such as 512M, at least 1M"
          " expected" },
        { "note = a\tb\n", "one line of text" },
    };
    struct err err = ERR_INIT;
    struct settings *s;
    char *big;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        s = with_file(rows[i][0], &err);
        ok(!s && err.code == ERR_INPUT && strstr(err.text, rows[i][1]) &&
           strstr(err.text, conf), "%s", err.text);
        settings_free(s);
    }
    file_write(conf, "note = \0\n", 9, &err);
    ok(settings_new(&s, table, &err) == -1 && strstr(err.text, "NUL"), "%s",
       err.text);
    big = xcalloc(1, 70001);
    memset(big, '\n', 70000);
    ok(!with_file(big, &err) && err.code == ERR_INPUT, "%s", err.text);
    free(big);
    setenv("APUS_THREADS", "-1", 1);
    ok(!with_file("", &err) && err.code == ERR_INPUT &&
       strstr(err.text, "environment APUS_THREADS"), "%s", err.text);
    unsetenv("APUS_THREADS");
}

static void test_kinds(void)
{
    static const char *const bad[][2] = {
        { "log-level", "warn" }, { "log-level", "" },
        { "log-level", "error|warning" }, { "log-level", "warn ing" },
        { "cache", "" }, { "cache", "K" }, { "cache", "1k" },
        { "cache", "1KB" }, { "cache", "1.5G" }, { "cache", "-1" },
        { "cache", "16777216T" }, { "cache", "18446744073709551616" },
        { "cache", "111111111111111111111111111111111" },
        { "threads", "1K" }, { "threads", "0x1" }, { "threads", "1 1" },
        { "note", "a\nb" }, { "store", "a\nb" },
        { "seats", "1" }, { "seats", "65" }, { "seats", "2K" },
        { "part", "1048575" }, { "part", "1023K" }, { "part", "" },
    };
    struct err err = ERR_INIT;
    struct settings *s = with_file("", &err);
    int good = 1;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (settings_set(s, bad[i][0], bad[i][1], &err) != -1 ||
            err.code != ERR_INPUT)
            good = ok(0, "%s = %s is refused", bad[i][0], bad[i][1]);
    ok(good, "bad values");
    ok(is(s, "log-level", "warning") && settings_count(s, "cache") == 1 << 30,
       "and nothing has changed");
    ok(settings_set(s, "nothing", "1", &err) == -1 && err.code == ERR_INPUT &&
       strstr(err.text, "\"nothing\""), "%s", err.text);
    ok(settings_has(s, "note") && !settings_has(s, "Note") &&
       !settings_has(s, ""), "has");
    ok(settings_set(s, "cache", "16777215T", &err) == 0 &&
       settings_count(s, "cache") == UINT64_C(16777215) << 40 &&
       settings_set(s, "cache", "3M", &err) == 0 &&
       settings_count(s, "cache") == 3 << 20 &&
       settings_set(s, "cache", "18446744073709551615", &err) == 0 &&
       settings_count(s, "cache") == UINT64_MAX, "sizes");
    ok(settings_set(s, "seats", "2", &err) == 0 &&
       settings_set(s, "seats", "64", &err) == 0 &&
       settings_count(s, "seats") == 64 &&
       settings_set(s, "part", "1024K", &err) == 0 &&
       settings_set(s, "part", "9T", &err) == 0 &&
       settings_count(s, "part") == UINT64_C(9) << 40, "ends of a range");
    settings_free(s);
}

static void test_print(void)
{
    struct err err = ERR_INIT;
    struct settings *s;
    struct buf out;
    char want[1000];

    setenv("APUS_NOTE", "env", 1);
    s = with_file("\nthreads = 8\n", &err);
    settings_set(s, "cache", "1M", &err);
    buf_init(&out, 10000);
    settings_print(s, &out);
    snprintf(want, sizeof(want),
             "log-level = warning\t# default: what is logged\n"
             "store = /home/someone/models\t# default: where models are\n"
             "cache = 1M\t# flag --cache: bytes kept\n"
             "threads = 8\t# file %s:2: threads of a rank\n"
             "note = env\t# environment APUS_NOTE: anything\n"
             "more = \t# default: further options\n"
             "seats = 8\t# default: a range\n"
             "part = 8M\t# default: a least size\n", conf);
    ok(strcmp(out.data, want) == 0, "print");
    buf_clear(&out);
    settings_free(s);
    unsetenv("APUS_NOTE");
}

static void test_words(void)
{
    struct err err = ERR_INIT;
    struct settings *s = with_file("more = -p gpu\n", &err);

    ok(s && is(s, "more", "-p gpu"), "words in the file");
    ok(settings_set(s, "more", "-t 4", &err) == 0 && is(s, "more", "-t 4"),
       "a flag is over the file");
    ok(settings_set(s, "more", "--comment='a  b'", &err) == 0 &&
       is(s, "more", "-t 4 --comment='a  b'"),
       "the next flag is added to it");
    ok(settings_set(s, "more", "a\nb", &err) == -1 &&
       is(s, "more", "-t 4 --comment='a  b'"), "%s", err.text);
    settings_free(s);
}

static void test_for_worker(void)
{
    struct err err = ERR_INIT;
    struct settings *s = with_file("cache = 2K\nnote = x\n", &err);
    char **flags = settings_for_worker(s);

    ok(strcmp(flags[0], "--log-level=warning") == 0 &&
       strcmp(flags[1], "--cache=2K") == 0 && !flags[2],
       "the settings of a worker, and no others");
    for (size_t i = 0; flags[i]; i++)
        free(flags[i]);
    free(flags);
    settings_free(s);
}

/* A command, and what parsing left behind. */
static struct options {
    const char *model, *out_path, **list;
    bool force, quiet;
} got;
static const char *list[20];
static const char *args[20];
static size_t n_args;
static bool help;

static const struct opt opts[] = {
    { 'm', "model", "MODEL", "name or id of the model",
      offsetof(struct options, model) },
    { 'o', "out", "FILE", "where the answers go; without it they go beside "
      "the requests, under the same name with .out before the end",
      offsetof(struct options, out_path) },
    { 'f', "force", NULL, "do it", offsetof(struct options, force) },
    { 'l', "list", "WORD...", "one more word",
      offsetof(struct options, list) },
    { 'q', "quiet", NULL, "say less", offsetof(struct options, quiet) },
    { 0, "a-very-long-option-name", "ARGUMENT", "something",
      offsetof(struct options, out_path) },
    { .name = NULL },
};

static const struct opt_command command = {
    "apus run", "FILE.jsonl -m MODEL [-o OUT.jsonl]",
    "Run the requests of a file.\nTwice is the same as once.", opts, 1, 2
};

#define A41 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* Parse a line of words. */
static int parse(struct settings *s, const char *line, struct err *err)
{
    static char copy[200];
    char *argv[20] = { copy };
    int argc = 0;

    got = (struct options){ .list = list };
    memset(list, 0, sizeof(list));
    help = false;
    n_args = 99;
    snprintf(copy, sizeof(copy), "run %s", line);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
        argv[argc++] = p;
    return opt_parse(&command, s, argc, argv, &got, args, &n_args, &help, err);
}

static void test_opt(struct settings *s)
{
    struct err err = ERR_INIT;

    ok(parse(s, "a.jsonl", &err) == 0 && n_args == 1 && !help && !got.model &&
       strcmp(args[0], "a.jsonl") == 0, "positional");
    ok(parse(s, "-m x a --out=y b -f", &err) == 0 && n_args == 2 &&
           strcmp(got.model, "x") == 0 && strcmp(got.out_path, "y") == 0 &&
           got.force && !got.quiet && strcmp(args[0], "a") == 0 &&
           strcmp(args[1], "b") == 0,
       "options and arguments may be mixed");
    ok(parse(s, "-qfmx --out y a", &err) == 0 && got.quiet && got.force &&
       strcmp(got.model, "x") == 0 && strcmp(got.out_path, "y") == 0,
       "letters together");
    ok(parse(s, "--out= a -m -f", &err) == 0 && !*got.out_path && !got.force &&
           strcmp(got.model, "-f") == 0,
       "an argument may be empty or begin with -");
    ok(parse(s, "-f -- -m --help", &err) == 0 && n_args == 2 && !help &&
       strcmp(args[0], "-m") == 0 && strcmp(args[1], "--help") == 0, "--");
    ok(parse(s, "-", &err) == 0 && n_args == 1 && strcmp(args[0], "-") == 0,
       "- is an argument");
    ok(parse(s, "-f -m" A41 " --" A41, &err) == 0 && n_args == 2 &&
           !got.model && got.force && args[1][1] == '-',
       "an id is not an option");
    ok(parse(s, "-m" A41 "AA a", &err) == 0 && n_args == 1 && got.model &&
       strlen(got.model) == 43, "unless it is a letter and an id");
    ok(parse(s, "-m x -m y a", &err) == 0 && strcmp(got.model, "y") == 0,
       "the last one counts");
    ok(parse(s, "a", &err) == 0 && !list[0], "no value of a list");
    ok(parse(s, "--list x -lx a --list=y=1 -fl -m -l --help", &err) == 0 &&
       help, "--help as the value of a list");
    ok(parse(s, "--list x -ly a --list=z=1 -fl -m -l ", &err) == -1 &&
       strstr(err.text, "no argument for \"-l\""), "%s", err.text);
    ok(parse(s, "--list x -lx a --list=y=1 --list= -fl -m", &err) == 0 &&
       got.force && !got.model && n_args == 1 && strcmp(list[0], "x") == 0 &&
       strcmp(list[1], "x") == 0 && strcmp(list[2], "y=1") == 0 &&
       !*list[3] && strcmp(list[4], "-m") == 0 && !list[5],
       "all values of a list, in order");
    ok(parse(s, "a --threads 9 --log-level=info", &err) == 0 &&
       settings_count(s, "threads") == 9 && is(s, "log-level", "info"),
       "settings are options");
    ok(parse(s, "--nonsense a b c d --help", &err) == 0 && help,
       "--help, whatever else there is");
    ok(parse(s, "-h", &err) == 0 && help, "-h");
    ok(parse(NULL, "a -f", &err) == 0 && got.force, "without settings");
}

static void test_opt_bad(struct settings *s)
{
    static const char *const rows[][2] = {
        { "--nonsense a", "unknown option \"--nonsense\"" },
        { "-x a", "unknown option \"-x\" (see" },
        { "-Wh_4", "unknown option \"-Wh_4\": put -- before an id that" },
        { "--A7", "put -- before an id that begins with a dash" },
        { "-xorce a", "unknown option \"-xorce\" (see" },
        { "-x=abc a", "unknown option \"-x=abc\" (see" },
        { "-x=A4 a", "unknown option \"-x=A4\" (see" },
        { "-W4", "unknown option \"-W4\" (see" },
        { "-quiet a", "is --quiet meant?" },
        { "-fx a", "unknown option \"-fx\"" },
        { "--mod x a", "unknown option" }, { "--=x a", "unknown option" },
        { "a -m", "no argument for \"-m\"" },
        { "a --model", "no argument for \"--model\"" },
        { "a --threads", "no argument for \"--threads\"" },
        { "a --force=1", "no argument is wanted" },
        { "a --threads=x", "whole number" },
        { "a b c", "unexpected argument \"c\"" },
        { "-f", "missing argument" }, { "", "missing argument" },
        { "--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1", "unknown option" },
    };
    static const struct opt_command alone = { .name = "apus du", .opts = opts };
    char *argv[] = { (char *)"du", (char *)"-Wh_4" };
    struct err err = ERR_INIT;

    ok(opt_parse(&alone, s, 2, argv, &got, args, &n_args, &help, &err) == -1 &&
       strstr(err.text, "unknown option \"-Wh_4\" (see"),
       "a command of no arguments takes no id");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        ok(parse(s, rows[i][0], &err) == -1 && err.code == ERR_INPUT &&
           strstr(err.text, rows[i][1]) && strstr(err.text, "apus run"),
           "%s", err.text);
    ok(parse(NULL, "--threads 1", &err) == -1, "no settings, no options");
    args[2] = "mine";
    ok(parse(s, "a b c d", &err) == -1 && strcmp(args[2], "mine") == 0,
       "args has no more than max_args");
}

static void test_help(struct settings *s)
{
    static const char want[] =
        "usage: apus run FILE.jsonl -m MODEL [-o OUT.jsonl]\n"
        "\n"
        "Run the requests of a file.\n"
        "Twice is the same as once.\n"
        "\n"
        "  -m, --model MODEL  name or id of the model\n"
        "  -o, --out FILE     where the answers go; without it they go beside "
        "the\n"
        "                     requests, under the same name with .out before "
        "the end\n"
        "  -f, --force        do it\n"
        "  -l, --list WORD    one more word; may be given several times\n"
        "  -q, --quiet        say less\n"
        "      --a-very-long-option-name ARGUMENT\n"
        "                     something\n"
        "  -h, --help         print this text\n"
        "\n"
        "every setting is an option too: apus settings\n";
    struct opt_command bare = { "apus status", "", NULL, NULL, 0, 0 };
    struct buf out;
    int wide = 0;

    buf_init(&out, 10000);
    opt_help(&command, NULL, &out);
    ok(strcmp(out.data, want) == 0, "--help");
    for (char *line = strtok(out.data, "\n"); line; line = strtok(NULL, "\n"))
        wide = wide || strlen(line) > 79;
    ok(!wide, "no line is over 79 columns");
    buf_reset(&out);
    opt_help(&bare, NULL, &out);
    ok(strcmp(out.data, "usage: apus status\n\n"
              "  -h, --help  print this text\n\n"
              "every setting is an option too: apus settings\n") == 0,
       "--help of a command with nothing");
    buf_reset(&out);
    bare.synopsis = "[--threads N] [--nothing] [--log-level LEVEL]";
    opt_help(&bare, s, &out);
    ok(strcmp(out.data, "usage: apus status [--threads N] [--nothing]"
              " [--log-level LEVEL]\n\n"
              "      --threads N        threads of a rank\n"
              "      --log-level LEVEL  what is logged\n"
              "  -h, --help             print this text\n\n"
              "every setting is an option too: apus settings\n") == 0,
       "--help explains the settings of a synopsis");
    buf_clear(&out);
}

int main(void)
{
    const char *dir = tap_tmp();
    struct err err = ERR_INIT;
    struct settings *s;

    conf = file_join(dir, "apus.conf");
    setenv("APUS_CONFIG", conf, 1);
    setenv("HOME", "/home/someone", 1);
    unsetenv("APUS_LOG_LEVEL"); /* whatever the tester has */
    unsetenv("APUS_STORE");
    unsetenv("APUS_CACHE");
    unsetenv("APUS_THREADS");
    unsetenv("APUS_NOTE");
    unsetenv("APUS_MORE");
    test_precedence();
    test_which_file(dir);
    test_bad_file();
    test_kinds();
    test_print();
    test_words();
    test_for_worker();
    s = with_file("", &err);
    test_opt(s);
    test_opt_bad(s);
    test_help(s);
    settings_free(s);
    unlink(conf);
    rmdir(dir);
    free(conf);
    return done();
}
