/*
 * The interpreter of chat templates.  Covers: white space beside tags,
 * expressions, statements, filters, tests and methods by example; what comes
 * from the user; what is refused, by name; the bounds of a run.
 */
#include <config.h>

#include "text/jinja.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "tests/tap.h"

#define VARIABLES                                                     \
    "{\"m\":[{\"role\":\"user\",\"content\":\" a \\u00e9\\n\"},"      \
    "{\"role\":\"assistant\",\"content\":\"b\"}],\"n\":7,\"f\":1.50," \
    "\"s\":\"A,b,,c\",\"no\":null,\"t\":{\"k\":[1,\"\\\"\"],\"e\":{}}}"

static const char *date;

/* Render with the variables above.  "!" and the error if it fails. */
static char *render(const char *tmpl, struct jinja_output *out)
{
    struct jinja_variable v[8] = { 0 };
    struct err err = ERR_INIT;
    struct json *root;
    struct jinja *t;
    size_t n = 0;
    char *text;

    *out = (struct jinja_output){ 0 };
    if (json_parse(&root, VARIABLES, strlen(VARIABLES), &err))
        abort();
    for (const struct json *e = json_first(root); e; e = json_next(e)) {
        v[n].name = json_key(e);
        v[n].json = e;
        v[n++].from_user = true;
    }
    if (jinja_new(&t, tmpl, strlen(tmpl), &err) == 0) {
        (void)jinja_render(t, v, n, date, out, &err);
        jinja_free(t);
    }
    json_free(root);
    text = malloc(strlen(err.text) + out->n + 2);
    sprintf(text, "%s%s", err.code ? "!" : "", err.code ? err.text : "");
    if (!err.code)
        memcpy(text, out->text, out->n + 1);
    return text;
}

static bool gives(const char *tmpl, const char *want)
{
    struct jinja_output out;
    char *got = render(tmpl, &out);
    bool same = strcmp(got, want) == 0;

    if (!same)
        printf("# %s\n# gives %s\n", tmpl, got);
    free(got);
    jinja_output_clear(&out);
    return same;
}

/* The error has this text and is one line's. */
static bool fails(const char *tmpl, const char *why)
{
    struct jinja_output out;
    char *got = render(tmpl, &out);
    bool good = *got == '!' && strstr(got, why);

    if (!good)
        printf("# %s\n# gives %s\n", tmpl, got);
    free(got);
    jinja_output_clear(&out);
    return good;
}

static void examples(const char *what, const char *const (*e)[2])
{
    bool good = true;

    for (; (*e)[0]; e++)
        good &= gives((*e)[0], (*e)[1]);
    ok(good, "%s", what);
}

static void white_space(void)
{
    static const char *const space[][2] = {
        { "a\n", "a" },
        { "a\n\n", "a\n" },
        { " {% if 1 %}\nx\n  {% endif %}\ny", "x\ny" },
        { "a {% if 1 %} x {% endif %} b", "a  x  b" },
        { "a {%- if 1 -%} x {%- endif -%} b", "axb" },
        { "  {%+ if 1 +%}\nx{% endif %}", "  \nx" },
        { "  {{ 1 }}\n{{- 2 }}\n  {{ 3 -}}\n x", "  12\n  3x" },
        { "a\n  {# c #}\nb{#- c -#} \n d", "a\nbd" },
        { "{{ '%}' }}{{ {'a': {'b': 1}}['a'].b}}", "%}1" },
        { NULL, NULL }
    };

    examples("white space beside tags", space);
}

static void operators(void)
{
    static const char *const expressions[][2] = {
        { "{{ 1 + 2 * 3 - -4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }}",
          "11 3 -4 2" },
        { "{{ 'a' + 'b' ~ 1 ~ none ~ true }}", "ab1NoneTrue" },
        { "{{ 'a' 'b' }}{{ \"\\n\\x41\\u00e9\\q\" }}", "ab\nA\xc3\xa9\\q" },
        { "{{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ 2 >= 3 }} {{ not 1 in [2] }}",
          "True True False True" },
        { "{{ 'x' if n > 3 else 'y' }}{{ 'z' if 0 }}", "x" },
        { "{{ '' or 'd' }}{{ 0 and x.y }}{{ 1 and 2 }}", "d02" },
        { "{{ m[0].role }} {{ m[-1]['content'] }} {{ m[9] }}", "user b " },
        { "{{ s[1:] }} {{ s[::-1] }} {{ s[-1] }} {{ 'xyz'[:2] }}",
          ",b,,c c,,b,A c xy" },
        { "{{ m[0].content[4] }}", "\n" },
        { "{{ (m[1:] + m)|length }} {{ [1, 2, 3][::2]|join }}", "3 13" },
        { "{{ 'b' in s }} {{ 'k' in t }} {{ 'q' not in t }}",
          "True True True" },
        { "{{ f }} {{ -n }} {{ 'ab' * 2 }}", "1.5 -7 abab" },
        { "{{ x }}|{{ x is defined }}|{{ x|default('d') }}|{{ no|d('e', "
          "true) }}",
          "|False|d|e" },
        { NULL, NULL }
    };

    examples("expressions", expressions);
}

