// large-game.mjs FILE [DIR]: a dispute file with every show that there is at a
// size that no model of today reaches, up to a proof of statement 13 over 16
// keys at the end of a context of 131072.  Trees are made from what is opened
// of them; the rest is chance, and the shown sums are not those of the keys.
// DIR gets files named by how they end: this one, and others whose more than
// 128 sums do not fit.
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'

const L = 252
const [DIM, HEADS, KV, HD, FFN, VOCAB] = [16384, 256, 16, 128, 65536, 262144]
const N = 131072 // positions; the last is disputed
const LAYER = 100
const ELEMENT = 20000 // of o
const HEAD = Math.floor(ELEMENT / HD)
const NONE = 0xffffffff

const sha256 = (...list) => list.reduce((h, b) => h.update(b),
  createHash('sha256')).digest()
const u32 = (...list) => {
  const b = Buffer.alloc(4 * list.length)
  list.forEach((v, i) => b.writeUInt32LE(v >>> 0, 4 * i))
  return b
}
const i64 = (v) => {
  const b = Buffer.alloc(8)
  b.writeBigInt64LE(BigInt(v))
  return b
}
const f32 = (v) => {
  const b = Buffer.alloc(4)
  b.writeFloatLE(v)
  return b
}
let seed = 1
const chance = () => sha256(u32(seed++))
const many = (n, of = chance) => Array.from({ length: n }, (_, i) => of(i))
const bytes = (n) => Buffer.concat(many(n / 32))
const cat = (list) => Buffer.concat(list)

// ---- trees over hashes ----
const split = (n) => 2 ** Math.ceil(Math.log2(n) - 1)
const root = (h, from = 0, to = h.length) => {
  if (to - from === 1) return h[from]
  const k = from + split(to - from)
  return sha256('\x01', root(h, from, k), root(h, k, to))
}
const path = (h, i, from = 0, to = h.length) => {
  if (to - from === 1) return []
  const k = from + split(to - from)
  return i < k
    ? [...path(h, i, from, k), root(h, k, to)]
    : [...path(h, i, k, to), root(h, from, k)]
}
// The subtrees beside leaves [a, b), from left to right.
const beside = (h, a, b, from = 0, to = h.length) => {
  if (from >= b || to <= a) return [root(h, from, to)]
  if (to - from === 1) return []
  const k = from + split(to - from)
  return [...beside(h, a, b, from, k), ...beside(h, a, b, k, to)]
}
const leaf_hash = (data) => sha256('\0', data)
const blocks = (h, size) => many(Math.ceil(h.length / size), (i) =>
  root(h, size * i, Math.min(h.length, size * i + size)))
const from = (h, i, size) => h.slice(i - i % size, i - i % size + size)
// A blob of n bytes of which one piece is known.
const blob = (n, i, piece) => {
  const h = many(Math.ceil(n / 1024))
  h[i] = leaf_hash(piece)
  return h
}

// ---- the layer ----
const attended = cat([u32(0), f32(1), u32(5), u32(41), u32(5), u32(0),
  i64(1 << 24)])
const heads_piece = cat(many(32, () => attended))
const heads = blob(32 * HEADS, Math.floor(HEAD / 32), heads_piece)
const r_at = Math.floor(2 * HD * HEAD / 1024)
const r_piece = bytes(1024)
const r = blob(2 * HD * HEADS, r_at, r_piece)
const o_at = Math.floor(4 * ELEMENT / 1024)
const o_piece = cat(many(256, () => f32(1.5)))
const o = blob(4 * HD * HEADS, o_at, o_piece)
const table = cat([u32(0, 0), i64(1), f32(1), u32(0, 0), ...many(4), root(r),
  root(heads), root(o), u32(0, 0), ...many(2), u32(0, 0), i64(1), f32(1),
  u32(0, 0), ...many(3), u32(0, 0), chance()])
const layers = many(L + 1)

// ---- the last 16 positions, and hashes of 64 ----
const row_index = LAYER * KV + Math.floor(HEAD / (HEADS / KV))
const keys = many(16, (i) => {
  const position = N - 16 + i
  const row = cat([f32(2 ** -20), f32(1), bytes(2 * HD)])
  const rows = many(L * KV)
  rows[row_index] = leaf_hash(row)
  const last = i === 15
  const leaf = cat([u32(position, 7, last ? 9 : NONE, last ? 1 : 0),
    root(rows), last ? layers[L] : Buffer.alloc(32), Buffer.alloc(32)])
  return { position, row, rows, leaf }
})
const { leaf, rows } = keys[15]
const leaves = [...many(48), ...keys.map((k) => leaf_hash(k.leaf))]
const block16 = [...many(N / 16 - 4), ...blocks(leaves, 16)]

