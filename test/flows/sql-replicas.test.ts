/** This file checks that two gateways behave as one over each SQL store, and that the database gives nothing away. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway, type TestGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/redis.ts'
import { startMysql, startPostgres, startSqlite } from '../support/sql.ts'
import { startUpstream } from '../support/upstream.ts'

const scope = 'api://orders/Orders.Read'
const user = 'alice@contoso.example'

for (const [kind, start] of [['PostgreSQL', startPostgres], ['MariaDB', startMysql], ['SQLite', startSqlite]] as const) {
  t.test(`${kind}: signed in at one, at work at the other, signed out at both`, async t => {
    const place = await start(t)
    const entra = await startEntra(t)
    const app = await startUpstream(t)
    const publicUrl = `http://localhost:${await freePort()}`
    const keys = [{ id: 'k1', key: randomBytes(32).toString('base64') }]
    const replica = async (): Promise<TestGateway> => await startGateway(t, {
      emulator: entra,
      upstreams: { orders: { url: app.origin, scopes: [scope] } },
      routes: [{ path: '/*', upstream: 'orders' }],
      server: { publicUrl },
      entra: { initialScopes: [scope] },
      store: place.config,
      keys
    })
    const [one, two] = [await replica(), await replica()]
    const at = (gateway: TestGateway, path: string): string => `http://localhost:${gateway.port}${path}`

    const browser = createBrowser(t, { ca: entra.caPem, user })
    const begun = await browser.visit(at(one, '/.auth/login?post_login_redirect_uri=%2Fx'))
    const answered = await browser.visit(`${begun.location()}&autologin=${user}&autoconsent=1`)
    const callback = answered.location().replace(publicUrl, '')
    t.equal((await browser.visit(at(one, callback))).status, 303)
    t.equal((await browser.visit(at(two, '/orders'))).status, 200, 'the other replica knows the session')
    const bearer = String(app.seen.at(-1)?.headers.authorization)
    t.match(bearer, /^Bearer ey/)

    const dump = await place.dump()
    const cookie = browser.cookies(publicUrl).get('scopegate') ?? ''
    t.ok(cookie.length > 40 && dump.length > 1000)
    // All long enough not to be spelt by chance.
    const secrets = [cookie, ...cookie.split('.').filter(part => part.length > 12), bearer.slice(7, 60), bearer.split('.')[1]!.slice(0, 60), user, 'refresh_token', scope]
    for (const secret of secrets) t.notOk(dump.includes(secret), 'neither token, nor user, nor session id is in the database')
    t.match(await place.admin('SELECT COUNT(*) FROM scopegate'), /^[3-9]$/, 'there is something in it')

    t.equal((await browser.visit(at(one, callback))).status, 400, 'a callback counts once')
    const kept = `scopegate=${cookie}`
    const ask = async (gateway: TestGateway): Promise<number> => (await fetch(at(gateway, '/orders'), { headers: { cookie: kept, host: new URL(publicUrl).host } })).status
    t.equal(await ask(one), 200)
    await browser.visit(at(one, '/.auth/logout'))
    t.equal(await ask(one), 401, 'at once where the sign-out was')
    two.clock.advance(31)
    await until('the end at the other replica, when what it knows is 30 s old', async () => await ask(two) === 401)
    t.same([one.isReady(), two.isReady()], [true, true])
  })
}
