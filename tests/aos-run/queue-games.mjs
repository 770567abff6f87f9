// Whole disputes in the queue with its own judge: dispute files
// (doc/dispute.md) become an answer, a Challenge and the messages of their
// moves.  GAMES is a folder of files that tests/t_dispute and tests/t_stops
// played, each named by its verdict; of each statement and verdict GAMES_EACH
// are taken.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { id, tagsOf } from './aos.mjs'
import { done, is, note, ok } from './tap.mjs'
import {
  complete, infer, lines, owner, pull, queue, registers, result_of_file,
  source
} from './queue.mjs'

const sha256 = (...list) => list.reduce((h, b) => h.update(b),
  createHash('sha256')).digest()
const b64 = (b) => b.toString('base64url')
const bob = id('bob')
const carol = id('carol')
const node = id('node-1')
const kinds = [undefined, 'Show', 'Pick', 'Prove']

// The statement that a game ends with: of a proof, or of a conclusion about
// stop strings, which is decided at once.
function code_of (moves) {
  const last = moves.at(-1)
  if (last.kind === 'Prove') return last.bytes.readUInt32LE(8)
  return moves[1].bytes.toString().startsWith('stop ') ? 17 : 0
}

// The stop strings that a game shows.
function stops_of (moves, n) {
  const show = moves[2]?.bytes
  const list = []
  for (let at = 0; list.length < n; at += 4 + show.readUInt32LE(at)) {
    list.push(show.subarray(at + 4, at + 4 + show.readUInt32LE(at)).toString())
  }
  return list
}

// The records of a file, and its moves as { kind, bytes }.
export function read (path) {
  const file = readFileSync(path)
  const moves = []
  const of_file = file.subarray(0, 8).toString() === 'apusdis2' && {
    root: file.subarray(8, 40), sha256: file.subarray(72, 104),
    lines: file.readUInt32LE(104), index: file.readUInt32LE(108),
    count: file.readUInt32LE(112) }
  for (let at = of_file ? 116 : 40; at < file.length;) {
    const n = file.readUInt32LE(at + 4)
    moves.push({ kind: kinds[file.readUInt32LE(at)],
      bytes: file.subarray(at + 8, at + 8 + n) })
    at += 8 + n
  }
  const records = moves[0].bytes
  return { moves, of_file, result: records.subarray(0, 240),
    job: records.subarray(240, 392), model: records.subarray(392, 616),
    code: code_of(moves) }
}

// The same game about the answer to a request of this name.
export function about (game, name) {
  const challenger = Buffer.from(bob, 'base64url')
  if (game.of_file) {
    const { root, index } = game.of_file
    const n = Buffer.alloc(4)
    n.writeUInt32LE(index)
    return { ...game, name,
      dispute: b64(sha256('apusdsp1', root, n, challenger)) }
  }
  const result = Buffer.from(game.result)
  Buffer.from(id(name), 'base64url').copy(result, 8)
  const moves = [...game.moves]
  moves[0] = { kind: 'Show',
    bytes: Buffer.concat([result, game.job, game.model]) }
  const hash = sha256(result)
  const dispute = b64(sha256('apusdsp1', hash, challenger))
  return { ...game, name, result, moves, dispute }
}

const model_id = (game) => b64(sha256(game.model))

export async function ready (games, opt) {
  const q = await queue(opt)
  const models = new Map(games.map((g) => [model_id(g), b64(g.model)]))
  q.models = [...models.keys()].join(',')
  const s = await q.many([
    [owner, { Action: 'Allow', Node: node }],
    [owner, { Action: 'Set', Window: '86400', Challengers: bob }],
    ...[...models].map(([m, Record], i) => [owner, registers(m, 'm' + i,
      { Record })])])
  is(s.map((a) => a.code).filter((c) => c !== '200'), [], 'a queue with ' +
    models.size + ' models')
  return q
}

