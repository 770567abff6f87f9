/*
 * The official client of AO against localnet, in both of its modes, as an
 * author of a DApp uses it:
 *
 *     node client.mjs NET legacy|mainnet
 *
 * NET is the directory of the localnet.  Prints "ok NAME" and "not ok NAME".
 */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const find = createRequire(process.env.NODE_PATH + '/')
const { connect, createDataItemSigner } =
    await import(pathToFileURL(find.resolve('@permaweb/aoconnect')
        .replace(/index\.cjs$/, 'index.js')))

const [,, net, mode] = process.argv
const conf = {}
for (const line of fs.readFileSync(net + '/apus.conf', 'utf8').split('\n')) {
    const at = line.indexOf(' = ')
    if (at > 0) conf[line.slice(0, at)] = line.slice(at + 3)
}
const wallet = JSON.parse(fs.readFileSync(net + '/dapp.json', 'utf8'))
const signer = createDataItemSigner(wallet)
const ao = mode === 'legacy'
    ? connect({ MODE: 'legacy', MU_URL: conf['ao-mu'], CU_URL: conf['ao-cu'],
        GATEWAY_URL: conf.gateways.split(' ')[0] })
    : connect({ MODE: 'mainnet', URL: conf['ao-node'], signer })

let failed = 0
const say = (good, name) => {
    console.log((good ? 'ok ' : 'not ok ') + mode + ': ' + name)
    failed += !good
}
const step = async (name, check, run) => {
    let got
    try {
        got = await run()
        const good = check(got)
        say(good, name)
        if (!good) console.log('# ' + JSON.stringify(got))
    } catch (e) {
        say(false, name)
        console.log('# ' + String(e.stack).replace(/\n/g, '\n# '))
    }
    return got
}
const tags = (t) => Object.entries(t).map(([name, value]) => ({ name, value }))
const reply = (r) => r.Messages[0]
const tag = (m, name) => m.Tags.find((t) => t.name === name)?.value

const lua = `
Count = 0
Handlers.add("Add", "Add", function(msg)
    Count = Count + 1
    msg.reply({ Action = "Added", Data = msg.Data .. " " .. Count })
end)
Handlers.add("Boom", "Boom", function() error("boom") end)
Handlers.add("Read", "Read", function(msg)
    msg.reply({ Action = "Value", Data = "at " .. Count .. " " .. msg.Data })
end)`

const process_ = await step('spawn', (id) => /^[\w-]{43}$/.test(id),
    () => ao.spawn({ module: conf['ao-module'],
        scheduler: conf['ao-scheduler'], authority: conf['ao-authority'],
        signer, data: lua,
        tags: tags({ 'On-Boot': 'Data', Name: 'counter' }) }))

let message
for (const i of [1, 2, 3]) {
    message = await step('message ' + i, (m) => !!m, () => ao.message({
        process: process_, signer, data: 'x', tags: tags({ Action: 'Add' }) }))
    /* at once: it waits for the evaluation */
    await step('its result', (r) => reply(r).Data === 'x ' + i &&
        tag(reply(r), 'Action') === 'Added', () => ao.result({
        process: process_, message, slot: message }))
}
const bad = await ao.message({ process: process_, signer, data: 'x',
    tags: tags({ Action: 'Boom' }) })
await step('the result of an error', (r) => r.Error.includes('boom'),
    () => ao.result({ process: process_, message: bad }))

await step('a dry run', (r) => reply(r).Data === 'at 3 y' &&
    tag(reply(r), 'Action') === 'Value', () => ao.dryrun({
    process: process_, data: 'y', tags: tags({ Action: 'Read' }) }))

if (mode === 'legacy') {
    let from, seen = []
    for (let page = 0; page < 5; page++) {
        const r = await step('page ' + page + ' of results',
            (r) => Array.isArray(r.edges), () => ao.results({
                process: process_, sort: 'ASC', limit: 2,
                ...(from && { from }) }))
        if (r.edges.length === 0) break /* it leaves pageInfo out */
        seen = seen.concat(r.edges.map((e) => e.node))
        from = r.edges.at(-1).cursor
    }
    say(seen.length === 5, 'pages hold all results')
    say(seen.slice(1, 4).every((r, i) => reply(r).Data === 'x ' + (i + 1)),
        'in their order')
    await step('the last result', (r) => r.edges.length === 1 &&
        r.edges[0].node.Error.includes('boom'), () => ao.results({
        process: process_, sort: 'DESC', limit: 1 }))
} else {
    await step('the last result', (r) => r.edges.length === 1 &&
        r.edges[0].cursor === '4' && r.edges[0].node.Error.includes('boom'),
    () => ao.results({ process: process_ }))
    await step('the id of a message', (m) => /^[\w-]{43}$/.test(m.id) &&
        m.slot === '5', () => ao.message({ process: process_, data: 'x',
        tags: tags({ Action: 'Add' }), returnMessageId: true,
        returnAssignmentSlot: true }))
}
process.exit(failed ? 1 : 0)
