/*
 * src/arweave/key: wallets made, saved, read again; every file that is
 * refused, with its remedy; signatures.
 */
#include <config.h>

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arweave/keccak.h"
#include "arweave/key.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "tests/arweave_util.h"
#include "tests/tap.h"

static char *path(const char *name)
{
    return file_join(tap_tmp(), name);
}

/* The refusal says `want`, and the file is named. */
static void refuses_file(const char *file, const char *want)
{
    struct err err = ERR_INIT;
    struct key *k = NULL;

    ok(key_load(&k, file, &err) == -1 && !k && err.code == ERR_INPUT &&
       strstr(err.text, want) && strstr(err.text, file), "refused: %s",
       err.text);
    key_free(k);
}

static void refuses_text(const char *text, const char *want)
{
    struct err err = ERR_INIT;
    struct key *k = NULL;

    ok(key_parse(&k, text, strlen(text), &err) == -1 && !k &&
       err.code == ERR_INPUT && strstr(err.text, want), "refused: %s",
       err.text);
    key_free(k);
}

/* The wallet's text with the value of one member replaced. */
static char *with(const char *text, const char *key, const char *value)
{
    char *name = xasprintf("\"%s\"", key);
    const char *at = strstr(text, name), *from, *to;
    char *out;

    if (!at)
        abort();
    from = strchr(at + strlen(name), '"') + 1;
    to = strchr(from, '"');
    out = xasprintf("%.*s%s%s", (int)(from - text), text, value, to);
    free(name);
    return out;
}

/* The wallet's text with the last-but-three character of a value changed. */
static char *damaged(const char *text, const char *key)
{
    char *name = xasprintf("\"%s\"", key), *out = xstrdup(text);
    char *at = strstr(out, name);

    if (!at)
        abort();
    at = strchr(strchr(at + strlen(name), '"') + 1, '"') - 4;
    *at = *at == 'A' ? 'B' : 'A';
    free(name);
    return out;
}

static void test_texts(const char *text)
{
    static const char *const parts[] = { "n", "d", "p", "q", "dp", "dq",
                                         "qi" };
    char *bad;

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        bad = damaged(text, parts[i]);
        refuses_text(bad, "do not belong together");
        free(bad);
    }
    bad = with(text, "e", "Aw");
    refuses_text(bad, "65537");
    free(bad);
    bad = with(text, "kty", "oct");
    refuses_text(bad, "\"oct\"");
    free(bad);
    bad = with(text, "n", "AQAB");
    refuses_text(bad, "4096");
    free(bad);
    bad = with(text, "d", "");
    refuses_text(bad, "\"d\"");
    free(bad);
    bad = with(text, "q", "a+b=");
    refuses_text(bad, "\"q\"");
    free(bad);
    refuses_text("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\"}",
                 "EC key (secp256k1)");
    refuses_text("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "backup");
    refuses_text("[]", "not a JWK");
    refuses_text("", "not a JWK");
    refuses_text("{\"kty\":1}", "no \"kty\"");
}

static void test_files(const char *text)
{
    static const char longer[20000];
    char *file = path("w.json"), *pipe_file = path("pipe");

    refuses_file(file, "cannot open");
    if (file_write(file, text, strlen(text), NULL))
        abort();
    chmod(file, 0640);
    refuses_file(file, "chmod 600");
    chmod(file, 0602);
    refuses_file(file, "chmod 600");
    chmod(file, 0600);
    if (geteuid() != 0) {
        skip("another user's wallet is refused", "not root");
    } else {
        if (chown(file, 12345, (gid_t)-1))
            abort();
        refuses_file(file, "12345");
    }
    unlink(file);
    if (file_write(file, longer, sizeof(longer), NULL))
        abort();
    chmod(file, 0600);
    refuses_file(file, "bytes");
    refuses_file(tap_tmp(), "not a regular file");
    if (mkfifo(pipe_file, 0600))
        abort();
    refuses_file(pipe_file, "not a regular file");
    unlink(file);
    unlink(pipe_file);
    free(file);
    free(pipe_file);
}

static void test_save(const struct key *k)
{
    struct id a, b;
    struct err err = ERR_INIT;
    char *file = path("new.json");
    struct key *again = NULL;
    struct buf before, after;
    struct stat st;

    umask(0277); /* would leave nobody a file to write */
    ok(key_save(k, file, &err) == 0 && stat(file, &st) == 0 &&
       (st.st_mode & 07777) == 0600, "saved with the mode 600 %s", err.text);
    umask(022);
    ok(key_load(&again, file, &err) == 0, "read again %s", err.text);
    key_address(k, &a);
    if (again)
        key_address(again, &b);
    ok(again && id_equal(a, b), "the same address");
    buf_init(&before, 1u << 16);
    buf_init(&after, 1u << 16);
    file_read(&before, file, &err);
    ok(again && key_save(again, file, &err) == -1 &&
       err.code == ERR_INPUT && strstr(err.text, "not written over"),
       "never over one that is there: %s", err.text);
    file_read(&after, file, &err);
    ok(after.len == before.len &&
       memcmp(after.data, before.data, after.len) == 0, "which is unchanged");
    unlink(file);
    ok(rmdir(tap_tmp()) == 0, "nothing is left beside it");
    ok(key_save(k, tap_missing("w.json"), &err) == -1 &&
       strstr(err.text, "no such file"), "a directory that is not there: %s",
       err.text);
    key_free(again);
    buf_clear(&before);
    buf_clear(&after);
    free(file);
}

