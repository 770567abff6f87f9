// What nodes say: order, leases, results.
import { createHash } from 'node:crypto'
import { id } from './aos.mjs'
import { is, ok } from './tap.mjs'
import {
  blob, complete, ids_text, infer, known, lines, model, model_record, model2,
  owner, pull, registers, result, result_of_file, source, working
} from './queue.mjs'

const alice = id('alice')
const bob = id('bob')
const carol = id('carol')
const prompts = (a) => lines(a).map((l) => l.prompt)
const asks = (from, n, tags) => Array.from({ length: n }, (_, i) =>
  [from, infer(from[0] + i, tags), from[0] + i])

export async function questions () {
  const q = await working()
  const bad = [{ Models: '' }, { Models: 'x' }, { Models: model + ',' },
    { Max: '0' }, { Max: '101' }, { Max: '1e1' }, { Max: '0x10' },
    { 'Max-Bytes': '1023' }, { 'Max-Bytes': '262145' }, { TTL: '599' },
    { TTL: '86401' }, { TTL: ' 600' }]
  const s = await q.many([...bad.map((t) => [q.node, pull(t)]),
    [alice, pull()], [q.node, pull({ Batch: id('none') })],
    [alice, { Action: 'Renew', Batch: id('none') }],
    [q.node, { Action: 'Renew', Batch: id('none') }],
    [alice, { Action: 'Release', Batch: id('none') }],
    [q.node, { Action: 'Release', Batch: id('none') }],
    [alice, complete(id('none')), result(id('x'))],
    [alice, { Action: 'Register-Node' }], [q.node, pull()]])
  is(bad.filter((_, i) => s[i].code !== '400'), [], 'wrong pulls are refused')
  is(s.slice(bad.length).map((a) => a.code),
    ['403', '404', '403', '404', '403', '200', '403', '403', '204'],
    'and so are those who may not')
}

export async function order () {
  const q = await working()
  const s = await q.many([
    ...asks(alice, 250), ...asks(bob, 3), ...asks(carol, 1),
    [q.node, pull({ Max: '6' })], [q.node, pull({ Max: '4' })],
    ...asks(id('dora'), 1), [q.node, pull({ Max: '2' })],
    ...asks(id('tom'), 2, { 'X-Model': 'tiny' }),
    [q.node, pull()], [q.node, pull()]])
  const got = s.filter((a) => a.first?.Action === 'Pull-Response')
  is(prompts(got[0]), ['a0', 'b0', 'c0', 'a1', 'b1', 'a2'],
    'oldest first, one requester after the other')
  is(prompts(got[1]), ['b2', 'a3', 'a4', 'a5'], 'the ring goes on')
  is(prompts(got[2]), ['a6', 'd0'], 'whoever comes next waits one turn')
  is(prompts(got[3]).slice(0, 2), ['a7', 'a8'], 'a pull is of one model')
  is(prompts(got[4]), ['t0', 't1'], 'that which waited longest comes next')
  is([got[3].first.More, lines(got[3]).length], ['145', 100], 'more')
  ok(got.every((a) => a.patched_last), 'the count of pending comes last')
}

export async function bytes () {
  const q = await working()
  const big = 'x'.repeat(3000)
  const s = await q.many([
    ...['1', '2', '3'].map((n) => [alice, infer(n), big]),
    [q.node, pull({ 'Max-Bytes': '1024' })],
    [q.node, pull({ 'Max-Bytes': '7000' })],
    [bob, infer('n', { 'X-Node': q.node2 }), 'for node 2'],
    [q.node, pull()], [q.node2, pull()],
    [owner, { Action: 'Allow', Node: id('small'), Max: '2' }],
    ...asks(carol, 3), [id('small'), pull({ Max: '1' })], [id('small'), pull()],
    [id('small'), pull()]])
  is(prompts(s[3]), [big], 'a request that is too big comes alone')
  is(lines(s[4]).length, 2, 'no more than the bytes that were asked for')
  is([s[6].code, s[6].first.More], ['204', '0'], 'what is for one node ..')
  is(prompts(s[7]), ['for node 2'], '.. it gets')
  is([lines(s[12]).length, lines(s[13]).length], [1, 1],
    'a node has no more than it may')
  is([s[14].code, s[14].first.More], ['204', '1'], 'and is told so')
}

