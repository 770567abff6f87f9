#!/usr/bin/env python3
# Every hash of a part of a checkpoint a second time, from its columns, with
# h5py and tests/second_hash.py and nothing of apus: doc/checkpoint.md and
# doc/proof.md are all that it was written from.
#
#     second_part.py part-0000.h5 requests.jsonl [1]
#
# The lines have ids of version 2, or of version 1 if that is said.
# Prints what agrees, or the first thing that does not (exit status 1).
import json
import struct
import sys

import h5py

from second_hash import (H, NONE, blob, file_ids_2, job_record, line_id, mth,
                         path, path_root, leaf_hash, result_record)


def die(text):
    print('differs:', text)
    sys.exit(1)


def rows(f, start, values, i):
    a, b = f[start][i:i + 2]
    return f[values][a:b] if values in f else []


def stops_of(f, i):
    a, b = (int(x) for x in f['stop/start'][i:i + 2])
    ends = [int(x) for x in f['stop/from'][a:b + 1]]
    return [bytes(f['stop/utf8'][ends[k]:ends[k + 1]])
            for k in range(b - a)]


def check_row(f, i, ids, model):
    q = f['requests']
    line, choice = int(q['index'][i]), int(q['choice'][i])
    here = 'row %d (line %d, choice %d): ' % (i, line, choice)
    request = ids[line]
    prompt = [int(t) for t in rows(f, 'prompt/start', 'prompt/token', i)]
    output = [int(t) for t in rows(f, 'output/start', 'output/token', i)]
    text = bytes(rows(f, 'text/start', 'text/utf8', i))
    leaves = []
    if 'trace' in f:
        leaves = [bytes(x) for x in rows(f, 'trace/start', 'trace/leaf', i)]
    flags = struct.unpack('<I', bytes(q['job'][i])[100:104])[0]
    job = job_record(model, choice, prompt, int(q['max_tokens'][i]),
                     int(q['temperature'][i]), int(q['top_p'][i]),
                     int(q['top_k'][i]), flags, int(q['seed'][i]),
                     stops_of(f, i))
    if job != bytes(q['job'][i]):
        die(here + 'job record')
    if int(f.attrs['format_version']) > 1:
        check_columns(f, i, flags, here)
    bare = 'trace' not in f
    trace = bytes(q['trace'][i]) if bare else mth(leaves)
    if trace != bytes(q['trace'][i]):
        die(here + 'trace')
    place = struct.unpack('<5I', bytes(q['result'][i])[220:240])
    positions = len(leaves)
    if bare:
        positions = struct.unpack('<I', bytes(q['result'][i])[136:140])[0]
    result = result_record(request, H(job), model, trace, positions,
                           output, text, int(q['finish'][i]), 0, choice,
                           place)
    if result != bytes(q['result'][i]):
        die(here + 'result record')
    if leaves and 'last' in f:
        check_last(f, i, leaves[-1], here)
    for k, leaf in enumerate(leaves):
        position, token, following, _ = struct.unpack('<4I', leaf[:16])
        fed = prompt + output
        drawn = fed[k + 1] if k + 1 >= len(prompt) else NONE
        if (position, token) != (k, fed[k]) or following != drawn:
            die(here + 'leaf %d' % k)
    return result


# custom_id is in no hash: the file of requests has it.
def check_names(f, lines):
    q = f['requests']
    if 'custom_id' not in q:
        return
    for i, name in enumerate(q['custom_id'][:]):
        if json.loads(lines[int(q['index'][i])])['custom_id'] != name.decode():
            die('custom_id of row %d' % i)


# What version 2 of the layout tells beside the records.
def check_columns(f, i, flags, here):
    q = f['requests']
    if int(q['ignore_eos'][i]) != flags & 1:
        die(here + 'ignore_eos')
    known = [int(v) for v in q['finish'].attrs['flag_values']]
    words = q['finish'].attrs['flag_meanings'].decode().split()
    if int(q['finish'][i]) not in known or len(words) != len(known):
        die(here + 'what finish means')
    first, count = (int(q.attrs[k]) for k in ('first', 'count'))
    if not first <= int(q['index'][i]) < first + count:
        die(here + 'a line of another part')


def check_last(f, i, leaf, here):
    fin = leaf[48:80]
    last = f['last/value'][i].astype('<f4').tobytes()
    if fin != bytes(32) and blob(last) != fin:
        die(here + 'the last row')


def main():
    f = h5py.File(sys.argv[1], 'r')
    with open(sys.argv[2], 'rb') as lines:
        text = lines.read()
    file_hash = H(text)
    model = bytes(f.attrs['model_id'])
    if bytes(f.attrs['batch_id']) != H(b'apusbtch' + model + file_hash):
        die('batch id')
    n = len(f['requests/index']) if 'index' in f['requests'] else 0
    if sys.argv[3:] == ['1']:
        ids = [line_id(file_hash, k) for k in range(text.count(b'\n') + 1)]
    else:
        ids = file_ids_2(model, text)
    results = [check_row(f, i, ids, model) for i in range(n)]
    check_names(f, text.splitlines())
    root = mth(results)
    if root != bytes(f.attrs['part_root']):
        die('part_root')
    # a path from one answer to the root, as a consumer would hold it
    hashes = [leaf_hash(r) for r in results]
    k = n // 2
    if n and path_root(hashes[k], k, n, path(hashes, k)) != root:
        die('the path of row %d' % k)
    print('agrees: %d answers, root %s' % (n, root.hex()))


if __name__ == '__main__':
    main()
