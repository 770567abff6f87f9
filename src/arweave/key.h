/*
 * Wallets: RSA keys of 4096 bits with the exponent 65537, as Arweave has them,
 * in files in the form of a JWK (RFC 7517, RFC 7518 section 6.3); signatures
 * are RSA-PSS with SHA-256, MGF1-SHA-256 (RFC 8017 section 8.1) and a salt of
 * no bytes, so that the same bytes always have the same signature and id.
 */
#ifndef APUS_ARWEAVE_KEY_H
#define APUS_ARWEAVE_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

struct err;
struct key;

#define KEY_BYTES 512 /* of a modulus and of a signature */

/* A new key; takes a second or so. */
int key_new(struct key **out, struct err *err);

/* Read a wallet.  ERR_INPUT, with the remedy: a file that others may read, of
 * another user, no JWK, another type or size or exponent, parts that do not
 * belong together.  Secrets are wiped when it is freed. */
int key_load(struct key **out, const char *path, struct err *err);
void key_free(struct key *k);
/* The same of the text of a wallet, which the caller wipes. */
int key_parse(struct key **out, const char *text, size_t n, struct err *err);

/* Write a wallet, mode 0600, synced; never over a file that is there
 * (ERR_INPUT). */
int key_save(const struct key *k, const char *path, struct err *err);

/* Address: SHA-256 of the modulus. */
void key_address(const struct key *k, struct id *address);
void key_modulus(const struct key *k, unsigned char n[KEY_BYTES]);
void key_address_of(struct id *address, const unsigned char n[KEY_BYTES]);

/* Sign msg[0..n); the signature is checked before it is handed out.  May be
 * called by several threads at once. */
int key_sign(const struct key *k, unsigned char sig[KEY_BYTES],
             const void *msg, size_t n, struct err *err);

/* Whether the key with this modulus signed it, with a salt of any length. */
bool key_check(const unsigned char modulus[KEY_BYTES],
               const unsigned char sig[KEY_BYTES], const void *msg, size_t n);
/* The same of a key of another size: the owners of transactions. */
bool key_check_size(const unsigned char *modulus, size_t n_modulus,
                    const unsigned char *sig, size_t n_sig, const void *msg,
                    size_t n);

/* The other two kinds of signature that items come with: ed25519 (RFC 8032),
 * and Ethereum's personal message, secp256k1 over Keccak-256 with r, s and
 * the parity of the point; s is in the lower half.  false, too, where this
 * libcrypto was built without the curve. */
bool key_check_ed25519(struct id key, const unsigned char sig[64],
                       const void *msg, size_t n);
bool key_check_ethereum(const unsigned char key[65],
                        const unsigned char sig[65], const void *msg,
                        size_t n);
/* The address of such a key as Ethereum writes it: "0x" and 40 digits, the
 * letters in the case that EIP-55 makes of them. */
#define ETHEREUM_ADDRESS 43
void key_ethereum_address(char out[ETHEREUM_ADDRESS],
                          const unsigned char key[65]);

/* Whether it has the curve of Ethereum. */
bool key_has_ethereum(void);

/* Cryptographically random bytes, for anchors. */
int key_random(void *out, size_t n, struct err *err);

#endif
