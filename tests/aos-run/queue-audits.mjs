// Answers that a queue leases once more, to another node (Audit-Rate).
import { id } from './aos.mjs'
import { is, ok } from './tap.mjs'
import {
  complete, dump, infer, lines, load, owner, pull, queue, result, working
} from './queue.mjs'

const alice = id('alice')
const t = 1700000100000
const at = (ms, more) => ({
  timestamp: t + ms, height: 1500100 + Math.floor(ms / 600000), ...more
})
const set = (tags) => [owner, { Action: 'Set', ...tags }, '', at(0)]
const ask = (n, tags) => [alice, infer(n, tags), n, at(0, { id: id(n) })]
const pulls = (node, b, tags) => [node, pull(tags), '', at(0, { id: id(b) })]
const completes = (node, b, list) =>
  [node, complete(id(b)), list.join('\n'), at(0)]
const info = [alice, { Action: 'Info' }, '', at(0)]
const status = (n) => [alice, { Action: 'Status', Request: id(n) }, '', at(0)]
const ids = (a) => lines(a).map((l) => l.id)
const counts = (a) => [a.first.Accepted, a.first.Repeated, a.first.Conflicts,
  a.first.Unknown]

const dump_text = async (q) =>
  (await dump(q, at(0))).map((page) => page[1]).join('')

// A queue whose first node has answered these.
async function answered (names, tags, more) {
  const q = await working()
  const s = await q.many([
    set({ Window: '7200', 'Audit-Rate': '1000000', ...tags }),
    ...names.map((n) => ask(n, more)), pulls(q.node, 'p'),
    completes(q.node, 'p', names.map((n) => result(id(n))))])
  is(s.at(-1).first.Accepted, String(names.length), 'answered by a node')
  return q
}

export async function audits () {
  const q = await answered(['a', 'b', 'c'])
  const s = await q.many([
    pulls(q.node, 'own'), pulls(q.node2, 'r'), pulls(q.node2, 'r'),
    status('a'), completes(q.node2, 'r', [result(id('a')),
      result(id('b'), { trace: 'x' })]),
    info, status('a'), status('b'), pulls(q.node2, 'again'),
    [q.node2, { Action: 'Renew', Batch: id('r') }, '', at(0)],
    completes(q.node2, 'r', [result(id('c')), result(id('c'))]),
    [q.node2, { Action: 'Renew', Batch: id('r') }, '', at(0)], info])
  is([s[0].code, ids(s[0])], ['204', []], 'no node audits itself')
  is([s[1].code, s[1].first.Kind, ids(s[1]).sort()],
    ['200', 'requests', [id('a'), id('b'), id('c')]],
    'another node gets its answers, too')
  is(ids(s[2]), ids(s[1]), 'a Pull that comes twice gets the same')
  is(s[3].first.State, 'answered', 'they stay answered')
  is(counts(s[4]), ['0', '1', '1', '0'], 'its results are compared')
  is([s[5].first.Agreed, s[5].first.Conflicts, s[5].first.Leased,
    s[5].first.Disputes], ['1', '1', '0', '0'],
  'equal ones are counted; a conflict opens no dispute')
  is([s[6].first.Conflict, s[7].first.State, s[7].first.Conflict !== undefined],
    [undefined, 'answered', true], 'it is recorded with the request')
  is([s[4].out.length, s[8].code], [1, '204'],
    'nobody is answered again, and each is drawn for once')
  is([s[9].code, s[9].first.Count, s[10].first.Repeated, s[11].code,
    s[12].first.Agreed], ['200', '1', '2', '404', '2'],
  'the lease counts its audits and ends with the last')
}

export async function unaudited () {
  const names = ['a', 'b']
  for (const [tags, more, why] of [
    [{ 'Audit-Rate': '0' }, {}, 'without a rate'],
    [{ Window: '0' }, {}, 'of final answers'],
    [{}, { 'X-Node': id('node-1') }, 'of what one node was asked for']]) {
    const q = await answered(names, tags, more)
    const [a] = await q.many([pulls(q.node2, 'r')])
    is([a.code, ids(a)], ['204', []], 'no audit ' + why)
  }
  const q = await working()
  const s = await q.many([
    set({ Window: '7200', 'Audit-Rate': '1000000' }), ...names.map((n) =>
      ask(n)), pulls(q.node, 'p'), set({ Price: '5' }),
    completes(q.node, 'p', names.map((n) => result(id(n)))),
    pulls(q.node2, 'r'), set({ 'Audit-Rate': '1000001' }),
    set({ 'Audit-Rate': '0.5' }), info])
  is(ids(s.at(-4)), [], 'no audit with a price')
  is([s.at(-3).code, s.at(-2).code, s.at(-1).first['Audit-Rate']],
    ['400', '400', '1000000'], 'Audit-Rate is a number of millionths')
}

