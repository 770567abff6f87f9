// What nodes give back, what they put off, what ends without an answer.
import { id } from './aos.mjs'
import { is } from './tap.mjs'
import {
  infer, lines, owner, pull, result, working
} from './queue.mjs'

const alice = id('alice')
const bob = id('bob')
const t = 1700000100000
const hour = 3600000
// the time, and blocks that let it pass
const at = (ms, more) =>
  ({ timestamp: t + ms, height: 1500100 + ms / 600000 | 0, ...more })
const prompts = (a) => lines(a).map((l) => l.prompt)
const line = (n, more) => JSON.stringify({ request: id(n), ...more })
const allows = (node) => [owner, { Action: 'Allow', Node: node }]
const asks = (from, names, tags) => names.map((n) =>
  [from, infer(n, tags), n, at(0, { id: id(n) })])
// A node pulls one request and gives it back with this line.
const round = (node, b, data, ms = 0) => [
  [node, pull({ Max: '1' }), '', at(ms, { id: id(b) })],
  [node, { Action: 'Release', Batch: id(b) }, data, at(ms)]]
const status = (n) => [alice, { Action: 'Status', Request: id(n) }]
// What is said to alice besides the answer.
const told = (a) => a.out.slice(1).map((m) =>
  [m.to, m.Action, m.Code, m['X-Reference']])

// One node alone cannot end a request; five can, and no word of theirs is
// repeated.
export async function blames () {
  const q = await working()
  const more = [3, 4, 5, 6].map((i) => id('node-' + i))
  const why = 'cannot open "http://10.0.0.9:81/secret"'
  const s = await q.many([...more.map(allows),
    [alice, infer('a', { 'X-Session': 's' }), 'a', at(0, { id: id('a') })],
    ...asks(alice, ['z']),
    ...Array.from({ length: 7 }, (_, i) =>
      round(q.node, 'n' + i, line('a', { reason: why }))).flat(),
    ...round(q.node, 'n8', line('a')),
    ...round(q.node, 'n9', line('a', { reason: '' })),
    status('a'),
    ...[q.node2, ...more.slice(0, 2)].flatMap((node, i) =>
      round(node, 'm' + i, line('a', { reason: why }))),
    status('a'),
    ...round(more[2], 'm9', line('none', { reason: why }) + '\n' +
      line('a', { reason: why })),
    status('a'), [q.node, pull({ Max: '1' }), '', at(0)]])
  const x = s.slice(6)
  is(x.slice(0, 18).filter((_, i) => i % 2).map((a) => a.first.Count),
    Array(9).fill('1'), 'what is given back comes first again')
  is(x[18].first.State, 'pending', 'whatever one node says, it waits')
  is(x[25].first.State, 'pending', 'and with four')
  is([x[27].first.Count, told(x[27])], ['1',
    [[alice, 'Infer-Response', '503', 'a']]], 'the fifth ends it')
  is([x[27].out[1]['X-Session'], JSON.stringify(x[27].raw).includes('10.0.0')],
    ['s', false], 'in the words of the queue')
  is([x[28].first.State, prompts(x[29])], ['gone', ['z']], 'it is gone')
}

// Where fewer than five may answer it, all of them can end it.
export async function few () {
  const q = await working()
  const why = { reason: 'no' }
  const s = await q.many([
    ...asks(alice, ['a']), ...round(q.node, 'b1', line('a', why)), status('a'),
    ...round(q.node2, 'b2', line('a', why)), status('a'),
    ...asks(alice, ['n'], { 'X-Node': q.node }),
    ...round(q.node, 'b3', line('n', why)), status('n'),
    ...asks(alice, ['c']), ...round(q.node, 'b4', line('c', why)),
    [owner, { Action: 'Revoke', Node: q.node }],
    ...round(q.node2, 'b5', line('c', why)), status('c')])
  is([s[3].first.State, s[6].first.State, told(s[5])], ['pending', 'gone',
    [[alice, 'Infer-Response', '503', 'a']]], 'two of two end it')
  is(s[10].first.State, 'gone', 'one, where it is for one')
  is(s[17].first.State, 'gone', 'all who are still allowed')
}

