// Random games: whatever anybody says in whatever order, the queue's books
// agree with each other after each message, no final result changes, none is
// final while it is disputed, and a dump gives the same books.  RANDOM_GAMES:
// how many (6, none in the real module); RANDOM_SEED: the first one's seed.
import { id } from './aos.mjs'
import { is, note } from './tap.mjs'
import {
  complete, dump, infer, owner, pull, queue, result, stub, working
} from './queue.mjs'
import { at } from './queue-windows.mjs'

// "" or the first thing that is wrong.
const books = `
local function size_of(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end
local function part(text, at)
  for line in (text .. "\\n"):gmatch("(.-)\\n") do
    at = at - 1
    if at == 0 then return line end
  end
end
local function add(t, key, n)
  t[key] = (t[key] or 0) + (n or 1)
end
local function count()
  local c = { leases = {}, nodes = {}, from = {}, windows = {}, audits = {},
    disputes = {}, open = 0, pending = 0, leased = 0, answered = 0, size = 0 }
  for id, r in pairs(Queue.open) do
    c.open, c.size = c.open + 1, c.size + #r.line
    if r.lease ~= "" then
      c.leased = c.leased + 1
      add(c.leases, r.lease)
      add(c.nodes, Queue.leases[r.lease].node)
    elseif r.answer ~= "" then
      c.answered = c.answered + 1
      if r.disputes == 0 then add(c.windows, part(r.answer, 5)) end
      if r.audit == "waits" then add(c.audits, r.model) end
    else
      c.pending = c.pending + 1
    end
    if r.answer == "" then add(c.from, r.from) end
  end
  for _, d in pairs(Queue.disputes) do add(c.disputes, d.request) end
  return c
end
local function same(what, a, b)
  return a ~= b and what .. ": " .. tostring(a) .. ", not " .. tostring(b) or
    nil
end
local function lists(c)
  local waits = 0
  for key, ring in pairs(Queue.rings) do
    local n = 0
    for from, seat in pairs(ring.seats) do
      local id, last = seat.first, ""
      while id ~= "" do
        if Queue.open[id].from ~= from then return "a seat of another" end
        id, last, n = Queue.open[id].next, id, n + 1
      end
      if last ~= seat.last then return "the end of a seat" end
    end
    if n ~= ring.n or n == 0 then return "a ring's number" end
    waits = waits + n
  end
  for batch, lease in pairs(Queue.leases) do
    if lease.n ~= (c.leases[batch] or 0) or
      lease.n == 0 and lease.audits == "" then return "a lease's number" end
  end
  for address, node in pairs(Queue.nodes) do
    local why = same("leased of a node", node.leased, c.nodes[address] or 0) or
      same("windows of a node", #node.windows, c.windows[address] or 0)
    if why then return why end
  end
  for model, list in pairs(Queue.audits) do
    local why = same("audits", #list, c.audits[model] or 0)
    if why then return why end
  end
  return same("what waits", waits, c.pending) or
    same("ages", #Queue.ages, c.pending) or
    same("leases", #Queue.heap, size_of(Queue.leases))
end
Finals = {}
local function finals()
  local n = 0
  for id, text in pairs(Queue.done) do
    local is = part(text, 5) .. " " .. part(text, 8)
    if Finals[id] and Finals[id] ~= is then return "a final result changed" end
    if Queue.open[id] then return "a final result is open" end
    Finals[id], n = is, n + 1
  end
  return same("final ones", Queue.last - Queue.first + 1, n)
end
local function disputed(c)
  for _, d in pairs(Queue.disputes) do
    local r = Queue.open[d.request]
    if not r or r.answer == "" or part(r.answer, 8) ~= d.result then
      return "a dispute over what is not answered"
    end
    if r.disputes ~= c.disputes[d.request] then
      return "the number of disputes over an answer"
    end
  end
  return same("disputes", #Queue.dispute_list, size_of(Queue.disputes))
end
function Wrong()
  local c = count()
  for from, n in pairs(c.from) do
    if Queue.requesters[from] ~= n then return "a requester's number" end
  end
  return same("open", Queue.n_open, c.open) or
    same("pending", Queue.n_pending, c.pending) or
    same("leased", Queue.n_leased, c.leased) or
    same("answered", Queue.n_answered, c.answered) or
    same("size", Queue.size, c.size) or
    same("requesters", size_of(Queue.requesters), size_of(c.from)) or
    lists(c) or finals() or disputed(c) or ""
end
return "made"`

