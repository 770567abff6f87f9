// What the owner says, and what must be the same everywhere.
import { readFileSync } from 'node:fs'
import { id } from './aos.mjs'
import { is, ok } from './tap.mjs'
import {
  complete, dump, infer, lines, load, model, model2, owner, pull, queue,
  registers, result, source, working
} from './queue.mjs'

const alice = id('alice')
const bob = id('bob')

export async function commands () {
  const q = await working()
  const all = [{ Action: 'Allow', Node: id('x') },
    { Action: 'Revoke', Node: q.node }, registers(id('m'), 'm'),
    { Action: 'Set', 'Max-Open': '5' }, { Action: 'Pause' },
    { Action: 'Freeze' }, { Action: 'Dump' }, { Action: 'Load', Page: '0' }]
  let s = await q.many(all.map((t) => [alice, t]))
  is(s.map((a) => a.code), all.map(() => '403'), 'strangers command nothing')
  const bad = [{ Action: 'Allow', Node: 'x' },
    { Action: 'Allow', Node: id('x'), Max: '0' },
    { Action: 'Allow', Node: id('x'), Max: '50001' },
    { Action: 'Revoke', Node: q.node, Block: 'x' },
    registers('x', 'm'), registers(id('m'), ''), registers(id('m'), 'a b'),
    registers(id('m'), 'x'.repeat(43)), registers(id('m'), 'nano'),
    registers(id('m'), 'm', { Source: 'x' }),
    registers(id('m'), 'm', { Bytes: '1e6' }),
    { Action: 'Set', 'Max-Open': '50001' }, { Action: 'Set', Token: 'x' },
    { Action: 'Set', 'Max-Prompt': '16385' },
    { Action: 'Set', 'Default-Model': 'none' },
    { Action: 'Set', Operators: 'x' }, { Action: 'Pause', Mode: 'x' }]
  s = await q.many(bad.map((t) => [owner, t]))
  is(bad.filter((_, i) => s[i].code !== '400'), [], 'wrong commands')
  s = await q.many([[owner, { Action: 'Set', Operators: bob,
    'Default-Model': 'tiny', 'Max-Prompt': '5' }], [alice, infer('a'), 'x'],
  [alice, infer('b'), '123456'], [bob, { Action: 'Pause' }],
  [alice, infer('c'), 'x'], [q.node, pull()], [bob, { Action: 'Pause',
    Mode: 'no' }], [q.node, pull()],
  [bob, registers(model2, 'small', { Bytes: '123', Context: '512' })],
  [alice, { Action: 'Models' }],
  [q.node, { Action: 'Register-Node', Models: model, Did: 'did:a:b',
    Hardware: '2 cores' }], [alice, { Action: 'Nodes' }]])
  is([s[2].code, s[4].code, s[5].code], ['400', '503', '503'],
    'limits and pauses hold')
  is(lines(s[7]).map((l) => l.model), [model2], 'the default model')
  is(lines(s[9])[1], { model: model2, name: 'small', source, bytes: '123',
    context: '512', price: '0', pending: '0', judged: 'no' },
  'the directory of models')
  is(lines(s[11])[0], { node: q.node, max: '1000', leased: '1', revoked: '',
    models: model, did: 'did:a:b', hardware: '2 cores' }, 'and of nodes')
}

