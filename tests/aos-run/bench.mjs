// bench.mjs [N]: what messages to a queue with N open requests (50000) cost,
// in milliseconds of a compute unit's evaluation and inside it, and in gas of
// a metered module.  A table on stdout.
import { boot, id } from './aos.mjs'
import {
  complete, infer, load, model, owner, pull, registers, result
} from './queue.mjs'

const n = Number(process.argv[2] ?? 50000)
const write = (s) => process.stdout.write(s + '\n')
const node = id('node')

// Requests are put where Infer would put them, 40 times as fast as by AOS:
// 100 requesters, prompts of 400 bytes.
const fill = (n) => `
for i = 1, ${n} do
  local from = ("requester-" .. i % 100):gsub("%W", "-")
  from = from .. ("_"):rep(42 - #from) .. "A"
  local name = "open-" .. i
  name = name .. ("_"):rep(42 - #name) .. "A"
  Handlers.evaluate({ From = from, Owner = from, Id = name,
    Data = ("word "):rep(80), Tags = {}, Timestamp = ${1.7e12},
    TagArray = { { name = "Action", value = "Infer" } } }, ao.env)
  ao.clearOutbox()
end
return Queue.n_pending`

async function measure (module, n, rounds) {
  const p = await boot({ module })
  const must = async (m) => {
    const r = await p.send(m)
    if (r.Error) throw new Error(r.Error)
    return r
  }
  await load(p)
  await must({ from: owner, tags: { Action: 'Allow', Node: node,
    Max: '50000' } })
  await must({ from: owner, tags: registers(model, 'nano') })
  await p.eval('Queue.max_requester = 50000')
  for (let left = n; left > 0; left -= 5000) {
    await p.eval(fill(Math.min(left, 5000)).replaceAll('"open-"',
      `"open-${left}-"`))
  }
  const rows = { nothing: [], Infer: [], 'Pull 70': [], 'Complete 70': [] }
  for (let i = 0; i < rounds; i++) {
    rows.nothing.push(await must({ from: node, tags: { Action: 'None' } }))
    rows.Infer.push(await must({ from: node, tags: infer('r' + i),
      data: 'word '.repeat(80) }))
    const r = await must({ from: node, tags: pull({ Max: '70' }),
      id: id('batch-' + i) })
    rows['Pull 70'].push(r)
    const lines = r.Messages[0].Data.split('\n').filter((l) => l)
    const data = lines.map((l) => result(JSON.parse(l).id,
      { text: 'an answer of some words '.repeat(15) })).join('\n')
    rows['Complete 70'].push(await must({ from: node,
      tags: complete(id('batch-' + i)), data }))
  }
  const middle = (list) => list.sort((a, b) => a - b)[list.length >> 1]
  return Object.entries(rows).map(([name, list]) => ({
    name,
    ms: middle(list.map((r) => r.ms)),
    gas: middle(list.map((r) => r.GasUsed ?? 0)),
    heap: Math.max(...list.map((r) => r.bytes))
  }))
}

const plain = await measure('aos', n, 7)
const metered = await measure('aos-metered', Math.min(n, 500), 1)
const none = plain[0].ms
write(`| message, ${n} open | ms | of it the message | gas | heap MB |`)
write('|---|---|---|---|---|')
plain.forEach((row, i) => write(`| ${row.name} | ${row.ms.toFixed(0)} | ` +
  `${(row.ms - none).toFixed(0)} | ${metered[i].gas.toExponential(1)} | ` +
  `${(row.heap / 1e6).toFixed(0)} |`))
process.exit(0)
