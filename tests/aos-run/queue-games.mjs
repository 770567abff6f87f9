// Whole disputes in the queue with its own judge: dispute files
// (doc/dispute.md) become an answer, a Challenge and the messages of their
// moves.  GAMES is a folder of files that tests/t_dispute played, each named by
// its verdict; of each statement and verdict GAMES_EACH are taken.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { id } from './aos.mjs'
import { done, is, note } from './tap.mjs'
import {
  complete, infer, lines, owner, pull, queue, registers
} from './queue.mjs'

const sha256 = (...list) => list.reduce((h, b) => h.update(b),
  createHash('sha256')).digest()
const b64 = (b) => b.toString('base64url')
const bob = id('bob')
const node = id('node-1')
const kinds = [undefined, 'Show', 'Pick', 'Prove']

// The records of a file, and its moves as { kind, bytes }.
export function read (path) {
  const file = readFileSync(path)
  const moves = []
  for (let at = 40; at < file.length;) {
    const n = file.readUInt32LE(at + 4)
    moves.push({ kind: kinds[file.readUInt32LE(at)],
      bytes: file.subarray(at + 8, at + 8 + n) })
    at += 8 + n
  }
  const records = moves[0].bytes
  const last = moves.at(-1)
  return { moves, result: records.subarray(0, 240),
    job: records.subarray(240, 392), model: records.subarray(392),
    code: last.kind === 'Prove' ? last.bytes.readUInt32LE(8) : 0 }
}

// The same game about the answer to a request of this name.
export function about (game, name) {
  const result = Buffer.from(game.result)
  Buffer.from(id(name), 'base64url').copy(result, 8)
  const moves = [...game.moves]
  moves[0] = { kind: 'Show',
    bytes: Buffer.concat([result, game.job, game.model]) }
  const hash = sha256(result)
  const dispute = b64(sha256('apusdsp1', hash, Buffer.from(bob, 'base64url')))
  return { ...game, name, result, moves, hash, dispute }
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

// The messages that bring an answer to a request and dispute it.
export function opening (g) {
  const u32 = (at) => g.job.readUInt32LE(at)
  const options = { max_tokens: u32(84), temperature: u32(88) / 1e6,
    top_p: u32(92) / 1e6, top_k: u32(96), ignore_eos: u32(100) === 1,
    seed: g.job.readBigUInt64LE(104).toString() }
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

// Of each statement and verdict some games.
export function choose (dir, each) {
  const count = {}
  return readdirSync(dir).sort().map((f) =>
    ({ ...read(join(dir, f)), verdict: f.split('.')[1] })).filter((g) => {
    const kind = g.code + g.verdict
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

async function main () {
  const games = choose(process.env.GAMES, Number(process.env.GAMES_EACH ?? 1))
  games.push({ ...games[0], verdict: 'holds', code: 0, moves: [
    games[0].moves[0], { kind: 'Pick', bytes: Buffer.from('job') }] })
  const q = await ready(games)
  await judged(q, games[0])
  let good = 0
  for (const [i, g] of games.entries()) {
    good += await play(q, about(g, 'g' + i), g.verdict) ? 1 : 0
  }
  is(good, games.length, `${games.length} games end as they have to`)
  const codes = new Set(games.map((g) => g.code))
  is([...Array(17).keys()].filter((c) => !codes.has(c)), [],
    'in each of the statements 0 to 16')
}
await main()
done()
