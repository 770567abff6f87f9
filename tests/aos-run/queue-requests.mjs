// What DApps say, and what they are told.
import { readFileSync } from 'node:fs'
import { id } from './aos.mjs'
import { is, ok } from './tap.mjs'
import {
  complete, infer, known, lines, model, model2, mu, owner, pull, registers,
  result, result_of_file,
  source, working
} from './queue.mjs'

const alice = id('alice')
const bob = id('bob')

// The line that a node would get for one request.
async function lineOf (q, tags, data, from = alice, more = {}) {
  const [made, got] = await q.many([
    [from, infer(undefined, tags), data, more], [q.node, pull({ Max: '1' })]])
  return made.first ? made : lines(got)[0]
}

export async function forms () {
  const q = await working()
  is(await lineOf(q, { 'X-Reference': 'q1' }, 'Why is "it"?\n\x01\u2603',
    alice, { id: id('q1') }), {
    id: id('q1'),
    from: alice,
    reference: 'q1',
    model,
    form: 'chat',
    prompt: 'Why is "it"?\n\x01\u2603',
    max_tokens: '256',
    temperature: '1000000',
    top_p: '1000000',
    top_k: '0',
    flags: '0',
    seed: '',
    stops: [],
    fee: '0'
  }, 'a text, with the defaults')
  const json = { 'Content-Type': 'application/json' }
  const messages = [{ role: 'system', content: 'brief' },
    { role: 'user', content: '\u{1F600}"' }]
  let l = await lineOf(q, json, JSON.stringify({ messages }))
  is([l.form, JSON.parse(l.prompt)], ['messages', messages],
    'messages, decoded by AOS')
  l = await lineOf(q, { 'Content-Type': 'application/json; charset=utf-8' },
    '{"messages":[{"role":"user","content":"\\ud83d\\ude00"}]}')
  is([l.form, l.prompt],
    ['messages', '[{"role":"user","content":"\u{1F600}"}]'],
    'messages, decoded by the queue')
  l = await lineOf(q, json, '{"prompt":"Once upon"}')
  is([l.form, l.prompt], ['prompt', 'Once upon'], 'a prompt as it stands')
  l = await lineOf(q, json, '{"prompt":["Once"],"model":"tiny","tools":[]}')
  is([l.form, l.prompt, l.model], ['prompt', 'Once', model2],
    'a body with a model and what changes nothing')
  l = await lineOf(q, json, JSON.stringify({
    messages: [{ role: 'tool', content: 'x', tool_call_id: 'c' }],
    tools: [{ a: 1 }], documents: [], apus: { date: '2026-02-28' }
  }))
  is([l.form, l.prompt], ['messages', '{"messages":[{"role":"tool",' +
    '"content":"x","tool_call_id":"c"}],"tools":[{"a":1}],' +
    '"apus":{"date":"2026-02-28"}}'], 'tools and a date')
  l = await lineOf(q, json, JSON.stringify({
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
    max_tokens: 10
  }))
  is([l.form, l.prompt, l.max_tokens],
    ['messages', '[{"role":"user","content":"hi"}]', '10'],
    'parts, and parameters')
  l = await lineOf(q, { 'X-Prompt': 'in a tag' }, '1984')
  is([l.form, l.prompt], ['chat', 'in a tag'], 'a prompt in a tag')
  l = await lineOf(q, { 'X-Source': source })
  is([l.form, l.prompt], ['source', source], 'a prompt on Arweave')
  l = await lineOf(q, { ...json, 'X-Source': source }, '{}')
  is([l.form, l.prompt], ['source-json', source], 'JSON on Arweave')
  l = await lineOf(q, { 'X-Model': 'tiny' }, 'by name')
  is(l.model, model2, 'a model by name')
  l = await lineOf(q, { 'x_model': model2 }, 'by id')
  is(l.model, model2, 'a model by id, its tag in another spelling')
  l = await lineOf(q, {}, 'x'.repeat(16384))
  is([l.prompt.length, l.reference], [16384, l.id], 'a prompt of 16 KiB')
}

export async function options () {
  const q = await working()
  const read = JSON.parse(readFileSync(process.env.OPTIONS_JSON, 'utf8'))
  const said = await q.many(read.good.flatMap(([text]) => [
    [alice, infer(undefined, { 'X-Options': text }), 'x'],
    [q.node, pull({ Max: '1' })]]))
  read.good.forEach(([text, want], i) => {
    const l = lines(said[2 * i + 1])[0] ?? {}
    const got = Object.fromEntries(Object.keys(want).map((k) => [k, l[k]]))
    is(got, want, 'options ' + text)
  })
  const bad = await q.many(read.bad.map((text) =>
    [alice, infer('b', { 'X-Options': text }), 'x']))
  const wrong = read.bad.filter((_, i) => bad[i].code !== '400' ||
    !bad[i].first.Message.startsWith('X-Options: '))
  is(wrong, [], `${bad.length} wrong options are refused`)
}

