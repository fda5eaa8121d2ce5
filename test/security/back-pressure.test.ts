/** This file lets one side read nothing: the other is held back, nothing gathers here, and what was held back arrives whole. */
import { connect } from 'node:net'
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { rawRequest } from '../support/raw.ts'
import { eventually } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const block = Buffer.alloc(64 * 1024, 'x')
const blocks = 1024
let written = 0
const app = await startUpstream(t, {
  answer: (_request, response) => {
    response.writeHead(200, { 'Content-Length': block.length * blocks })
    const push = (): void => {
      while (written < blocks && response.write(block)) written++
      if (written === blocks) response.end()
    }
    // What `write` refuses is kept all the same: it counts, and the next one waits for the drain.
    response.on('drain', () => {
      written++
      push()
    })
    push()
  }
})
const gateway = await startGateway(t, { upstreams: { app: { url: app.origin } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }] })

t.test('CVE-2026-25224 an upstream of a client that does not read is held back, and goes on when it reads', async t => {
  const client = connect(gateway.port, '127.0.0.1')
  t.teardown(() => { client.destroy() })
  let read = 0
  client.pause()
  client.on('data', chunk => { read += chunk.length })
  client.pause()
  client.write(rawRequest({ target: '/x' }))
  t.ok(await eventually(() => written > 0, 5000))
  let last = -1
  // It stands still for half a second.
  for (let rounds = 0; rounds < 40 && last !== written; rounds++) {
    last = written
    await new Promise(resolve => { setTimeout(resolve, 500) })
  }
  t.ok(written < blocks / 4, `${written} of ${blocks} blocks were taken in`)
  client.resume()
  t.ok(await eventually(() => read >= block.length * blocks, 30_000), `${read} bytes arrive`)
})
