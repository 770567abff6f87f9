/*
 * Unicode of our own.  Covers: categories and white space by example, form C by
 * example and by all lines of the published NormalizationTest.
 */
#include <config.h>

#include "text/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "tests/tap.h"
#include "text/tokenizer_internal.h"

#define TEST_FILE "/usr/share/unicode/NormalizationTest.txt"

static bool is_only(uint32_t cp, enum unicode_category category)
{
    return unicode_is(cp) == 1u << category;
}

static void categories(void)
{
    ok(is_only('a', UNICODE_LL) && is_only('Z', UNICODE_LU) &&
           is_only('_', UNICODE_PC) && is_only('7', UNICODE_ND) &&
           is_only(0x2167, UNICODE_NL) && is_only(0xbd, UNICODE_NO) &&
           is_only(0x1c5, UNICODE_LT) && is_only(0x301, UNICODE_MN),
       "categories");
    ok(is_only(0x4e00, UNICODE_LO) && is_only(0x9fff, UNICODE_LO) &&
           is_only(0xac00, UNICODE_LO) && is_only(0xd7a3, UNICODE_LO) &&
           is_only(0xd7a4, UNICODE_CN) && is_only(0x20000, UNICODE_LO) &&
           is_only(0xd800, UNICODE_CS) && is_only(0xe000, UNICODE_CO) &&
           is_only(0x10fffe, UNICODE_CN) && is_only(0x10ffff, UNICODE_CN),
       "ranges that their file names by their ends");
    ok(is_only(0x1c89, UNICODE_CN) && is_only(0x105d2, UNICODE_CN) &&
           is_only(0x1df25, UNICODE_LL) && is_only(0x31350, UNICODE_LO),
       "version 15.0: nothing of 16, all of 15");
    ok((unicode_is(' ') & unicode_is('\t') & unicode_is(0x85) &
        unicode_is(0xa0) & unicode_is(0x3000) & UNICODE_WHITE_SPACE) &&
           !((unicode_is(0x180e) | unicode_is(0x200b)) & UNICODE_WHITE_SPACE),
       "white space is White_Space");
}

static bool nfc_is(const char *s, const char *want)
{
    struct buf b;
    bool same;

    buf_init(&b, 1 << 16);
    normalize_nfc(&b, s, strlen(s));
    same = strcmp(b.data, want) == 0;
    buf_clear(&b);
    return same;
}

static void nfc(void)
{
    ok(nfc_is("e\xcc\x82\xcc\xa3", "\xe1\xbb\x87"), "NFC: order, compose");
    ok(nfc_is("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81"),
       "NFC: Hangul");
    ok(nfc_is("\xea\xb0\x80\xe1\x86\xa7x", "\xea\xb0\x80\xe1\x86\xa7x"),
       "NFC: U+11A7 is not a final consonant");
    ok(nfc_is("\xf0\x90\x97\x92\xcc\x87", "\xf0\x90\x97\x92\xcc\x87"),
       "NFC: a composition of version 16 is none");
}

/* Append the code points of one column, in hexadecimal, as UTF-8. */
static const char *column(struct buf *b, const char *s)
{
    char *end;

    buf_reset(b);
    while (*s && *s != ';') {
        utf8_put(b, (uint32_t)strtoul(s, &end, 16));
        if (end == s)
            return NULL;
        s = end + strspn(end, " ");
    }
    return *s ? s + 1 : NULL;
}

static bool normalizes(const struct buf *in, const struct buf *want)
{
    struct buf out;
    bool same;

    buf_init(&out, 1 << 16);
    normalize_nfc(&out, in->data, in->len);
    same = out.len == want->len && memcmp(out.data, want->data, out.len) == 0;
    buf_clear(&out);
    return same;
}

/* c2 == NFC(c1) == NFC(c2) == NFC(c3); c4 == NFC(c4) == NFC(c5). */
static bool holds(const char *line)
{
    struct buf c[5];
    bool good = true;

    for (int i = 0; i < 5; i++) {
        buf_init(&c[i], 1 << 16);
        if (line)
            line = column(&c[i], line);
    }
    good = line && normalizes(&c[0], &c[1]) && normalizes(&c[1], &c[1]) &&
           normalizes(&c[2], &c[1]) && normalizes(&c[3], &c[3]) &&
           normalizes(&c[4], &c[3]);
    for (int i = 0; i < 5; i++)
        buf_clear(&c[i]);
    return good;
}

static void published(void)
{
    size_t n = 0, wrong = 0;
    char line[4096];
    FILE *f;

    f = popen("cat " TEST_FILE " 2>/dev/null || bzip2 -dc " TEST_FILE
              ".bz2 2>/dev/null", "r");
    while (f && fgets(line, sizeof(line), f)) {
        if (!strchr("0123456789ABCDEF", *line))
            continue;
        n++;
        if (!holds(line) && wrong++ == 0)
            printf("# %s", line);
    }
    if (f)
        pclose(f);
    if (n == 0)
        skip("the lines of NormalizationTest", "no " TEST_FILE "[.bz2]"
             " (Debian: unicode-data, bzip2)");
    else
        ok(wrong == 0 && n > 18000, "%zu lines of NormalizationTest", n);
}

int main(void)
{
    categories();
    nfc();
    published();
    return done();
}