export async function refused () {
  const q = await working()
  const json = { 'Content-Type': 'application/json' }
  const cases = [
    ['400', {}, ''], ['400', {}, 'x'.repeat(16385)], ['400', {}, 'a\0b'],
    ['400', { 'X-Reference': '' }, 'x'],
    ['400', { 'X-Reference': 'r'.repeat(129) }, 'x'],
    ['400', { 'X-Session': 's'.repeat(129) }, 'x'],
    ['400', { 'X-Source': 'nothing' }, ''],
    ['400', { 'X-Source': id('x').slice(0, 42) + '_' }, ''],
    ['400', { 'X-Source': source, 'X-Prompt': 'too' }, ''],
    ['404', { 'X-Model': 'none' }, 'x'],
    ['404', { 'X-Node': id('nobody') }, 'x'],
    ['404', { 'X-Node': 'x' }, 'x'],
    ...['{}', '[]', '17', '"text"', '"{\\"prompt\\":\\"twice\\"}"',
      '{"prompt":17}', '{"prompt":""}', '{"prompt":"\\u0000"}',
      '{"prompt":"a","messages":[{}]}', '{"messages":[]}',
      '{"prompt":"a","model":"none"}', '{"prompt":"a","max_tokens":0}',
      '{"messages":[{"role":"function","content":"x"}]}',
      '{"messages":[{"role":"user","content":"x","name":"n"}]}',
      '{"messages":[{"role":"user"}]}',
      '{"messages":[{"role":"user","content":"\\ud800"}]}',
      '{"prompt":"\\udfff"}', `{"prompt":"${'x'.repeat(16385)}"}`
    ].map((data) => ['400', json, data]),
    ...['{"prompt":"x","prompt":"y"}', '{"prompt":"x"', '{"prompt":"\\ud800"}',
      '{"prompt":"x"} y', '{"a":'.repeat(40)
    ].map((data) => ['400', { 'Content-Type': 'application/json;x' }, data]),
    // what AOS has decoded, less strictly
    ...['{"prompt":"x","prompt":"y"}', '{"prompt":"x",}',
      '{"prompt":"x","other":null}', '{"prompt":[]}',
      '{"messages":[{"role":"user","content":"x"},]}',
      '{"messages":[{"role":"user","content":"x"},null]}',
      '{"messages":[{"role":"user","content":"x","nam":null}]}'
    ].map((data) => ['400', json, data]),
    ...['01', '{"a":1,}'].flatMap((data) => [
      ['400', { ...json, 'X-Prompt': 'p' }, data],
      ['400', { ...json, 'X-Source': source }, data]])
  ]
  const said = await q.many(cases.map(([, tags, data], i) =>
    [alice, { 'X-Reference': 'r' + i, ...tags, Action: 'Infer' }, data]))
  const wrong = cases.filter(([code, tags], i) => said[i].code !== code ||
    said[i].first.Action !== 'Infer-Response' || said[i].out.length !== 1 ||
    said[i].first.to !== alice || !said[i].first.Message ||
    (!('X-Reference' in tags) && said[i].first['X-Reference'] !== 'r' + i))
  is(wrong, [], `${cases.length} requests are refused at once`)
  is(lines((await q.many([[q.node, pull()]]))[0]), [],
    'and none of them waits')
}

// Data that AOS itself cannot decode.
export async function broken () {
  const q = await working()
  const json = { 'Content-Type': 'application/json' }
  const all = ['{"prompt"', '{"prompt":"x"} y', 'nothing', '{"a":',
    '['.repeat(60000)]
  const first = await q.say(alice, infer('a', json), all[0])
  const said = [first, ...await q.many(all.map((data) =>
    [alice, infer('a', json), data]))]
  is(said.map((a) => a.code), said.map(() => '400'),
    'invalid JSON is refused')
  ok(said.every((a) => a.first.Message.startsWith('Data: ')),
    'with an answer that says why')
  is(await q.ask('return tostring((pcall(require("json").decode, "{")))'),
    'false', 'other code still gets the error')
}

