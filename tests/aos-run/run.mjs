// run.mjs [-m MODULE] PROCESS.lua... [MESSAGES.json]
// Evaluates the files in a fresh process, then sends each message: one line
// of JSON for each.  Exit status 1 if any ended in an Error.
import { readFileSync } from 'node:fs'
import { boot, modules } from './aos.mjs'

const args = process.argv.slice(2)
const module = args[0] === '-m' ? args.splice(0, 2)[1] : 'aos'
if (!args[0] || !modules[module]) {
  console.error('usage: run.mjs [-m MODULE] PROCESS.lua... [MESSAGES.json]')
  process.exit(2)
}
// the loader silences console.log while it runs
const write = (o) => process.stdout.write(JSON.stringify(o) + '\n')
const p = await boot({ module })
let failed = 0
while (args[0]?.endsWith('.lua')) {
  const file = args.shift()
  const r = await p.eval(readFileSync(file, 'utf8'))
  write({ eval: file, ...r })
  if (r.Error) failed = 1
}
const all = args[0] ? JSON.parse(readFileSync(args[0], 'utf8')) : []
for (const m of all) {
  const r = await (m.dryrun ? p.dryrun(m) : p.send(m))
  write(r)
  if (r.Error) failed = 1
}
process.exit(failed)
