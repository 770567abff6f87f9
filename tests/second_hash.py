#!/usr/bin/env python3
# The hashing of doc/proof.md, sections 1 to 5, a second time: written from
# that page, with nothing but Python's standard library.  Run, it prints
# "NAME VALUE" lines: the vectors of section 9, then cases that
# tests/t_records.c computes too.  Imported, it is a library of records.
import hashlib
import struct

NONE = 0xFFFFFFFF
ZERO = bytes(32)


def H(data):
    return hashlib.sha256(data).digest()


def u32(*values):
    return struct.pack('<%dI' % len(values), *values)


def u64(value):
    return struct.pack('<Q', value)


def f32(*values):
    return struct.pack('<%df' % len(values), *values)


def i8(values):
    return struct.pack('<%db' % len(values), *values)


# ---- section 1: trees -----------------------------------------------------
def split(n):
    """The largest power of two below n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mths(hashes):
    """The root over values that are already hashes."""
    if not hashes:
        return H(b'')
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return H(b'\1' + mths(hashes[:k]) + mths(hashes[k:]))


def leaf_hash(data):
    return H(b'\0' + data)


def mth(leaves):
    return mths([leaf_hash(data) for data in leaves])


def blob(data):
    return mth([data[i:i + 1024] for i in range(0, len(data), 1024)])


def path(hashes, index):
    """Inclusion path, leaf first."""
    if len(hashes) < 2:
        return []
    k = split(len(hashes))
    if index < k:
        return path(hashes[:k], index) + [mths(hashes[k:])]
    return path(hashes[k:], index - k) + [mths(hashes[:k])]


def path_root(leaf, index, n, hashes):
    """The root that a path leads to; None if its length is wrong."""
    if not 0 <= index < n:
        return None
    if n == 1:
        return leaf if not hashes else None
    if not hashes:
        return None
    k = split(n)
    if index < k:
        left = path_root(leaf, index, k, hashes[:-1])
        return left and H(b'\1' + left + hashes[-1])
    right = path_root(leaf, index - k, n - k, hashes[:-1])
    return right and H(b'\1' + hashes[-1] + right)


# ---- section 2: the model -------------------------------------------------
def model_record(numbers, eps, scale, bos, eos, tokenizer, template,
                 n_tensors, tensors):
    """numbers: version, architecture, L, d, Hq, Hkv, HD, ffn, V, context,
    window, flags."""
    return (b'apusmdl1' + u32(*numbers) + f32(eps, scale) + u32(bos, len(eos))
            + u32(*(eos + [NONE] * (8 - len(eos))))
            + u64(len(tokenizer)) + blob(tokenizer)
            + u64(len(template)) + blob(template)
            + u32(n_tensors, 0) + tensors)


def tensor_record(kind, rows, cols, root):
    return u32(kind, rows, cols, 0) + root


def row_leaf(scale, row):
    return f32(scale) + blob(row)


# ---- section 3: the request -----------------------------------------------
def job_record(model, choice, prompt, max_tokens, temperature, top_p, top_k,
               flags, seed, stops):
    stops = sorted(set(stops))
    return (b'apusjob1' + model + u32(1, choice, len(prompt))
            + blob(u32(*prompt))
            + u32(max_tokens, temperature, top_p, top_k, flags) + u64(seed)
            + u32(0, len(stops)) + mth(stops))


def line_id(file_sha256, line):
    return H(b'apusline' + file_sha256 + u64(line))


def line_id_2(model, line, earlier):
    """earlier: how many equal lines come before it."""
    return H(b'apuslin2' + model + H(line) + u64(earlier))


def file_ids_2(model, data):
    """The id of each line; None where it is blank and no request."""
    seen, ids = {}, []
    if data.startswith(b'\xef\xbb\xbf'):
        data = data[3:] or b' '
    lines = data.split(b'\n')
    if lines[-1] == b'':
        lines.pop()
    for line in lines:
        line = line.strip(b' \t\r')
        ids.append(line_id_2(model, line, seen.get(line, 0)) if line
                   else None)
        seen[line] = seen.get(line, 0) + 1
    return ids


def default_seed(request):
    return struct.unpack('<Q', H(b'apussed1' + request)[:8])[0]


# ---- section 4: the trace -------------------------------------------------
def kv_row(s_k, s_v, k, v):
    """k, v: HD bytes each."""
    return f32(s_k, s_v) + k + v


def step_leaf(position, token, rows, drawn=NONE, last=None, deep=None):
    """rows: kv_row's, layer by layer; last: bytes of x_L; deep: of x_l."""
    flags = (last is not None) + 2 * (deep is not None)
    return (u32(position, token, drawn, flags) + mth(rows)
            + (ZERO if last is None else blob(last))
            + (ZERO if deep is None else mth([blob(x) for x in deep])))


# ---- section 5: result, batch, statement ----------------------------------
def result_record(request, job, model, trace, n, output, text, finish,
                  level=0, choice=0, place=(0, 0, 0, 0, 0)):
    return (b'apusres1' + request + job + model + trace
            + u32(n, len(output)) + blob(u32(*output)) + H(text)
            + u32(finish, level, choice, *place))


def batch_order(records):
    """Sorted by request id, then choice (which lies at 216)."""
    return sorted(records, key=lambda r: (
        r[8:40], struct.unpack('<I', r[216:220])))


