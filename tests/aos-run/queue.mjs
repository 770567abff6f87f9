// The queue in a real module, and short words for what is said to it.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { boot, id, tagsOf, who } from './aos.mjs'

export const owner = who('owner')
export const mu = who('mu')
export const model = id('model-1')
export const model2 = id('model-2')
export const source = id('source')

// Many messages in one evaluation, through the whole of AOS: an evaluation
// costs 100 ms for its copies of the heap.  What raises is not rolled back.
// AOS handles a message outside of any coroutine, and so does this seem to.
const many = `
local process, json = require(".process"), require("json")
function Many(text, env)
  local out, running = {}, coroutine.running
  coroutine.running = function() return (running()), true end
  for i, m in ipairs(json.decode(text)) do
    local ok, r = pcall(process.handle, m, json.decode(env))
    r = ok and r or { Error = r }
    out[i] = { Error = r.Error, Messages = r.Messages or {} }
  end
  coroutine.running = running
  ao.clearOutbox()
  return json.encode(out)
end
return "many"`

// What a result says: its answer's tags and data, the others, the Error.
export function said (r) {
  const all = Array.isArray(r.Messages) ? r.Messages : []
  const out = all.map((m) => ({
    to: m.Target, data: m.Data, ...tagsOf(m)
  }))
  const patch = out.find((m) => m.device === 'patch@1.0')
  const first = out[0] === patch ? undefined : out[0]
  return {
    error: r.Error,
    first,
    code: first?.Code,
    out: out.filter((m) => m !== patch),
    pending: patch?.cache?.pending,
    patched_last: !patch || out.at(-1) === patch,
    raw: r
  }
}

// The parts of its code, of which QUEUE_LUA is the first and says how many
// there are; the others lie beside it.
export function parts () {
  const first = process.env.QUEUE_LUA
  const all = [readFileSync(first, 'utf8')]
  const n = Number(/^-- apus queue, part 1 of (\d+):/.exec(all[0])[1])
  for (let i = 2; i <= n; i++) {
    all.push(readFileSync(first.replace(/\.lua$/, `-${i}.lua`), 'utf8'))
  }
  return all
}

export async function load (p, list = parts()) {
  let r
  for (const part of list) {
    r = await p.eval(part)
    if (r.Error) throw new Error(r.Error)
  }
  return r
}

export async function queue (opt = {}) {
  const p = await boot(opt)
  const started = await load(p)
  let ready = false
  const q = {
    p,
    started,
    say: async (from, tags, data, more) =>
      said(await p.send({ from, tags, data, ...more })),
    dry: async (from, tags, data, more) =>
      said(await p.dryrun({ from, tags, data, ...more })),
    ask: async (code) => (await p.eval(code)).Output?.data,
    // [from, tags, data, more] ..
    many: async (list) => {
      if (process.env.AOSRUN) {
        const out = []
        for (const [from, tags, data, more] of list) {
          out.push(said(await p.send({ from, tags, data, ...more })))
        }
        return out
      }
      if (!ready) await p.eval(many)
      ready = true
      const text = JSON.stringify(list.map(([from, tags, data, more]) =>
        p.envelope({ from, tags, data, ...more })))
      const mark = '='.repeat(20)
      const quoted = (s) => `[${mark}[${s}]${mark}]`
      const r = await p.eval('return Many(' + quoted(text) + ',' +
        quoted(JSON.stringify(p.env)) + ')')
      if (r.Error) throw new Error(r.Error)
      return JSON.parse(r.Output.data).map(said)
    }
  }
  return q
}

// A queue with two nodes and two models.
export async function working (opt) {
  const q = await queue(opt)
  q.node = id('node-1')
  q.node2 = id('node-2')
  const set = await q.many([
    [owner, { Action: 'Allow', Node: q.node }],
    [owner, { Action: 'Allow', Node: q.node2 }],
    [owner, registers(model, 'nano')],
    [owner, registers(model2, 'tiny')]
  ])
  if (set.some((a) => a.code !== '200')) throw new Error('not set up')
  return q
}

export const registers = (Model, Name, more) =>
  ({ Action: 'Register-Model', Model, Name, Source: source, ...more })
export const infer = (reference, more) =>
  ({ Action: 'Infer', ...(reference && { 'X-Reference': reference }), ...more })
export const pull = (more) =>
  ({ Action: 'Pull', Models: `${model},${model2}`, ...more })
export const complete = (Batch) =>
  ({ Action: 'Complete', Batch, Statement: id('statement') })

