// The queue in the real module of AO: TAP.  QUEUE_LUA is the file; with names
// of parts as arguments only these run.
import { done, note } from './tap.mjs'
import * as requests from './queue-requests.mjs'
import * as guards from './queue-guards.mjs'
import * as nodes from './queue-nodes.mjs'
import * as owners from './queue-owner.mjs'
import * as ends from './queue-ends.mjs'
import * as windows from './queue-windows.mjs'
import * as disputes from './queue-disputes.mjs'
import * as audited from './queue-audits.mjs'
import { random_games } from './queue-random.mjs'

const parts = { ...requests, ...guards, ...nodes, ...owners, ...ends,
  ...windows, ...disputes, ...audited, random_games }
const names = process.argv.length > 2 ? process.argv.slice(2)
  : Object.keys(parts)
for (const name of names) {
  // the loader has its own Date
  const began = process.hrtime.bigint()
  await parts[name]()
  const ms = Number((process.hrtime.bigint() - began) / 1000000n)
  note(`${name}: ${ms} ms`)
}
done()