// "later" is no blame: this node does not get it until then, others do.
export async function later () {
  const q = await working()
  const lag = (seconds) => ({ later: String(seconds) })
  const s = await q.many([
    ...asks(alice, ['a1', 'a2']), ...asks(bob, ['b1']),
    ...round(q.node, 'p1', line('a1', lag(600))),
    [q.node, pull(), '', at(0, { id: id('p2') })],
    [q.node, { Action: 'Release', Batch: id('p2') }, '', at(0)],
    [q.node, pull(), '', at(599999, { id: id('p3') })],
    [q.node, pull(), '', at(599999)],
    [q.node2, pull({ Max: '1' }), '', at(599999, { id: id('p4') })],
    [q.node2, { Action: 'Release', Batch: id('p4') }, '', at(599999)],
    [q.node, pull(), '', at(600000, { id: id('p5') })],
    [q.node, { Action: 'Release', Batch: id('p5') },
      '{"request":"' + id('a1') + '","later":3600}', at(600000)],
    [q.node, pull(), '', at(600000 + hour - 1)],
    [q.node, pull(), '', at(600000 + hour, { id: id('p6') })]])
  is(s[4].first.Count, '1', 'put off')
  is(prompts(s[5]), ['b1', 'a2'], 'other requests come meanwhile')
  is([prompts(s[7]), s[8].code, s[8].first.More],
    [['b1', 'a2'], '204', '1'], 'until then')
  is(prompts(s[9]), ['a1'], 'another node has it first')
  is([prompts(s[11]), s[12].first.Count, s[13].code, prompts(s[14])],
    [['a1'], '1', '204', ['a1']], 'then it comes again')
  const many = await q.many([
    [q.node, { Action: 'Release', Batch: id('p6') }, line('a1', lag(0))],
    ...Array.from({ length: 30 }, (_, i) => round(q.node, 'x' + i,
      line('a1', lag(0)), 600000 + 2 * hour)).flat(), status('a1')])
  is(many.at(-1).first.State, 'pending', 'no blame, however often')
  const bad = ['3601', '-1', '01', '1.5', '1e2', '', 'x'].map((v) =>
    line('a1', { later: v })).concat(['3601', '-1', '1.5', '[]', 'null',
    '{}', 'true'].map((v) =>
    '{"request":"' + id('a1') + '","later":' + v + '}'))
  const wrong = await q.many(bad.map((d) =>
    [q.node, { Action: 'Release', Batch: id('p6') }, d]))
  is(bad.filter((_, i) => wrong[i].code !== '400'), [],
    'any other "later" is refused')
}

// A pull looks past 64 that were put off, whoever asked them.
export async function past () {
  const q = await working()
  const names = Array.from({ length: 65 }, (_, i) => 'f' + i)
  const off = (list) => list.map((n) => line(n, { later: '3600' })).join('\n')
  const s = await q.many([
    ...asks(alice, names.slice(0, 64)), ...asks(alice, ['y']),
    [q.node, pull({ Max: '64' }), '', at(0, { id: id('b1') })],
    [q.node, { Action: 'Release', Batch: id('b1') }, off(names), at(0)],
    [q.node, pull(), '', at(0, { id: id('b2') })],
    [q.node, { Action: 'Release', Batch: id('b2') }, off(['y']), at(0)],
    ...asks(alice, ['z']), ...asks(bob, ['b']),
    [q.node, pull(), '', at(0)], [q.node2, pull({ Max: '2' }), '', at(0)]])
  is([s[66].first.Count, prompts(s[67])], ['64', ['y']],
    'the one behind 64 is found')
  is(prompts(s[71]), ['b'], 'behind 65 it is not, but other requesters\' are')
  is(prompts(s[72]), ['y', 'f0'], 'for another node nothing has changed')
}

// What nobody can answer or remove holds no place: as hold.sh has it.
export async function holds () {
  const q = await working()
  const day = 24 * hour
  const soon = (ms, list) => list.map(([from, tags, data, more]) =>
    [from, tags, data, { ...at(ms), id: more?.id }])
  const info = (ms) => [alice, { Action: 'Info' }, '', at(ms)]
  const s = await q.many([
    [owner, { Action: 'Set', 'Max-Open': '6', 'Max-Requester': '3' }],
    ...asks(alice, ['a1', 'a2', 'a3'], { 'X-Node': q.node2 }),
    ...asks(bob, ['b1', 'b2'], { 'X-Node': q.node2, 'X-Model': 'tiny' }),
    ...asks(bob, ['b3'], { 'X-Node': q.node2 }),
    [q.node2, pull({ Max: '1' }), '', at(0, { id: id('p1') })],
    ...asks(id('carol'), ['full']),
    [owner, { Action: 'Revoke', Node: q.node2, Block: '1500103' }, '', at(0)],
    info(0), info(hour / 2), ...soon(hour, asks(id('carol'), ['taken'])),
    [owner, allows(q.node2)[1], '', at(hour)],
    [alice, infer('x', { 'X-Node': q.node2 }), 'x', at(hour)]])
  is(s[8].first.Code, '429', 'a queue is full')
  is([s[10].first.Open, s[11].first.Open, s[11].out.length], ['6', '1', 6],
    'what waits for a node ends when that is revoked')
  is(s[11].out.slice(1).map((m) => [m.Code, m.Message]).filter((m) =>
    m[0] !== '503' || !/^its X-Node is not allowed/.test(m[1])), [],
  'with 503 each')
  is([s[12].first, s[12].pending], [undefined, '1'], 'others have room')
  is(s[14].pending, '2', 'allowed again, it may be asked for')
  const r = await q.many([info(hour + 7 * day - 1), info(hour + 7 * day),
    [alice, infer('y', { 'X-Node': q.node2 }), 'y', at(hour + 7 * day)],
    [q.node2, pull(), '', at(hour + 7 * day)],
    [alice, infer('y', { 'X-Node': q.node2 }), 'y', at(hour + 7 * day)],
    [q.node2, { Action: 'Renew', Batch: id('p9') }, '', at(10 * day)],
    info(hour + 14 * day), info(hour + 17 * day),
    [owner, { Action: 'Set', 'Pending-Days': '31', 'Idle-Days': '1' }, '',
      at(30 * day)],
    info(31 * day + hour - 1), info(31 * day + hour),
    [id('carol'), { Action: 'Status', Request: id('taken') }]])
  is([r[0].first.Open, r[1].first.Open, r[1].out[1]?.Message], ['3', '1',
    'its X-Node has been silent for 7 days'], 'or is silent for days')
  is([r[2].code, r[3].code, r[4].pending], ['503', '200', '1'],
    'asked for it is refused until it speaks')
  is([r[0].first['Pending-Days'], r[0].first['Idle-Days']], ['30', '7'],
    'both are settings')
  is([r[9].first.Open, r[10].first.Open, r[10].out[1]?.Message, r[11].first
    .State], ['1', '0', 'nobody has answered it in 31 days', 'gone'],
  'and everything ends some day')
}

