// Disputes: who may say what, when, and what comes of it.  The judge is a stub
// whose shows, picks and proofs are words.
import { id } from './aos.mjs'
import { is } from './tap.mjs'
import {
  complete, dump, infer, known, lines, load, model_record, owner, parts, pull,
  queue, result, result_of_file, source, stub, working
} from './queue.mjs'
import { at } from './queue-windows.mjs'

const alice = id('alice')
const bob = id('bob')
const carol = id('carol')
const hour = 3600000
const day = 24 * hour
const b64 = (s) => Buffer.from(s).toString('base64url')

// A queue with windows of a day and turns of six hours, where q.node has
// answered these requests of alice.
async function disputed (names = ['a'], set = {}) {
  const q = await working()
  await q.p.eval(stub)
  await q.many([
    [owner, { Action: 'Set', Window: '86400', Challengers: bob, ...set }, '',
      at(0)],
    ...names.map((n) => [alice, infer(n), n, at(0, { id: id(n) })]),
    [q.node, pull(), '', at(0, { id: id('p') })],
    [q.node, complete(id('p')), names.map((n) => result(id(n))).join('\n'),
      at(0)]])
  return q
}
const challenge = (from, n, ms = 0, more) => [from, { Action: 'Challenge',
  Request: id(n), ...more }, '', at(ms)]
const show = (q, d, Number, text = 'x', ms = 0, from = q.node) =>
  [from, { Action: 'Show', Dispute: d, Number }, b64(text), at(ms)]
const pick = (d, Number, Choice, ms = 0, from = bob) =>
  [from, { Action: 'Pick', Dispute: d, Number, Choice }, '', at(ms)]
const prove = (d, Number, text, from, ms = 0) =>
  [from, { Action: 'Prove', Dispute: d, Number }, b64(text), at(ms)]
const end = (Action, from, d, ms = 0) => [from, { Action, Dispute: d }, '',
  at(ms)]
const status = (n, ms = 0) => [alice, { Action: 'Status', Request: id(n) }, '',
  at(ms)]
const codes = (list) => list.map((a) => a.code)
async function open (q, from = bob, n = 'a', ms = 0) {
  const [a] = await q.many([challenge(from, n, ms)])
  return a.first.Dispute
}

export async function challenges () {
  const q = await disputed(['a', 'b'])
  await q.many([[owner, { Action: 'Set', Window: '0' }, '', at(0)],
    [alice, infer('w'), 'w', at(0, { id: id('w') })],
    [alice, infer('f'), 'f', at(0, { id: id('f') })],
    [alice, infer('e'), 'e', at(0, { id: id('e') })],
    [q.node, pull({ Max: '2' }), '', at(0, { id: id('r') })],
    [q.node, complete(id('r')), result(id('f')), at(0)]])
  const s = await q.many([
    challenge(carol, 'a'), challenge(q.node, 'a'), challenge(bob, 'none'),
    challenge(bob, 'w'), challenge(bob, 'e'), challenge(bob, 'f'),
    challenge(bob, 'a', 0, { Index: '0' }),
    challenge(bob, 'a', 0, { Part: 'x'.repeat(65) }),
    challenge(bob, 'a', 0, { Part: 'next' }), challenge(bob, 'a'),
    challenge(q.node2, 'a'), challenge(owner, 'a'), challenge(alice, 'a'),
    challenge(alice, 'b'), challenge(bob, 'b'),
    [carol, { Action: 'Disputes', Challenger: bob }],
    [carol, { Action: 'Disputes', Node: q.node }],
    [carol, { Action: 'Disputes', Page: 'x' }], [carol, { Action: 'Info' }],
    [owner, { Action: 'Pause', Mode: 'all' }], challenge(q.node2, 'b')])
  is(codes(s.slice(0, 8)), ['403', '403', '404', '409', '409', '409', '400',
    '400'], 'who may not, and what cannot be disputed')
  is([...codes(s.slice(8, 15))], ['200', '409', '200', '200', '200', '429',
    '200'], 'who may, once; a requester has one place')
  const { createHash } = await import('node:crypto')
  is(s[8].first.Dispute, createHash('sha256').update('apusdsp1')
    .update(Buffer.from(known(id('a'))[0], 'base64url'))
    .update(Buffer.from(bob, 'base64url')).digest('base64url'),
  'a dispute is known by the result and the challenger')
  is([lines(s[15]).map((l) => l.request), s[16].first.Count, s[17].code,
    s[18].first.Disputes, s[20].code], [[id('a'), id('b')], '5', '400', '5',
    '503'], 'they are listed')
  await q.p.eval('Queue.paused = "no" ApusQueue.judge.knows = function() ' +
    'return false end')
  is(codes(await q.many([challenge(q.node2, 'b')])), ['409'],
    'over a model that is not judged there is none')
}

