// Every hole of a process on AOS, tried from outside; each in a message of
// its own, through the whole of the module.
import { createHash } from 'node:crypto'
import { boot, id, pid, who } from './aos.mjs'
import { is, ok } from './tap.mjs'
import {
  complete, infer, lines, load, model, mu, owner, parts, pull, queue,
  registers, result, said, working
} from './queue.mjs'

const alice = id('alice')
const bob = id('bob')
const forged = ['Id', 'OWNER', 'from', 'Module', 'Timestamp', 'timestamp',
  'TIMESTAMP', 'Block-Height', 'block_height', 'Nonce', 'Epoch', 'Hash-Chain',
  'Read-Only', 'hash_chain', 'Cron', 'Reply-To', 'reply_to', 'path', 'Method']
const pushed = ['Reference', 'reference', 'From-Process', 'From-Module',
  'Pushed-For', 'pushed_for']

export async function tags () {
  const q = await working()
  const with_ = (name) => [{ name: 'Action', value: 'Status' },
    { name, value: '9999999999999' }]
  const s = await q.many([...forged, ...pushed].map((name) =>
    [alice, with_(name)]))
  const let_in = [...forged, ...pushed].filter((_, i) => s[i].code !== '400')
  is(let_in, [], 'what the scheduler says of a message is not for its sender')
  const by = await q.many(forged.map((name) => [id('dapp'), [...with_(name),
    { name: 'From-Process', value: id('dapp') }], '', { owner: mu }]))
  is(forged.filter((_, i) => by[i].code !== '400'), [],
    'nor for a process whose message a messenger brings')

  const until = async (tags) => (await q.say(q.node, { ...pull(), ...tags }))
  await q.say(alice, infer('a'), 'x')
  let a = await until({ timestamp: '9999999999999' })
  is([a.code, lines(a)], ['400', []], 'a lease for ever cannot be forged')
  a = await until({ timestamp: '9999999999999', read_only: 'true' })
  is([a.code, lines(a)], ['400', []], 'nor by calling it a dry run')
  a = await until({})
  is(a.code, '200', 'the request is still there')
  a = await q.say(bob, { ...complete(a.first.Batch), owner: q.node },
    result(lines(a)[0].id))
  is(a.code, '400', 'nor can a node')
  a = await q.say(alice, infer('r', { 'Reply-To': bob }), 'x')
  is([a.code, a.first.to], ['400', alice], 'answers go to the sender')

  const twice = (name, x, y) => [{ name: 'Action', value: 'Infer' },
    { name, value: x }, { name: name.toLowerCase(), value: y }]
  a = await q.say(alice, twice('X-Model', 'nano', 'tiny'), 'x')
  is(a.code, '400', 'a tag in two spellings is refused')
  a = await q.say(alice, [{ name: 'Action', value: 'Balance' },
    { name: 'Action', value: 'Infer' }], 'x')
  is(a.code, '400', 'two actions too')
  const many = Array.from({ length: 70 }, (_, i) =>
    ({ name: 'Tag-' + i, value: 'x' }))
  a = await q.say(alice, [{ name: 'Action', value: 'Info' }, ...many])
  is(a.code, '400', 'so are 70 tags')
}