// The same to a file of requests.
function opening_file (g) {
  const f = g.of_file
  return [
    [owner, { Action: 'Allow', Node: node }],
    [bob, { Action: 'Infer-Batch', 'X-Source': source, 'X-Model': model_id(g),
      'X-Count': String(f.lines), 'X-Sha256': b64(f.sha256) }, '',
    { id: id(g.name) }],
    [node, pull({ Models: model_id(g) }), '', { id: id('p' + g.name) }],
    [node, complete(id('p' + g.name)), result_of_file(id(g.name),
      { result: b64(f.root), count: String(f.count) })],
    [bob, { Action: 'Challenge', Request: id(g.name),
      Index: String(f.index) }, '']]
}

// The messages that bring an answer to a request and dispute it.
export function opening (g) {
  if (g.of_file) return opening_file(g)
  const u32 = (at) => g.job.readUInt32LE(at)
  const options = { max_tokens: u32(84), temperature: u32(88) / 1e6,
    top_p: u32(92) / 1e6, top_k: u32(96), ignore_eos: u32(100) === 1,
    seed: g.job.readBigUInt64LE(104).toString(),
    stop: stops_of(g.moves, u32(116)) }
  const line = { request: id(g.name), choice: '0', record: b64(g.result),
    jobrecord: b64(g.job), item: id('item') }
  return [
    [owner, { Action: 'Allow', Node: node }],
    [bob, infer(g.name, { 'X-Model': model_id(g),
      'X-Options': JSON.stringify(options) }), 'a prompt', { id: id(g.name) }],
    [node, pull({ Models: model_id(g) }), '', { id: id('p' + g.name) }],
    [node, complete(id('p' + g.name)), JSON.stringify(line)],
    [bob, { Action: 'Challenge', Request: id(g.name) }, '']]
}

export const move = (g, i, from) => {
  const { kind, bytes } = g.moves[i]
  const tags = { Action: kind, Dispute: g.dispute, Number: String(i) }
  if (kind === 'Pick') tags.Choice = bytes.toString()
  return [from ?? (kind === 'Pick' ? bob : node), tags,
    kind === 'Pick' ? '' : b64(bytes)]
}

async function play (q, g, verdict) {
  const open = opening(g)
  const s = await q.many([...open, ...g.moves.map((m, i) => move(g, i))])
  // what waits again stands in the way of the next game
  await q.many([[bob, { Action: 'Cancel', Request: id(g.name) }, '']])
  const bad = s.find((a) => (a.code ?? '200') !== '200')
  const end = s.at(-1).first
  const loser = verdict === 'fault' ? node : bob
  const good = !bad && end.Verdict === verdict && end.Loser === loser &&
    end.Statement === String(g.code)
  if (!good) {
    const a = bad ?? s.at(-1)
    note(`${g.name}: message ${s.indexOf(a)}: ${JSON.stringify(a.first)} ` +
      `${a.error ?? ''}, expected ${verdict} of statement ${g.code}`)
  }
  return good
}

// Of each statement and verdict some games; of stop strings, of each length.
export function choose (dir, each) {
  const count = {}
  const judged = (f) => /\.(fault|holds)$/.test(f)
  return readdirSync(dir).filter(judged).sort().map((f) =>
    ({ ...read(join(dir, f)), verdict: f.split('.')[1] })).filter((g) => {
    const stops = stops_of(g.moves, g.job.readUInt32LE(116))
    if (stops.some((text) => text.includes('\ufffd'))) return false // no JSON
    const kind = g.code + g.verdict +
      (g.code === 17 ? g.moves.length : !!g.of_file)
    count[kind] = (count[kind] ?? 0) + 1
    return count[kind] <= each
  })
}

