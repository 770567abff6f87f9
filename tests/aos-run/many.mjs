// many.mjs MESSAGES.json: the queue (QUEUE_LUA) in a fresh process, then each
// message as run.mjs takes them, some dozens in one evaluation: a line of JSON
// for each.
import { readFileSync } from 'node:fs'
import { queue } from './queue.mjs'

const write = (o) => process.stdout.write(JSON.stringify(o) + '\n')
const q = await queue()
const all = JSON.parse(readFileSync(process.argv[2], 'utf8'))
for (let i = 0; i < all.length; i += 40) {
  const said = await q.many(all.slice(i, i + 40).map((m) =>
    [m.from, m.tags, m.data, { id: m.id, owner: m.owner ?? m.from }]))
  for (const { raw: { Messages, Error } } of said) write({ Messages, Error })
}