export async function twice () {
  const q = await working()
  const same = { id: id('the same pull') }
  const s = await q.many([...asks(alice, 5),
    [q.node, pull({ Max: '2' }), '', same],
    [q.node, pull({ Max: '2' }), '', same],
    [q.node, pull({ Max: '2', Batch: same.id })],
    [q.node, { Action: 'Release', Batch: same.id }],
    [owner, { Action: 'Info' }], [q.node, pull()]])
  is(prompts(s[5]), ['a0', 'a1'], 'a pull')
  is([prompts(s[6]), s[6].first.More], [['a0', 'a1'], '3'],
    'the same message again gives the same requests, and leases no more')
  is(prompts(s[7]), ['a2', 'a3'], 'its batch goes on')
  is(s[8].first.Count, '4', 'all of them are given back')
  is([s[9].first.Pending, s[9].first.Leased], ['5', '0'], 'none is lost')
  is(prompts(s[10]), ['a0', 'a1', 'a2', 'a3', 'a4'], 'and they come again')
}

export async function leases () {
  const q = await working()
  const t = 1700000100000
  const at = (ms, more) => ({ timestamp: t + ms, ...more })
  const s = await q.many([
    ...asks(alice, 3), ...asks(bob, 1),
    [q.node, pull({ TTL: '600', Max: '3' }), '', at(0, { id: id('b1') })],
    [q.node2, pull(), '', at(0, { id: id('b2') })],
    [q.node2, pull(), '', at(599999)],
    [q.node, { Action: 'Renew', Batch: id('b1'), TTL: '700' }, '', at(599999)],
    [q.node2, { Action: 'Renew', Batch: id('b1') }, '', at(599999)],
    [q.node2, pull(), '', at(1299998)],
    [q.node2, pull(), '', at(1299999, { id: id('b3') })],
    [q.node, { Action: 'Renew', Batch: id('b1') }, '', at(1299999)],
    [q.node, pull({ Batch: id('b1') }), '', at(1299999)],
    [q.node2, { Action: 'Release', Batch: id('b3') }, '', at(0)],
    [q.node2, pull({ Max: '2' }), '', at(1300000, { id: id('b4') })],
    [q.node, { Action: 'Release', Batch: id('b4') }, '', at(1300000)]])
  const x = s.slice(4)
  is([prompts(x[0]), prompts(x[1])], [['a0', 'b0', 'a1'], ['a2']],
    'two nodes share what there is')
  is([x[0].first.Until, x[0].first.Batch], [String(t + 600000), id('b1')],
    'until then, by the time of the scheduler')
  is(x[2].code, '204', 'a lease holds')
  is([x[3].code, x[3].first.Count, x[3].first.Until],
    ['200', '3', String(t + 1299999)], 'is renewed')
  is([x[4].code, x[5].code], ['404', '204'], 'by its node, and holds again')
  is(prompts(x[6]), ['a0', 'b0', 'a1'], 'and ends at its millisecond')
  is([x[7].code, x[8].code], ['404', '404'], 'for good')
  is([x[9].code, x[9].first.Count], ['200', '3'],
    'is released, at a time that went back')
  is(prompts(x[10]), ['a0', 'b0'], 'what was released comes first')
  is(x[11].code, '403', 'by its node alone')
}

