#!/usr/bin/env python3
# Items on Arweave that are signed with a key of Ethereum (signature type 3 of
# ANS-104), with nothing of apus: Keccak-256 as before FIPS 202, secp256k1
# (SEC 2, section 2.4.1), EIP-55 and EIP-191, from their specifications.
#
#     ethereum_item.py address KEY      as Ethereum writes it
#     ethereum_item.py wallet KEY       SHA-256 of the public key, base64url
#     ethereum_item.py sign KEY TARGET|- [NAME=VALUE]... <data >item
#
# KEY is 64 hexadecimal digits.
import base64
import hashlib
import struct
import sys

P = 2**256 - 2**32 - 977
N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141
G = (0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798,
     0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8)


# ---- Keccak-256 --------
def rotate(word, n):
    n %= 64
    return (word << n | word >> (64 - n)) & (2**64 - 1)


def permute(a):
    lfsr = 1
    for _ in range(24):
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4]
             for x in range(5)]
        d = [c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1) for x in range(5)]
        a = [[a[x][y] ^ d[x] for y in range(5)] for x in range(5)]
        x, y, current = 1, 0, a[1][0]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, a[x][y] = a[x][y], rotate(current, (t + 1) * (t + 2) // 2)
        for y in range(5):
            row = [a[x][y] for x in range(5)]
            for x in range(5):
                a[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
        for j in range(7):
            if lfsr & 1:
                a[0][0] ^= 1 << ((1 << j) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
    return a


def keccak(data):
    rate = 136
    data += b'\1' + bytes(-(len(data) + 1) % rate)
    data = data[:-1] + bytes([data[-1] | 0x80])
    a = [[0] * 5 for _ in range(5)]
    for at in range(0, len(data), rate):
        for i, word in enumerate(struct.unpack('<17Q', data[at:at + rate])):
            a[i % 5][i // 5] ^= word
        a = permute(a)
    return struct.pack('<4Q', *[a[i][0] for i in range(4)])


# ---- secp256k1 --------
def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = 3 * p[0] * p[0] * pow(2 * p[1], -1, P)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P)
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def times(k, p):
    out = None
    while k:
        if k & 1:
            out = add(out, p)
        p = add(p, p)
        k >>= 1
    return out


def big(n):
    return n.to_bytes(32, 'big')


def public(key):
    x, y = times(key, G)
    return b'\4' + big(x) + big(y)


def sign(key, digest):
    z = int.from_bytes(digest, 'big')
    k = int.from_bytes(hashlib.sha512(big(key) + digest).digest(),
                       'big') % (N - 1) + 1
    x, y = times(k, G)
    r = x % N
    s = pow(k, -1, N) * (z + r * key) % N
    odd = y & 1
    if s > N // 2:
        s, odd = N - s, odd ^ 1
    return big(r) + big(s) + bytes([27 + odd])


def address(key):
    digits = keccak(public(key)[1:])[12:].hex()
    upper = keccak(digits.encode()).hex()
    return '0x' + ''.join(d.upper() if int(u, 16) >= 8 else d
                          for d, u in zip(digits, upper))


# ---- an item --------
def deep(v):
    def h(data):
        return hashlib.sha384(data).digest()
    if isinstance(v, bytes):
        return h(h(b'blob%d' % len(v)) + h(v))
    acc = h(b'list%d' % len(v))
    for e in v:
        acc = h(acc + deep(e))
    return acc


def long(n):
    n <<= 1
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def item(key, target, tags, data):
    owner = public(key)
    to = b'' if target == '-' else base64.urlsafe_b64decode(target + '=')
    avro = b''
    if tags:
        avro = long(len(tags)) + b''.join(
            long(len(t)) + t for pair in tags for t in pair) + b'\0'
    message = deep([b'dataitem', b'1', b'3', owner, to, b'', avro, data])
    message = b'\x19Ethereum Signed Message:\n%d' % len(message) + message
    return (b'\3\0' + sign(key, keccak(message)) + owner
            + (b'\1' + to if to else b'\0') + b'\0'
            + struct.pack('<2Q', len(tags), len(avro)) + avro + data)


def main():
    what, key = sys.argv[1], int(sys.argv[2], 16)
    if what == 'address':
        print(address(key))
    elif what == 'wallet':
        sha = hashlib.sha256(public(key)).digest()
        print(base64.urlsafe_b64encode(sha).rstrip(b'=').decode())
    else:
        tags = [tuple(t.encode().split(b'=', 1)) for t in sys.argv[4:]]
        sys.stdout.buffer.write(item(key, sys.argv[3], tags,
                                     sys.stdin.buffer.read()))


main()
