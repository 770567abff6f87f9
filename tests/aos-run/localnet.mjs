// The legacynet of the npm package wao (messenger, scheduler, compute unit, a
// gateway, a bundler) in one process on 127.0.0.1.  Where wao differs from the
// deployed units in what our tests see, it is mended here.
import { createHash } from 'node:crypto'
import express from 'express'
import { DataItem } from '@dha-team/arbundles'
import { Server, Adaptor, acc, mu, su, connect } from 'wao/test'

const no = (error) => ({ status: 500, error })

const address = (key) =>
  createHash('sha256').update(key).digest('base64url')

class LoopbackAdaptor extends Adaptor {
  signer = {} // of what was posted: wao takes the messenger for each of them

  async mu_post_root (req) {
    const body = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0)
    if (!await DataItem.verify(body).catch(() => false)) {
      return no('body: A valid and signed data item must be provided as the' +
        ' body')
    }
    const item = new DataItem(body)
    const tag = (n) => item.tags.find((t) => t.name === n)?.value
    if (tag('Data-Protocol') !== 'ao') {
      return no("Error: Tag 'Data-Protocol': must contain 'ao'")
    }
    if (!['Process', 'Message'].includes(tag('Type'))) {
      return no("Error: Tag 'Type': must be either 'Process' or 'Message'")
    }
    if (tag('Type') === 'Message') {
      if (!this.mem.env[item.target]) {
        return no('Error: Process not found: ' + item.target)
      }
      if (this.mem.msgs[item.id]) return no('Error: Message already exists')
    }
    this.signer[item.id] = address(item.rawOwner)
    const r = await super.mu_post_root(req)
    for (const pid in this.mem.env) this.mend(this.mem.env[pid])
    if (r.error) return r
    const json = { message: 'Processing DataItem', id: item.id }
    return { status: 202, json }
  }

  // A compute unit throws away the memory of what ended in an Error, and says
  // who signed.
  mend (p) {
    if (!p.handle || p.handle.mended) return
    const real = p.handle
    p.handle = async (memory, msg, env) => {
      const Owner = this.signer[msg.Id] ?? msg.Owner
      const r = await real(memory, { ...msg, Owner }, env)
      const none = { Messages: [], Spawns: [], Assignments: [] }
      return r.Error ? { ...r, Memory: memory, ...none } : r
    }
    p.handle.mended = true
  }

  async cu_get_result (req) {
    const pid = req.query['process-id']
    if (!this.mem.env[pid]) return no('Error: Process not found: ' + pid)
    const { mid } = req.params
    if (!this.mem.msgs[mid]) return no('Error: Message or Process not found')
    return this.tidy(await super.cu_get_result(req))
  }

  async cu_post_dryrun (req) {
    return this.tidy(await super.cu_post_dryrun(req))
  }

  tidy (r) {
    if (!r.json) return r
    const { Memory, ...rest } = r.json
    const none = { Messages: [], Assignments: [], Spawns: [], Output: [] }
    return { ...r, json: { ...none, GasUsed: 0, ...rest } }
  }
}

export class Localnet extends Server {
  constructor (port) {
    const { mem } = connect(null, { log: false })
    const adaptor = new LoopbackAdaptor({ aoconnect: mem, log: false })
    super({
      ar: port, bd: port + 1, mu: port + 2, su: port + 3, cu: port + 4, adaptor
    })
    this.mem = mem
  }

  mu () {
    const app = express()
    app.use(express.raw({ type: '*/*', limit: '16mb' })) // wao: 100 kB
    this.launch('MU', app, { get: ['/'], post: ['/'] })
  }

  // on loopback only, and no failure without an answer
  launch (name, app, paths) {
    const unit = name.toLowerCase()
    for (const method in paths) {
      for (const path of paths[method]) {
        app[method](path, (req, res) =>
          this.adaptor.get(this.req(req, unit, path), this.res(res))
            .catch((e) => res.status(500).json({ error: String(e) })))
      }
    }
    this.servers.push(app.listen(this.ports[unit], '127.0.0.1'))
  }

  end () {
    return Promise.all(this.servers.map((s) => new Promise((resolve) => {
      s.close(resolve)
      s.closeAllConnections?.()
    })))
  }
}

// { urls, module, scheduler, authority, wallet, address, end() }
export async function start (port) {
  const net = new Localnet(port)
  await net.mem.init()
  const url = (n) => 'http://127.0.0.1:' + n
  const { ar, bd, mu: m, su: s, cu: c } = net.ports
  const { modules } = net.mem
  return Object.assign(net, {
    wallet: acc[0].jwk,
    address: acc[0].addr,
    wallets: acc.map((a) => a.jwk),
    authority: mu.addr,
    scheduler: su.addr,
    module: modules.aos2_0_6 ?? modules.aos2_0_1,
    urls: {
      gateway: url(ar), bundler: url(bd), mu: url(m), su: url(s), cu: url(c)
    }
  })
}
