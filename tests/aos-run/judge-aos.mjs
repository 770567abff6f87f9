// The judge in the real module: JUDGED names lines "FILE BIT VERDICT" of
// tests/judge-files, which it must repeat, 50 in a message.
import { readFileSync } from 'node:fs'
import { done, is, note } from './tap.mjs'
import { load } from './queue.mjs'
import { boot } from './aos.mjs'

const EACH = 50
const judged = readFileSync(process.env.JUDGED, 'utf8').trim().split('\n')
  .map((line) => line.split(' '))

const changed = (name, bit) => {
  const file = Buffer.from(readFileSync(name))
  if (bit !== '-') file[bit >> 3] ^= 1 << bit % 8
  return file.toString('base64url')
}
const code = (list) => `local out = {}
for i, text in ipairs({ ${list.map(([name, bit]) =>
  `"${changed(name, bit)}"`).join(',')} }) do
  local s = ApusQueue.judge.play(ApusQueue.unbase64url(text))
  out[i] = s and (s.verdict or "open") or "refused"
end
return table.concat(out, " ")`

const p = await boot()
await load(p)
const wrong = []
let ms = 0
for (let at = 0; at < judged.length; at += EACH) {
  const list = judged.slice(at, at + EACH)
  const r = await p.eval(code(list))
  ms += r.ms
  const said = String(r.Error ?? r.Output?.data).split(' ')
  list.forEach((l, i) => {
    if (said[i] !== l[2]) wrong.push([...l, said[i]].join(' '))
  })
}
note(`${Math.round(ms / judged.length)} ms a judgement`)
is(wrong, [], `AOS: the same ${judged.length} verdicts`)
done()