export async function answers () {
  const q = await working()
  const p = id('dapp')
  const pushed = { 'From-Process': p, 'From-Module': id('module') }
  const tags = { 'Pushed-For': id('pushed'), Reference: '7', ...pushed }
  const [made, , batch] = await q.many([
    [p, infer('q1', { 'X-Session': 's1', ...tags }), 'hi', { owner: mu }],
    [bob, infer(undefined), 'from a wallet'],
    [q.node, pull(), '', { id: id('batch') }]])
  is([made.out, made.pending], [[], '1'], 'a request is taken in silence')
  is(batch.code, '200', 'it is pulled')
  const [a] = await q.many([[q.node, complete(id('batch')),
    result(lines(batch)[0].id) + '\n' + result(lines(batch)[1].id,
      { text: '', finish: 16, n_out: 0 })]])
  is([a.first.to, a.code, a.first.Accepted], [q.node, '200', '2'],
    'the first message is for the node')
  const { to, Action, Code, data } = a.out[1]
  is([to, Action, Code, a.out[1]['X-Reference'], a.out[1]['X-Session']],
    [p, 'Infer-Response', undefined, 'q1', 's1'],
    'the requester gets its answer, as Apus has it')
  const [hash, job] = known(lines(batch)[0].id)
  is(data, JSON.stringify({
    result: 'an answer',
    attestation: {
      request: lines(batch)[0].id,
      node: q.node,
      model,
      job,
      result: hash,
      batch: id('batch'),
      item: id('item')
    }
  }), 'with what proves it')
  is([a.out[2].to, a.out[2].Code, a.out[2].Message],
    [bob, '422', 'activation out of range'], 'an error is an answer')
  const [w, other] = await q.many([
    [p, infer('q1', { 'X-Session': 's2', ...tags }), 'hi', { owner: mu }],
    [p, infer('q1', tags), 'other', { owner: mu }]])
  is([w.first.to, JSON.parse(w.first.data).result, w.first['X-Session']],
    [p, '', 's2'], 'asked again it is told again')
  is([other.out, other.pending], [[], '1'],
    'something new under the reference of what is done is a request')
}

export async function open () {
  const q = await working()
  const ask = (from, tags) => [from, { Action: 'Status', ...tags }]
  const first = id('first')
  const s = await q.many([
    [alice, infer('a'), 'x', { id: first }], [alice, infer('a'), 'x'],
    [alice, infer('a'), 'y'], [bob, infer('a'), 'x', { id: id('b') }],
    ask(alice, { 'X-Reference': 'a' }), ask(bob, { Request: first }),
    [bob, { Action: 'Cancel', Request: first }],
    [alice, { Action: 'Cancel', 'X-Reference': 'a' }],
    ask(bob, { Request: first }),
    [q.node, pull(), '', { id: id('batch') }],
    [bob, { Action: 'Cancel', 'X-Reference': 'a' }],
    ask(bob, { 'X-Reference': 'a' }),
    [q.node, complete(id('batch')), result(id('b'))],
    ask(alice, { Request: id('b') }),
    [bob, { Action: 'Cancel', Request: id('b') }],
    [alice, { Action: 'Balance' }], [alice, { Action: 'Info' }]])
  is([s[1].out, s[1].pending], [[], undefined],
    'a request that is open is not made twice')
  is(s[2].code, '409', 'nor another under its reference')
  is(s[3].pending, '2', 'references are those of their requesters')
  is([s[4].first.State, s[5].first.State], ['pending', 'pending'],
    'status: pending')
  is([s[6].code, s[7].code, s[8].first.State], ['404', '200', 'gone'],
    'cancelled by its requester alone')
  is([lines(s[9]).length, s[10].code], [1, '409'], 'but not when leased')
  is([s[11].first.State, s[11].first.Node], ['leased', q.node],
    'status: leased')
  is([s[13].first.State, s[13].first.Result, s[13].first.Item, s[14].code],
    ['done', known(id('b'))[0], id('item'), '409'], 'status: done')
  is([s[15].first.Balance, s[15].first.Account], ['0', alice], 'balance')
  const i = s[16].first
  is([i.Version, i.Open, i.Done], ['2.2', '0', '1'], 'info')
}