// A file of requests: its index is part of what the dispute is.
export async function files () {
  const q = await working()
  await q.p.eval(stub)
  const s = await q.many([
    [owner, { Action: 'Set', Window: '86400' }, '', at(0)],
    [alice, { Action: 'Infer-Batch', 'X-Source': source, 'X-Count': '5',
      'X-Sha256': source }, '', at(0, { id: id('f') })],
    [q.node, pull(), '', at(0, { id: id('p') })],
    [q.node, complete(id('p')), result_of_file(id('f')), at(0)],
    challenge(owner, 'f'), challenge(owner, 'f', 0, { Index: '3' }),
    challenge(owner, 'f', 0, { Index: '01' }),
    challenge(owner, 'f', 0, { Index: '2' }),
    challenge(owner, 'f', 0, { Index: '1' }),
    challenge(owner, 'f', 0, { Index: '2' })])
  is(codes(s.slice(4)), ['400', '400', '400', '200', '200', '409'],
    'one of its results')
}

export async function moves_of_disputes () {
  const q = await disputed()
  const d = await open(q)
  const s = await q.many([
    show(q, d, '1'), show(q, d, '0', 'bad'), show(q, d, '0', 'x', 0, bob),
    show(q, d, '0', 'x', 0, carol), show(q, id('no'), '0'),
    pick(d, '0', 'more'), prove(d, '0', 'fault', bob), [q.node,
    { Action: 'Show', Dispute: d,
      Number: '0' }, '*', at(0)], show(q, d, '0', 'x'.repeat(8194)),
    show(q, d, '0', 'first'), show(q, d, '0', 'first'), show(q, d, '1'),
    pick(d, '1', 'more', 0, q.node), pick(d, '1', 'other'),
    pick(d, '1', 'x'.repeat(65)), pick(d, '1', 'more'),
    show(q, d, '2', 'second'), pick(d, '3', 'end'),
    prove(d, '4', 'x', carol), prove(d, '4', 'x', bob),
    prove(d, '4', 'x'.repeat(70000), bob), pick(d, '4', 'end'),
    [carol, { Action: 'Dispute', Dispute: d }, '', at(0)],
    prove(d, '4', 'holds', bob), prove(d, '4', 'holds', bob),
    [carol, { Action: 'Dispute', Dispute: d }, '', at(0)], status('a'),
    challenge(bob, 'a'), challenge(q.node2, 'a')])
  is(codes(s.slice(0, 9)), ['409', '422', '403', '403', '404', '409', '409',
    '422', '422'], 'what is not the first move')
  is([s[9].code, s[9].first.Number, s[9].first.Turn, s[9].first.Until],
    ['200', '1', 'challenger', String(1700000100000 + 6 * hour)], 'a show')
  is(codes(s.slice(10, 15)), ['409', '409', '403', '422', '422'],
    'what is not the second')
  is(codes(s.slice(15, 18)), ['200', '200', '200'], 'pick, show, pick')
  is([s[17].first.Turn, ...codes(s.slice(18, 22))],
    ['node', '403', '422', '422', '409'], 'what is no proof')
  const [head, ...moves] = lines(s[22])
  is([head.request, head.at, head.number, moves], [id('a'), 'proves', '4', [
    { move: 'show', data: b64('first') }, { move: 'pick', data: 'more' },
    { move: 'show', data: b64('second') }, { move: 'pick', data: 'end' }]],
  'a dispute is told with its moves')
  is([s[23].first.Verdict, s[23].first.Loser, s[23].out.slice(1).map((m) =>
    [m.to, m.Action, m.Request, m.Dispute, m.Fault, m.Statement])],
  ['holds', bob, [alice, q.node, bob].map((to) =>
    [to, 'Verdict', id('a'), d, 'no', '7'])], 'the challenger may prove, and ' +
    'loses; the three hear of it')
  is([...codes(s.slice(24, 26)), s[26].first.State, ...codes(s.slice(27))],
    ['404', '404', 'answered', '409', '200'],
    'it does not come again; others may')
}