static void tags(void)
{
    static const char *const statements[][2] = {
        { "{% for x in m %}{{ loop.index }}{{ x.role }}{{ loop.last }} "
          "{% endfor %}",
          "1userFalse 2assistantTrue " },
        { "{% for x in [] %}a{% else %}b{% endfor %}", "b" },
        { "{% for x in [1,2,3,4] if x is even %}{{ x }}{{ loop.length }}"
          "{% endfor %}",
          "2242" },
        { "{% for k, v in t|items %}{{ k }}{{ v|tojson }}{% endfor %}",
          "k[1, \"\\\"\"]e{}" },
        { "{% for x in [1,2,3,4] %}{% if x == 2 %}{% continue %}{% endif %}"
          "{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
          "13" },
        { "{% set a = 1 %}{% for x in [1,2] %}{% set a = a + x %}{{ a }}"
          "{% endfor %}{{ a }}",
          "231" },
        { "{% set ns = namespace(a=1) %}{% for x in [1,2] %}"
          "{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}",
          "4" },
        { "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% if a %}{% set b = 3 %}"
          "{% endif %}{{ b }}",
          "123" },
        { "{% set x %} a {{ n }} {% endset %}[{{ x|trim }}]", "[a 7]" },
        { "{% filter trim %}  x {% endfilter %}y", "xy" },
        { "{% macro g(a, b='q') %}{{ a }}{{ b }}{% endmacro %}{{ g(1) }}"
          "{{ g(1, b=2) }}{{ g(b=3, a=4) }}",
          "1q1243" },
        { "{% macro f(n) %}{{ n }}{% if n > 1 %}{{ f(n - 1) }}{% endif %}"
          "{% endmacro %}{{ f(3) }}",
          "321" },
        { "{% if 0 %}a{% elif n == 7 %}b{% else %}c{% endif %}", "b" },
        { "{% generation %}x{% endgeneration %}", "x" },
        { NULL, NULL }
    };

    examples("statements", statements);
}

static void by_name(void)
{
    static const char *const words[][2] = {
        { "{{ m[0].content|trim }}|{{ '\\u00a0x '.strip() }}", "a \xc3\xa9|x" },
        { "{{ 'xxaxx'.lstrip('x') }} {{ 'xxaxx'.rstrip('x') }}", "axx xxa" },
        { "{{ s.split(',')|length }} {{ s.split(',', 1)[1] }} "
          "{{ ' a  b '.split()|join('+') }}",
          "4 b,,c a+b" },
        { "{{ s|lower }} {{ s.upper() }} {{ s|replace(',', '; ') }}",
          "a,b,,c A,B,,C A; b; ; c" },
        { "{{ s.startswith('A') }} {{ s.endswith(('x', 'c')) }}", "True True" },
        { "{{ m|map(attribute='role')|join(', ') }}", "user, assistant" },
        { "{{ m|selectattr('role', 'equalto', 'user')|list|length }}"
          "{{ [1, 2, 1]|unique|list|length }}{{ [0, 1]|select|list|length }}",
          "121" },
        { "{{ m|first|tojson }}",
          "{\"role\": \"user\", \"content\": \" a \xc3\xa9\\n\"}" },
        { "{{ t|tojson(indent=2) }}",
          "{\n  \"k\": [\n    1,\n    \"\\\"\"\n  ],\n  \"e\": {}\n}" },
        { "{{ 'a\\nb\\n\\nc'|indent(2) }}|{{ 'a'|indent(2, first=true) }}",
          "a\n  b\n\n  c|  a" },
        { "{{ t.get('q') }}{{ t.get('q', 1) }}{{ t.items()|length }}",
          "None12" },
        { "{{ none is none }}{{ t is mapping }}{{ 's' is iterable }}"
          "{{ 3 is divisibleby 3 }}{{ x is not defined }}",
          "TrueTrueTrueTrueTrue" },
        { "{{ strftime_now is defined }}", "False" },
        { "{% for x in m %}{% for y in m %}{{ loop.depth }}{{ loop.depth0 }}"
          "{% endfor %}{% break %}{% endfor %}", "1010" },
        { NULL, NULL }
    };

    examples("filters, tests and methods", words);
}