async function judged (q, game) {
  const other = Buffer.from(game.model)
  other.writeUInt32LE(1 << 5, 52)
  const s = await q.many([[owner, registers(b64(sha256(other)), 'other',
    { Record: b64(other) })], [owner, registers(id('bare'), 'bare')],
  [bob, { Action: 'Models' }]])
  is(Object.fromEntries(lines(s[2]).map((l) => [l.name, l.judged])), {
    ...Object.fromEntries(q.models.split(',').map((_, i) => ['m' + i, 'yes'])),
    other: 'no', bare: 'no' }, 'models that the judge knows are judged')
}

// What is not move i, as messages.
function wrong_moves (g, i) {
  const [from, tags, data] = move(g, i)
  const { kind, bytes } = g.moves[i]
  const as = (other, who) => [who ?? from, { ...tags, Action: other,
    Choice: '0' }, b64(bytes)]
  const other = (more, d = data) => [from, { ...tags, ...more }, d]
  const first = Buffer.from(bytes)
  first[0] ^= 1
  const changed = kind === 'Pick'
    ? ['', ' ', '0 0 0 0 0', '-1', '01', '1.', '99999999999', 'x'.repeat(65),
        bytes + ' ', bytes + ' 0'].map((Choice) => other({ Choice }))
    : ['', '*', 'A', b64(bytes.subarray(1)), b64(bytes.subarray(0, -1)),
        b64(Buffer.concat([bytes, Buffer.alloc(1)])),
        b64(Buffer.concat([bytes, bytes])), 'A'.repeat(99996)]
        .map((d) => other({}, d))
  if (kind === 'Prove' || i === 0) changed.push(other({}, b64(first)))
  if (kind === 'Prove') changed.push(other({}, b64(g.other.moves.at(-1).bytes)))
  return [
    [carol, tags, data], [kind === 'Pick' ? node : carol, tags, data],
    ...['Show', 'Pick', 'Prove'].filter((k) => k !== kind).flatMap((k) =>
      [as(k, node), as(k, bob), as(k, carol)]),
    ...[i + 1, i - 1, '0' + i, '', 'x', 1e9].map((n) =>
      other({ Number: String(n) })),
    ...['', 'x', id('no'), g.dispute + 'A'].map((Dispute) =>
      other({ Dispute })),
    ...changed,
    ...(i > 0 ? [move(g, i - 1)] : []),
    [bob, { Action: 'Challenge', Request: id(g.name) }, ''],
    [node, { Action: 'Challenge', Request: id(g.name) }, ''],
    [carol, { Action: 'Challenge', Request: id(g.name) }, ''],
    [carol, { Action: 'Concede', Dispute: g.dispute }, ''],
    [bob, { Action: 'Concede', Dispute: id('no') }, ''],
    [carol, { Action: 'Overdue', Dispute: g.dispute }, '']]
}

// Nothing but the next move of the right party moves a dispute.
async function wrong (q, g) {
  const file = [carol, { Action: 'Dispute', Dispute: g.dispute }, '']
  await q.many(opening(g))
  const bad = []
  let n = 0
  for (let i = 0; i < g.moves.length; i++) {
    const list = wrong_moves(g, i)
    n += list.length
    const s = await q.many([file, ...list, file, move(g, i)])
    const told = (a) => lines(a).map(({ until, ...l }) => l)
    s.slice(1, -2).forEach((a, k) => {
      if (a.error || !/^4\d\d$/.test(a.code) || a.out.length !== 1) {
        bad.push([i, list[k][1], a.code ?? a.error])
      }
    })
    if (!isDeepStrictEqual(told(s.at(-2)), told(s[0]))) bad.push([i, 'changed'])
    if (s.at(-1).code !== '200') bad.push([i, 'the move', s.at(-1).first])
  }
  is(bad.slice(0, 5), [], `${n} messages at a wrong moment, of another or ` +
    'of other bytes are refused and change nothing')
  const after = await q.many(g.moves.map((m, i) => move(g, i)).concat([file,
    [bob, { Action: 'Concede', Dispute: g.dispute }, ''],
    [carol, { Action: 'Overdue', Dispute: g.dispute }, '']]))
  is(new Set(after.map((a) => a.code)), new Set(['404']),
    'after the verdict there is nothing to say')
}