// A scheduler that says a time far ahead moves it on by little.
export async function clocks () {
  const q = await working()
  const t = 1700000100000
  const hour = 3600000
  const at = (ms, height, more) => ({ timestamp: t + ms, height, ...more })
  const s = await q.many([
    ...asks(alice, 1).map((m) => [...m, at(0, 1500100)]),
    [q.node, pull({ TTL: '86400' }), '', at(0, 1500100, { id: id('b1') })],
    ...[[9 * hour, 1500100], [0, 1500100], [2 * hour, 1500100],
      [99 * hour, 1500106], [99 * hour, 1500105],
      [999 * hour, 1500136], [99 * hour, 1500136]].map(([ms, h]) =>
      [q.node, { Action: 'Renew', Batch: id('b1'), TTL: '86400' }, '',
        at(ms, h)])])
  const hours = s.slice(2).map((a) =>
    (Number(a.first.Until) - t) / hour - 24)
  is(hours, [1, 1, 2, 4, 5, 11, 12],
    'an hour a message and ten minutes a block, and never back')
}

export async function results () {
  const q = await working()
  await q.many([[owner, { Action: 'Allow', Node: id('node-3') }]])
  const t = 1700000100000
  const r = (n, f, more) => result(id(n), f, more)
  const two = (x, y) => x + '\n' + y
  const made = (from, n) => [from, infer(n), n, { id: id(n) }]
  const s = await q.many([
    made(alice, 'a'), made(alice, 'b'), made(alice, 'c'), made(alice, 'd'),
    [q.node, pull({ TTL: '600', Max: '2' }), '',
      { timestamp: t, id: id('b1') }],
    [q.node2, pull({ TTL: '600', Max: '1' }), '',
      { timestamp: t, id: id('b2') }],
    [q.node2, complete(id('b1')), r('a')],
    [q.node2, complete(id('b2')), r('a')],
    [q.node, complete(id('b1')), two(r('a'), r('a', {}, { choice: '1' }))],
    [q.node, complete(id('b1')), [r('a'), r('a'), r('none'),
      r('a', { trace: 'other' })].join('\n')],
    [q.node2, pull({ TTL: '600' }), '',
      { timestamp: t + 600000, id: id('b3') }],
    [q.node, complete(id('b1')), r('b')],
    [q.node2, complete(id('b3')), two(r('b'), r('c'))],
    [q.node2, complete(id('b3')), r('b', { trace: 'other' })],
    [alice, { Action: 'Status', 'X-Reference': 'b' }],
    [alice, { Action: 'Info' }],
    [id('node-3'), complete(id('b9')), two(r('a', { trace: 'third' }),
      r('a'))],
    [alice, { Action: 'Info' }]])
  const counts = (a) => [a.code, a.first.Accepted, a.first.Repeated,
    a.first.Conflicts, a.first.Unknown]
  is(s[6].code, '403', 'nobody brings results of another lease')
  is(counts(s[7]), ['200', '0', '0', '0', '1'],
    'nor of requests that he never had')
  is([s[8].code, s[8].out.length], ['400', 1], 'a wrong line undoes the rest')
  is(counts(s[9]), ['200', '1', '1', '1', '1'], 'once, again, other, unknown')
  is(lines(s[9]), [{ request: id('none'), why: 'unknown' },
    { request: id('a'), why: 'conflict' }], 'it says which')
  is(s[9].out.filter((m) => m.to === alice).length, 1, 'one answer for one')
  is(prompts(s[10]), ['b', 'c', 'd'], 'a lease is over')
  is(counts(s[11]), ['200', '1', '0', '0', '0'], 'a late result counts')
  is(counts(s[12]), ['200', '1', '1', '0', '0'], 'the same again is no harm')
  is(counts(s[13]), ['200', '0', '0', '1', '0'], 'another one is a conflict')
  is([s[14].first.Result, s[14].first.Conflict],
    [known(id('b'))[0], q.node2 + ' ' +
      known(id('b'), { trace: 'other' })[0]], 'and is kept')
  is([s[15].first.Conflicts, s[15].first.Done, s[15].first.Open],
    ['2', '3', '1'], 'and counted')
  is([counts(s[16]), s[17].first.Conflicts], [['200', '0', '1', '0', '1'],
    '2'], 'who never had a request contradicts nobody')
}

