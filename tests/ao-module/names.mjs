// names.mjs MODULE.wasm: what a module imports and exports, a name a line, by
// the engine's own reader of WebAssembly.
import { readFileSync } from 'node:fs'

const module = new WebAssembly.Module(readFileSync(process.argv[2]))
const say = (...words) => process.stdout.write(words.join(' ') + '\n')
for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
  say('import', from, name, kind)
}
for (const { name, kind } of WebAssembly.Module.exports(module)) {
  say('export', name, kind)
}