// What waits does not grow old while all is paused, and leases keep the time
// that they had left.
export async function stands_still () {
  const q = await working()
  const t = 1700000100000
  const hour = 3600000
  const at = (ms, more) =>
    ({ timestamp: t + ms, height: 1500100 + ms / 600000 | 0, ...more })
  const s = await q.many([
    [alice, infer('a'), 'a', at(0, { id: id('a') })],
    [alice, infer('b'), 'b', at(0, { id: id('b') })],
    [q.node, pull({ Max: '1' }), '', at(0, { id: id('b1') })],
    [q.node, { Action: 'Release', Batch: id('b1') },
      JSON.stringify({ request: id('a'), later: '3600' }), at(0)],
    [q.node, pull({ TTL: '7200' }), '', at(0, { id: id('b2') })],
    [owner, { Action: 'Pause', Mode: 'all' }, '', at(hour / 2)],
    [owner, { Action: 'Pause', Mode: 'all' }, '', at(5 * hour)],
    [owner, { Action: 'Pause', Mode: 'no' }, '', at(10.5 * hour)],
    [q.node, pull(), '', at(11 * hour - 1)],
    [q.node, pull(), '', at(11 * hour)],
    [q.node2, pull(), '', at(12 * hour - 1)],
    [q.node2, pull(), '', at(12 * hour)]])
  const got = s.slice(8).map((a) => lines(a).map((l) => l.prompt))
  is(got, [[], ['a'], [], ['b']], 'ten hours of a pause do not count')
}

export async function revoked () {
  const q = await working()
  const at = (height, more) => ({ height, ...more })
  const s = await q.many([
    [alice, infer('a'), 'x', at(2000000, { id: id('a') })],
    [q.node, pull(), '', at(2000000, { id: id('b') })],
    [owner, { Action: 'Revoke', Node: q.node, Block: '2000005' }, '',
      at(2000001)],
    [q.node, { Action: 'Renew', Batch: id('b') }, '', at(2000004)],
    [q.node, { Action: 'Renew', Batch: id('b') }, '', at(2000005)],
    [q.node, { Action: 'Renew', Batch: id('b') }, '', at(2000004)],
    [q.node, complete(id('b')), result(id('a'))],
    [owner, { Action: 'Revoke', Node: q.node }, '', at(2000006)],
    [q.node2, pull(), '', at(2000006)],
    [owner, { Action: 'Revoke', Node: id('none') }],
    [owner, { Action: 'Allow', Node: q.node }], [q.node, pull()]])
  is([s[3].code, s[4].code, s[5].code, s[6].code],
    ['200', '403', '403', '403'], 'revoked from a block on')
  is([s[7].pending, lines(s[8]).length], ['1', 1], 'at once: others get it')
  is([s[9].code, s[11].code], ['404', '204'], 'and allowed again')
}