def batch_root(records):
    return mth(batch_order(records))


def statement_record(batch, root, count, process, node, files,
                     previous=ZERO):
    """files: (size, SHA-256) each."""
    return (b'apusbat1' + batch + root + u32(count, len(files)) + process
            + node + mth([u64(size) + sha for size, sha in files]) + previous)


def batch_file_id(model, file_sha256):
    return H(b'apusbtch' + model + file_sha256)


def batch_part_id(model, file_sha256, earlier_sha256):
    return H(b'apusbtcp' + model + file_sha256 + earlier_sha256)


# ---- what is printed ------------------------------------------------------
def section_9():
    yield 'mth1', mth([b'\0'])
    yield 'mth5', mth([bytes([i]) for i in range(5)])
    yield 'blob', blob(bytes(7 * i % 256 for i in range(2500)))
    model = bytes(range(32))
    request = b'\7' * 32
    job = H(job_record(model, 0, [1, 15043, 29991], 256, 700000, 950000, 40,
                       0, 1234567890123456789, [b'\n\n']))
    yield 'job', job
    yield 'seed', default_seed(request)
    yield 'line0', line_id_2(model, b'{"a":1}', 0)
    yield 'line1', line_id_2(model, b'{"a":1}', 1)
    step = step_leaf(2, 29991,
                     [kv_row(0.5, 0.25, b'\1' * 8, b'\xff' * 8)] * 4, 306,
                     f32(1, 2, -0.0, 4))
    assert len(step) == 112
    yield 'step', leaf_hash(step)
    record = model_record([1, 1, 2, 64, 4, 2, 16, 172, 512, 512, 0, 1], 1e-5,
                          0.25, 1, [2], b'', b'', 32, b'\x11' * 32)
    assert len(record) == 224
    yield 'model', H(record)
    row = bytes((5 * i % 255 - 127) % 256 for i in range(1500))
    yield 'row', leaf_hash(row_leaf(0.0078125, row))
    result = result_record(request, job, model, mth([step] * 4), 4, [306, 2],
                           b' the', 0)
    assert len(result) == 240
    yield 'result', H(result)
    yield 'result17', H(result_record(request, job, model, mth([]), 0, [],
                                      b'', 17))
    statement = statement_record(b'\x08' * 32, batch_root([result]), 1,
                                 b'\x09' * 32, b'\x0a' * 32,
                                 [(12345, b'\x0b' * 32)])
    assert len(statement) == 208
    yield 'statement', H(statement)


def deep_step(t):
    """Three layers, two KV heads of 20, rows of 300; drawn from 5 on."""
    rows = [kv_row((t + 1) / 2 ** (m + 1), (g + 1) * (t + 1) / 8,
                   i8([(3 * i + 5 * m + 7 * g + 11 * t) % 255 - 127
                       for i in range(20)]),
                   i8([(13 * i + 17 * m + 19 * g + 23 * t) % 255 - 127
                       for i in range(20)]))
            for m in range(3) for g in range(2)]
    x = [f32(*[(i - 100 * m + t) / 32 for i in range(300)])
         for m in range(4)]
    if t < 5:
        return step_leaf(t, 1000 + 7 * t, rows, deep=x[:3])
    return step_leaf(t, 1000 + 7 * t, rows, 2000 + t, x[3], x)


def more():
    steps = [leaf_hash(deep_step(t)) for t in range(13)]
    yield 'deep_trace', mths(steps)
    for index in (0, 9, 12):
        yield 'path%d' % index, H(b''.join(path(steps, index)))
        assert path_root(steps[index], index, 13,
                         path(steps, index)) == mths(steps)
    model = bytes(range(32))
    job = H(job_record(model, 2, list(range(1000, 1700)), 1, 0, 1, 0, 1,
                       2 ** 64 - 1, [b'b', b'ab', b'\xff', b'a', b'b',
                                     b'a\0']))
    yield 'stops_job', job
    results = [result_record(bytes([9 - i // 2]) + bytes(31), job, model,
                             mths(steps), 13, list(range(i)), b'x' * i, 16,
                             1, 1 - i % 2, (13, 2, 5, i, 299))
               for i in range(6)]
    yield 'batch', batch_root(results)
    batch = batch_file_id(model, H(b'file'))
    yield 'batch_file', batch
    yield 'batch_part', batch_part_id(model, H(b'file'), H(b'earlier'))
    yield 'line', line_id(H(b'file'), 2 ** 40)
    lines = (b'\xef\xbb\xbf {"a":1}\r\n\n{"a": 1}\n\t\r\n{"a":1}\n'
             b'\xef\xbb\xbf{"a":1} \r\t\n{"a":1}')
    yield 'ids', H(b''.join(i or ZERO for i in file_ids_2(model, lines)))
    yield 'files', H(statement_record(
        batch, batch_root(results), 6, ZERO, b'\x0a' * 32,
        [(i * 2 ** 33, H(bytes([i]))) for i in range(3)], b'\x0c' * 32))


def main():
    for vectors in section_9, more:
        for name, value in vectors():
            if isinstance(value, bytes):
                value = value.hex()
            print(name, value)


if __name__ == '__main__':
    main()
