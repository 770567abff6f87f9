// TAP for scripts that run under Node.
import { isDeepStrictEqual } from 'node:util'

let n = 0
let failed = 0
const write = (s) => process.stdout.write(s + '\n')

export function ok (pass, name, about) {
  write(`${pass ? 'ok' : 'not ok'} ${++n} - ${name}`)
  if (pass) return
  failed = 1
  if (about !== undefined) {
    write('# ' + JSON.stringify(about).replaceAll('\n', '\n# '))
  }
}
export const is = (got, want, name) =>
  ok(isDeepStrictEqual(got, want), name, { got, want })
export const note = (s) => write('# ' + s)
export function done () {
  write('1..' + n)
  process.exit(failed)
}
