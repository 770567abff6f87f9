// Answers that are not final: their window, and what it changes.
import { id } from './aos.mjs'
import { is } from './tap.mjs'
import {
  complete, infer, known, owner, pull, result, working
} from './queue.mjs'

const alice = id('alice')
const t = 1700000100000
const hour = 3600000
export const at = (ms, more) => ({
  timestamp: t + ms, height: 1500100 + Math.floor(ms / 600000), ...more
})
const status = (n, ms) => [alice, { Action: 'Status', Request: id(n) }, '',
  at(ms)]
const ask = (n, ms, tags) => [alice, infer(n, tags), n, at(ms, { id: id(n) })]
const set = (tags, ms = 0) => [owner, { Action: 'Set', ...tags }, '', at(ms)]

export async function windows () {
  const q = await working()
  const s = await q.many([
    ask('a', 0), set({ Window: '7200', 'Max-Requester': '2' }), ask('b', 0),
    ask('full', 0),
    [q.node, pull(), '', at(0, { id: id('p') })],
    [q.node, complete(id('p')), result(id('a')) + '\n' + result(id('b')),
      at(0)],
    status('a', 0), status('b', 0),
    ask('b', hour), [alice, infer('b'), 'other', at(hour)],
    [q.node, complete(id('p')), result(id('b')) + '\n' +
      result(id('b'), { trace: 'x' }), at(hour)],
    [alice, { Action: 'Cancel', 'X-Reference': 'b' }, '', at(hour)],
    [owner, { Action: 'Drop', Request: id('b') }, '', at(hour)],
    ask('c', hour), [alice, { Action: 'Info' }, '', at(hour)],
    status('b', 2 * hour - 1), status('b', 2 * hour), status('b', 3 * hour - 1),
    status('b', 3 * hour), [alice, { Action: 'Info' }, '', at(3 * hour)]])
  is([s[3].code, s[6].first.State, s[7].first.State, s[7].first.Until],
    ['429', 'done', 'answered', String(t + 2 * hour)],
    'a request has the window of its arrival')
  is(s[5].out.slice(1).map((m) => m.Until), [undefined,
    String(t + 2 * hour)], 'its answer says until when it is not final')
  is([JSON.parse(s[8].first.data).attestation.result, s[8].first.Until,
    s[9].code], [known(id('b'))[0], String(t + 2 * hour), '409'],
  'asked again it is told again, and holds its reference')
  is([s[10].first.Repeated, s[10].first.Conflicts], ['1', '1'],
    'results are compared with it')
  is([s[11].code, s[12].code], ['409', '409'], 'it is not cancelled or dropped')
  is([s[13].code, s[14].first.Open, s[14].first.Answered, s[14].first.Done],
    [undefined, '2', '1', '1'], 'it is open, but not one of its requester')
  is(s.slice(15, 19).map((a) => a.first.State),
    ['answered', 'answered', 'answered', 'done'], 'what is over ends twice')
  is([s[18].first.Conflict !== undefined, s[19].first.Answered,
    s[19].first.Done], [true, '0', '2'], 'with its conflict')
  const u = await q.many([{ Window: '2592001' }, { Window: '-1' },
    { Turn: '3599' }, { Turn: '172801' }, { Challengers: 'a b' }].map((x) =>
    set(x, 3 * hour)).concat([[alice, { Action: 'Set', Window: '0' }],
    set({ Operators: alice, Challengers: alice, Turn: '3600' }, 3 * hour),
    [alice, { Action: 'Set', Turn: '7200' }, '', at(3 * hour)],
    [alice, { Action: 'Info' }, '', at(3 * hour)]]))
  is(u.slice(0, 8).map((a) => a.code),
    ['400', '400', '400', '400', '400', '403', '200', '403'],
    'Window and Turn have bounds, and are the owner\'s')
  is([u[8].first.Window, u[8].first.Turn, u[8].first.Challengers],
    ['7200', '3600', alice], 'and are told')
}

// What nobody heard of is not over: an outage ends no window by itself, and a
// pause stops all.
export async function outages () {
  const q = await working()
  const s = await q.many([
    set({ Window: '3600' }), ask('a', 0),
    [q.node, pull(), '', at(0, { id: id('p') })],
    [q.node, complete(id('p')), result(id('a')), at(0)],
    status('a', 30 * hour), status('a', 31 * hour - 1),
    status('a', 31 * hour),
    ask('b', 31 * hour), [q.node, pull(), '', at(31 * hour, { id: id('r') })],
    [q.node, complete(id('r')), result(id('b')), at(31 * hour)],
    [owner, { Action: 'Pause', Mode: 'all' }, '', at(31.5 * hour)],
    [owner, { Action: 'Pause', Mode: 'no' }, '', at(50 * hour)],
    status('b', 50.5 * hour - 1), status('b', 50.5 * hour),
    status('b', 51.5 * hour)])
  is(s.slice(4, 7).map((a) => a.first.State), ['answered', 'answered', 'done'],
    'an outage of a day leaves an hour')
  is([s[12].first.Until, ...s.slice(12).map((a) => a.first.State)],
    [String(t + 50.5 * hour), 'answered', 'answered', 'done'],
    'in a pause no window runs')
}
