// gas.mjs MODULE.wasm FORMAT APUS.LUA MODEL...: the gas of a position, counted
// by the loader of ao's compute units while an answer is computed that
// continues few tokens, and one at the end of the context, beside what the
// table of apus.lua says; a line each: model, keys, counted, table, their
// ratio.  Then whether the positions that apus.lua gives a message fit into it.
// The models come by WeaveDrive, one after the other: to begin takes the loader
// longer than all of them.
import { readFileSync } from 'node:fs'
import { id, unit } from './unit.mjs'

const [wasm, format, lua, ...models] = process.argv.slice(2)
const N = 24 // positions that are counted
const say = (...words) => process.stdout.write(words.join('\t') + '\n')
const table = {}
const text = readFileSync(lua, 'utf8')
const block = /local GAS = \{([^}]*)\}/.exec(text)[1]
for (const [, name, value] of block.matchAll(/(\w+) = ([\d.e]+)/g)) {
  table[name] = Number(value)
}
const u = await unit({
  wasm: readFileSync(wasm),
  format,
  item: Buffer.alloc(0)
})
await u.lua('Apus = require("apus") E = require("apus.engine")')
const nothing = (await u.lua('return 1')).GasUsed

async function count (f, prompt) {
  const line = JSON.stringify({
    custom_id: '0',
    method: 'POST',
    url: '/v1/completions',
    body: {
      model: f.id,
      prompt: Array(prompt).fill(100),
      max_tokens: N + 4,
      temperature: 0,
      apus: { ignore_eos: true }
    }
  })
  const begun = await u.lua(`local n, why = E.start([==[${line}]==])
    return tostring(n or why)`)
  if (begun.out !== String(prompt)) throw new Error(begun.out)
  await u.lua(`assert(E.step(${prompt}) == false)`)
  const r = await u.lua(`local done, n = E.step(${N}) return n`)
  if (r.out !== String(N)) throw new Error(r.out)
  const keys = prompt + (N + 1) / 2
  const counted = (r.GasUsed - nothing) / N
  const says = table.position + table.weight * f.weights +
    (table.pair * f.channels + table.key * f.heads) * keys
  say(f.name, keys, counted.toExponential(2), says.toExponential(2),
    (counted / says).toFixed(3))
  return counted
}
for (const [k, model] of models.entries()) {
  u.item = readFileSync(model)
  const loaded = await u.lua(
    `local a, b = Apus.load("/data/${id('model-' + k)}") return a or b`)
  if (loaded.out.length !== 43) throw new Error(loaded.out)
  const f = JSON.parse((await u.lua(
    'return require("json").encode(Apus.figures())')).out)
  f.name = model
  await count(f, 8)
  const dearest = await count(f, f.context - N - 4)
  const fits = f.positions * dearest + nothing < 9e12
  say(f.name, 'fit', fits ? 'yes' : 'no', f.positions)
}
process.exit(0)