const b64 = (s) => Buffer.from(s).toString('base64url')

// What is known of a game, and numbers by chance.
function begin (q, seed) {
  const g = { q, ms: 0, n: 0, names: [], batches: {}, answered: [],
    disputes: [] }
  g.below = (n) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor(seed / 4294967296 * n)
  }
  g.one = (list) => list[g.below(list.length)]
  g.nodes = [q.node, q.node2, id('node-3')]
  g.people = [id('alice'), id('carol'), id('bob')]
  g.name = () => g.names.length ? g.one(g.names) : 'none'
  return g
}

// A message of anybody: [from, tags, data, id].
const moves = {
  Infer: (g) => {
    const n = 'r' + g.n++
    g.names.push(n)
    return [g.one(g.people), infer(n, g.below(6) ? {}
      : { 'X-Node': g.one(g.nodes) }), n, id(n)]
  },
  Pull: (g) => {
    const [node, b] = [g.one(g.nodes), 'b' + g.n++]
    g.batches[node] = b
    return [node, pull({ Max: String(1 + g.below(4)),
      TTL: g.one(['600', '7200', '86400']) }), '', id(b)]
  },
  Complete: (g) => {
    const node = g.one(g.nodes)
    const names = g.names.slice(-8).filter(() => g.below(3) > 0)
    g.sent = names
    return [node, complete(id(g.batches[node] ?? 'none')), names.map((n) =>
      result(id(n), { trace: g.one(['x', 'x', 'x', 'y', 'z']) })).join('\n')]
  },
  Release: (g) => {
    const node = g.one(g.nodes)
    return [node, { Action: 'Release', Batch: id(g.batches[node] ?? 'none') },
      g.below(2) ? '' : JSON.stringify({ request: id(g.name()),
        ...g.one([{}, { reason: 'why' }, { later: '600' }]) })]
  },
  Renew: (g) => {
    const node = g.one(g.nodes)
    return [node, { Action: 'Renew', Batch: id(g.batches[node] ?? 'none') }]
  },
  Challenge: (g) => {
    const name = g.one(g.answered.slice(-8)) ?? 'none'
    return [g.one([...g.people, ...g.nodes]), { Action: 'Challenge',
      Request: id(name) }]
  },
  Move: (g) => {
    if (!g.disputes.length) return moves.Challenge(g)
    const o = g.one(g.disputes)
    const Dispute = o.d
    const Number = String(g.below(8) ? o.number : g.below(4))
    const word = g.one(['more', 'end', 'fault', 'holds', 'bad', 'x'])
    const node = g.below(4) ? o.node : g.one(g.nodes)
    g.moved = o
    const either = g.one([node, o.from])
    const played = g.one([
      [node, { Action: 'Show', Dispute, Number }, b64(word)],
      [o.from, { Action: 'Pick', Dispute, Number, Choice: word }],
      [either, { Action: 'Prove', Dispute, Number }, b64(word)]])
    return g.below(6) ? played
      : [either, { Action: g.one(['Concede', 'Overdue']), Dispute }]
  },
  Cancel: (g) => [g.one(g.people), { Action: 'Cancel', Request: id(g.name()) }],
  Owner: (g) => [owner, g.one([
    { Action: 'Drop', Request: id(g.name()) },
    { Action: 'Revoke', Node: g.one(g.nodes) },
    { Action: 'Allow', Node: g.one(g.nodes) },
    { Action: 'Allow', Node: g.one(g.nodes) },
    { Action: 'Set', Window: g.one(['0', '86400', '864000']) },
    { Action: 'Set', 'Audit-Rate': g.one(['0', '500000', '1000000']) },
    { Action: 'Pause', Mode: g.one(['yes', 'all']) },
    { Action: 'Pause', Mode: 'no' }])]
}
const often = ['Infer', 'Infer', 'Infer', 'Pull', 'Pull', 'Pull', 'Complete',
  'Complete', 'Complete', 'Challenge', 'Challenge', 'Challenge', 'Move', 'Move',
  'Move', 'Move', 'Move', 'Move', 'Release', 'Renew', 'Cancel', 'Owner']