export async function batches () {
  const q = await working()
  const count = (n) => result_of_file(id('file'), { count: n })
  const file = {
    Action: 'Infer-Batch',
    'X-Source': source,
    'X-Count': '100000',
    'X-Sha256': id('sha'),
    'X-Reference': 'f'
  }
  const s = await q.many([
    [alice, infer('1'), 'x'], [alice, file, '', { id: id('file') }],
    [alice, infer('2'), 'x'],
    [alice, { ...file, 'X-Count': '0', 'X-Reference': 'g' }],
    [alice, { ...file, 'X-Sha256': 'x', 'X-Reference': 'g' }],
    [alice, { ...file, 'X-Source': 'x', 'X-Reference': 'g' }],
    [q.node, pull(), '', { id: id('p1') }],
    [q.node, pull({ Batch: id('p1') })],
    [q.node, pull(), '', { id: id('p2') }],
    [q.node, pull({ Batch: id('p2') })], [q.node, pull()],
    ...[result(id('file')), count('0'), count('x'), count(undefined),
      count('100001'), count('100000'), count('99999')
    ].map((data) => [q.node, complete(id('p2')), data])])
  is([s[3].code, s[4].code, s[5].code], ['400', '400', '400'],
    'a file needs a count, a hash and a source')
  is([s[6].first.Kind, lines(s[6]).length, s[7].code], ['requests', 1, '204'],
    'requests come without a file')
  is([s[8].first.Kind, s[8].first.data], ['batch', JSON.stringify({
    id: id('file'),
    from: alice,
    reference: 'f',
    model,
    form: 'batch',
    prompt: source,
    count: '100000',
    sha256: id('sha'),
    fee: '0'
  }) + '\n'], 'a file comes alone')
  is([s[9].code, lines(s[10]).length], ['409', 1], 'and stays alone')
  is(s.slice(11, 15).map((a) => a.code), Array(4).fill('400'),
    'its result has no records, and a count')
  is([s[15].first.Refused, lines(s[15])[0].reason], ['1',
    'more results than lines'], 'of at most the lines of the file')
  is(s[17].first.Repeated, '1', 'it counts once')
  is([s[16].out[1].Action, s[16].out[1].Statement, s[16].out[1].Code],
    ['Infer-Batch-Response', id('statement'), undefined],
    'its requester gets the statement')
  const bad = [{ result: 'x' }, { record: '' }, { jobrecord: '' },
    { text: '' }, { ids: '' }]
  const u = await q.many(bad.map((more) => [q.node, complete(id('p2')),
    result_of_file(id('file'), more)]))
  is(u.map((a) => a.code), Array(5).fill('400'),
    'a file has its root and no records')
}

export async function prices () {
  const q = await working()
  const s = await q.many([
    ...['-1', '007', ' 5 ', '0x10', '1e3', '1.5', '', '9'.repeat(31)].map(
      (Price) => [owner, { Action: 'Set', Price }]),
    [owner, registers(id('m3'), 'dear', { Price: '9'.repeat(30) })],
    [alice, infer('a', { 'X-Model': 'dear' }), 'x'],
    [owner, { Action: 'Set', Token: id('token') }],
    [id('token'), { Action: 'Credit-Notice', Sender: bob, Quantity: '17' }],
    [alice, { Action: 'Credit-Notice', Sender: bob, Quantity: '17' }],
    [id('token'), { Action: 'Credit-Notice', Sender: bob, Quantity: '1e3' }]])
  ok(s.slice(0, 8).every((a) => a.code === '400'),
    'amounts are digits and nothing else')
  is([s[8].code, s[9].code], ['200', '402'], 'no payment yet')
  is(s[11].out.map((m) => [m.to, m.Action, m.Recipient, m.Quantity]),
    [[id('token'), 'Transfer', bob, '17']], 'what is paid goes back')
  is([s[12].out, s[13].out], [[], []], 'nothing else is paid')
}

// A price is that of the model that is asked, not of the default.
export async function prices_of_models () {
  const q = await working()
  const json = { 'Content-Type': 'application/json' }
  const body = (name) => JSON.stringify({ prompt: 'a', model: name })
  const option = (name) => ({ 'X-Options': JSON.stringify({ model: name }) })
  const s = await q.many([
    [owner, registers(id('m3'), 'dear', { Price: '5' })],
    [owner, { Action: 'Set', 'Default-Model': 'dear' }],
    [alice, infer('a', json), body('tiny')],
    [alice, infer('b', option('tiny')), 'x'],
    [alice, infer('c', { 'X-Model': 'tiny' }), 'x'],
    [alice, infer('d', { ...option('tiny'), 'X-Model': 'tiny' }), 'x'],
    [alice, infer('e'), 'x'],
    [alice, infer('f', json), body('dear')],
    [alice, infer('g', option('dear')), 'x'],
    [alice, infer('h', { 'X-Model': 'none' }), 'x'],
    [alice, infer('i', { ...json, 'X-Model': 'dear' }), body('tiny')],
    [owner, { Action: 'Set', 'Default-Model': 'tiny' }],
    [alice, infer('j', option('dear')), 'x'],
    [alice, infer('k'), 'x'],
    [alice, { Action: 'Infer-Batch', 'X-Source': source, 'X-Count': '1',
      'X-Sha256': source, 'X-Model': 'dear' }]])
  is(s.slice(2, 6).map((a) => a.code), Array(4).fill(undefined),
    'a free model under a default that has a price')
  is([...s.slice(6, 11), s[12], s[13], s[14]].map((a) => a.code),
    ['402', '402', '402', '404', '400', '402', undefined, '402'],
    'and what is refused')
  const l = lines((await q.many([[q.node2, pull()]]))[0])
  is([...new Set(l.map((x) => x.model))], [model2], 'all of one model')
}