static void refusals(void)
{
    static const char *const known[][2] = {
        { "{% import 'x' as y %}", "line 1: not supported: \"import\"" },
        { "\n{% include 'x' %}", "line 2: not supported: \"include\"" },
        { "{% extends 'x' %}", "\"extends\"" },
        { "{% block a %}{% endblock %}", "\"block\"" },
        { "{% call f() %}{% endcall %}", "\"call\"" },
        { "{% do x %}", "\"do\"" },
        { "{% for x in m recursive %}{% endfor %}", "\"recursive\"" },
        { "{{ x|eval }}", "unknown filter \"eval\"" },
        { "{{ x is callable }}", "unknown test \"callable\"" },
        { "{{ m|map('title') }}", "unknown filter \"title\"" },
        { "{{ m|select('callable') }}", "unknown test \"callable\"" },
        { "{{ m|rejectattr('a', 'callable') }}", "unknown test" },
        { "{{ x.format(1) }}", "unknown method \"format\"" },
        { "{{ open('x') }}", "unknown function \"open\"" },
        { "{{ x.__class__() }}", "unknown method \"__class__\"" },
        { "{{ 1 / 2 }}", "" },
        { "{{ 2 ** 3 }}", "" },
        { "{% if 1 %}", "the end is missing: \"endif\"" },
        { "{{ 'a", "a string has no end" },
        { "{{ 1", "a tag has no end" },
        { "{# a", "a comment has no end" },
        { "{% break %}", "outside of a loop" },
        { "{{ }}", "an expression expected instead of \"}}\"" },
        { "{% if %}", "an expression expected instead of \"%}\"" },
        { "{{ a ! b }}", "" },
        { "{{ a ? b }}", "belongs nowhere" },
        { NULL, NULL }
    };
    static const char *const at_run[][2] = {
        { "{{ raise_exception('No ' + m[0].role) }}",
          "the chat template says: No user" },
        { "\n{{ x.y }}", "line 2: \"y\" of what is not defined" },
        { "{{ 'a' + 1 }}", "a string and an integer" },
        { "{{ 9223372036854775807 }}", "more than 18 digits" },
        { "{{ 999999999999999999 * 10 }}", "too large" },
        { "{{ 1 // 0 }}", "zero" },
        { "{{ m }}", "tojson" },
        { "{{ '\xc3\x89'|lower }}", "U+00C9" },
        { "{% set m.x = 1 %}", "not a namespace" },
        { "{% for a, b in [[1]] %}{% endfor %}", "1 values for 2 names" },
        { "{{ strftime_now('%Y') }}", "a date" },
        { "{% set loop_ = 1 %}{{ m() }}", "" },
        { NULL, NULL }
    };
    bool good = true;

    for (size_t i = 0; known[i][0]; i++)
        good &= fails(known[i][0], known[i][1]);
    ok(good, "what is not known is refused when it is read, by name");
    good = true;
    for (size_t i = 0; at_run[i][0]; i++)
        good &= fails(at_run[i][0], at_run[i][1]);
    ok(good, "what goes wrong in a run is an error with its line");
}

static void dates(void)
{
    date = "2026-02-03";
    ok(gives("{{ strftime_now('%d %b %Y') }} {{ strftime_now('%e %B %y %m "
             "%%') }}",
             "03 Feb 2026  3 February 26 02 %") &&
           gives("{{ strftime_now is defined }}", "True") &&
           fails("{{ strftime_now('%H') }}", "%H"),
       "the date is that of the request");
    date = NULL;
}

/* The marks of the output: u for a byte of the user's, t for the template's. */
static bool marks(const char *tmpl, const char *want)
{
    struct jinja_output out;
    char *got = render(tmpl, &out);
    bool same = out.n == strlen(want);

    for (size_t i = 0; same && i < out.n; i++)
        same = want[i] == (out.from_user[i] ? 'u' : 't');
    if (!same)
        printf("# %s\n# gives %s, %zu bytes\n", tmpl, got, out.n);
    free(got);
    jinja_output_clear(&out);
    return same;
}