// The id of the Pull draws: a share, and not the same one with another id.
export async function shares () {
  const names = Array.from({ length: 60 }, (_, i) => 'n' + i)
  const drawn = []
  for (const b of ['r', 'other']) {
    const q = await answered(names, { 'Audit-Rate': '300000' })
    const [a, again] = await q.many([pulls(q.node2, b), pulls(q.node2, 'x')])
    drawn.push(ids(a))
    is([again.code, ids(again)], ['204', []], 'what was not drawn is left')
  }
  const n = drawn.map((list) => list.length)
  ok(n.every((k) => k > 6 && k < 32), `a share is drawn: ${n} of 60`)
  ok(drawn[0].join() !== drawn[1].join(), 'another Pull draws another one')
}

// Beside requests that are pending, within what a Pull asks for.
export async function audits_beside () {
  const q = await answered(['a', 'b', 'c'])
  const s = await q.many([ask('d'), pulls(q.node2, 'r', { Max: '2' }),
    completes(q.node2, 'r', [result(id('d'))]), info,
    [q.node2, { Action: 'Release', Batch: id('r') }, '', at(0)],
    [q.node2, { Action: 'Renew', Batch: id('r') }, '', at(0)],
    pulls(q.node2, 's', { Max: '2' })])
  is([ids(s[1])[0], ids(s[1]).length], [id('d'), 2], 'pending ones come first')
  is([s[2].first.Accepted, s[3].first.Leased, s[3].first.Answered],
    ['1', '0', '4'], 'which are leased as always')
  is([s[4].first.Count, s[5].code], ['0', '404'], 'a lease can be given back')
  is(ids(s[6]).length, 2, 'others are drawn for later')
}

// A dump has what awaits the draw and what is leased so.
export async function audits_kept () {
  const q = await answered(['a', 'b', 'c'])
  await q.many([pulls(q.node2, 'r', { Max: '1' }),
    [owner, { Action: 'Pause', Mode: 'all' }, '', at(0)]])
  const text = await dump_text(q)
  const to = await queue()
  const s = await to.many([[owner, { Action: 'Pause', Mode: 'all' }, '', at(0)],
    [owner, { Action: 'Load', Page: '0' }, text, at(0)]])
  is([s[1].code, await dump_text(to)], ['200', text],
    'a dump gives the same dump')
  const next = async (x) => (await x.many([
    [owner, { Action: 'Pause', Mode: 'no' }, '', at(0)],
    completes(x.node2, 'r', ['a', 'b', 'c'].map((n) => result(id(n)))),
    pulls(x.node2, 's'), info])).map((a) => [a.code, ids(a), a.first.Repeated,
    a.first.Agreed])
  to.node2 = q.node2
  const [x, y] = [await next(q), await next(to)]
  is(x, y, 'and goes on the same')
  is([x[1][2], x[2][1].length, x[3][3]], ['3', 2, '1'], 'with what it had')
  const old = text.replace('apus-queue-4', 'apus-queue-3')
    .replaceAll(/,"(audit|audits|audit_rate|agreed)":"[^"]*"/g, '')
  const three = await queue()
  const l = await three.many([
    [owner, { Action: 'Pause', Mode: 'all' }, '', at(0)],
    [owner, { Action: 'Load', Page: '0' }, old, at(0)],
    [owner, { Action: 'Pause', Mode: 'no' }, '', at(0)], info,
    pulls(q.node2, 's')])
  is([l[1].code, l[3].first.Answered, l[3].first['Audit-Rate'], l[4].code],
    ['200', '3', '0', '204'], 'a dump of format 3 has none')
  await three.p.eval(`Queue.format = "apus-queue-3"
    Queue.audit_rate, Queue.agreed, Queue.audits = nil, nil, nil
    for _, r in pairs(Queue.open) do r.audit = nil end
    for _, lease in pairs(Queue.leases) do lease.audits = nil end`)
  is((await load(three.p)).Error, undefined, 'nor has a process of format 3')
  const u = await three.many([info, set({ 'Audit-Rate': '1000000' }), ask('e'),
    pulls(q.node, 'u'), completes(q.node, 'u', [result(id('e'))]),
    status('a'), pulls(q.node2, 'v')])
  is([u[0].first.Answered, u[5].first.State, ids(u[6])],
    ['3', 'answered', [id('e')]], 'which goes on with them')
}
