#!/usr/bin/env python3
# What is published about a batch, a second time: results, their tags and the
# statement, made from a part of a checkpoint, or read and checked, with
# tests/second_hash.py and nothing of apus; doc/proof.md section 5 and
# doc/arweave.md are all that it was written from.
#
#     second_item.py make PART.h5[,PART.h5...] requests.jsonl NODE DIR
#             [hashes | double | unsorted | model | PROCESS REQUEST...]
#         N.json, N.tags, statement, statement.tags; to be signed into items;
#         as if the first requests had been these messages to that process;
#         or a batch that lies: one request and choice twice, in another
#         order, with an answer of another model
#     second_item.py twice STATEMENT OUT      with its last file once more
#     second_item.py bundle OUT ITEM...       the data of a bundle
#     second_item.py check NODE STATEMENT ITEM...
#         items with their heads; an ITEM may be a bundle.  Signatures are not
#         checked here.
#
# Prints what agrees, or the first thing that does not (exit status 1).
import base64
import hashlib
import json
import os
import struct
import sys

from second_hash import (H, ZERO, blob, file_ids_2, job_record, leaf_hash,
                         mth, mths, path, path_root, result_record,
                         statement_record, u32, u64)

KEYS = ('apus request process model job params prompt tokens text finish'
        ' error trace n level batch_id batch_root index count path node'
        ).split()
PARAMS = 'choice max_tokens temperature top_p top_k flags seed stops'.split()


def die(text):
    print('differs:', text)
    sys.exit(1)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def un64(text):
    data = base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
    if b64(data) != text:
        die('base64url "%s"' % text)
    return data


# ---- make -----------------------------------------------------------------
def make(parts, requests, node, out, *more):
    import h5py
    from second_part import check_row, rows, stops_of

    parts = parts.split(',')
    files = [h5py.File(part, 'r') for part in parts]
    f = files[0]
    model, batch = bytes(f.attrs['model_id']), bytes(f.attrs['batch_id'])
    with open(requests, 'rb') as lines:
        ids = file_ids_2(model, lines.read())
    row = [(f, f['requests'], i) for f in files
           for i in range(len(f['requests/index']))]
    results = [check_row(f, i, ids, model) for f, q, i in row]
    jobs = [bytes(q['job'][i]) for f, q, i in row]
    process = ZERO
    if len(more) > 1:
        process = un64(more[0])
        for i, request in enumerate(more[1:]):
            results[i] = results[i][:8] + un64(request) + results[i][40:]
    if more == ('double',):
        results[1] = results[1][:8] + results[0][8:40] + results[1][40:]
    if more == ('model',):
        jobs[1] = jobs[1][:8] + H(model) + jobs[1][40:]
        results[1] = (results[1][:40] + H(jobs[1]) + H(model)
                      + results[1][104:])
    order = sorted(range(len(results)), key=lambda i: (
        results[i][8:40], results[i][216:220]))
    if more == ('unsorted',):
        order.reverse()
    hashed = [leaf_hash(results[i]) for i in order]
    root = mths(hashed)
    for place, k in enumerate(order):
        r, (f, q, i) = results[k], row[k]
        prompt = [int(t) for t in rows(f, 'prompt/start', 'prompt/token', i)]
        tokens = [int(t) for t in rows(f, 'output/start', 'output/token', i)]
        text = bytes(rows(f, 'text/start', 'text/utf8', i))
        finish, level = struct.unpack('<2I', r[208:216])
        d = dict(zip(KEYS, (
            'result-1', b64(r[8:40]), b64(process), b64(r[72:104]),
            b64(r[40:72]), dict(zip(PARAMS, (
                int(q['choice'][i]), int(q['max_tokens'][i]),
                int(q['temperature'][i]), int(q['top_p'][i]),
                int(q['top_k'][i]),
                struct.unpack('<I', jobs[k][100:104])[0],
                str(int(q['seed'][i])), [b64(s) for s in stops_of(f, i)]))),
            prompt, tokens, text.decode(), finish,
            list(struct.unpack('<5I', r[220:240])) if finish == 16 else [],
            b64(bytes(q['trace'][i])), struct.unpack('<I', r[136:140])[0],
            level, b64(batch), b64(root), place, len(order),
            [b64(h) for h in path(hashed, place)], node)))
        if more == ('hashes',):
            d['prompt'] = [len(prompt), b64(blob(u32(*prompt)))]
            d['tokens'] = [len(tokens), b64(blob(u32(*tokens)))]
            d['text'] = [b64(H(text))]
        name = os.path.join(out, str(place))
        with open(name + '.json', 'w', encoding='utf-8') as to:
            to.write(json.dumps(d, separators=(',', ':'),
                                ensure_ascii=False))
        with open(name + '.tags', 'w') as to:
            to.write('Apus=result-1 Request=%s Model=%s Job=%s Result=%s'
                     ' Batch=%s Content-Type=application/json\n' % (
                         d['request'], d['model'], d['job'], b64(H(r)),
                         d['batch_id']))
    files = []
    for part in parts:
        with open(part, 'rb') as h5:
            data = h5.read()
        files.append((len(data), hashlib.sha256(data).digest()))
    with open(os.path.join(out, 'statement'), 'wb') as to:
        to.write(statement_record(batch, root, len(order), process,
                                  un64(node), files))
        to.write(b''.join(u64(n) + sha for n, sha in files))
    with open(os.path.join(out, 'statement.tags'), 'w') as to:
        to.write('Apus=statement-1 Batch=%s Process=%s\n' % (
            b64(batch), b64(process)))
    print('made: %d results' % len(order))