static void provenance(void)
{
    ok(marks("<{{ s }}>", "tuuuuuut") &&
           marks("{{ '<' ~ m[1].role + '>' }}", "tuuuuuuuuut"),
       "what the user wrote is marked, in one string with what he did not");
    ok(marks("{{ s|lower }}{{ s[2:4] }}{{ s[::-1] }}", "uuuuuuuuuuuuuu") &&
           marks("{{ s.split(',')|join('-') }}", "ututtu") &&
           marks("{{ s|replace('b', '<>') }}", "uuttuuu") &&
           marks("{{ 'abc'|replace('b', s[0]) }}", "tut"),
       "through filters and methods");
    ok(marks("{{ m[1]|tojson }}", "tuuuuuutt"
                                  "uuuuuuuuuuu"
                                  "tt"
                                  "uuuuuuuuu"
                                  "tt"
                                  "uuu"
                                  "t"),
       "through JSON: strings with their quotes");
    ok(marks("{% set x %}a{{ s[0] }}{% endset %}{% macro f(y) %}{{ y }}b"
             "{% endmacro %}{{ x }}{{ f(s[0]) }}{{ n }}",
             "tuutt"),
       "through blocks and macros; numbers are the template's");
}

static void bounds(void)
{
    static char deep[4000];

    ok(fails("{% for a in range(2000) %}{% for b in range(2000) %}"
             "{% endfor %}{% endfor %}",
             "more than") &&
           fails("{% for a in range(900) %}{% if 'y' in 'x' * 5000 %}"
                 "{% endif %}{% endfor %}",
                 "steps"),
       "steps");
    ok(fails("{% set ns = namespace(x='0123456789abcdef') %}"
             "{% for a in range(40) %}{% set ns.x = ns.x + ns.x %}"
             "{% endfor %}",
             "more than"),
       "a string that doubles");
    ok(fails("{% set x = 'x' * 4096 %}{% for a in range(2000) %}{{ x }}"
             "{% endfor %}",
             "output"),
       "output");
    ok(fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
             "nested too deeply"),
       "a macro that calls itself");
    ok(fails("{% set ns = namespace() %}{% set ns.x = ns %}"
             "{{ ns|tojson }}",
             "nested too deeply"),
       "a circle of values");
    memset(deep, '(', 1000);
    memcpy(deep, "{{ ", 3);
    memset(deep + 1000, ')', 997);
    strcat(deep, "}}");
    ok(fails(deep, "nested too deeply"), "parentheses");
    memset(deep, 0, sizeof(deep));
    for (size_t i = 0; i < 200; i++)
        strcat(deep, "{% if 1 %}");
    ok(fails(deep, "nested too deeply"), "statements");
    ok(fails("{{ x|replace('', 'a') }}", "not empty") &&
           fails("{{ range(100000000) }}", "more than"),
       "endless words");
}

static void words(void)
{
    static const char text[] =
        "{% macro f(p) %}{{ p.q }}{% endmacro %}{% for e in alpha %}"
        "{{ e['key'] ~ f(e) ~ 'a key' }}{% endfor %}"
        "{% if beta is defined %}{{ strftime_now('%Y') }}{% endif %}";
    struct err err = ERR_INIT;
    struct jinja *t;
    char *near, *far;

    if (jinja_new(&t, text, strlen(text), &err))
        abort();
    ok(jinja_reads(t, "alpha") && jinja_reads(t, "beta") &&
           jinja_reads(t, "strftime_now") && !jinja_reads(t, "q") &&
           !jinja_reads(t, "key") && !jinja_reads(t, "alph"),
       "the variables that a template reads");
    ok(jinja_mentions(t, "q") && jinja_mentions(t, "key") &&
           jinja_mentions(t, "beta") && !jinja_mentions(t, "a"),
       "the words that it has");
    near = jinja_near(t, "aplha");
    far = jinja_near(t, "gamma");
    ok(near && strcmp(near, "alpha") == 0 && !far, "the one that is meant");
    free(near);
    free(far);
    jinja_free(t);
}

int main(void)
{
    white_space();
    operators();
    tags();
    by_name();
    refusals();
    dates();
    words();
    provenance();
    bounds();
    return done();
}
