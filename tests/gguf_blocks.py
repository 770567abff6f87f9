#!/usr/bin/env python3
# The block formats of GGUF a second time, with nothing but Python's standard
# library: tests/data/gguf-blocks.txt is what this prints.  A line is a format,
# two blocks in hexadecimal, and the SHA-256 of their numbers as f32.
#
# Here a block is taken to pieces as one row of bits, and its numbers are
# rounded from exact ones: binary64 holds every product and sum of a block.
import hashlib
import random
import struct

LEVELS = [-127, -104, -83, -65, -49, -35, -22, -10,
          1, 13, 25, 38, 53, 69, 89, 113]


def f32(x):
    return struct.unpack('<f', struct.pack('<f', x))[0]


class Fields:
    """A block's bytes, taken from the left."""

    def __init__(self, block):
        self.rest = block

    def take(self, n):
        head, self.rest = self.rest[:n], self.rest[n:]
        return head

    def half(self):
        return struct.unpack('<e', self.take(2))[0]


def lanes(data, width, stride):
    """The numbers of `width` bits in bytes that come in rows of `stride`: the
    lowest bits of a row are its first numbers."""
    out = []
    for row in range(0, len(data), stride):
        for shift in range(0, 8, width):
            out += [b >> shift & (1 << width) - 1
                    for b in data[row:row + stride]]
    return out


def bits(data):
    return [b >> i & 1 for b in data for i in range(8)]


def line(scale, offset, q):
    """scale * q + offset, each rounded."""
    return f32(f32(scale * q) + offset)


def q4_0(f):
    d = f.half()
    return [f32(d * (q - 8)) for q in lanes(f.take(16), 4, 16)]


def q4_1(f):
    d, m = f.half(), f.half()
    return [line(d, m, q) for q in lanes(f.take(16), 4, 16)]


def q5_0(f):
    d = f.half()
    high = bits(f.take(4))
    return [f32(d * (q + 16 * h - 16))
            for q, h in zip(lanes(f.take(16), 4, 16), high)]


def q5_1(f):
    d, m = f.half(), f.half()
    high = bits(f.take(4))
    return [line(d, m, q + 16 * h)
            for q, h in zip(lanes(f.take(16), 4, 16), high)]


def q8_0(f):
    d = f.half()
    return [f32(d * q) for q in struct.unpack('32b', f.take(32))]


def iq4_nl(f):
    d = f.half()
    return [f32(d * LEVELS[q]) for q in lanes(f.take(16), 4, 16)]


def iq4_xs(f):
    d = f.half()
    high = struct.unpack('<H', f.take(2))[0]
    low = lanes(f.take(4), 4, 1)
    q = lanes(f.take(128), 4, 16)
    scale = [f32(d * (low[k] + 16 * (high >> 2 * k & 3) - 32))
             for k in range(8)]
    return [f32(scale[i // 32] * LEVELS[n]) for i, n in enumerate(q)]


def q2_k(f):
    pairs = f.take(16)
    q = lanes(f.take(64), 2, 32)
    d, dmin = f.half(), f.half()
    return [line(f32(d * (pairs[i // 16] % 16)),
                 -f32(dmin * (pairs[i // 16] // 16)), n)
            for i, n in enumerate(q)]


def q3_k(f):
    third = lanes(f.take(32), 1, 32)
    q = lanes(f.take(64), 2, 32)
    low = lanes(f.take(8), 4, 8)
    high = lanes(f.take(4), 2, 4)
    d = f.half()
    return [f32(f32(d * (low[i // 16] + 16 * high[i // 16] - 32)) *
                (n + 4 * third[i] - 4)) for i, n in enumerate(q)]


def six_bits(packed):
    """Eight scales and eight offsets."""
    first, second, last = packed[:4], packed[4:8], packed[8:]
    scales = [b % 64 for b in first]
    scales += [b % 16 + 16 * (a // 64) for a, b in zip(first, last)]
    offsets = [b % 64 for b in second]
    offsets += [b // 16 + 16 * (a // 64) for a, b in zip(second, last)]
    return scales, offsets


def q4_k(f, fifth=False):
    d, dmin = f.half(), f.half()
    scales, offsets = six_bits(f.take(12))
    high = lanes(f.take(32), 1, 32) if fifth else [0] * 256
    q = lanes(f.take(128), 4, 32)
    return [line(f32(d * scales[i // 32]), -f32(dmin * offsets[i // 32]),
                 n + 16 * high[i]) for i, n in enumerate(q)]


def q5_k(f):
    return q4_k(f, True)


def q6_k(f):
    low = lanes(f.take(128), 4, 64)
    high = lanes(f.take(64), 2, 32)
    scales = struct.unpack('16b', f.take(16))
    d = f.half()
    return [f32(f32(d * scales[i // 16]) * (low[i] + 16 * high[i] - 32))
            for i in range(256)]


# name: bytes of a block, where its scales of binary16 lie, its function
FORMATS = {
    'Q4_0': (18, [0], q4_0), 'Q4_1': (20, [0, 2], q4_1),
    'Q5_0': (22, [0], q5_0), 'Q5_1': (24, [0, 2], q5_1),
    'Q8_0': (34, [0], q8_0), 'Q2_K': (84, [80, 82], q2_k),
    'Q3_K': (110, [108], q3_k), 'Q4_K': (144, [0, 2], q4_k),
    'Q5_K': (176, [0, 2], q5_k), 'Q6_K': (210, [208], q6_k),
    'IQ4_NL': (18, [0], iq4_nl), 'IQ4_XS': (136, [0], iq4_xs),
}


def random_block(rng, size, scales):
    block = bytearray(rng.randbytes(size))
    for at in scales: # finite, a subnormal now and then
        bits16 = rng.getrandbits(16)
        while bits16 >> 10 & 31 == 31:
            bits16 = rng.getrandbits(16)
        block[at:at + 2] = struct.pack('<H', bits16)
    return bytes(block)


def main():
    rng = random.Random(1)
    for name, (size, scales, decode) in FORMATS.items():
        for _ in range(4):
            blocks = [random_block(rng, size, scales) for _ in range(2)]
            numbers = sum((decode(Fields(b)) for b in blocks), [])
            data = struct.pack('<%df' % len(numbers), *numbers)
            print(name, b''.join(blocks).hex(),
                  hashlib.sha256(data).hexdigest())


if __name__ == '__main__':
    main()