def twice(statement, out):
    with open(statement, 'rb') as f:
        s = f.read()
    s += s[-40:]
    files = [s[at:at + 40] for at in range(208, len(s), 40)]
    with open(out, 'wb') as f:
        f.write(s[:76] + u32(len(files)) + s[80:144] + mth(files) + s[176:])


# ---- items ----------------------------------------------------------------
def long_of(data, at):
    """A zig-zag number: value, where it ends."""
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return (n >> 1) ^ -(n & 1), at


def tags_of(data):
    tags, at = [], 0
    while data:
        n, at = long_of(data, at)
        if n == 0:
            break
        for _ in range(n):
            pair = []
            for _ in range(2):
                size, at = long_of(data, at)
                pair.append(data[at:at + size])
                at += size
            tags.append(tuple(pair))
    if at != len(data):
        die('bytes behind the tags')
    return tags


class Item:
    def __init__(self, raw):
        if raw[:2] != b'\1\0':
            die('a signature that is not Arweave\'s')
        self.id = H(raw[2:514])
        self.owner = H(raw[514:1026])
        at = 1026
        for _ in range(2):
            at += 33 if raw[at] else 1
        n, size = struct.unpack('<2Q', raw[at:at + 16])
        pairs = tags_of(raw[at + 16:at + 16 + size])
        self.tags = {k.decode(): v.decode() for k, v in pairs}
        if n != len(pairs) or n != len(self.tags):
            die('the number of tags')
        self.data = raw[at + 16 + size:]


def int_le(data):
    return int.from_bytes(data, 'little')


def items_of(raw):
    """The item, or those that are in it."""
    item = Item(raw)
    if item.tags.get('Apus') != 'bundle-1':
        return [item]
    data, items = item.data, []
    n = int_le(data[:32])
    at = 32 + 64 * n
    for i in range(n):
        entry = data[32 + 64 * i:96 + 64 * i]
        size = int_le(entry[:32])
        items.append(Item(data[at:at + size]))
        if items[-1].id != entry[32:]:
            die('the id of item %d of a bundle' % i)
        at += size
    if at != len(data):
        die('the length of a bundle')
    return items


def bundle(out, names):
    raws = []
    for name in names:
        with open(name, 'rb') as f:
            raws.append(f.read())
    with open(out, 'wb') as f:
        f.write(len(raws).to_bytes(32, 'little'))
        for raw in raws:
            f.write(len(raw).to_bytes(32, 'little') + Item(raw).id)
        f.write(b''.join(raws))


