// A messenger and a compute unit on loopback whose process runs in the real
// module of AOS: one process, the first that is spawned.  Items are verified
// by arbundles.  Prints its URL.
//
//   POST /             a signed item: 202, 500 if it is none or known
//   GET /result/ID     202 the first time, then the result
//   GET /results/ID?limit=N&sort=ASC&from=CURSOR
//                      results from there on
//   POST /dry-run      a message that leaves no trace
import http from 'node:http'
import { createHash } from 'node:crypto'
import { DataItem } from '@dha-team/arbundles'
import { boot } from './aos.mjs'

const protocol = ['Data-Protocol', 'Variant', 'Type']
const results = new Map()
const asked = new Set()
let process_ = null

const address = (owner) =>
  createHash('sha256').update(Buffer.from(owner, 'base64url'))
    .digest('base64url')

async function spawn (item, owner, tags) {
  const of = Object.fromEntries(tags.map((t) => [t.name, t.value]))
  process_ = await boot({
    owner,
    tags: { 'On-Boot': of['On-Boot'], Authority: of.Authority },
    data: item.rawData.toString('utf8')
  })
  return process_.booted
}

async function take (bytes) {
  if (!await DataItem.verify(bytes).catch(() => false)) {
    return [500, { error: 'A valid and signed data item must be provided' }]
  }
  const item = new DataItem(bytes)
  if (results.has(item.id)) return [500, { error: 'Message already exists' }]
  const owner = address(item.owner)
  const tags = item.tags
  const type = tags.find((t) => t.name === 'Type')?.value
  const result = type === 'Process'
    ? await spawn(item, owner, tags)
    : await process_.send({
      id: item.id,
      from: owner,
      owner,
      tags: tags.filter((t) => !protocol.includes(t.name)),
      data: item.rawData.toString('utf8')
    })
  results.set(item.id, result)
  return [202, { message: 'Processing DataItem', id: item.id }]
}

function give (id) {
  const first = !asked.has(id)
  asked.add(id)
  if (first || !results.has(id)) {
    return [202, { message: 'Evaluation of process is in progress.' }]
  }
  const { Messages = [], Error, Output = [] } = results.get(id)
  return [200, { Messages, Error, Output, GasUsed: 0 }]
}

// All of them, in the order of their messages; a cursor is how many are before.
function list (query) {
  const from = Number(query.get('from') || 0)
  const to = from + Number(query.get('limit') || 25)
  const all = [...results.values()]
  const edges = all.slice(from, to).map(({ Messages = [] }, i) => ({
    node: {
      Messages: Messages.map(({ Target, Data, Tags }) => ({
        Target, Data, Tags: Tags.map(({ name, value }) => ({ name, value }))
      }))
    },
    cursor: String(from + i + 1)
  }))
  return [200, { edges, pageInfo: { hasNextPage: to < all.length } }]
}

async function dryRun (bytes) {
  const m = JSON.parse(bytes.toString('utf8'))
  const { Messages = [], Error, Output = [] } = await process_.dryrun({
    from: m.From,
    owner: m.Owner,
    tags: m.Tags.filter((t) => !protocol.includes(t.name)),
    data: m.Data
  })
  return [200, { Messages, Error, Output, GasUsed: 0 }]
}

async function answer (req) {
  const pieces = []
  for await (const piece of req) pieces.push(piece)
  const body = Buffer.concat(pieces)
  const path = req.url.split('?')[0]
  if (req.method === 'POST' && path === '/') return take(body)
  if (req.method === 'POST' && path === '/dry-run') return dryRun(body)
  if (path.startsWith('/results/')) {
    return list(new URL(req.url, 'http://127.0.0.1').searchParams)
  }
  if (path.startsWith('/result/')) return give(path.slice(8))
  return [404, {}]
}

let before = Promise.resolve()
const server = http.createServer((req, res) => {
  // one at a time, in the order of their coming
  before = before.then(() => answer(req)).catch((e) =>
    [500, { error: String(e) }]).then(([status, json]) => {
    res.writeHead(status, { 'Content-Type': 'application/json' })
    res.end(JSON.stringify(json))
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`ready http://127.0.0.1:${server.address().port}\n`)
})
