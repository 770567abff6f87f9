/*
 * Keys and signatures by OpenSSL, through the interface that 3.0 has.  The
 * form of a wallet is in key_file.c.
 */
#include <config.h>

#include "arweave/key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "arweave/key_internal.h"
#include "arweave/keccak.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"

#define EXPONENT 65537

struct key {
    EVP_PKEY *pkey;
    unsigned char modulus[KEY_BYTES];
};

/* The names of the parts in OpenSSL, in the order of enum key_part. */
static const char *const part_names[KEY_N_PARTS] = {
    OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
    OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
    OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
    OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1
};

/* What OpenSSL says about its last failure; its queue is then empty. */
static int crypto_err(struct err *err, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = ERR_reason_error_string(code);

    ERR_clear_error();
    return err_set(err, ERR_FATAL, "%s: %s", what,
                   why ? why : "libcrypto does not say why");
}

/* A key of the first n of these numbers; 2 make a public one. */
static EVP_PKEY *pkey_of(BIGNUM *const *bn, size_t n)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;

    if (!bld || !ctx)
        goto out;
    for (size_t i = 0; i < n; i++)
        if (!OSSL_PARAM_BLD_push_BN(bld, part_names[i], bn[i]))
            goto out;
    params = OSSL_PARAM_BLD_to_param(bld);
    if (!params || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &pkey,
                          n > 2 ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          params) <= 0)
        pkey = NULL;
out:
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* ---- keys ---------------------------------------------------------------- */

static struct key *key_of(EVP_PKEY *pkey, const unsigned char *modulus)
{
    struct key *k = xcalloc(1, sizeof(*k));

    k->pkey = pkey;
    memcpy(k->modulus, modulus, KEY_BYTES);
    return k;
}

void key_free(struct key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey); /* wipes the secret parts */
    free(k);
}

int key_new(struct key **out, struct err *err)
{
    unsigned char modulus[KEY_BYTES];
    EVP_PKEY *pkey = EVP_RSA_gen(KEY_BYTES * 8); /* exponent 65537 */
    BIGNUM *n = NULL;

    if (!pkey)
        return crypto_err(err, "cannot make a key");
    if (!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) ||
        BN_bn2binpad(n, modulus, KEY_BYTES) != KEY_BYTES) {
        BN_free(n);
        EVP_PKEY_free(pkey);
        return crypto_err(err, "cannot make a key");
    }
    BN_free(n);
    *out = key_of(pkey, modulus);
    return 0;
}

/* Whether x * y = 1 mod m; or x = y mod m if `same`. */
static bool congruent(const BIGNUM *x, const BIGNUM *y, const BIGNUM *m,
                      bool same, BN_CTX *ctx)
{
    BIGNUM *r = BN_secure_new();
    bool good = false;

    if (!r)
        return false;
    if (same)
        good = BN_nnmod(r, y, m, ctx) && BN_cmp(r, x) == 0;
    else
        good = BN_mod_mul(r, x, y, m, ctx) && BN_is_one(r);
    BN_clear_free(r);
    return good;
}

/* n = p q, and what follows from it (RFC 8017 section 3.2).  That p and q are
 * primes shows when a signature is checked. */
static bool belong_together(BIGNUM *const *bn)
{
    BN_CTX *ctx = BN_CTX_secure_new();
    BIGNUM *pq = BN_secure_new(), *p1 = BN_secure_new(),
           *q1 = BN_secure_new();
    bool good = false;

    if (!ctx || !pq || !p1 || !q1)
        goto out;
    if (!BN_is_odd(bn[KEY_P]) || !BN_is_odd(bn[KEY_Q]) ||
        BN_is_one(bn[KEY_P]) || BN_is_one(bn[KEY_Q]) ||
        !BN_mul(pq, bn[KEY_P], bn[KEY_Q], ctx) || BN_cmp(pq, bn[KEY_N]) ||
        !BN_sub(p1, bn[KEY_P], BN_value_one()) ||
        !BN_sub(q1, bn[KEY_Q], BN_value_one()))
        goto out;
    good = congruent(bn[KEY_E], bn[KEY_D], p1, false, ctx) &&
           congruent(bn[KEY_E], bn[KEY_D], q1, false, ctx) &&
           congruent(bn[KEY_DP], bn[KEY_D], p1, true, ctx) &&
           congruent(bn[KEY_DQ], bn[KEY_D], q1, true, ctx) &&
           congruent(bn[KEY_QI], bn[KEY_Q], bn[KEY_P], false, ctx);
out:
    BN_clear_free(pq);
    BN_clear_free(p1);
    BN_clear_free(q1);
    BN_CTX_free(ctx);
    return good;
}