export async function moves () {
  const q = await working()
  const ask = (from, n, tags) => Array.from({ length: n }, (_, i) =>
    [from, infer(from[0] + i, tags), '"\\\x01'.repeat(200),
      { id: id(from[0] + '-' + i) }])
  await q.many([...ask(alice, 40),
    [owner, { Action: 'Set', Window: '86400', Challengers: bob }],
    ...ask(bob, 5),
    ...ask(id('carol'), 5, { 'X-Model': 'tiny', 'X-Node': q.node2 }),
    [q.node, pull({ Max: '3' }), '', { id: id('b1') }],
    [q.node2, pull({ Max: '4' }), '', { id: id('b2') }],
    [q.node, complete(id('b1')), result(id('a-0')) + '\n' +
      result(id('b-0'), { text: 'x\ny' })],
    [q.node, complete(id('b1')), result(id('a-0'), { trace: 'x' })],
    [q.node2, { Action: 'Release', Batch: id('b2') },
      JSON.stringify({ request: id('b-1'), reason: 'r' })]])
  // the longest that there can be, with all that is escaped in it
  const long = { 'X-Session': '"'.repeat(128),
    'X-Options': JSON.stringify({ stop: Array.from({ length: 16 },
      (_, i) => String.fromCharCode(97 + i).repeat(64)) }) }
  const longest = ['"'.repeat(16384), '\x01'.repeat(5461),
    JSON.stringify({ prompt: '\\'.repeat(16384) }), JSON.stringify({ messages:
      [{ role: 'user', content: '"'.repeat(8170) }] })].map((data, i) => [bob,
    infer(i + '"'.repeat(127), { ...long,
      ...(i > 1 ? { 'Content-Type': 'application/json' } : {}) }), data,
    { id: id('long-' + i) }])
  const taken = await q.many(longest)
  is(taken.map((a) => a.code), longest.map(() => undefined),
    'requests of the greatest length')
  let s = await q.many([[owner, { Action: 'Dump' }],
    [owner, { Action: 'Pause', Mode: 'all' }], [q.node, complete(id('b1')),
      result(id('a-1'))], [q.node, { Action: 'Release', Batch: id('b1') }]])
  is([s[0].code, s[2].code, s[3].code], ['409', '503', '503'],
    'nothing moves while it is dumped')
  const pages = await dump(q)
  ok(pages.length > 1 && pages.every(([, d]) => d.length < 90000),
    `${pages.length} pages, each fits into a message`)
  const to = await queue()
  s = await to.many([[owner, { Action: 'Load', Page: '0' }, pages[0][1]],
    [owner, { Action: 'Pause', Mode: 'all' }],
    [owner, { Action: 'Load', Page: '1' }, pages[0][1]],
    ...pages.map(([Page, d]) => [owner, { Action: 'Load', Page }, d])])
  is([s[0].code, s[2].code], ['409', '409'], 'in order, into what is paused')
  is(s.slice(3).map((a) => a.code), pages.map(() => '200'), 'it is loaded')
  is(await dump(to), pages, 'and gives the same dump')
  const next = async (x) => (await x.many([
    [owner, { Action: 'Pause', Mode: 'no' }], [x.p.owner && q.node, pull()],
    [q.node2, pull(), '', { id: id('b9') }],
    [q.node, complete(id('b1')), result(id('a-1'))],
    [alice, { Action: 'Status', 'X-Reference': 'a0' }]]))
    .map((a) => [lines(a).map((l) => l.id), a.first.Accepted,
      a.first.Conflict])
  is(await next(to), await next(q), 'and goes on as the old one')
  const broken = await queue()
  await broken.say(owner, { Action: 'Pause', Mode: 'all' })
  const a = await broken.say(owner, { Action: 'Load', Page: '0' },
    pages[0][1] + '{"what":"open","id":"x"}\n')
  ok(a.error && (await broken.ask('return Queue.n_open .. Queue.loaded')) ===
    '00', 'a page that is broken leaves nothing')
}

// What code of format 1 left: as a dump, and in the process that ran it.
export async function olds () {
  const q = await queue()
  const dump1 = readFileSync(process.env.DUMP_1, 'utf8')
  const s = await q.many([[owner, { Action: 'Pause', Mode: 'all' }],
    [owner, { Action: 'Load', Page: '0' }, dump1]])
  is(s[1].code, '200', 'a dump of format 1 is loaded')
  const [page] = await dump(q)
  ok(page[1].startsWith('{"what":"queue","id":"apus-queue-4"'),
    'and dumped as one of format 4')
  const dump2 = page[1].replace('apus-queue-4', 'apus-queue-2')
    .replaceAll(',"record":""', '')
  const two = await queue()
  await two.many([[owner, { Action: 'Pause', Mode: 'all' }],
    [owner, { Action: 'Load', Page: '0' }, dump2]])
  is(await dump(two), [page], 'one of format 2 as well')
  const to = await queue()
  await to.many([[owner, { Action: 'Pause', Mode: 'all' }],
    [owner, { Action: 'Load', Page: '0' }, page[1]]])
  is(await dump(to), [page], 'which gives the same dump')
  // the state as the older code had it, then the code of today
  await q.p.eval(`Queue.format = "apus-queue-1"
    local old = { ages = 1, blame = 1, came = 1, had = 1, idle_days = 1,
      later = 1, load_from = 1, pending_days = 1, seen = 1, slot = 1,
      stopped = 1, stopped_at = 1, waits = 1 }
    for _, m in pairs(Queue.models) do m.record = nil end
    for name in pairs(old) do
      Queue[name] = nil
      for _, n in pairs(Queue.nodes) do n[name] = nil end
      if name ~= "had" then
        for _, r in pairs(Queue.open) do r[name], r.reasons = nil, 1 end
      end
    end`)
  is((await load(q.p)).Error, undefined, 'a process is brought up')
  const next = async (x) => (await x.many([
    [owner, { Action: 'Pause', Mode: 'no' }],
    [id('node-1'), pull(), '', { id: id('b9') }],
    [id('node-1'), complete(id('b9')), result(id('d'))],
    [id('node-2'), complete(id('b1')), result(id('a'))],
    [id('node-2'), { Action: 'Release', Batch: id('b1') }],
    [id('node-2'), pull(), '', { id: id('b8') }],
    [alice, { Action: 'Status', Request: id('b') }],
    [alice, { Action: 'Info' }]]))
    .map((a) => [a.code, lines(a).map((l) => l.id), a.first.Accepted,
      a.first.Conflict, a.first.Open])
  const [x, y] = [await next(q), await next(to)]
  is(x, y, 'and goes on as one that was loaded')
  is([x[1][1], x[2][2], x[3][2], x[5][1], x[6][3], x[7][4]],
    [[id('d'), id('e')], '1', '1', [id('n')],
      id('node-1') + ' ' + id('other'), '2'], 'with all that it had')
}