// ---- records ----
const model = cat([Buffer.from('apusmdl1'), u32(1, 1, L, DIM, HEADS, KV, HD,
  FFN, VOCAB, N, 0, 0), f32(1e-5), f32(0.08838834764), u32(NONE, 0),
u32(...many(8, () => NONE)), u32(1000, 0), chance(), u32(1000, 0), chance(),
u32(4 + 14 * L, 0), chance()])
const job = cat([Buffer.from('apusjob1'), sha256(model), u32(1, 0, N), chance(),
  u32(1, 1000000, 1000000, 0, 1), i64(5), u32(0, 0), sha256('')])
const result = cat([Buffer.from('apusres1'), chance(), sha256(job),
  sha256(model), root(block16), u32(N, 1), chance(), chance(), u32(1, 0, 0),
  Buffer.alloc(20)])

// ---- sums: 8192 of 16 keys each ----
const term = N / 16 - 1
const sums = many(N / 16, (i) => i)
const sum_blocks = many(sums.length / 128, (b) => i64(sums
  .slice(128 * b, 128 * b + 128).reduce((a, c) => a + c, 0)))

// ---- moves ----
const moves = []
const move = (kind, data) => {
  moves.push(u32(kind, data.length), data)
  if (kind === 1) shown.push(data.length)
}
const shown = []
const show = (...list) => move(1, cat(list))
const pick = (word) => move(2, Buffer.from(String(word)))
const t = N - 1
show(result, job, model)
pick('trace')
show(...blocks(block16, 256))
pick(Math.floor(t / 4096))
show(...from(blocks(block16, 4), Math.floor(t / 64), 64))
pick(Math.floor(t / 64))
show(...leaves)
pick(t)
show(leaf)
pick('kv')
show(...layers)
pick('kv')
show(...blocks(rows, 64))
pick(Math.floor(row_index / 64))
show(...from(rows, row_index, 64))
pick(row_index)
show(table, ...rows.slice(LAYER * KV, LAYER * KV + KV),
  ...beside(rows, LAYER * KV, LAYER * KV + KV))
pick('o')
show(...blocks(o, 64))
pick(Math.floor(o_at / 64))
show(...from(o, o_at, 64))
pick(o_at)
show(o_piece)
pick(ELEMENT)
const block = Math.floor(term / 128)
const terms = from(sums, term, 128)
const file = () => cat([Buffer.from('apusdis1'), sha256(result), ...moves])
const dir = process.argv[3]
const refused = {
  'one sum too few': () => show(...sum_blocks.slice(1)),
  'a sum of 2^53': () => show(i64(2n ** 53n), ...sum_blocks.slice(1)),
  'a block past the end': () => {
    show(...sum_blocks)
    pick(sum_blocks.length)
  },
  'sums of another total': () => {
    show(...sum_blocks)
    pick(block)
    show(...terms.map((v, i) => i64(i ? v : v + 1)))
  },
  'a term of another block': () => {
    show(...sum_blocks)
    pick(block)
    show(...terms.map(i64))
    pick(term - 128)
  },
  'the total of a block': () => {
    show(...sum_blocks)
    pick(block)
    show(...terms.map(i64))
    pick('total')
  }
}
const before = [moves.length, shown.length]
for (const [name, play] of Object.entries(dir ? refused : {})) {
  play()
  writeFileSync(`${dir}/large-${name.replaceAll(' ', '-')}.refused`, file());
  [moves.length, shown.length] = before
}
show(...sum_blocks)
pick(block)
show(...terms.map(i64))
pick(term)

const opening = (role, index, data, way) => cat([u32(role, index, 0,
  way.length, data.length), ...way, data])
const openings = [
  opening(27, Math.floor(HEAD / 32), heads_piece,
    path(heads, Math.floor(HEAD / 32))),
  opening(26, r_at, r_piece, path(r, r_at)),
  opening(2, term, cat(leaves.slice(48)), path(block16, term)),
  ...keys.flatMap((k) => [opening(1, k.position, k.leaf, []),
    opening(3, row_index, k.row, path(k.rows, row_index))])]
const proof = cat([Buffer.from('apusprf1'), u32(13, t, LAYER, HEAD, ELEMENT,
  term, openings.length), ...openings])
move(3, proof)
writeFileSync(process.argv[2], file())
if (dir) writeFileSync(`${dir}/large.fault`, file())
if (shown.length !== 14) throw new Error('doc/dispute.md counts 14 shows')
process.stdout.write(`${shown.length} shows, ${shown.reduce((a, b) =>
  a + b)} bytes, the largest ${Math.max(...shown)}; proof ${proof.length}\n`)