export async function senders () {
  const q = await working()
  let a = await q.say(mu, { Action: 'Info', 'From-Process': mu }, '',
    { owner: bob })
  is([a.error, a.out], [undefined, []], 'nobody speaks as an authority')
  a = await q.say(mu, { Action: 'Info' })
  is(a.out, [], 'not even the authority')
  a = await q.say(id('dapp'), { Action: 'Info', 'From-Process': id('dapp') },
    '', { owner: bob })
  is(a.out, [], 'a process is heard through an authority alone')
  a = await q.say(id('dapp'), {
    Action: 'Info', 'From-Process': id('dapp'), Reference: '3'
  }, '', { owner: mu })
  is([a.code, a.first.to, a.first['X-Reference']], ['200', id('dapp'), '3'],
    'through one it is, and can wait for its answer')
  for (const from of ['', '1234', '0x52908400098527886E0F7030069857D2E4169EE7',
    'a b/c', 'x'.repeat(65)]) {
    a = await q.say(from, { Action: 'Info' })
    is([a.code, a.first.to], ['200', from], 'who asks is answered: ' + from)
  }
  a = await q.say('0x52908400098527886E0F7030069857D2E4169EE7', infer('e'), 'x')
  is(a.out, [], 'a wallet of Ethereum makes a request')
  a = await q.say('0x52908400098527886E0F7030069857D2E4169EE7',
    { Action: 'Status', 'X-Reference': 'e' })
  is(a.first.State, 'pending', 'and finds it by its reference')
  for (const from of ['a b', 'x'.repeat(65)]) {
    a = await q.say(from, infer('e'), 'x')
    is([a.code, a.first.to], ['400', from], 'a sender that is none: ' + from)
    a = await q.say(from, { Action: 'Cancel', 'X-Reference': 'e' })
    is(a.code, '400', 'it cancels nothing')
  }
  a = await q.say(alice, { Action: 'Nothing' })
  is([a.out, await q.ask('return #Inbox')], [[], '0'],
    'what nobody asked for does not stay')
  a = await q.say(owner, { Action: 'Infer' }, 'x', { target: bob })
  is([a.error, await q.ask('return Queue.n_open')], [undefined, '2'],
    'its owner can make a request as anybody')
}

// A rolled back message leaves what it was; a process without owner is not
// anybody's.
export async function ownership () {
  const q = await queue()
  const before = await q.ask('return Queue.serial')
  let a = await q.say(alice, { Action: 'Eval' }, 'Owner = "' + alice + '"')
  is([a.out, await q.ask('return Owner')], [[], owner],
    'code of a stranger is not run')
  a = await q.say(alice, infer('a', { 'Content-Type': 'application/json' }),
    '{"prompt"')
  is([a.error, a.code], [undefined, '400'], 'invalid JSON is refused')
  is(await q.ask('return Queue.serial'), before, 'and leaves nothing')
  a = await q.say(owner, { Action: 'Set', Operators: bob })
  is(a.code, '200', 'operators are named')
  await q.p.eval('Owner = nil')
  a = await q.say(alice, { Action: 'Info' })
  is(a.code, '200', 'an owner is lost by mistake')
  a = await q.say(alice, [{ name: 'Action', value: 'Info' },
    { name: 'Id', value: pid }])
  is(a.code, '400', 'somebody wants to be the next')
  a = await q.say(alice, { Action: 'Set', 'Max-Open': '1' })
  is(a.code, '403', 'and is not')
  a = await q.say(alice, { Action: 'Eval' }, 'return 1')
  is(a.raw.Output.data, '', 'nor does his code run')
  a = await q.say(bob, { Action: 'Set', 'Max-Open': '7' })
  is(a.code, '200', 'operators go on')
}

export async function frozen () {
  const q = await queue()
  let a = await q.say(owner, { Action: 'Freeze' })
  is(a.code, '409', 'nothing is frozen without operators')
  await q.say(owner, { Action: 'Set', Operators: bob })
  a = await q.say(bob, { Action: 'Freeze' })
  is(a.code, '403', 'operators do not freeze')
  a = await q.say(bob, { Action: 'Set', Operators: alice })
  is(a.code, '403', 'nor make operators')
  a = await q.say(owner, { Action: 'Freeze' })
  is(a.code, '200', 'the owner does')
  await q.say(alice, [{ name: 'Action', value: 'Info' },
    { name: 'Id', value: pid }])
  const code = 'Queue = nil return "done"'
  a = await q.say(alice, { Action: 'Eval' }, code)
  is(a.raw.Output.data, '', 'whoever comes next is no owner')
  a = await q.say(owner, { Action: 'Eval' }, code)
  is(a.raw.Output.data, '', 'nor is who was')
  a = await q.say(alice, [{ name: 'Action', value: 'Eval' },
    { name: 'Id', value: pid }, { name: 'Type', value: 'Process' }],
  'Queue = nil')
  const info = await q.say(alice, { Action: 'Info' })
  is([info.first.Frozen, info.code], ['yes', '200'], 'whoever it claims to be')
  a = await q.say(bob, { Action: 'Allow', Node: id('node') })
  is(a.code, '200', 'operators go on')
}