// Results that nobody asked for here: a node claims them, anybody disputes.
async function claims (q, fault, holds) {
  const id_of = (g) => b64(sha256(g.result))
  const tags = (g, more) => ({ Action: 'Claim', Record: b64(g.result),
    Jobrecord: b64(g.job), Modelrecord: b64(g.model), ...more })
  const over = (g, who) => [who, { Action: 'Challenge', Request: id_of(g) }, '']
  const status = (g, more) => [carol, { Action: 'Status', Request: id_of(g) },
    '', more]
  const s = await q.many([[owner, { Action: 'Allow', Node: node }],
    [carol, tags(fault), ''], [node, tags(fault, { Record: 'A' }), ''],
    [node, tags(fault, { Jobrecord: b64(fault.model) }), ''],
    [node, tags(fault, { Modelrecord: b64(holds.job) }), ''],
    [node, tags(fault, { Challenger: 'x'.repeat(65) }), ''],
    [node, tags(fault), ''], [node, tags(fault), ''], status(fault),
    [node, tags(holds, { Challenger: bob }), ''], over(holds, carol),
    over(fault, node), over(fault, bob), over(fault, carol)])
  is(s.slice(1, 6).map((a) => a.code), ['403', '422', '422', '422', '400'],
    'what is no claim')
  is(s.slice(6, 9).map((a) => [a.code, a.first.Result, a.first.State]),
    [['200', id_of(fault), undefined], ['200', id_of(fault), undefined],
      ['200', id_of(fault), 'answered']], 'a claim is an open answer')
  is(s.slice(9).map((a) => a.code), ['200', '403', '403', '200', '429'],
    'who may dispute it, one at a time')
  const bare = await queue()
  await bare.p.eval(
    'for id in pairs(Queue.models) do Queue.models[id] = nil end')
  const [, listed] = await bare.many([[owner, { Action: 'Allow', Node: node }],
    [node, tags(fault), '']])
  is(listed.code, '200', 'a claim of a model that the queue does not list')
  const pause = (x) => x.many([[owner, { Action: 'Pause', Mode: 'all' }, '']])
  const dump = async (x) => {
    let [next, out] = ['0', '']
    while (next !== '') {
      const [b] = await x.many([[owner, { Action: 'Dump', Page: next }, '']])
      out += b.first.data
      next = b.first.Next
    }
    return out
  }
  const to = await queue()
  await pause(q)
  await pause(to)
  const page = await dump(q)
  const [a] = await to.many([[owner, { Action: 'Load', Page: '0' }, page]])
  is([a.code, await dump(to) === page], ['200', true],
    'claims, games and what was disputed are part of a dump')
  await q.many([[owner, { Action: 'Pause', Mode: 'no' }, '']])
  const t = await q.many([...fault.moves.map((m, i) => move(fault, i)),
    status(fault), [owner, { Action: 'Allow', Node: node }], over(holds, bob),
    ...holds.moves.map((m, i) => move(holds, i)), status(holds)])
  const n = fault.moves.length
  is([t[n - 1].first.Verdict, t[n].first.State, t.at(-2).first.Verdict,
    t.at(-1).first.State], ['fault', 'gone', 'holds', 'answered'],
  'a claim that is wrong is gone, another stays')
  await q.p.eval('Queue.n_claims = 256')
  is((await q.many([[node, tags(fault), '']]))[0].code, '429',
    'there are so many at once')
  await q.p.eval('Queue.n_claims = 1')
  const day = 86400000
  const at = (days) => ({ timestamp: 1800000000000 + days * day,
    height: 2000000 + days * 720 })
  const u = await q.many([status(holds, at(0)), status(holds, at(31)),
    status(holds, at(32)), status(holds, at(33))])
  is(u.at(-1).first.State, 'done', 'after 30 days it is final')
  is(await q.ask('return tostring(Queue.n_claims)'), '0', 'and no claim')
}