export async function faults () {
  const q = await disputed(['a', 'b'])
  const [d, e] = [await open(q), await open(q, q.node2)]
  const s = await q.many([
    [alice, infer('c'), 'c', at(0, { id: id('c') })],
    [alice, infer('n', { 'X-Node': q.node }), 'n', at(0, { id: id('n') })],
    [q.node, pull({ Max: '1' }), '', at(0, { id: id('r') })],
    show(q, d, '0'), pick(d, '1', 'end'), prove(d, '2', 'fault', q.node),
    status('a'), status('b'), [alice, { Action: 'Nodes' }],
    show(q, e, '0'), [q.node, pull(), '', at(0)],
    [q.node2, pull(), '', at(0, { id: id('w') })],
    [q.node2, complete(id('w')), result(id('a')), at(0)],
    [q.node2, complete(id('w')), result(id('a'), { trace: 'right' }), at(0)],
    status('a'), challenge(bob, 'a')])
  is([s[5].first.Verdict, s[5].first.Loser, s[5].out.slice(1).map((m) =>
    [m.to, m.Action, m.Fault ?? m.Code])], ['fault', q.node, [
    [alice, 'Infer-Response', '503'],
    ...[alice, q.node, bob, alice, q.node, q.node2].map((to) =>
      [to, 'Verdict', 'yes'])]], 'a fault ends every dispute over the answer')
  is([s[6].first.State, s[7].first.State], ['pending', 'answered'],
    'its request waits again')
  is([s[9].code, s[10].code], ['404', '403'], 'the node leases no more')
  is(lines(s[11]).map((l) => l.prompt).sort(), ['a', 'c'],
    'another gets it, and what that had leased')
  is([lines(s[12])[0].reason, s[13].first.Accepted, s[14].first.State,
    s[15].code], ['this result was proven wrong', '1', 'answered', '200'],
  'the wrong result is not taken again, another is')
}

// An answer of the node that the request names ends it; so do five wrong ones.
export async function given_up () {
  const q = await disputed([])
  const nodes = [1, 2, 3, 4, 5].map((i) => id('node-' + i))
  const round = (node, n) => [
    [node, pull({ Max: '1' }), '', at(0, { id: id('p' + node) })],
    [node, complete(id('p' + node)), result(id(n), { trace: node }), at(0)]]
  await q.many([...nodes.map((Node) => [owner, { Action: 'Allow', Node }]),
    [alice, infer('n', { 'X-Node': nodes[0] }), 'n', at(0, { id: id('n') })],
    ...round(nodes[0], 'n')])
  const [a] = await q.many([end('Concede', nodes[0], await open(q, bob, 'n'))])
  is(a.out.filter((m) => m.Code === '503').map((m) => m.Message),
    ['the answer of its X-Node was proven wrong'], 'of the node asked for')
  await q.many([[owner, { Action: 'Allow', Node: nodes[0] }],
    [alice, infer('a'), 'a', at(0, { id: id('a') })]])
  const out = []
  for (const node of nodes) {
    await q.many(round(node, 'a'))
    const d = await open(q)
    const [b] = await q.many([end('Concede', node, d)])
    out.push(b.out.filter((m) => m.Code === '503').length)
  }
  is(out, [0, 0, 0, 0, 1], 'five wrong answers are enough')
}