export async function wrong_results () {
  const q = await working()
  const good = result(id('a'))
  const bad = ['', '\n', 'x', '[]', '{}', good + 'x', good + good,
    good.replace('"0"', '0'), good.replace('{', '{"x":"y",'),
    good.replace('{', '{"request":"y",'), good.replace(id('a'), 'a'),
    '{"a":'.repeat(99), ...[{ jobrecord: '' }, { jobrecord: 'x' },
      { jobrecord: undefined }, { record: '' }, { record: '=' },
      { record: JSON.parse(good).jobrecord }, { item: undefined },
      { result: id('r') }, { count: '1' }, { finish: '0' }, { job: id('j') },
      { text: 5 }, { ids: 5 }, { item: 5 }
    ].map((more) => result(id('a'), {}, more)), result_of_file(id('a')),
    good.replace(/"record":"(.*?)."/, '"record":"$1*"'),
    good.replace(/("jobrecord":".*?)."/, '$1B"'),
    result(id('a'), { text: 'x'.repeat(2049) }), 'x'.repeat(81921),
    (good + '\n').repeat(200),
    result(id('a'), { text: 'a\0b' })]
  const s = await q.many([[alice, infer('a'), 'x', { id: id('a') }],
    [q.node, pull(), '', { id: id('b') }],
    ...bad.map((data) => [q.node, complete(id('b')), data]),
    [q.node, { ...complete(id('b')), Batch: 'x' }, good],
    [q.node, { ...complete(id('b')), Statement: 'x' }, good],
    [q.node, { ...complete(id('b')), 'Content-Type': 'application/json' },
      good],
    ...['x', '{"request":"x"}', '{"reason":"x"}', good,
      '{"request":"' + id('a') + '","reason":"' + 'x'.repeat(1001) + '"}'
    ].map((data) => [q.node, { Action: 'Release', Batch: id('b') }, data]),
    [q.node, complete(id('b')), good]])
  const codes = s.slice(2, -1).map((a) => a.code)
  is(codes.filter((c) => c !== '400').length, 0,
    `${codes.length} wrong results and releases are refused`)
  is(s.at(-1).first.Accepted, '1', 'the right one is not')
}

// What a DApp is sent is what the records name, of its own request.
export async function bound () {
  const q = await working()
  const options = { max_tokens: 4, temperature: 0.7, top_p: 0.9, top_k: 5,
    seed: '18446744073709551615', stop: ['b', 'a', 'cc'],
    apus: { ignore_eos: true } }
  const right = { max_tokens: 4, temperature: 700000, top_p: 900000, top_k: 5,
    seed: 18446744073709551615n, stops: ['a', 'b', 'cc'], flags: 1 }
  await q.many([
    [owner, registers(id('small'), 'small', { Context: '8' })],
    [alice, infer('a'), 'x', { id: id('a') }],
    [alice, infer('b', { 'X-Options': JSON.stringify(options) }), 'x',
      { id: id('b') }],
    [alice, infer('c', { 'X-Model': 'small' }), 'x', { id: id('c') }],
    [q.node, pull(), '', { id: id('p1') }],
    [q.node, pull({ Models: id('small') }), '', { id: id('p2') }]])
  const small = { model: id('small') }
  const wrong = [
    ['a', { named: 'other' }, 'the text'], ['a', { of: id('z') },
      'the request'], ['a', { job: id('j') }, 'the job'],
    ['a', { magic: 'apusres2' }, 'no result record'],
    ['a', { job_magic: 'apusjob2' }, 'no job record'],
    ['a', { model: model2 }, 'the model of the job'],
    ['a', { model: model2, job_model: model }, 'the model'],
    ['a', { numerics: 2 }, 'numerics'], ['a', { choice: 1 }, 'the choice'],
    ['a', { job_choice: 1 }, 'the choice of the job'],
    ['a', { level: 2 }, 'level'], ['a', { finish: 4 }, 'finish'],
    ['a', { finish: 19 }, 'finish'], ['a', { n_out: 0 }, 'n_out'],
    ['a', { n_out: 257 }, 'n_out'], ['a', { finish: 1 }, 'n_out'],
    ['a', { finish: 2 }, 'n_out'], ['a', { n: 5 }, 'n'], ['a', { n: 3 }, 'n'],
    ['a', { error: 1 }, 'the place of an error'],
    ['a', { finish: 17, text: '' }, 'n of an answer without one'],
    ['a', { finish: 17, text: '', n: 1, n_out: 0 },
      'n of an answer without one'],
    ['a', { finish: 17, text: '', n: 0, n_out: 1 },
      'n of an answer without one'],
    ['a', { finish: 18, text: '', n_prompt: 1, n_out: 0, error: 1 },
      'the place of an error'],
    ['a', { max_tokens: 255 }, 'max_tokens'], ['a', { flags: 1 }, 'flags'],
    ['a', { temperature: 0 }, 'temperature'], ['a', { top_k: 1 }, 'top_k'],
    ['a', { top_p: 1 }, 'top_p'], ['a', { seed: 1n }, 'seed'],
    ['a', { stops: ['a'] }, 'stops'],
    ['b', { ...right, seed: 18446744073709551614n }, 'seed'],
    ['b', { ...right, stops: ['a', 'b'] }, 'stops'],
    ['b', { ...right, stops: ['a', 'b', 'cd'] }, 'stops'],
    ['b', { ...right, seed: undefined }, 'seed'],
    ['c', { ...small, n_prompt: 8, n_out: 2 }, 'n'],
    ['c', { ...small, n_prompt: 9, n_out: 1 }, 'n']]
  const s = await q.many(wrong.map(([r, f]) =>
    [q.node, complete(id('p1')), result(id(r), f)]))
  is(s.map((a) => [a.first.Refused, lines(a)[0]?.reason, a.out.length]),
    wrong.map((w) => ['1', w[2], 1]),
    `${wrong.length} answers that are not what they say are refused`)
  const good = [['b', { ...right, finish: 2, n_out: 4 }],
    ['c', { ...small, n_prompt: 7, finish: 3 }],
    ['a', { n_out: 256, finish: 1, level: 1 }]]
  const t = await q.many([
    [alice, { Action: 'Status', 'X-Reference': 'a' }],
    [q.node, complete(id('p1')), result(id('a'), { named: 'x' }) + '\n' +
      good.map(([r, f]) => result(id(r), f)).join('\n')]])
  is(t[0].first.State, 'leased', 'and change nothing')
  is([t[1].first.Accepted, t[1].first.Refused], ['3', '1'],
    'the right ones beside them are taken')
  const ends = [16, 17, 18].map((finish) => ({ finish, text: '', n_prompt: 1,
    n_out: 0, error: finish === 16 ? 5 : 0 }))
  const u = await q.many([...ends.map((f, i) =>
    [alice, infer('e' + i), 'x', { id: id('e' + i) }]),
    [q.node, pull(), '', { id: id('p3') }], ...ends.map((f, i) =>
      [q.node, complete(id('p3')), result(id('e' + i), f)])])
  is(u.slice(4).map((a) => [a.first.Accepted, a.out[1].Code]),
    Array(3).fill(['1', '422']), 'what has no answer has its records, too')
  const v = await q.many([
    [alice, infer('f'), 'x', { id: id('f') }],
    [alice, infer('g'), 'x', { id: id('g') }],
    [q.node, pull(), '', { id: id('p4') }],
    [alice, complete(id('p4')), result(id('f'))],
    [q.node, complete(id('p4')), result(id('f'), {}, { text: undefined })],
    [q.node, complete(id('p4')), result(id('g'), { ids: [7, 8] },
      { ids: ids_text(7, 8) })],
    [alice, { Action: 'Status', 'X-Reference': 'f' }]])
  is([v[3].code, v[3].out.length], ['403', 1], 'only a node completes')
  is(v[4].first.Accepted, '1', 'a text may stay away')
  is([v[5].first.Accepted, JSON.parse(v[5].out[1].data).ids], ['1', undefined],
    'ids are sent where they were asked for')
  is(v[6].first.Job, known(id('f'))[1], 'the job is that of the records')
}

// A prompt in token ids: the queue knows them, and sees those of the answer.
export async function in_ids () {
  const q = await working()
  const json = { 'Content-Type': 'application/json' }
  const [Record, m] = model_record(6, 100)
  const prompt = [3, 99, 0]
  const apart = { 'X-Source': source, 'X-Prompt-Count': '3',
    'X-Prompt-Root': blob(Buffer.from(ids_text(...prompt), 'base64url'))
      .toString('base64url') }
  const body = (list, more) =>
    JSON.stringify({ prompt: list, model: 'ids', max_tokens: 4, ...more })
  const s = await q.many([
    [owner, registers(m, 'ids', { Record })],
    [alice, infer('a', json), body(prompt), { id: id('a') }],
    [alice, infer('b', json), body([[3, 99, 0]]), { id: id('b') }],
    [alice, infer('c', { ...apart, 'X-Model': 'ids',
      'X-Options': '{"max_tokens":4}' }), '', { id: id('c') }],
    ...[body([]), body([100]), body([1, 2, 3, 4, 5, 6, 7]),
      body([1], { max_tokens: 8193 }), body([1.5]), body([-1]),
      body([4294967296]), body(['1', 2])].map((d) =>
      [alice, infer('x', json), d]),
    ...[{ 'X-Prompt-Count': undefined }, { 'X-Prompt-Root': 'x' },
      { 'X-Source': undefined }, { 'X-Prompt-Count': '0' },
      { 'X-Prompt-Count': '7', 'X-Model': 'ids' }, json,
      { 'X-Options': '{"max_tokens":9000}' }].map((t) => [alice,
      infer('y', Object.fromEntries(Object.entries({ ...apart, ...t })
        .filter(([, v]) => v !== undefined))), '']),
    [q.node, pull({ Models: m }), '', { id: id('p') }]])
  is(s.slice(4, -1).map((a) => a.code), Array(15).fill('400'),
    'ids that cannot be are refused')
  is(lines(s.at(-1)).map((l) => [l.form, l.prompt, l.prompt_count,
    l.prompt_root]), [['ids', '[3,99,0]', undefined, undefined],
    ['ids', '[3,99,0]', undefined, undefined],
    ['source-ids', source, '3', apart['X-Prompt-Root']]], 'three are not')
  const f = { model: m, max_tokens: 4, prompt, ids: [7, 8] }
  const wrong = [
    ['a', f, {}, 'no ids'], ['c', f, {}, 'no ids'],
    ['a', f, { ids: ids_text(7, 9) }, 'the ids'],
    ['a', f, { ids: ids_text(7, 8, 9) }, 'the ids'],
    ['a', f, { ids: '' }, 'the ids'],
    ['a', { ...f, ids: [7, 8, 9], n_out: 2 }, { ids: ids_text(7, 8, 9) },
      'the ids'],
    ['a', { ...f, prompt: [3, 99, 1] }, { ids: ids_text(7, 8) }, 'the prompt'],
    ['a', { ...f, n_prompt: 4 }, { ids: ids_text(7, 8) }, 'the prompt'],
    ['c', { ...f, prompt: [3, 99] }, { ids: ids_text(7, 8) }, 'the prompt'],
    ['a', { ...f, finish: 17, n_prompt: 3, n: 0, n_out: 0, ids: [] },
      { ids: '' }, 'finish'],
    ['a', { ...f, n_out: 5, n: 7, ids: [1, 2, 3, 4, 5] },
      { ids: ids_text(1, 2, 3, 4, 5) }, 'n_out']]
  const t = await q.many([
    ...wrong.map(([r, g, more]) =>
      [q.node, complete(id('p')), result(id(r), g, more)]),
    [q.node, complete(id('p')), result(id('a'), f, { ids: 'xy=' })],
    [q.node, complete(id('p')), result(id('a'), f, { ids: 'AAAA' })],
    [q.node, complete(id('p')), ['a', 'b', 'c'].map((r) =>
      result(id(r), f, { ids: ids_text(7, 8) })).join('\n')]])
  is(t.slice(0, wrong.length).map((a) => lines(a)[0]?.reason),
    wrong.map((w) => w[3]), `${wrong.length} wrong answers are refused`)
  is(t.slice(wrong.length, -1).map((a) => a.code), ['400', '400'],
    'ids are four bytes each')
  is([t.at(-1).first.Accepted, t.at(-1).out.slice(1).map((a) =>
    JSON.parse(a.data).ids)], ['3', Array(3).fill(ids_text(7, 8))],
  'the right ones are sent on with their ids')
}

// A model with its record, which says what the queue then knows of it.
export async function model_records () {
  const q = await working()
  const [Record, m] = model_record(512, 100)
  const hash = (s) => createHash('sha256').update(s, 'base64url')
    .digest('base64url')
  const [other, its] = model_record(512, 100, { magic: 'apusmdl2' })
  const longer = Record + 'AAAA'
  const bad = [{ Record: 'x' }, { Record: Record.slice(4) },
    { Record: model_record(513, 100)[0] }, { Record, Context: '513' },
    { Record: other, Model: its }, { Record: longer, Model: hash(longer) }]
  const s = await q.many([
    ...bad.map((t) => [owner, registers(m, 'm', t)]),
    [owner, registers(m, 'm', { Record })], [alice, { Action: 'Models' }],
    [owner, registers(m, 'n', { Context: '7' })], [alice, { Action: 'Models' }]
  ])
  is(s.slice(0, 6).map((a) => a.code), Array(6).fill('400'),
    'a record that is not the model is refused')
  const of = (a) => lines(a).filter((l) => l.model === m)
    .map((l) => [l.name, l.context, l.judged])
  is([of(s[7]), of(s[9])], [[['m', '512', 'no']], [['n', '512', 'no']]],
    'the right one gives the context, and stays')
}

export async function floods () {
  const long = process.env.APUS_LONG === '1'
  const n = long ? 3000 : 200
  const q = await working()
  await q.p.eval('Queue.max_requester = ' + n)
  const flood = (tag, i) =>
    [id('flood'), infer(tag + i), 'x', { id: id(tag + '-' + i) }]
  const some = (k) => Array.from({ length: k }, (_, i) => i)
  const first = await q.many(some(n + 1).map((i) => flood('f', i)))
  is([first[n].code, first[n - 1].pending], ['429', String(n)],
    'one requester can have so many')
  const s = await q.many([[bob, infer('b'), 'the other'],
    [q.node, pull({ Max: '5' })]])
  ok(prompts(s[1]).includes('the other'), 'and delays nobody')
  await q.p.eval('Queue.max_open = Queue.n_open')
  is((await q.many([[carol, infer('c'), 'x']]))[0].code, '429',
    'the queue is full')
  await q.p.eval('Queue.max_open, Queue.max_size = 50000, Queue.size + 400')
  is((await q.many([[carol, infer('d'), 'x'.repeat(400)],
    [carol, infer('e'), 'x']])).map((a) => a.code), ['429', undefined],
  'by bytes too')
  const t = await q.many([[alice, pull({ Models: model2 })],
    [q.node2, pull({ Models: model2 })]])
  is([t[0].code, t[1].code], ['403', '204'], 'who is not allowed gets nothing')
}