export async function forgets () {
  const q = await working()
  const t = 1700000100000
  const day = 86400000
  // blocks let so much time pass
  const at = (ms, more) =>
    ({ timestamp: t + ms, height: 1500100 + ms / 600000 | 0, ...more })
  const round = (n, ms) => [
    [alice, infer(n), n, at(ms, { id: id(n) })],
    [q.node, pull(), '', at(ms, { id: id('b' + n) })],
    [q.node, complete(id('b' + n)), result(id(n)), at(ms)]]
  const done = [alice, { Action: 'Info' }]
  const s = await q.many([...round('1', 0), ...round('2', day),
    [alice, { Action: 'Info' }, '', at(30 * day - 1)],
    [alice, { Action: 'Info' }, '', at(30 * day)],
    [alice, { Action: 'Status', Request: id('1') }],
    [owner, { Action: 'Set', 'Max-Done': '2' }],
    ...round('3', 31 * day - 1), done, ...round('4', 31 * day - 1), done])
  is([s[6].first.Done, s[7].first.Done, s[8].first.State],
    ['2', '1', 'gone'], 'done requests leave after 30 days')
  is([s[13].first.Done, s[17].first.Done], ['2', '2'], 'or when they are many')
  is(await q.ask('local n = 0 for _ in pairs(Queue.keys) do n = n + 1 end ' +
    'for _ in pairs(Queue.open) do n = n + 1 end return n .. " " .. ' +
    '#Queue.heap .. " " .. tostring(next(Queue.rings))'), '2 0 nil',
  'and nothing else is left of them')
}

// The same messages twice, in two processes; all at once and one by one.
export async function same () {
  const all = JSON.parse(readFileSync(process.env.MESSAGES_JSON, 'utf8'))
  const list = all.filter((m) => !m.dryrun && m.tags.Action !== 'Eval')
    .map((m) => [m.from, m.tags, m.data, m])
  const run = async () => {
    const q = await queue()
    const said = await q.many(list)
    return JSON.stringify([said.map((a) => [a.error, a.raw.Messages]),
      await q.ask('return Queue.serial .. " " .. Queue.n_open')])
  }
  const [x, y] = [await run(), await run()]
  ok(x === y && x.length > 50000, `${list.length} messages: the same bytes`)
  const q = await queue()
  const many = await q.many(list.slice(0, 40))
  const p = await queue()
  await p.p.eval('return 1')
  const one = []
  for (const m of list.slice(0, 10)) one.push(await p.say(...m))
  is(one.map((a) => a.raw.Messages), many.slice(0, 10).map((a) =>
    a.raw.Messages), 'one by one as all at once')
  const again = await load(p.p)
  const kept = await p.ask('return Queue.n_open .. " " .. #Handlers.list')
  is([again.Error, kept], [undefined,
    (await q.ask('return #Handlers.list')).replace(/^/, '0 ')],
  'evaluated again it keeps its state')
}
