/**
 * This file keeps the sizing table of docs/redis.md honest: it measures what signed-in users take in a real Redis.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import type { RedisServer } from '../support/redis.ts'
import { apis, startWorld, users } from '../support/replicas.ts'

const page = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8')

/** KB of a row of the table, by how its first cell begins. */
function documented (what: string): number {
  const row = page.split('\n').find(line => line.startsWith(`| ${what} |`)) ?? ''
  const kilobytes = Number(row.split('|').at(-2))
  if (!(kilobytes > 0)) throw new Error(`docs/redis.md has no size of: ${what}`)
  return kilobytes
}

/** Bytes in Redis by the first part of the name, with names and the allocator's rounding. */
async function measure (redis: RedisServer): Promise<Record<string, number>> {
  const bytes: Record<string, number> = {}
  for (const key of (await redis.cli('--scan')).split('\n')) {
    const kind = key.split(':')[1]!
    bytes[kind] = (bytes[kind] ?? 0) + Number(await redis.cli('memory', 'usage', key, 'samples', '0'))
  }
  return bytes
}

const cases = [
  { upn: users[0]!.upn, session: 'a session', claims: 'the claims of a user', isTableOfTokens: true },
  { upn: 'groups-50@contoso.example', session: 'a session of a user with 50 groups', claims: 'the claims of a user with 50 groups', isTableOfTokens: false },
  { upn: 'groups-200@contoso.example', session: 'a session of a user with 200 groups', claims: 'the claims of a user with 200 groups', isTableOfTokens: false }
]

t.test('what a signed-in user takes in Redis is what the page says, and not much less', async t => {
  const world = await startWorld(t, { refreshReuse: 'allow' })
  const { url } = await startGateway(t, world.parts)

  function compare (what: string, bytes: number): void {
    const kilobytes = documented(what)
    t.comment(`${what}: ${bytes} bytes`)
    t.ok(bytes <= kilobytes * 1000, `${what}: ${bytes} bytes are at most ${kilobytes} KB`)
    t.ok(bytes > kilobytes * 500, `${what}: ${kilobytes} KB are not twice of ${bytes} bytes`)
  }

  for (const { upn, session, claims, isTableOfTokens } of cases) {
    const browser = await world.signIn({ upn, oid: '' }, url)
    const { s, u, sid, tc, uc } = await measure(world.redis)
    compare(session, s!)
    compare(claims, uc!)
    if (isTableOfTokens) {
      compare('its places in the indexes', u! + sid!)
      compare('the tokens of a user, one API', tc!)
      for (const { name } of apis) t.equal((await browser.fetch(`${url}/${name}/x`)).status, 200)
      t.comment(`an access token: ${world.app.seen.at(-1)!.headers.authorization!.length} bytes`)
      compare('the tokens of a user, five APIs', (await measure(world.redis)).tc!)
    }
    await world.redis.cli('flushall')
  }
})
