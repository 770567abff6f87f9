// A process in the Lua of apus localnet: the program that AOSRUN names
// (tests/aosrun.c) has it, and takes a line of JSON for each message.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

// As boot() of aos.mjs gives it; the owner and the clock are aosrun's, and the
// target is the process.
export async function boot (owner) {
  const child = spawn(process.env.AOSRUN, ['-'],
    { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: child.stdout })[Symbol
    .asyncIterator]()
  const next = async () => {
    const { value, done } = await answers.next()
    if (done) throw new Error('aosrun has ended')
    return JSON.parse(value)
  }
  const p = { owner, booted: await next() }
  p.send = async ({ data, target, ...m }) => {
    const text = data?.includes('\0')
      ? { data64: Buffer.from(data).toString('base64url') }
      : { data }
    child.stdin.write(JSON.stringify({ ...m, ...text }) + '\n')
    return next()
  }
  p.dryrun = (m) => p.send({ ...m, dryrun: true })
  p.eval = (code) => p.send({ tags: { Action: 'Eval' }, data: code })
  p.end = () => child.stdin.end()
  return p
}