int key_from_parts(struct key **out, const struct key_parts *parts,
                   struct err *err)
{
    static const char probe[] = "apus";
    unsigned char modulus[KEY_BYTES], sig[KEY_BYTES];
    BIGNUM *bn[KEY_N_PARTS] = { NULL };
    EVP_PKEY *pkey = NULL;
    struct key *k;
    int rc = -1;

    for (size_t i = 0; i < KEY_N_PARTS; i++) {
        bn[i] = BN_secure_new();
        if (!bn[i] || !BN_bin2bn(parts->at[i], (int)parts->n[i], bn[i])) {
            crypto_err(err, "cannot read a key");
            goto out;
        }
    }
    if (BN_num_bits(bn[KEY_N]) != KEY_BYTES * 8) {
        err_set(err, ERR_INPUT, "an RSA key of %d bits: only those of 4096"
                " bits are Arweave's", BN_num_bits(bn[KEY_N]));
        goto out;
    }
    if (!BN_is_word(bn[KEY_E], EXPONENT)) {
        err_set(err, ERR_INPUT, "its exponent e is not 65537 (AQAB), as"
                " Arweave's are");
        goto out;
    }
    if (!belong_together(bn)) {
        err_set(err, ERR_INPUT, "its parts do not belong together: take the"
                " file from a backup");
        goto out;
    }
    BN_bn2binpad(bn[KEY_N], modulus, KEY_BYTES);
    pkey = pkey_of(bn, KEY_N_PARTS);
    if (!pkey) {
        crypto_err(err, "cannot read a key");
        goto out;
    }
    k = key_of(pkey, modulus);
    if (key_sign(k, sig, probe, sizeof(probe), NULL)) {
        key_free(k);
        err_set(err, ERR_INPUT, "its parts do not belong together: what it"
                " signs does not verify");
        goto out;
    }
    *out = k;
    rc = 0;
out:
    for (size_t i = 0; i < KEY_N_PARTS; i++)
        BN_clear_free(bn[i]);
    return rc;
}

int key_to_parts(const struct key *k, struct key_parts *parts,
                 struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < KEY_N_PARTS; i++) {
        BIGNUM *bn = NULL;
        int n = -1;

        if (EVP_PKEY_get_bn_param(k->pkey, part_names[i], &bn) &&
            BN_num_bytes(bn) <= KEY_BYTES)
            n = BN_bn2bin(bn, parts->at[i]);
        BN_clear_free(bn);
        if (n <= 0)
            rc = crypto_err(err, "cannot write a key");
        parts->n[i] = n > 0 ? (size_t)n : 0;
    }
    return rc;
}

void key_modulus(const struct key *k, unsigned char n[KEY_BYTES])
{
    memcpy(n, k->modulus, KEY_BYTES);
}

void key_address_of(struct id *address, const unsigned char n[KEY_BYTES])
{
    digest(address, n, KEY_BYTES);
}

void key_address(const struct key *k, struct id *address)
{
    key_address_of(address, k->modulus);
}

/* ---- RSA-PSS ------------------------------------------------------------- */

/* Salt and mask of a context that was just initialised. */
static bool set_pss(EVP_PKEY_CTX *ctx, int salt)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt) > 0 &&
           EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0;
}

int key_sign(const struct key *k, unsigned char sig[KEY_BYTES],
             const void *msg, size_t n, struct err *err)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    struct id h;
    unsigned char made[KEY_BYTES];
    size_t len = KEY_BYTES;
    int rc = -1;

    digest(&h, msg, n);
    if (!ctx || EVP_PKEY_sign_init(ctx) <= 0 || !set_pss(ctx, 0) ||
        EVP_PKEY_sign(ctx, made, &len, h.b, sizeof(h)) <= 0 ||
        len != KEY_BYTES) {
        crypto_err(err, "cannot sign");
        goto out;
    }
    /* A fault in the arithmetic of CRT would give a factor of n away. */
    if (!key_check(k->modulus, made, msg, n)) {
        err_set(err, ERR_FATAL, "a signature made here does not verify: is"
                " the memory of this machine good?");
        goto out;
    }
    memcpy(sig, made, KEY_BYTES);
    rc = 0;
out:
    mem_wipe(made, sizeof(made));
    EVP_PKEY_CTX_free(ctx);
    return rc;
}

bool key_check(const unsigned char modulus[KEY_BYTES],
               const unsigned char sig[KEY_BYTES], const void *msg, size_t n)
{
    return key_check_size(modulus, KEY_BYTES, sig, KEY_BYTES, msg, n);
}