// A lease holds a request as long as it lasts; what comes back is as old.
export async function old_leases () {
  const q = await working()
  const day = 24 * hour
  const renew = (ms) => [q.node, { Action: 'Renew', Batch: id('b1'),
    TTL: '86400' }, '', at(ms)]
  const s = await q.many([
    ...asks(alice, ['a', 'b', 'c']),
    [q.node, pull({ TTL: '86400', Max: '2' }), '', at(0, { id: id('b1') })],
    ...Array.from({ length: 40 }, (_, i) => renew(i * 0.75 * day)),
    renew(30 * day - 1), renew(30 * day),
    [q.node, { Action: 'Release', Batch: id('b1') }, line('a'), at(30 * day)],
    [q.node, { Action: 'Complete', Batch: id('b1'), Statement: id('s') },
      result(id('b')), at(30 * day)],
    status('a'), status('b')])
  is([s[45].code, told(s[45])], ['200', [[alice, 'Infer-Response', '503',
    'c']]], 'what waits is as old as it is')
  is([s[46].code, s[46].first.Count, told(s[46])], ['200', '1', [[alice,
    'Infer-Response', '503', 'a']]], 'and so is what comes back')
  is([s[47].first.Accepted, s[48].first.State, s[49].first.State],
    ['1', 'gone', 'done'], 'but not what is leased')
}

// The owner drops one.
export async function drops () {
  const q = await working()
  const drop = (n) => ({ Action: 'Drop', Request: id(n) })
  const s = await q.many([
    ...asks(alice, ['a', 'b', 'c']),
    [q.node, pull({ Max: '1' }), '', at(0, { id: id('b1') })],
    [alice, drop('b')], [q.node, drop('b')], [owner, drop('none')],
    [owner, { Action: 'Drop' }], [owner, drop('b')], [owner, drop('b')],
    [owner, drop('a')],
    [q.node, { Action: 'Complete', Batch: id('b1'), Statement: id('s') },
      result(id('a')), at(0)],
    [owner, { Action: 'Set', Operators: bob }],
    [bob, { Action: 'Pause', Mode: 'all' }], [bob, drop('c')],
    [bob, { Action: 'Pause', Mode: 'no' }], [bob, drop('c')],
    [alice, { Action: 'Info' }]])
  is(s.slice(4, 8).map((a) => a.code), ['403', '403', '404', '404'],
    'nobody else, and nothing else')
  is([s[8].code, s[8].first.Request, told(s[8]), s[9].code], ['200', id('b'),
    [[alice, 'Infer-Response', '503', 'b']], '404'], 'one that waits')
  is([s[10].code, told(s[10]).length, s[11].first.Unknown], ['200', 1, '1'],
    'one that is leased')
  is([s[14].code, s[16].code, s[17].first.Open, s[17].first.Leased],
    ['503', '200', '0', '0'], 'an operator, unless all is paused')
}

// However many end, one message ends a thousand, the next goes on.
export async function crowds () {
  const q = await working()
  await q.p.eval('Queue.max_requester = 50000')
  const crowd = Array.from({ length: 1100 }, (_, i) =>
    [alice, infer('r' + i, { 'X-Node': q.node2 }), 'x',
      at(0, { id: id('r' + i) })])
  await q.many(crowd)
  const s = await q.many([[owner, { Action: 'Revoke', Node: q.node2 }, '',
    at(0)], [alice, { Action: 'Info' }, '', at(0)]])
  is([s[0].out.length, s[0].pending, s[1].first.Open, s[1].out.length],
    [1001, '100', '0', 101], 'a thousand, then the others')
}
