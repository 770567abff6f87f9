// bad.mjs MODULE.wasm FORMAT MODEL: model files and gateways that are not as
// they should be, in the loader of ao's compute units: each is nil and a text,
// a line each: what it was, the text.  Then the process answers by a good one,
// and says so.  (Where the gateway has no such item WeaveDrive ends the loader
// before the module learns of it.)
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { id, unit } from './unit.mjs'

const [wasm, format, file] = process.argv.slice(2)
const model = readFileSync(file)
const u = await unit({ wasm: readFileSync(wasm), format, item: model })
const say = (...words) => process.stdout.write(words.join('\t') + '\n')
await u.lua('Apus = require("apus") E = require("apus.engine")')

let n = 0
async function refused (what, { item = model, lie, by = 'Apus.load' }) {
  u.item = item
  u.lie = lie
  const name = `/data/${id('model-' + n++)}` // sizes are remembered by name
  const r = await u.lua(`local id, why = ${by}("${name}") return why or id`)
  say(what, r.out)
}
function changed (at) {
  const copy = Buffer.from(model)
  copy[at] ^= 1
  return copy
}
const head = (headers) => (req, res) => {
  if (req.method !== 'HEAD') return false
  res.writeHead(200, headers)
  res.end()
  return true
}
const get = (status, bytes) => (req, res) => {
  if (req.method !== 'GET') return false
  res.writeHead(status, { 'Content-Length': bytes.length })
  res.end(bytes)
  return true
}
const begin = (bytes) => (req, res) => // less than was promised
  !/bytes=0-/.test(req.headers.range ?? '') && get(206, bytes)(req, res)

// ---- a model that no module has memory for: records, and nothing behind ----
const RECORD = 224
const TENSOR = 48
const OF_LAYER = 14
function sizeOf (t) {
  const [type, rows, cols] = [0, 4, 8].map((at) => t.readUInt32LE(at))
  return type === 2 ? Math.ceil(rows / 16) * 64 + rows * cols
    : type === 1 ? rows * 4 : 0
}
const sum = (...parts) => parts.reduce((h, p) => h.update(p),
  createHash('sha256')).digest()
function root (leaves) { // RFC 9162
  if (leaves.length === 1) return sum(Buffer.from([0]), leaves[0])
  let k = 1
  while (2 * k < leaves.length) k *= 2
  return sum(Buffer.from([1]), root(leaves.slice(0, k)), root(leaves.slice(k)))
}
function large (layers, ffn) {
  const record = Buffer.from(model.subarray(0, RECORD))
  const all = 4 + layers * OF_LAYER
  const tensors = []
  for (let i = 0; i < all; i++) {
    const part = (i - 4) % OF_LAYER // below 0: of no layer
    const like = i < model.readUInt32LE(184) ? i : 4 + part
    const t = Buffer.from(model.subarray(RECORD + like * TENSOR,
      RECORD + (like + 1) * TENSOR))
    if (part === 11 || part === 12) t.writeUInt32LE(ffn, 4)
    if (part === 13) t.writeUInt32LE(ffn, 8)
    tensors.push(t)
  }
  record.writeUInt32LE(layers, 16)
  record.writeUInt32LE(ffn, 36)
  record.writeUInt32LE(all, 184)
  root(tensors).copy(record, 192)
  const texts = [record.readBigUInt64LE(104), record.readBigUInt64LE(144)]
  const tied = tensors[3].equals(tensors[0])
  let size = RECORD + all * TENSOR
  for (const [i, part] of [...tensors.map(sizeOf), ...texts].entries()) {
    if (Number(part) > 0 && !(i === 3 && tied)) {
      size = Math.ceil(size / 64) * 64 + Number(part)
    }
  }
  return { item: Buffer.concat([record, ...tensors]), size }
}
const layers = model.readUInt32LE(16)
const same = large(layers, model.readUInt32LE(36))
if (same.size !== model.length ||
  !model.subarray(0, same.item.length).equals(same.item)) {
  throw new Error(`records of ${same.size} bytes for ${model.length}`)
}
const huge = large(32, 131072)

await refused('another beginning', { item: changed(0) })
await refused('a changed record', { item: changed(RECORD + 20) })
await refused('a changed weight', { item: changed(700000) })
await refused('its end is missing', { item: model.subarray(0, -1000) })
await refused('its records alone', { item: model.subarray(0, RECORD + 100) })
await refused('an error page', { item: Buffer.from('<p>not found</p>') })
await refused('nothing', { item: Buffer.alloc(0) })
await refused('no length', { lie: head({ 'Transfer-Encoding': 'chunked' }) })
await refused('a range that is all of it', { lie: get(200, model) })
await refused('a range that is an error', {
  lie: get(500, Buffer.from('<p>try again</p>'))
})
await refused('a range without bytes', { lie: get(206, Buffer.alloc(0)) })
await refused('nothing after a while', { lie: begin(Buffer.alloc(0)) })
await refused('more than a message loads', {
  lie: head({ 'Content-Length': 300 << 20 }),
  by: '(function(name) return E.open(name, nil, 200 << 20) end)'
})
await refused('more than there is memory', {
  item: huge.item,
  lie: head({ 'Content-Length': huge.size })
})
await refused('a good one', {})
say('it answers', (await u.lua('local a, why = Apus.run("What is 6 + 24?", ' +
  '{ temperature = 0, max_tokens = 32 }) return a and a.text or why')).out)
process.exit(0)
