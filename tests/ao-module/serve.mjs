// serve.mjs MODULE.wasm FORMAT REQUESTS IDS: Apus.serve in the loader of ao's
// compute units.  A stranger sends an Infer for each line of a file, with the
// request's id as that of the message, and follows what the process sends
// itself; for each a line: request id, job, result of the attestation, and its
// text.  Where it does not meter, which takes long to begin, the unit is killed
// before every step.  Then what is refused, a line
// each: what was sent, its code; and an answer in messages of 20 positions.
import { readFileSync } from 'node:fs'
import { id, unit } from './unit.mjs'

const [wasm, format, requests, ids] = process.argv.slice(2)
const lines = (file) => readFileSync(file, 'utf8').trim().split('\n')
const u = await unit({
  wasm: readFileSync(wasm),
  format,
  item: Buffer.from('<p>not found</p>')
})
const kills = !format.includes('metering')
const say = (...words) => process.stdout.write(words.join('\t') + '\n')
const tag = (m, name) => m.Tags.find((t) => t.name === name)?.value
const stranger = id('stranger') // another than the owner

function infer (data, more = {}, of = {}) {
  const Tags = Object.entries({ Action: 'Infer', ...more })
    .map(([name, value]) => ({ name, value }))
  return u.send({ From: stranger, Owner: stranger, Data: data, Tags, ...of })
}
// What comes of a message: the answers, and how many steps there were.
async function follow (r, kill) {
  const answers = []
  const todo = [...(r.Messages ?? [])]
  let steps = 0
  while (todo.length > 0) {
    const m = todo.shift()
    if (m.Target !== u.own.id) {
      answers.push(m)
      continue
    }
    steps++
    if (kill) await u.again()
    const next = await u.send({ From: u.own.id, Owner: u.own.id, Tags: m.Tags })
    todo.push(...(next.Messages ?? []))
  }
  return { answers, steps }
}
async function must (code, want) {
  const r = await u.lua(code)
  if (r.out !== want) throw new Error(`${code}: ${r.out}`)
}

await must('Apus = require("apus") return #Apus.load("/model")', '43')
await must('return tostring(Apus.serve({ max_open = 3, per_sender = 2 }))',
  'true')

const id_of = lines(ids)
for (const [k, line] of lines(requests).entries()) {
  const { messages, max_tokens: most, temperature } = JSON.parse(line).body
  const options = JSON.stringify({ max_tokens: most, temperature })
  const r = await infer(messages[0].content,
    { 'X-Options': options, 'X-Reference': 'r' + k }, { Id: id_of[k] })
  const { answers } = await follow(r, kills)
  if (answers.length !== 1 || answers[0].Target !== stranger ||
    tag(answers[0], 'Action') !== 'Infer-Response' ||
    tag(answers[0], 'X-Reference') !== 'r' + k) {
    throw new Error(JSON.stringify(answers))
  }
  const { result, attestation: a } = JSON.parse(answers[0].Data)
  const hex = (s) => Buffer.from(s, 'base64url').toString('hex')
  say(a.request, hex(a.job), hex(a.result), a.node === u.own.id, result)
}

// ---- what is refused ------------------------------------------------------
async function refused (what, data, more, of) {
  const { answers } = await follow(await infer(data, more, of))
  say(what, ...answers.map((m) => tag(m, 'Code') ?? 'an answer'))
}
await refused('a NUL', 'a\0b')
await refused('a NUL in JSON', '{"messages":[{"role":"user",' +
  '"content":"a\\u0000b"}]}', { 'Content-Type': 'application/json' })
await refused('half a character', 'a\ud800b')
await refused('another model', 'x', { 'X-Model': id('other') })
await refused('an option out of range', 'x', { 'X-Options': '{"top_p":7}' })
await refused('a prompt that is too long', 'x'.repeat(5000))
await refused('it answers after that', 'What is 6 + 24?',
  { 'X-Options': '{"max_tokens":4,"temperature":0}' })

// more than are let in; nothing of it is followed before all are there
const flood = []
for (let k = 0; k < 5; k++) {
  const who = id(k < 3 ? 'first' : 'another-' + k)
  flood.push(await infer('What is 6 + 24?', {
    'X-Options': '{"max_tokens":4,"temperature":0}',
    'X-Reference': 'f' + k
  }, { From: who, Owner: who }))
}
say('a flood', ...flood.map((r) => (r.Messages ?? [])
  .filter((m) => m.Target !== u.own.id).map((m) => tag(m, 'Code')).join() ||
  'waits'))
let all = 0
for (const r of flood) {
  const { answers } = await follow(r)
  all += answers.filter((m) => !tag(m, 'Code')).length
}
say('answers of the flood', all)

// ---- over many messages ---------------------------------------------------
const whole = 'temperature = 0, max_tokens = 320, apus = { ignore_eos = true }'
const one = (await u.lua(`local a, why = Apus.run("What is 6 + 24?", { ${whole}
  }) return a and a.result .. " " .. a.positions or why`)).out
const r = await u.lua('Got = nil Apus.ask("What is 6 + 24?", { each = 20, ' +
  whole + ' }, function(a, why) Got = a and a.result .. " " .. ' +
  'a.positions or why end) return "asked"')
const { steps } = await follow(r, kills)
const many = (await u.lua('return tostring(Got)')).out
say('messages', steps, many === one ? 'the same record' : many + ' ' + one)
process.exit(0)