bool key_check_size(const unsigned char *modulus, size_t n_modulus,
                    const unsigned char *sig, size_t n_sig, const void *msg,
                    size_t n)
{
    BIGNUM *bn[2] = { BN_bin2bn(modulus, (int)n_modulus, NULL), BN_new() };
    EVP_PKEY_CTX *ctx = NULL;
    EVP_PKEY *pkey = NULL;
    struct id h;
    bool good = false;

    digest(&h, msg, n);
    if (!bn[0] || !bn[1] || !BN_is_odd(bn[0]) ||
        !BN_set_word(bn[1], EXPONENT))
        goto out;
    pkey = pkey_of(bn, 2);
    if (!pkey)
        goto out;
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    good = ctx && EVP_PKEY_verify_init(ctx) > 0 &&
           set_pss(ctx, RSA_PSS_SALTLEN_AUTO) &&
           EVP_PKEY_verify(ctx, sig, n_sig, h.b, sizeof(h)) == 1;
out:
    ERR_clear_error();
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    BN_free(bn[0]);
    BN_free(bn[1]);
    return good;
}

/* ---- other kinds --------------------------------------------------------- */

bool key_check_ed25519(struct id key, const unsigned char sig[64],
                       const void *msg, size_t n)
{
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key.b, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = pkey && ctx &&
                EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) > 0 &&
                EVP_DigestVerify(ctx, sig, 64, msg, n) == 1;

    ERR_clear_error();
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return good;
}

bool key_has_ethereum(void)
{
    EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_secp256k1);

    ERR_clear_error();
    EC_GROUP_free(g);
    return g != NULL;
}

/* ECDSA with the point: R = (h/s) G + (r/s) Q must have the x of r and the y
 * of the parity `odd`. */
static bool check_point(const EC_GROUP *g, const unsigned char key[65],
                        const unsigned char sig[64], int odd, struct id h)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *r = BN_bin2bn(sig, 32, NULL), *s = BN_bin2bn(sig + 32, 32, NULL),
           *z = BN_bin2bn(h.b, 32, NULL), *x = BN_new(), *y = BN_new();
    EC_POINT *q = EC_POINT_new(g), *point = EC_POINT_new(g);
    const BIGNUM *order = EC_GROUP_get0_order(g);
    bool good = false;

    if (!ctx || !r || !s || !z || !x || !y || !q || !point ||
        !EC_POINT_oct2point(g, q, key, 65, ctx) || BN_is_zero(r) ||
        BN_is_zero(s) || BN_cmp(r, order) >= 0 || !BN_rshift1(x, order) ||
        BN_cmp(s, x) > 0)
        goto out;
    if (!BN_mod_inverse(s, s, order, ctx) ||
        !BN_mod_mul(z, z, s, order, ctx) ||
        !BN_mod_mul(s, r, s, order, ctx) ||
        !EC_POINT_mul(g, point, z, q, s, ctx) ||
        !EC_POINT_get_affine_coordinates(g, point, x, y, ctx))
        goto out;
    /* x of this point is r itself: r + order is not an x but once in 2^128. */
    good = BN_cmp(x, r) == 0 && BN_is_odd(y) == odd;
out:
    BN_CTX_free(ctx);
    BN_free(r);
    BN_free(s);
    BN_free(z);
    BN_free(x);
    BN_free(y);
    EC_POINT_free(q);
    EC_POINT_free(point);
    return good;
}

bool key_check_ethereum(const unsigned char key[65],
                        const unsigned char sig[65], const void *msg,
                        size_t n)
{
    unsigned v = sig[64] >= 27 ? sig[64] - 27u : sig[64];
    EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_secp256k1);
    struct id h;
    bool good = false;

    if (g && v <= 1 && key[0] == 4) {
        keccak_ethereum(&h, msg, n);
        good = check_point(g, key, sig, (int)v, h);
    }
    ERR_clear_error();
    EC_GROUP_free(g);
    return good;
}

void key_ethereum_address(char out[ETHEREUM_ADDRESS],
                          const unsigned char key[65])
{
    static const char digits[] = "0123456789abcdef";
    struct id h, cases;

    keccak256(&h, key + 1, 64);
    memcpy(out, "0x", 2);
    for (size_t i = 0; i < 40; i++)
        out[2 + i] = digits[h.b[12 + i / 2] >> (i % 2 ? 0 : 4) & 15];
    out[42] = '\0';
    keccak256(&cases, out + 2, 40);
    for (size_t i = 0; i < 40; i++)
        if (out[2 + i] >= 'a' && cases.b[i / 2] >> (i % 2 ? 0 : 4) & 8)
            out[2 + i] = (char)(out[2 + i] - 'a' + 'A');
}

int key_random(void *out, size_t n, struct err *err)
{
    if (n > 1u << 20 || RAND_bytes(out, (int)n) != 1)
        return crypto_err(err, "no random bytes");
    return 0;
}
