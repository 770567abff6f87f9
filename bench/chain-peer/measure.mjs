// One side of bench/chain, in the loader of ao's compute units:
//     node --experimental-wasm-memory64 measure.mjs ours|theirs MODULE MODEL N
// loads the model by WeaveDrive, answers a first message, which is not
// counted, then 5 of N tokens each after the same prompt, and 5 that compute
// nothing.  Prints "load_ms message_ms nothing_ms memory_bytes": time of the
// processor, medians of 5.
// Beside it: tests/ao-module/unit.mjs and what that imports.
import { readFileSync } from 'node:fs'
import { id, unit } from './unit.mjs'

const [side, wasm, model, tokens] = process.argv.slice(2)
const prompt = 'Once upon a time'
const sides = {
  ours: {
    format: 'wasm32-unknown-emscripten4',
    load: `Apus = require("apus") return #Apus.load("/data/${id('model')}")`,
    loaded: '43',
    answer: `return #Apus.run("${prompt}", { max_tokens = ${tokens} }).text`,
    answered: (out) => Number(out) > Number(tokens)
  },
  theirs: {
    format: 'wasm64-unknown-emscripten-draft_2024_02_15',
    load: `Llama = require("llama") Llama.load("/data/${id('model')}")` +
      ' return "ok"',
    loaded: 'ok',
    // the text may begin with bytes that its output cannot show
    answer: `Llama.set_prompt("${prompt}") return #Llama.run(${tokens})`,
    answered: (out) => Number(out) > Number(tokens)
  }
}
const { format, load, loaded, answer, answered } = sides[side]
const u = await unit({
  wasm: readFileSync(wasm),
  format,
  item: readFileSync(model),
  memory: 16 * 2 ** 30
})
const begun = await u.lua(load)
if (begun.out !== loaded) throw new Error(`load: ${begun.out}`)
async function median (code, good) {
  const ms = []
  for (let k = 0; k < 6; k++) {
    const r = await u.lua(code)
    if (!good(r.out)) throw new Error(`${code}: ${r.out}`)
    if (k > 0) ms.push(r.ms)
  }
  return ms.sort((a, b) => a - b)[2].toFixed(0)
}
const message = await median(answer, answered)
const nothing = await median('return 1', (out) => out === '1')
console.log(begun.ms.toFixed(0), message, nothing, u.memory.length)
process.exit(0)