export async function conceding () {
  const q = await disputed(['a', 'b'])
  const [d, e] = [await open(q), await open(q, bob, 'b')]
  const s = await q.many([end('Concede', carol, d), end('Concede', alice, d),
    end('Concede', bob, d), end('Concede', bob, d), status('a'),
    end('Concede', q.node, e), status('b')])
  is(codes(s.slice(0, 4)), ['403', '403', '200', '404'], 'a party, once')
  is([s[2].first.Verdict, s[4].first.State, s[5].first.Verdict,
    s[6].first.State], ['holds', 'answered', 'fault', 'pending'],
  'against itself')
}

// Turns: six hours each, four times that in all; what is over ends twice.
export async function turns () {
  const q = await disputed()
  const d = await open(q)
  const s = await q.many([
    end('Overdue', carol, d, 6 * hour - 1), end('Overdue', carol, d, 6 * hour),
    show(q, d, '0', 'x', 7 * hour - 1), end('Overdue', carol, d, 8 * hour),
    pick(d, '1', 'more', 13 * hour), pick(d, '1', 'more', 14 * hour),
    end('Overdue', carol, d, 14 * hour), status('a', 14 * hour)])
  is(codes(s), ['409', '409', '200', '409', '200', '409', '409', '200'],
    'a move in the hour after it counts')
  const e = await open(q, q.node2, 'a', 14 * hour)
  const t = await q.many([end('Overdue', carol, e, 30 * hour),
    show(q, e, '0', 'x', 31 * hour), end('Overdue', carol, e, 31 * hour),
    end('Overdue', carol, e, 31 * hour)])
  is([...codes(t), t[2].first.Verdict, t[2].first.Loser],
    ['409', '409', '200', '404', 'fault', q.node], 'then silence has lost')
  const r = await disputed()
  const f = await open(r)
  let [ms, n] = [0, 0]
  const until = []
  for (let i = 0; i < 5; i++) {
    const [a] = await r.many([show(r, f, String(n), 'x', ms)])
    const [b] = await r.many([pick(f, String(n + 1), 'more', ms)])
    until.push([a.code, b.code, (Number(b.first.Until) - 1700000100000 - ms) /
      hour])
    n += 2
    ms += 5.75 * hour
  }
  is(until.map((u) => u[2]), [6, 6, 6, 6, 1],
    'who always waits for the last minute has no time left after four turns')
}

// A node that shows in the last moment of each turn: no answer of it becomes
// final by that, and after four turns it has an hour, and loses.
export async function last_moments () {
  const q = await disputed(['a', 'b'])
  const d = await open(q)
  const left = (a, ms) => (Number(a.first.Until) - 1700000100000 - ms) / hour
  let [ms, n] = [0, 0]
  const s = []
  for (let i = 0; i < 4; i++) {
    ms += 6 * hour - 1
    s.push(...await q.many([show(q, d, String(n), 'x', ms),
      pick(d, String(n + 1), 'more', ms), status('b', ms)]))
    n += 2
  }
  is([codes(s).filter((c) => c !== '200'), left(s.at(-1), ms)], [[], 20],
    'of each turn a 24th of the window passes')
  const over = ms + 4
  const t = await q.many([end('Overdue', bob, d, over),
    end('Overdue', bob, d, over + hour - 1),
    show(q, d, String(n), 'x', over + hour),
    end('Overdue', bob, d, over + hour), status('a', over + hour),
    status('b', over + hour), status('b', over + 2 * hour)])
  is([...codes(t.slice(0, 3)), t[3].first.Verdict, t[3].first.Loser,
    t[4].first.State], ['409', '409', '409', 'fault', q.node, 'pending'],
  'then it has an hour more, and no time left')
  is([left(t[5], over + hour), left(t[6], over + 2 * hour)], [19, 18],
    'its other answer can be disputed for most of a day')
}