# ---- check ----------------------------------------------------------------
def once(pairs):
    d = dict(pairs)
    if len(d) != len(pairs):
        die('a key twice')
    return d


def record_of(d):
    """The result record, and the job's, of what a result says."""
    p = d['params']
    if list(d) != KEYS or list(p) != PARAMS or d['apus'] != 'result-1':
        die('the keys of a result')
    if isinstance(d['text'], list):
        return hashed_record_of(d)
    job = job_record(un64(d['model']), p['choice'], d['prompt'],
                     p['max_tokens'], p['temperature'], p['top_p'],
                     p['top_k'], p['flags'], int(p['seed']),
                     [un64(s) for s in p['stops']])
    result = result_record(un64(d['request']), H(job), un64(d['model']),
                           un64(d['trace']), d['n'], d['tokens'],
                           d['text'].encode(), d['finish'], d['level'],
                           p['choice'], d['error'] or [0] * 5)
    return result, job


def hashed_record_of(d):
    p = d['params']
    stops = sorted(un64(s) for s in p['stops'])
    job = (b'apusjob1' + un64(d['model'])
           + u32(1, p['choice'], d['prompt'][0]) + un64(d['prompt'][1])
           + u32(p['max_tokens'], p['temperature'], p['top_p'], p['top_k'],
                 p['flags']) + u64(int(p['seed'])) + u32(0, len(stops))
           + mth(stops))
    result = (b'apusres1' + un64(d['request']) + H(job) + un64(d['model'])
              + un64(d['trace']) + u32(d['n'], d['tokens'][0])
              + un64(d['tokens'][1]) + un64(d['text'][0])
              + u32(d['finish'], d['level'], p['choice'],
                    *(d['error'] or [0] * 5)))
    return result, job


def check_result(item, node, statement):
    text = item.data.decode()
    d = json.loads(text, object_pairs_hook=once)
    if json.dumps(d, separators=(',', ':'), ensure_ascii=False) != text:
        die('blanks or another way to write the JSON')
    result, job = record_of(d)
    want = {'Apus': 'result-1', 'Request': d['request'],
            'Model': d['model'], 'Job': b64(H(job)),
            'Result': b64(H(result)), 'Batch': d['batch_id'],
            'Content-Type': 'application/json'}
    if item.tags != want:
        die('the tags of a result: %s and not %s' % (item.tags, want))
    if d['job'] != b64(H(job)):
        die('job')
    if item.owner != un64(d['node']) or item.owner != node:
        die('the node')
    if (statement[8:40] != un64(d['batch_id'])
            or statement[40:72] != un64(d['batch_root'])
            or statement[72:76] != u32(d['count'])
            or statement[80:112] != un64(d['process'])):
        die('the batch')
    if path_root(leaf_hash(result), d['index'], d['count'],
                 [un64(h) for h in d['path']]) != statement[40:72]:
        die('the path of answer %d' % d['index'])
    return d['index']


def check(node, statement_name, names):
    node = un64(node)
    with open(statement_name, 'rb') as f:
        item = Item(f.read())
    s = item.data
    n_files = struct.unpack('<I', s[76:80])[0]
    files = [s[208 + 40 * i:248 + 40 * i] for i in range(n_files)]
    if (s[:8] != b'apusbat1' or len(s) != 208 + 40 * n_files
            or s[144:176] != mth(files) or s[112:144] != node
            or item.owner != node or item.tags.get('Batch') != b64(s[8:40])):
        die('the statement')
    seen = set()
    for name in names:
        with open(name, 'rb') as f:
            for item in items_of(f.read()):
                if item.tags.get('Apus') == 'result-1':
                    seen.add(check_result(item, node, s))
    count = struct.unpack('<I', s[72:76])[0]
    if seen != set(range(count)):
        die('%d of %d answers' % (len(seen), count))
    print('agrees: %d results, statement %s' % (count, H(s[:208]).hex()))


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == 'make':
        make(*args)
    elif what == 'twice':
        twice(*args)
    elif what == 'bundle':
        bundle(args[0], args[1:])
    else:
        check(args[0], args[1], args[2:])


if __name__ == '__main__':
    main()
