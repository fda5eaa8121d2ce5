/** This file checks the application of the benchmarks: a gateway that gives a request another one's token must not pass there. */
import { once } from 'node:events'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t from 'tap'
import type { AppReport, AppSettings } from '../../bench/app.ts'
import { createCleanup } from '../../bench/cleanup.ts'
import { lookAtMachine } from '../../bench/machine.ts'
import { startProcess } from '../../bench/processes.ts'
import { build } from '../support/build.ts'
import { freePort } from '../support/ports.ts'

t.test('the application tells a wrong user, a wrong API, no token and a forged one from what is right', async t => {
  build()
  const cleanup = createCleanup()
  t.teardown(cleanup.run)
  const [ours, strange] = [await generateKeyPair('RS256'), await generateKeyPair('RS256')]
  const settings: AppSettings = {
    port: await freePort(), webSocketPort: await freePort(), jwks: { keys: [await exportJWK(ours.publicKey)] }
  }
  const command = [process.execPath, new URL('../../dist/bench/app.js', import.meta.url).pathname, JSON.stringify(settings)]
  const app = await startProcess({ ...lookAtMachine(), pin: (_role, command) => [...command] }, cleanup, {
    role: 'upstream', command, port: settings.webSocketPort, talks: true
  })

  async function ask (headers: Record<string, string>): Promise<AppReport> {
    const answer = await fetch(`http://127.0.0.1:${settings.port}/x`, { headers })
    t.equal((await answer.arrayBuffer()).byteLength, 1024)
    // What is verified behind has been by then.
    await new Promise(resolve => { setTimeout(resolve, 200) })
    const reported = once(app, 'message')
    app.send('report')
    return (await reported)[0] as AppReport
  }

  const token = async (oid: string, aud: string, { privateKey } = ours): Promise<string> =>
    `Bearer ${await new SignJWT({ oid }).setProtectedHeader({ alg: 'RS256' }).setAudience(aud).setExpirationTime('1h').sign(privateKey)}`
  const alice = { 'x-bench-user': 'alice', 'x-bench-audience': 'orders' }
  const nobody = { 'x-bench-user': '-', 'x-bench-audience': 'orders' }
  t.match(await ask({ ...alice, authorization: await token('alice', 'orders') }), { requests: 1, wrong: 0 })
  t.match(await ask(nobody), { requests: 1, wrong: 0 })
  t.match(await ask({ ...alice, authorization: await token('bob', 'orders') }), { wrong: 1, example: /bob/ })
  t.match(await ask({ ...alice, authorization: await token('alice', 'reports') }), { wrong: 1, example: /reports/ })
  t.match(await ask(alice), { wrong: 1, example: /no token/ })
  t.match(await ask({ ...nobody, authorization: await token('alice', 'orders') }), { wrong: 1 })
  t.match(await ask({ ...alice, authorization: await token('alice', 'orders', strange) }), { wrong: 1, example: /does not verify/ })
})
