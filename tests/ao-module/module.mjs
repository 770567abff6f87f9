// module.mjs MODULE.wasm FORMAT REQUESTS IDS STEP [LUA...]: a module in the
// loader of ao's compute units.  It answers each line of a file by the model
// inside, in messages of at most STEP positions; for each a line: request id,
// job, trace, result.  Then each program is evaluated, and what it sends to the
// process itself is delivered; of one that is called lost the first message is
// not.  On stderr: gas and memory.  MODEL in the environment names a model file
// that a gateway on this machine serves instead, to be read by WeaveDrive; else
// the gateway has an error page.  LIMIT is the gas of a message (9e12); what a
// program called tight sends is delivered until no more comes, and a message
// that ran out of gas is followed by another one ten minutes later.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import AoLoader from '@permaweb/ao-loader'
import WeaveDrive from '@permaweb/weavedrive'

const [wasm, format, requests, ids, step, ...programs] = process.argv.slice(2)
const id = (s) => String(s).padEnd(43, '_').slice(0, 43)
const lines = (file) => readFileSync(file, 'utf8').trim().split('\n')
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

// ---- a gateway: one item, as much of it as is asked for -------------------
const { MODEL } = process.env
const item = MODEL ? readFileSync(MODEL) : Buffer.from('<p>not found</p>')
let asked = 0
function serve (req, res) {
  if (req.method === 'POST') { // GraphQL: the item is attested
    req.resume()
    const node = { tags: [] }
    res.end(JSON.stringify({ data: { transactions: { edges: [{ node }] } } }))
    return
  }
  asked++
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
const server = createServer(serve).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const gateway = 'http://127.0.0.1:' + server.address().port

// ---- messages -------------------------------------------------------------
const binary = readFileSync(wasm)
const handle = await AoLoader(binary, {
  format,
  computeLimit: Number(process.env.LIMIT ?? 9e12),
  memoryLimit: String(1 << 30),
  WeaveDrive,
  ARWEAVE: gateway,
  mode: 'test',
  blockHeight: 1500000,
  spawn: own,
  module: { id: id('module'), owner: own.owner, tags }
})

let memory = null
let n = 0
let late = 0
async function send (more) {
  const msg = {
    Id: id('message-' + n),
    Target: own.id,
    Owner: own.owner,
    From: own.owner,
    Anchor: '',
    Tags: [],
    Data: '',
    Module: id('module'),
    Cron: false,
    Nonce: n,
    Epoch: 0,
    Timestamp: 1700000000000 + late + 1000 * n++,
    'Block-Height': 1500000,
    ...more
  }
  const began = process.cpuUsage()
  const r = await handle(memory, msg, env)
  const spent = process.cpuUsage(began)
  if (r.Error) throw new Error(r.Error)
  memory = r.Memory
  r.ms = (spent.user + spent.system) / 1000
  return r
}
async function lua (code) {
  const r = await send({
    Tags: [{ name: 'Action', value: 'Eval' }],
    Data: code
  })
  const data = r.Output?.data
  return { ...r, out: String(data?.output ?? data) }
}
const quote = (s) => '[==[' + s + ']==]'
const say = (s) => process.stdout.write(s + '\n')
const note = (what, r, of) => process.stderr.write([what, 'gas', r.GasUsed,
  'ms', Math.round(r.ms), 'memory', memory.length, of ?? ''].join(' ') + '\n')

await send({ Id: own.id, Tags: [...tags, { name: 'Type', value: 'Process' }] })
note('nothing', await lua('return 1'))
const name = MODEL ? '/data/' + id('model') : '/model'
const begun = await lua('E = require("apus.engine") ' +
  `local id, why = E.open("${name}") return id or why`)
if (begun.out.length !== 43) throw new Error(begun.out)
note('open', begun, MODEL ? `requests ${asked}` : '')
const id_of = lines(ids)
for (const [k, line] of lines(requests).entries()) {
  await lua(`assert(E.start(${quote(line)}, "${id_of[k]}"))`)
  let gas = 0
  let ms = 0
  let r
  do {
    r = await lua(`return tostring(E.step(${step}))`)
    gas += r.GasUsed ?? 0
    ms += r.ms
  } while (r.out === 'false')
  r = await lua('A = assert(E.answer()) return table.concat({ A.request, ' +
    'A.job, A.trace, A.result, A.positions }, "\\t")')
  const words = r.out.split('\t')
  say(words.slice(0, 4).join('\t'))
  note('answer', { GasUsed: gas, ms }, 'positions ' + words[4])
}
// What the process sends itself comes twice, and a stranger meddles.
async function deliver (r) {
  for (const { Target, Tags } of r.Messages ?? []) {
    if (Target !== own.id) continue
    const other = Tags.map(({ name, value }) =>
      ({ name, value: name === 'Position' ? '999' : value }))
    await send({ From: id('stranger'), Owner: id('stranger'), Tags: other })
    const next = await send({ From: own.id, Owner: own.id, Tags })
    await send({ From: own.id, Owner: own.id, Tags })
    await deliver(next)
  }
}
// One message after the other; how many ran out of gas.
async function press (r) {
  let lost = 0
  const next = () => r.Messages?.find(({ Target }) => Target === own.id)
  for (let m; (m = next());) {
    const { Tags } = m
    r = await send({ From: own.id, Owner: own.id, Tags }).catch((e) => {
      process.stderr.write(`lost ${e.message ?? e}\n`)
      lost++
      late += 700000
      return send({})
    })
  }
  return lost
}
for (const program of programs) {
  const r = await lua(readFileSync(program, 'utf8'))
  say(r.out)
  note('program', r)
  if (program.includes('tight')) {
    say('lost ' + await press(r))
  } else if (program.includes('lost')) { // out of gas: no trace of it
    const later = 1700000000000 + 1000 * n + 700000
    await deliver(await send({ Timestamp: later }))
  } else {
    await deliver(r)
  }
}
process.exit(0)
