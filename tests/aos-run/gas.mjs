// gas.mjs [BYTES[:KIND]]..: what a Complete costs in gas of a metered module,
// as large as apus push makes it of answers of so many bytes: of letters, or
// of a KIND that JSON writes in another way.  Fails if one costs 1e11 or more.
import { boot, id } from './aos.mjs'
import {
  complete, infer, load, model, owner, pull, registers, result
} from './queue.mjs'

const write = (s) => process.stdout.write(s + '\n')
const node = id('node')
const p = await boot({ module: 'aos-metered' })
const must = async (m) => {
  const r = await p.send(m)
  if (r.Error) throw new Error(r.Error)
  return r
}
await load(p)
await must({ from: owner, tags: { Action: 'Allow', Node: node, Max: '50000' } })
await must({ from: owner, tags: registers(model, 'nano') })

const units = { letters: 'x', quotes: '"', slashes: '\\', control: '\x01',
  lines: '\n', wide: '\u20ac', emoji: '\u{1f600}' }

// A line counts its bytes, and what the message's JSON escapes in them once
// more (src/push/complete_line.c).
const counts = (line) => Buffer.byteLength(line + '\n') +
  line.match(/["\\]/g).length + 1
const most = Number(process.env.COUNTS ?? 80000)

// As many lines as fit, each with a text of so many bytes.
async function gas (what) {
  const [bytes, kind] = what.split(':')
  const unit = units[kind ?? 'letters']
  const text = unit.repeat(Math.floor(bytes / Buffer.byteLength(unit)))
  const name = (i) => id('r-' + what + '-' + i)
  const line = (i) => result(name(i), { text })
  const n = Math.min(100, Math.floor(most / counts(line(0))))
  for (let i = 0; i < n; i++) {
    await must({ from: node, tags: infer('r' + what + '-' + i), data: 'x',
      id: name(i) })
  }
  await must({ from: node, tags: pull({ Max: String(n) }),
    id: id('batch-' + what) })
  const data = Array.from({ length: n }, (_, i) => line(i)).join('\n')
  const r = await must({ from: node, tags: complete(id('batch-' + what)),
    data })
  const a = r.Messages[0].Tags.find((t) => t.name === 'Accepted')
  return [n, Buffer.byteLength(data), a?.value, r.GasUsed]
}
const none = (await must({ from: node, tags: { Action: 'None' } })).GasUsed
write(`nothing: ${none.toExponential(2)}`)
const full = await must({ from: node, tags: { Action: 'None' },
  data: "x\"".repeat(40000) })
write(`nothing, with 80 kB: ${full.GasUsed.toExponential(2)}`)
let dearest = 0
for (const what of process.argv.slice(2)) {
  const [n, length, accepted, used] = await gas(what)
  dearest = Math.max(dearest, accepted === String(n) ? used : Infinity)
  write(`${what}: ${n} lines, ${length} bytes, ${accepted} accepted: ` +
    used.toExponential(3))
}
process.exit(dearest < 1e11 ? 0 : 1)