// What one dispute takes in the state; texts that are one text count once.
const size = (g) => `
  local n, seen = 0, {}
  local function count(v)
    if type(v) == "table" and not seen[v] then
      for k, x in pairs(v) do n = n + 40; count(k); count(x) end
    elseif type(v) == "string" and not seen[v] then
      n = n + 25 + #v
    end
    seen[v] = true
  end
  count(Queue.disputes["${g.dispute}"])
  return n`

// The largest dispute that there is: large-game.mjs.
async function large (q, g) {
  const s = await q.many([...opening(g),
    ...g.moves.slice(0, -1).map((m, i) => move(g, i))])
  is(s.filter((a) => (a.code ?? '200') !== '200'), [], 'the largest shows')
  const n = Number(await q.ask(size(g)))
  ok(n > 20000 && n < 40000, `a dispute takes ${n} bytes, below 40,000`)
  const [from, tags, data] = move(g, g.moves.length - 1)
  const proof = g.moves.at(-1).bytes.length
  const r = await q.p.send({ from, tags, data })
  const end = tagsOf(r.Messages[0])
  is([end.Verdict, end.Statement], ['fault', '13'],
    `and end with a proof of ${proof} bytes`)
  ok(proof <= 16384, 'which is at most 16 KiB')
  return r.GasUsed
}

// What the dearest move of disputes about stop strings costs.
async function stops_gas (games) {
  const q = await ready(games, { module: 'aos-metered' })
  const most = { gas: 0 }
  for (const [i, one] of games.entries()) {
    const g = about(one, 's' + i)
    await q.many(opening(g))
    for (let k = 0; k < g.moves.length; k++) {
      const [from, tags, data] = move(g, k)
      const r = await q.p.send({ from, tags, data })
      if (r.GasUsed > most.gas) {
        Object.assign(most, { gas: r.GasUsed, what: tags.Action,
          n: g.moves[k].bytes.length })
      }
    }
    await q.many([[bob, { Action: 'Cancel', Request: id(g.name) }, '']])
  }
  // one that was refused costs little
  ok(most.gas > 1e9 && most.gas < 1e11, `stop strings: a ${most.what} of ` +
    `${most.n} bytes for ${most.gas.toExponential(2)} gas`)
}

async function main () {
  const games = choose(process.env.GAMES, Number(process.env.GAMES_EACH ?? 1))
  const g = about({ ...read(process.env.LARGE_GAME) }, 'large')
  if (process.env.GAS) {
    const gas = await large(await ready([g], { module: 'aos-metered' }), g)
    ok(gas < 1e11, `for ${gas.toExponential(2)} gas`)
    await stops_gas(games.filter((one) => one.code === 17))
    return
  }
  games.push({ ...games[0], verdict: 'holds', code: 0, moves: [
    games[0].moves[0], { kind: 'Pick', bytes: Buffer.from('job') }] })
  const q = await ready([...games, g])
  await judged(q, games[0])
  let good = 0
  for (const [i, one] of games.entries()) {
    good += await play(q, about(one, 'g' + i), one.verdict) ? 1 : 0
  }
  is(good, games.length, `${games.length} games end as they have to`)
  const codes = new Set(games.map((one) => one.code))
  is([...Array(19).keys()].filter((c) => !codes.has(c)), [],
    'in each of the statements 0 to 18')
  const [last, other] = [13, 12].map((c) => games.find((one) =>
    one.code === c))
  await wrong(q, { ...about(last, 'wrong'), other })
  const stops = games.filter((one) => one.code === 17).sort((a, b) =>
    b.moves.length - a.moves.length)[0]
  await wrong(q, { ...about(stops, 'stops'), other })
  await large(q, g)
  const [fault, holds] = ['fault', 'holds'].map((v, i) => about(games.find((
    one) => one.verdict === v && one.code && !one.of_file), 'claim' + i))
  await claims(q, fault, holds)
}
await main()
done()
