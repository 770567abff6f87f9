// gas.mjs: what a Complete of 80 kB costs in gas of a metered module, in all
// and above a message that does nothing; and, with a name as argument, less
// that function of the queue.
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

// As many lines as fit, each with a text of so many bytes.
export async function gas (bytes, finish) {
  const line = (i) => result(id('r-' + bytes + '-' + i),
    { text: 'x'.repeat(bytes) })
  const n = Math.min(100, Math.floor(81920 / (line(0).length + 3)))
  for (let i = 0; i < n; i++) {
    await must({ from: node, tags: infer('r' + bytes + '-' + i), data: 'x',
      id: id('r-' + bytes + '-' + i) })
  }
  await must({ from: node, tags: pull({ Max: String(n) }),
    id: id('batch-' + bytes) })
  const data = Array.from({ length: n }, (_, i) => line(i)).join('\n')
  const r = await must({ from: node, tags: complete(id('batch-' + bytes)),
    data })
  const a = r.Messages[0].Tags.find((t) => t.name === 'Accepted')
  return [n, data.length, a.value, r.GasUsed]
}
const none = (await must({ from: node, tags: { Action: 'None' } })).GasUsed
write(`nothing: ${none.toExponential(2)}`)
const full = await must({ from: node, tags: { Action: 'None' },
  data: "x\"".repeat(40000) })
write(`nothing, with 80 kB: ${full.GasUsed.toExponential(2)}`)
let most = 0
for (const bytes of process.argv.slice(2).map(Number)) {
  const [n, length, accepted, used] = await gas(bytes)
  most = Math.max(most, used)
  write(`${n} lines, ${length} bytes, ${accepted} accepted: ` +
    used.toExponential(3))
}
process.exit(most < 1e11 ? 0 : 1)