async function step (g, seen) {
  const what = g.one(often)
  const [from, tags, data, message] = moves[what](g)
  g.ms += g.one([0, 0, 0, 1000, 60000, 60000, 1800000, 1800000, 14400000,
    g.below(3) ? 0 : 90000000])
  const [a] = await g.q.many([[from, tags, data ?? '',
    at(g.ms, message && { id: message })]])
  if (a.first?.Dispute && tags.Action === 'Challenge') {
    const d = a.first.Dispute
    g.disputes.push({ d, from, number: 0,
      node: await g.q.ask(`return Queue.disputes["${d}"].node`) })
  } else if (tags.Action === 'Complete' && Number(a.first?.Accepted) > 0) {
    g.answered.push(...g.sent)
  } else if (tags.Dispute && a.first?.Number) {
    g.moved.number = a.first.Number
  } else if (tags.Dispute && (a.code === '404' || a.first?.Verdict)) {
    g.disputes = g.disputes.filter((o) => o !== g.moved)
  }
  seen[tags.Action] = (seen[tags.Action] ?? 0) + (a.code === '200' ? 1 : 0)
  if (tags.Action === 'Pause' && tags.Mode !== 'no' && g.below(2)) {
    await g.q.many([[owner, { Action: 'Pause', Mode: 'no' }, '', at(g.ms)]])
  }
  return a.error ?? await g.q.ask('return Wrong()')
}

// What is wrong after a dump, or ''.
async function moved (g) {
  await g.q.many([[owner, { Action: 'Pause', Mode: 'all' }, '', at(g.ms)]])
  const pages = await dump(g.q, at(g.ms))
  const to = await queue()
  await to.p.eval(stub)
  await to.p.eval(books)
  await to.many([[owner, { Action: 'Pause', Mode: 'all' }, '', at(g.ms)],
    ...pages.map(([Page, text]) => [owner, { Action: 'Load', Page }, text,
      at(g.ms)])])
  const again = await dump(to, at(g.ms))
  const wrong = await to.ask('return Wrong()')
  to.p.end?.()
  return wrong ||
    (JSON.stringify(again) === JSON.stringify(pages) ? '' : 'another dump')
}

async function game (seed, seen) {
  const q = await working()
  try {
    return await play(q, seed, seen)
  } finally {
    q.p.end?.() // a process of its own, which would stay until all is over
  }
}

async function play (q, seed, seen) {
  await q.p.eval(stub)
  await q.p.eval(books)
  const g = begin(q, seed)
  await q.many([[owner, { Action: 'Allow', Node: g.nodes[2] }],
    [owner, { Action: 'Set', Window: '86400', Challengers: id('bob'),
      'Audit-Rate': '500000' }, '', at(0)]])
  for (let i = 0; i < 150; i++) {
    const why = await step(g, seen)
    if (why) return `message ${i}: ${why}`
  }
  return moved(g)
}

export async function random_games () {
  const first = Number(process.env.RANDOM_SEED ?? 1)
  const n = Number(process.env.RANDOM_GAMES ?? (process.env.AOSRUN ? 6 : 0))
  const [wrong, seen] = [[], {}]
  if (n === 0) return
  for (let seed = first; seed < first + n; seed++) {
    const why = await game(seed, seen)
    if (why) wrong.push(`RANDOM_SEED=${seed}: ${why}`)
  }
  note(JSON.stringify(seen))
  is(wrong, [], `${n} random games keep the books`)
}