// A judge whose shows, picks and proofs are words.
export const stub = `
local function over(word)
  return (word == "fault" or word == "holds") and
    { turn = "over", verdict = word, text = "statement 7 (dot part)" } or nil,
    "no such proof"
end
ApusQueue.judge = {
  records = function(s) return {}, {}, { good = #s == 616 } end,
  knows = function() return true end,
  open = function(result) return { turn = "shows", result = result } end,
  open_file = function(file) return { turn = "shows", result = file.root } end,
  show = function(s, number, bytes)
    if bytes == "bad" then return nil, "it does not fit" end
    return { turn = "picks", size = #bytes }
  end,
  pick = function(s, number, choice)
    if choice == "more" then return { turn = "shows" } end
    if choice == "end" then return { turn = "proves" } end
    return over(choice)
  end,
  prove = function(s, number, bytes) return over(bytes) end
}
for _, model in pairs(Queue.models) do model.record = ("A"):rep(299) end`

// The pages of a dump, each with its number.
export async function dump (q, more) {
  let next = '0'
  const pages = []
  while (next !== '') {
    const [a] = await q.many([[owner, { Action: 'Dump', Page: next }, '',
      more]])
    if (a.code !== '200') throw new Error(JSON.stringify(a.first))
    pages.push([next, a.first.data])
    next = a.first.Next
  }
  return pages
}

// The two records of an answer of two tokens to a request with the defaults,
// or with these parameters and fields; `trace` tells apart one result from
// another.  All in the order of doc/proof.md.
const sha256 = (...list) => list.reduce((h, b) => h.update(b),
  createHash('sha256')).digest()
const bytes = (s) => Buffer.from(s, 'base64url')
// The record of a model with this context and vocabulary, in base64url, and its
// id.
export const model_record = (context, vocabulary, f = {}) => {
  const r = Buffer.alloc(224)
  r.write(f.magic ?? 'apusmdl1')
  r.writeUInt32LE(f.numerics ?? 1, 8)
  r.writeUInt32LE(f.architecture ?? 1, 12)
  r.writeUInt32LE(vocabulary, 40)
  r.writeUInt32LE(context, 44)
  return [r.toString('base64url'), sha256(r).toString('base64url')]
}
const u32 = (...list) => Buffer.concat(list.map((n) => {
  const b = Buffer.alloc(4)
  b.writeUInt32LE(n)
  return b
}))
const root = (list) => {
  if (list.length < 2) return list[0] ?? sha256('')
  const k = 2 ** Math.ceil(Math.log2(list.length) - 1)
  return sha256('\x01', root(list.slice(0, k)), root(list.slice(k)))
}
// The root of bytes, in pieces of 1024.
export const blob = (b) => root(Array.from(
  { length: Math.ceil(b.length / 1024) },
  (_, i) => sha256('\0', b.subarray(1024 * i, 1024 * i + 1024))))
export const ids_text = (...list) => u32(...list).toString('base64url')
const records = (request, f) => {
  const seed = Buffer.alloc(8)
  if (f.seed === undefined) sha256('apussed1', bytes(request)).copy(seed)
  else seed.writeBigUInt64LE(f.seed)
  const stops = f.stops ?? []
  const job = Buffer.concat([Buffer.from(f.job_magic ?? 'apusjob1'),
    bytes(f.job_model ?? f.model ?? model),
    u32(f.numerics ?? 1, f.job_choice ?? 0, f.n_prompt ?? 3),
    f.prompt ? blob(u32(...f.prompt)) : sha256('prompt'),
    u32(f.max_tokens ?? 256, f.temperature ?? 1000000, f.top_p ?? 1000000,
      f.top_k ?? 0, f.flags ?? 0), seed, u32(0, stops.length),
    root(stops.map((s) => sha256('\0', s)))])
  const n_out = f.n_out ?? 2
  const record = Buffer.concat([Buffer.from(f.magic ?? 'apusres1'),
    bytes(f.of ?? request), f.job ? bytes(f.job) : sha256(job),
    bytes(f.model ?? model), sha256(f.trace ?? 'trace'),
    u32(f.n ?? (f.n_prompt ?? 3) + n_out - 1, n_out),
    f.ids ? blob(u32(...f.ids)) : sha256('ids'),
    sha256(f.named ?? f.text ?? 'an answer'),
    u32(f.finish ?? 0, f.level ?? 0, f.choice ?? 0), u32(f.error ?? 0),
    Buffer.alloc(16)])
  return [record.toString('base64url'), job.toString('base64url'),
    sha256(record).toString('base64url'), sha256(job).toString('base64url')]
}
// What a result with these fields is known by, and its job.
export const known = (request, f = {}) => records(request, f).slice(2)
export const result = (request, f = {}, more) => {
  const [record, jobrecord] = records(request, f)
  return JSON.stringify({
    request,
    choice: '0',
    record,
    jobrecord,
    item: id('item'),
    text: f.text ?? 'an answer',
    ...more
  })
}
export const result_of_file = (request, more) => JSON.stringify({
  request,
  choice: '0',
  result: id('root'),
  count: '3',
  item: id('statement'),
  ...more
})
// The lines of an answer.
export const lines = (a) => (a.first?.data ?? '').split('\n')
  .filter((l) => l !== '').map((l) => JSON.parse(l))