#ifdef APUS_CRASH_TESTS
/* Save in a process with this fault; its status. */
static int save_with(const char *variable, int i, const struct key *k,
                     const char *file)
{
    char number[12];
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        snprintf(number, sizeof(number), "%d", i);
        setenv(variable, number, 1);
        _exit(key_save(k, file, NULL) ? 1 : 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    return status;
}

/* A whole wallet, or none. */
static int whole_or_none(const char *file)
{
    struct key *k = NULL;
    int good = !file_exists(file) || key_load(&k, file, NULL) == 0;

    key_free(k);
    return good;
}

/* Whatever is left in the directory can be read by us alone; it is removed.
 * How many files it was, -1 if one could be. */
static int sweep(void)
{
    DIR *dir = opendir(tap_tmp());
    const struct dirent *d;
    int n = 0, bad = 0;

    while (dir && (d = readdir(dir))) {
        char *file = path(d->d_name);
        struct stat st;

        if (stat(file, &st) == 0 && S_ISREG(st.st_mode)) {
            bad |= (st.st_mode & 077) != 0;
            unlink(file);
            n++;
        }
        free(file);
    }
    closedir(dir);
    return bad ? -1 : n;
}

/* Must come first: the calls of this process are counted from its start. */
static void test_faults(const struct key *k)
{
    char *file = path("fault.json");
    int status, made = 0;

    for (int i = 1; i <= 5; i++) {
        status = save_with("APUS_ENOSPC", i, k, file);
        made = file_exists(file);
        ok(whole_or_none(file) && sweep() == made && (i > 4 || status),
           "a full disk at call %d: a whole wallet or none, no rest", i);
        status = save_with("APUS_CRASH", i, k, file);
        ok(whole_or_none(file) && sweep() >= 0 && (i > 4 || status),
           "killed at call %d: a whole wallet or none, no rest for others",
           i);
    }
    ok(made, "four calls can fail");
    free(file);
}
#else
static void test_faults(const struct key *k)
{
    (void)k;
    skip("faults while a wallet is written", "no --enable-crash-tests");
}
#endif

static void test_sign(const struct key *k)
{
    unsigned char n[KEY_BYTES], sig[KEY_BYTES], twice[KEY_BYTES];
    struct err err = ERR_INIT;

    key_modulus(k, n);
    ok(key_sign(k, sig, "abc", 3, &err) == 0, "sign %s", err.text);
    ok(key_check(n, sig, "abc", 3), "the signature verifies");
    ok(!key_check(n, sig, "abd", 3), "not of another message");
    ok(key_sign(k, twice, "abc", 3, &err) == 0 &&
       memcmp(sig, twice, KEY_BYTES) == 0, "twice the same bytes");
    sig[KEY_BYTES - 1] ^= 1;
    ok(!key_check(n, sig, "abc", 3), "nor when a bit is changed");
    n[0] ^= 1;
    ok(!key_check(n, twice, "abc", 3), "nor for another key");
    memset(n, 0, sizeof(n));
    ok(!key_check(n, twice, "abc", 3), "a modulus of 0 checks nothing");
    memset(n, 0xff, sizeof(n));
    memset(sig, 0xff, sizeof(sig));
    ok(!key_check(n, sig, "abc", 3), "nor one of ones");
}

struct signer {
    const struct key *k;
    unsigned char sig[KEY_BYTES];
    int rc;
};

static void *sign_many(void *arg)
{
    struct signer *s = arg;

    for (int i = 0; i < 5; i++)
        s->rc |= key_sign(s->k, s->sig, "abc", 3, NULL);
    return NULL;
}

static void test_threads(const struct key *k)
{
    pthread_t thread[4];
    struct signer s[4];
    int good = 1;

    for (int i = 0; i < 4; i++) {
        s[i] = (struct signer){ .k = k };
        if (pthread_create(&thread[i], NULL, sign_many, &s[i]))
            abort();
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        good = good && s[i].rc == 0 &&
               memcmp(s[i].sig, s[0].sig, KEY_BYTES) == 0;
    }
    ok(good, "four threads sign with one key");
}

/* The key of the number 1, whose address wallets show so. */
static void test_ethereum_address(void)
{
    unsigned char key[65];
    char text[ETHEREUM_ADDRESS];

    unhex(key, "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f8"
               "1798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb"
               "10d4b8");
    key_ethereum_address(text, key);
    ok(strcmp(text, "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf") == 0,
       "an address of Ethereum: %s", text);
}

/* RFC 8032 section 7.1, test 2; Keccak-256 of the empty string and of "abc"
 * as Ethereum has them. */
static void test_others(void)
{
    struct id key, h, want;
    unsigned char sig[64];

    unhex(key.b, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4"
                 "660c");
    unhex(sig, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb"
               "69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d2916"
               "12bb0c00");
    ok(key_check_ed25519(key, sig, "\x72", 1), "ed25519: RFC 8032, test 2");
    ok(!key_check_ed25519(key, sig, "\x73", 1), "ed25519: another message");
    keccak256(&h, "", 0);
    unhex(want.b, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85"
                  "a470");
    ok(id_equal(h, want), "Keccak-256 of nothing");
    keccak256(&h, "abc", 3);
    unhex(want.b, "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d"
                  "6c45");
    ok(id_equal(h, want), "Keccak-256 of \"abc\"");
    test_ethereum_address();
}

int main(void)
{
    struct key *k = test_key(), *made = NULL;
    struct err err = ERR_INIT;
    char *text = test_wallet();

    test_faults(k);
    test_others();
    test_sign(k);
    test_threads(k);
    test_texts(text);
    test_files(text);
    ok(key_new(&made, &err) == 0, "a new key %s", err.text);
    if (made)
        test_save(made);
    key_free(made);
    key_free(k);
    free(text);
    return done();
}