// Bytes that no tag or text of JSON can bring, straight to the handlers.
export async function surrogates () {
  const q = await working()
  const text = String.raw`
    local out = {}
    for _, s in ipairs({"\xED\xA0\x80", "\xC0\xAF", "\xFF", "a\0",
      "\xF4\x90\x80\x80"}) do
      Handlers.evaluate({ From = "${who('raw')}", Owner = "${who('raw')}",
        Id = "${id('raw')}", Data = s, Tags = {}, TagArray = {
        { name = "Action", value = "Infer" } } }, ao.env)
      local m = ao.outbox.Messages[#ao.outbox.Messages]
      out[#out + 1] = m.Tags[7].value
    end
    ao.clearOutbox()
    return table.concat(out, " ")`.replace(/\n {4}/g, '\n')
  is(await q.ask(text), '400 400 400 400 400',
    'bytes that are no UTF-8 are refused')
}

// Code in parts: nothing is served before all are there.
export async function loader () {
  const p = await boot()
  const list = parts()
  const say = async (from, tags, data, more) =>
    said(await p.send({ from, tags, data, ...more }))
  const missing = async () =>
    (await say(alice, { Action: 'Info' })).first?.Missing
  await p.eval(list[0])
  let a = await say(alice, { Action: 'Info', x_reference: 'r' })
  is([a.code, a.first.Missing, a.first['X-Reference'], a.first.to],
    ['503', '2,3,4', 'r', alice], 'a queue that is not whole says so')
  a = await say(alice, infer(), 'x', { id: id('message') })
  is([a.code, a.first.Action, a.first['X-Reference']],
    ['503', 'Infer-Response', id('message')], 'and takes no request')
  a = await say(id('dapp'), { Action: 'Pull', Reference: '7' }, '',
    { owner: mu })
  is([a.code, a.first.to, a.first['X-Reference']], ['503', id('dapp'), '7'],
    'a process gets its reference back')
  a = await say(alice, { Action: 'Info-Response' })
  is(a.out, [], 'an answer is not answered')
  is((await say(mu, { Action: 'Info' })).out, [], 'nor is an authority')
  await say(alice, { Action: 'Eval' }, list[1])
  is(await missing(), '2,3,4', 'a stranger brings no part')

  await p.eval(list[3])
  await p.eval(list[2])
  is(await missing(), '2', 'the last part comes first')
  const wrong = ['1, ""', '5, ""', '2.5, ""', '"2", ""', '2', '2, "end"',
    '2, ("-"):rep(81921)', '2, "error(1)"']
  const errors = []
  for (const w of wrong) {
    errors.push(!!(await p.eval(`return ApusQueue.take(${w})`)).Error)
  }
  is(errors, wrong.map(() => true), 'what is no part raises an error')
  is(await missing(), '2', 'and leaves nothing')
  await p.eval(list[1])
  a = await say(alice, { Action: 'Info' })
  const text = list.slice(1).map((s) =>
    s.split('\n').slice(2, -2).join('\n') + '\n').join('')
  is([a.code, a.first['Code-Sha256']],
    ['200', createHash('sha256').update(text).digest('base64url')],
    'whole, it says the hash of its code')

  await say(owner, registers(model, 'nano'))
  ok((await p.eval(list[1])).Error, 'a whole queue takes no part')
  await p.eval(list[0])
  is(await missing(), '2,3,4', 'new code begins with the first')
  a = await say(owner, registers(model, 'nano'))
  is(a.code, '503', 'and nothing of the old one is served')
  await load(p, list.slice(1))
  a = await say(alice, { Action: 'Models' })
  is(lines(a).map((l) => l.name), ['nano'], 'the state is as it was')
}
