// aos-same.mjs REAL OURS: compares two runs of the same messages, a line of
// JSON an evaluation, as tests/aos-run/run.mjs and tests/aosrun write them.
// Equal must be: whether it ended in an error; if not, what it printed, and
// what it sent, tags in order, byte for byte.
import { readFileSync } from 'node:fs'

const lines = (file) => readFileSync(file, 'utf8').trim().split('\n')
  .map((line) => JSON.parse(line))
const sent = (list) => (list ?? []).map((m) =>
  [m.Target, m.Data, m.Anchor, m.Tags.map((t) => [t.name, t.value])])
const said = (r) => JSON.stringify(r === undefined
  ? 'nothing'
  : r.Error !== undefined
    ? 'error'
    : [r.Output?.data, sent(r.Messages), sent(r.Spawns), r.Assignments])

const real = lines(process.argv[2])
// ours begins with the process's own item
const ours = lines(process.argv[3]).slice(1)
let bad = 0
for (let i = 0; i < Math.max(real.length, ours.length); i++) {
  const [a, b] = [said(real[i]), said(ours[i])]
  if (a === b) continue
  if (++bad > 5) continue
  console.log(`# evaluation ${i}`)
  console.log(`#   real ${a.slice(0, 1000)}`)
  console.log(`#   ours ${b.slice(0, 1000)}`)
}
console.log(`# ${real.length} evaluations, ${bad} differ`)
process.exit(bad > 0 || real.length < 2 ? 1 : 0)
