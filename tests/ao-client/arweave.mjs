/*
 * arweave-js against localnet's gateway, as somebody uses it who looks after
 * what was uploaded in bulk:
 *
 *     node arweave.mjs URL NET ITEM
 *
 * ITEM is in a block and larger than a chunk.  Prints "ok NAME" and "not ok
 * NAME".
 */
import fs from 'node:fs'
import { createRequire } from 'node:module'

const Arweave = createRequire(process.env.NODE_PATH + '/')('arweave')
const [,, url, net, item] = process.argv
const at = new URL(url)
const arweave = Arweave.init({ host: at.hostname, port: at.port,
    protocol: 'http' })
const jwk = JSON.parse(fs.readFileSync(net + '/dapp.json', 'utf8'))
/* it tells on the console what it tries */
console.error = console.warn = () => {}

let failed = 0
const step = async (name, check, run) => {
    let got
    try {
        got = await run()
        const good = check(got)
        console.log((good ? 'ok ' : 'not ok ') + name)
        if (!good) console.log('# ' + JSON.stringify(got))
        failed += !good
    } catch (e) {
        console.log('not ok ' + name)
        console.log('# ' + String(e.stack).replace(/\n/g, '\n# '))
        failed++
    }
    return got
}
const same = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0
const raw = async (id) =>
    (await fetch(`${url}/raw/${id}`)).arrayBuffer()

await step('network', (i) => i.network === 'localnet' && i.height > 0,
    () => arweave.network.getInfo())
await step('peers', (p) => p.length === 0, () => arweave.network.getPeers())
const address = await arweave.wallets.jwkToAddress(jwk)
await step('balance', (b) => b === '10000000000000',
    () => arweave.wallets.getBalance(address))
await step('last transaction', (t) => t === '',
    () => arweave.wallets.getLastTransactionID(address))
await step('anchor', (a) => /^[\w-]{64}$/.test(a),
    () => arweave.transactions.getTransactionAnchor())
await step('price', (p) => p === '1000000',
    () => arweave.transactions.getPrice(1000, address))

const bytes = await raw(item)
await step('data of an item', (d) => same(d, bytes),
    () => arweave.transactions.getData(item, { decode: true }))
const found = await step('a query', (q) => q.edges[0].node.id === item,
    () => arweave.api.post('graphql', { query: `{ transactions(ids:
        ["${item}"]) { edges { node { id bundledIn { id } } } } }` })
        .then((r) => r.data.data.transactions))
const root = found.edges[0].node.bundledIn.id
await step('a transaction', (t) => t.id === root,
    () => arweave.transactions.get(root))
await step('its signature', (good) => good, async () =>
    arweave.transactions.verify(await arweave.transactions.get(root)))
await step('its status', (s) => s.confirmed.number_of_confirmations > 0,
    () => arweave.transactions.getStatus(root))
const whole = await raw(root)
await step('its chunks', (d) => d.length > 262144 && same(d, whole),
    () => arweave.chunks.downloadChunkedData(root))
await step('the status of what is not there', (s) => s.status === 404,
    () => arweave.transactions.getStatus(address))

const tx = await arweave.createTransaction({ data: 'x' }, jwk)
await arweave.transactions.sign(tx, jwk)
await step('a transaction is refused, with the remedy', (r) =>
    r.status === 501 && r.data.error.includes('/bundler'),
() => arweave.transactions.post(tx))
process.exit(failed ? 1 : 0)
