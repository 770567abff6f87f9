// A compute unit of one process: the loader that ao's have, and a gateway on
// this machine that has the same item under every id, attested.
//
//   u = await unit({ wasm, format, item, limit })
//     wasm    the bytes of the module, and its format
//     item    the bytes that WeaveDrive finds under /data/ID
//     limit   gas of a message, 9e12 without it
//     memory  bytes that it may have, 1 GB without it
//   await u.send(more)   a message of the owner with these fields instead;
//                        throws what the process does not survive
//   await u.lua(code)    evaluated; `out` of the result is what it gives
//   await u.again()      another instance, as of a unit that was killed: only
//                        the memory after the last message is left
//   u.item, u.lie        what the gateway has from now on, and lie(req, res),
//                        true where it has answered in place of it
import { createServer } from 'node:http'
import AoLoader from '@permaweb/ao-loader'
import WeaveDrive from '@permaweb/weavedrive'

// 43 characters whose last has no bits beyond 32 bytes
export const id = (s) => String(s).padEnd(42, '_').slice(0, 42) + 'A'

// As much of the item as is asked for.
function serve (u, req, res) {
  if (req.method === 'POST') { // GraphQL: the item is attested
    req.resume()
    const node = { tags: [] }
    res.end(JSON.stringify({ data: { transactions: { edges: [{ node }] } } }))
    return
  }
  u.asked++
  // the process may compute for longer than an idle connection is kept
  res.setHeader('Connection', 'close')
  if (u.lie?.(req, res)) return
  const { item } = u
  const size = item.length
  const range = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '')
  if (req.method === 'HEAD' || !range) {
    res.writeHead(200, { 'Content-Length': size })
    res.end(req.method === 'HEAD' ? undefined : item)
    return
  }
  const [from, to] = [Number(range[1]), Math.min(Number(range[2]), size - 1)]
  res.writeHead(206, { 'Content-Length': to - from + 1 })
  res.end(item.subarray(from, to + 1))
}

export async function unit ({ wasm, format, item, limit = 9e12,
  memory = 1 << 30 }) {
  const tags = [
    { name: 'Extension', value: 'WeaveDrive' },
    { name: 'Availability-Type', value: 'Individual' },
    { name: 'Module-Format', value: format }
  ]
  const own = { id: id('process'), owner: id('owner'), tags }
  const env = {
    Process: { Id: own.id, Owner: own.owner, Tags: tags },
    Module: { Id: id('module'), Owner: own.owner, Tags: tags }
  }
  // n: messages so far; late: ms that they are late by; asked: requests that
  // the gateway had
  const u = { own, item, memory: null, n: 0, late: 0, asked: 0 }
  const server = createServer((req, res) => serve(u, req, res))
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  let handle

  u.again = async () => {
    handle = await AoLoader(wasm, {
      format,
      computeLimit: limit,
      memoryLimit: String(memory),
      WeaveDrive,
      ARWEAVE: 'http://127.0.0.1:' + server.address().port,
      mode: 'test',
      blockHeight: 1500000,
      spawn: own,
      module: { id: id('module'), owner: own.owner, tags }
    })
  }
  u.send = async (more) => {
    const msg = {
      Id: id('message-' + u.n),
      Target: own.id,
      Owner: own.owner,
      From: own.owner,
      Anchor: '',
      Tags: [],
      Data: '',
      Module: id('module'),
      Cron: false,
      Nonce: u.n,
      Epoch: 0,
      Timestamp: 1700000000000 + u.late + 1000 * u.n++,
      'Block-Height': 1500000,
      ...more
    }
    const began = process.cpuUsage()
    const r = await handle(u.memory, msg, env)
    const spent = process.cpuUsage(began)
    if (r.Error) throw new Error(r.Error)
    u.memory = r.Memory
    r.ms = (spent.user + spent.system) / 1000
    return r
  }
  u.lua = async (code) => {
    const r = await u.send({
      Tags: [{ name: 'Action', value: 'Eval' }],
      Data: code
    })
    const data = r.Output?.data
    return { ...r, out: String(data?.output ?? data) }
  }
  await u.again()
  await u.send({
    Id: own.id,
    Tags: [...tags, { name: 'Type', value: 'Process' }]
  })
  return u
}
