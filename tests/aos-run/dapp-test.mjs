// Two processes in real modules, with real signatures: a DApp that was written
// for Apus's router, and the queue in its place.  TAP.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createData, ArweaveSigner } from '@dha-team/arbundles'
import { id, tagsOf } from './aos.mjs'
import { start } from './localnet.mjs'
import { parts, result } from './queue.mjs'
import { done, is, ok } from './tap.mjs'

// Five free ports in a row, of the kernel's choice as far as it goes.
const listens = (port) => new Promise((resolve) => {
  const s = createServer().once('error', () => resolve(null))
  s.listen(port, '127.0.0.1', () => {
    const got = s.address().port
    s.close(() => resolve(got))
  })
})
async function ports () {
  for (let i = 0; i < 50; i++) {
    const first = await listens(0)
    const next = []
    for (let k = 1; k < 5; k++) next.push(await listens(first + k))
    if (first < 65530 && next.every((p) => p)) return first
  }
  throw new Error('no free ports')
}

const net = await start(await ports())
const signer = new ArweaveSigner(net.wallet)

// Sign and post; the id.
async function post (target, tags, data, by = signer) {
  const all = { 'Data-Protocol': 'ao', Variant: 'ao.TN.1', ...tags }
  const item = createData(data ?? '', by, {
    ...(target && { target }),
    tags: Object.entries(all).map(([name, value]) => ({ name, value }))
  })
  await item.sign(by)
  const r = await fetch(net.urls.mu + '/', {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: item.getRaw()
  })
  if (r.status !== 202) throw new Error(await r.text())
  return item.id
}
async function say (process, Action, tags, data, by) {
  const m = await post(process, { Type: 'Message', Action, ...tags }, data, by)
  const at = `${net.urls.cu}/result/${m}?process-id=${process}`
  const r = await (await fetch(at)).json()
  return { id: m, ...r, tags: tagsOf(r.Messages?.[0]) }
}
const spawn = (lua) => post('', {
  Type: 'Process',
  Module: net.module,
  Scheduler: net.scheduler,
  Authority: net.authority,
  'On-Boot': 'Data'
}, lua)

const [first, ...others] = parts()
const queue = await spawn(first)
const dapp = await spawn(readFileSync(process.env.DAPP_LUA, 'utf8'))
const model = id('model')
let r = await say(queue, 'Info', {})
is([r.tags.Action, r.tags.Code, r.tags.Missing], ['Info-Response', '503',
  '2,3,4'], 'a queue that is not whole says so')
for (const part of others) r = await say(queue, 'Eval', {}, part)
r = await say(queue, 'Info', {})
is([r.tags.Action, r.tags.Version], ['Info-Response', '2.2'],
  'the queue boots from its item')
await say(queue, 'Allow', { Node: net.address })
r = await say(queue, 'Register-Model',
  { Model: model, Name: 'nano', Source: id('source') })
is(r.tags.Code, '200', 'it has a node and a model')
r = await say(dapp, 'Eval', {}, `Router = "${queue}"`)
is(r.Error, undefined, 'the DApp is told another address')

// ---- a user asks the DApp, which asks the queue --------------------------
await say(dapp, 'Ask', {
  Options: '{"max_tokens":32,"temperature":0.7,"stop":["\\n"]}'
}, 'Why is the sky blue?')
r = await say(queue, 'Pull', { Models: model })
is(r.tags.Code, '200', 'the request waits')
const line = JSON.parse(r.Messages[0].Data || '{}')
is([line.from, line.reference, line.prompt, line.max_tokens,
  line.temperature, line.stops],
[dapp, 'dapp-1', 'Why is the sky blue?', '32', '700000', ['Cg']],
'as the DApp made it')
is(r.Messages[0].Target, net.address, 'the answer is for the node')

r = await say(queue, 'Complete',
  { Batch: r.tags.Batch, Statement: id('statement') }, result(line.id, {
    model, max_tokens: 32, temperature: 700000, stops: ['\n'],
    text: 'Rayleigh \u2603'
  }))
is([r.tags.Code, r.tags.Accepted], ['200', '1'], 'its result is taken')
r = await say(dapp, 'Answer', { Name: 'dapp-1' })
const answer = JSON.parse(r.Messages[0].Data)
is([answer.result, answer.session], ['Rayleigh \u2603', 'session-1'],
  'the DApp has its answer')
is([answer.attestation.request, answer.attestation.item],
  [line.id, id('item')], 'and what proves it')

// ---- what is refused -------------------------------------------------------
await say(dapp, 'Ask', { Options: '{"n":2}' }, 'Why?')
r = await say(dapp, 'Answer', { Name: 'dapp-2' })
is(JSON.parse(r.Messages[0].Data).code, '400', 'the DApp hears of a refusal')

// a process that forges what the scheduler says
await say(dapp, 'Eval', {}, `ao.send({ Target = Router, Data = "x", Tags = {
  Action = "Infer", Timestamp = "99999999999999",
  ["X-Reference"] = "forged" } })`)
r = await say(dapp, 'Answer', { Name: 'forged' })
is(JSON.parse(r.Messages[0].Data).code, '400', 'no process forges the time')
r = await say(queue, 'Pull', { Models: model, Timestamp: '99999999999999' })
is([r.tags.Code, r.tags.Until], ['400', undefined], 'nor does a node')
const other = new ArweaveSigner(net.wallets.find((w) => w.n !== net.wallet.n))
r = await say(queue, 'Info', { 'From-Process': dapp }, '', other)
is(r.Messages, [], 'nobody speaks for the DApp')
r = await say(queue, 'Set', { 'From-Process': net.authority,
  'Max-Open': '1' }, '', other)
is(r.Messages, [], 'nor as the messenger')
r = await say(queue, 'Set', { 'Max-Open': '1' }, '', other)
is(r.tags.Code, '403', 'nor as the owner')

// ---- a DApp that waits for its answer ---------------------------------------
r = await say(dapp, 'Eval', {}, `Seen = "" ; ao.send({ Target = Router,
  Tags = { Action = "Status", Request = "${line.id}" } }).onReply(
  function (msg) Seen = msg.Tags.State end) return "sent"`)
r = await say(dapp, 'Eval', {}, 'return Seen')
ok(r.Output.data === 'done', 'it can wait for a reply by its reference',
  r.Output)
await net.end()
done()