// No message for more than a day: whoever had the turn has an hour more, and so
// has whoever wants to dispute.
export async function outages_in_disputes () {
  const q = await disputed(['a', 'b'])
  const d = await open(q)
  const s = await q.many([show(q, d, '0', 'x', hour),
    end('Overdue', q.node, d, 31 * hour), pick(d, '1', 'more', 32 * hour - 1),
    show(q, d, '2', 'x', 62 * hour), end('Overdue', q.node, d, 62 * hour + 1),
    end('Overdue', q.node, d, 63 * hour), pick(d, '3', 'end', 63 * hour),
    prove(d, '4', 'holds', q.node, 93 * hour), status('a', 94 * hour)])
  is(codes(s.slice(0, 7)), ['200', '409', '200', '200', '409', '409', '200'],
    'the hour begins with the first message')
  is([s[7].first.Verdict, s[8].first.State,
    (Number(s[8].first.Until) - 1700000100000) / hour],
  ['holds', 'answered', 93 + 24], 'and nobody has lost by it')
  const r = await disputed(['a', 'b'])
  const t = await r.many([challenge(bob, 'a', 50 * hour),
    challenge(bob, 'b', 51 * hour - 1), status('a', 80 * hour),
    status('b', 80 * hour)])
  is([...codes(t.slice(0, 2)), t[2].first.State, t[3].first.State],
    ['200', '200', 'answered', 'answered'],
    'what could be disputed before it can be for an hour after it')
}

// While a dispute over it is open the window stands still; while the node is
// late in a turn, those of all its answers do.
export async function stands_still_in_disputes () {
  const q = await disputed(['a', 'b', 'c'])
  await q.p.eval('Queue.max_requester = 9')
  const left = async (n, ms) => {
    const [a] = await q.many([status(n, ms)])
    return a.first.State === 'answered'
      ? (Number(a.first.Until) - 1700000100000 - ms) / hour
      : a.first.State
  }
  is([await left('a', hour), await left('b', hour)], [23, 23], 'windows run')
  const d = await open(q, bob, 'a', hour)
  is([await left('a', 1.5 * hour), await left('b', 1.5 * hour)], [23, 22.5],
    'one that is disputed stands still')
  is([await left('a', 5 * hour), await left('b', 5 * hour)], [23, 22],
    'after a 24th of it all of the node do')
  await q.many([show(q, d, '0', 'x', 5 * hour)])
  is(await left('b', 6 * hour), 21, 'not in the turn of the challenger')
  await q.many([end('Concede', bob, d, 7 * hour)])
  is([await left('a', 8 * hour), await left('b', 8 * hour)], [22, 19],
    'they go on')
  // from then on the node says nothing in anything
  const e = await open(q, bob, 'b', 8 * hour)
  const wait = [alice, { Action: 'Cancel', Request: id('b') }]
  const s = await q.many([[...wait, '', at(6 * day)],
    [...wait, '', at(5 * hour + 7 * day - 1)],
    [...wait, '', at(5 * hour + 7 * day)], status('b', 8 * day),
    [carol, { Action: 'Disputes' }, '', at(8 * day)],
    end('Overdue', carol, e, 8 * day), end('Overdue', carol, e, 9 * day),
    [carol, { Action: 'Nodes' }, '', at(9 * day)]])
  is([...codes(s.slice(0, 3)), s[3].first.State], ['409', '409', '200', 'gone'],
    'a requester need not wait longer than seven days')
  is([s[4].first.Count, s[6].first.Verdict, lines(s[7])[0].revoked === ''],
    ['1', 'fault', false], 'the dispute goes on without the request')
  is(await left('c', 9 * day), 18, 'and nothing of it became final')
}

// Who lost over an answer is remembered, the last 256, and a dump has them
// beside the longest prompt that there is.
export async function losers () {
  const q = await disputed([])
  const person = (i) => ('person-' + i).padEnd(64, '_')
  await q.many([[alice, infer('a'), '"'.repeat(16384), at(0, { id: id('a') })],
    [q.node, pull(), '', at(0, { id: id('p2') })],
    [q.node, complete(id('p2')), result(id('a')), at(0)],
    [owner, { Action: 'Set', Challengers: [1, 2, 257].map(person).join(',') },
      '', at(0)]])
  const lost = (code) => q.ask(`local r = Queue.open["${id('a')}"]\n` + code)
  await lost(`for i = 1, 256 do
    local address = "person-" .. i
    r.lost = r.lost .. " " .. address .. ("_"):rep(64 - #address)
  end`)
  const [one] = await q.many([challenge(person(257), 'a')])
  const s = await q.many([end('Concede', person(257), one.first.Dispute),
    challenge(person(257), 'a'), challenge(person(2), 'a'),
    challenge(person(1), 'a')])
  is(codes(s), ['200', '409', '409', '200'],
    'the last to lose are remembered, the one before them may come again')
  is(await lost('return #r.lost'), String(256 * 65), 'there are 256')
  await q.many([[owner, { Action: 'Pause', Mode: 'all' }, '', at(hour)]])
  const to = await queue()
  await to.p.eval(stub)
  const pages = await dump(q, at(hour))
  const t = await to.many([
    [owner, { Action: 'Pause', Mode: 'all' }, '', at(hour)],
    ...pages.map(([Page, text]) => [owner, { Action: 'Load', Page }, text,
      at(hour)])])
  is([...new Set(codes(t)), await dump_text(to) === await dump_text(q)],
    ['200', true], 'and are part of a dump')
}

// What was cancelled while it was disputed is not there again, under the same
// id, before the dispute is over.
export async function disputed_again () {
  const q = await disputed(['a'])
  const { record, jobrecord } = JSON.parse(result(id('c')))
  const claim = (ms) => [q.node, { Action: 'Claim', Record: record,
    Jobrecord: jobrecord, Modelrecord: model_record(64, 9)[0] }, '', at(ms)]
  const [c] = known(id('c'))
  const cancel = (from, Request, ms) => [from, { Action: 'Cancel', Request },
    '', at(ms)]
  const again = (ms) => [alice, infer('a'), 'a', at(ms, { id: id('a') })]
  const [, b, a] = await q.many([claim(0), [bob, { Action: 'Challenge',
    Request: c }, '', at(0)], challenge(bob, 'a')])
  const late = 7 * day
  const s = await q.many([cancel(q.node, c, late), cancel(alice, id('a'), late),
    claim(late), again(late), status('a', late), end('Concede', bob,
      b.first.Dispute, late), end('Concede', bob, a.first.Dispute, late),
    claim(late), again(late), status('a', late)])
  is([...codes(s.slice(0, 3)), s[4].first.State], ['200', '200', '409', 'gone'],
    'neither a claim nor a request comes again while it is disputed')
  is([...codes(s.slice(5, 8)), s[9].first.State], ['200', '200', '200',
    'pending'], 'both do after the verdict')
  is(await q.ask(`return Queue.open["${c}"].disputes`), '0',
    'without the disputes of before')
}

export async function places () {
  const names = Array.from({ length: 18 }, (_, i) => 'r' + i)
  const q = await disputed(names)
  const s = await q.many(names.map((n) => challenge(bob, n)))
  is([s.filter((a) => a.code === '200').length, s[16].code],
    [16, '429'], 'a challenger has so many')
  await q.many([end('Concede', bob, s[0].first.Dispute)])
  is(codes(await q.many([challenge(bob, 'r16')])), ['200'], 'and another after')
  await q.p.eval(`for i = 1, 1024 - #Queue.dispute_list do
    local d = {}
    for k, v in pairs(Queue.disputes[Queue.dispute_list[1]]) do d[k] = v end
    d.challenger, d.node = "c" .. i, "n" .. i
    Queue.disputes["d" .. i] = d
    Queue.dispute_list[#Queue.dispute_list + 1] = "d" .. i
  end`)
  is(codes(await q.many([challenge(q.node2, 'r17')])), ['429'],
    'there are so many places')
}

// Who fills places fills those of his kind, and ends no window by it.
export async function filled_places () {
  const q = await disputed([])
  const who = Array.from({ length: 18 }, (_, i) => id('person-' + i))
  await q.many([...who.map((from, i) => [from, infer('r' + i), 'r' + i,
    at(0, { id: id('r' + i) })]),
  [q.node, pull(), '', at(0, { id: id('all') })],
  [q.node, complete(id('all')), who.map((_, i) => result(id('r' + i)))
    .join('\n'), at(0)]])
  const s = await q.many([...who.map((from, i) => challenge(from, 'r' + i)),
    challenge(bob, 'r16'), challenge(q.node2, 'r17')])
  is([codes(s.slice(0, 16)).every((c) => c === '200'), ...codes(s.slice(16))],
    [true, '429', '429', '200', '200'],
    'requesters fill the places of requesters')
  const t = await q.many([...who.map((_, i) => show(q, s[i < 16 ? i : i + 2]
    .first.Dispute, '0')), status('r0', 5 * hour), status('r16', 5 * hour),
  end('Concede', who[0], s[0].first.Dispute, 5 * hour),
  challenge(who[16], 'r16', 5 * hour), challenge(who[17], 'r17', 5 * hour)])
  is([...t.slice(18, 20).map((a) => a.first.Until), ...codes(t.slice(20))],
    [...[1, 2].map(() => String(1700000100000 + 29 * hour)), '200', '200',
      '429'], 'whose windows stand still; who gives up leaves one')
  const copies = (n, change) => q.p.eval(`
    for i = 1, ${n} - #Queue.dispute_list do
      local d = {}
      for k, v in pairs(Queue.disputes[Queue.dispute_list[1]]) do d[k] = v end
      d.challenger, d.kind = "c" .. i, "challenger"
      ${change}
      local id = "d" .. #Queue.dispute_list
      Queue.disputes[id] = d
      Queue.dispute_list[#Queue.dispute_list + 1] = id
    end`)
  await q.many([[who[0], infer('o', { 'X-Node': q.node2 }), 'o',
    at(5 * hour, { id: id('o') })],
  [q.node2, pull(), '', at(5 * hour, { id: id('p2') })],
  [q.node2, complete(id('p2')), result(id('o')), at(5 * hour)]])
  await copies(256, '')
  is(codes(await q.many([challenge(bob, 'r5', 5 * hour),
    challenge(bob, 'o', 5 * hour)])), ['429', '200'],
  'places over one node are not those over another')
}

const dump_text = async (q) =>
  (await dump(q, at(hour))).map((page) => page[1]).join('')

// Disputes with all that was shown are part of a dump, and go on after it, and
// after new code.
export async function kept () {
  const q = await disputed(['a', 'b'])
  const d = await open(q)
  await q.many([show(q, d, '0', 'x'.repeat(8192)), pick(d, '1', 'more'),
    show(q, d, '2', 'y'), challenge(q.node2, 'b'),
    [owner, { Action: 'Pause', Mode: 'all' }, '', at(hour)]])
  const page = await dump_text(q)
  const to = await queue()
  await to.p.eval(stub)
  await to.many([[owner, { Action: 'Pause', Mode: 'all' }, '', at(hour)]])
  const [a] = await to.many([[owner, { Action: 'Load', Page: '0' }, page,
    at(hour)]])
  is([a.code, (await dump_text(to)) === page], ['200', true], 'the same dump')
  const stop = [owner, { Action: 'Pause', Mode: 'no' }, '', at(hour)]
  const tell = async (x) => (await x.many([stop, pick(d, '3', 'end', 2 * hour),
    [carol, { Action: 'Disputes' }, '', at(2 * hour)], status('a', 2 * hour),
    prove(d, '4', 'fault', q.node, 3 * hour), status('b', 4 * hour)]))
    .map((b) => b.out.map(({ Reference, ...m }) => m))
  await load(q.p, parts())
  await q.p.eval(stub)
  is(await tell(to), await tell(q), 'and it goes on as before')
}
