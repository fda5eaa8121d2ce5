/**
 * This file puts load on two replicas that share a Redis, at a provider that takes each refresh token once: the least
 * number of token requests, and never another user's token.
 */
import t, { type Test } from 'tap'
import { createClock } from '../identity/support/clock.ts'
import type { Browser } from '../support/browser.ts'
import { startGateway } from '../support/gateway.ts'
import { type Api, apis, startWorld, type TestUser, users, type World } from '../support/replicas.ts'

const requests = 1000
const atOnce = 100

interface SignedIn {
  readonly user: TestUser
  readonly browser: Browser
}

interface Call extends SignedIn {
  readonly api: Api
  readonly origin: string
}

/** Each user at each API at each replica, equally often, in an order of no pattern. */
function mix (signedIn: readonly SignedIn[], origins: readonly string[]): Call[] {
  const calls = signedIn.flatMap(one => apis.flatMap(api => origins.map(origin => ({ ...one, api, origin }))))
  const all = Array.from({ length: requests }, (_, i) => calls[i % calls.length]!)
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all
}

/** Makes all calls, so many at once. @returns what went wrong, at first */
async function load (world: World, calls: readonly Call[]): Promise<string[]> {
  const wrong: string[] = []
  const waiting = [...calls]
  async function work (): Promise<void> {
    for (let call = waiting.pop(); call !== undefined; call = waiting.pop()) {
      await make(call).catch(error => { wrong.push(String(error)) })
    }
  }
  async function make ({ user, browser, api, origin }: Call): Promise<void> {
    const reply = await browser.fetch(`${origin}/${api.name}/x`)
    if (reply.status !== 200) throw new Error(`${reply.status} ${reply.body}`)
    await world.verify(reply.body, user, api)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return wrong.slice(0, 5)
}

/** How often the provider was asked, by kind of grant and outcome. */
function tally (world: World, since: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { parameters, status } of world.tokenCalls(since)) {
    const name = `${parameters.grant_type} ${status}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

function lastRequest (world: World): number {
  return world.entra.requests().at(-1)?.id ?? 0
}

async function startReplicas (t: Test) {
  const world = await startWorld(t, { refreshReuse: 'revoke' })
  const replicas = await Promise.all([startGateway(t, world.parts), startGateway(t, world.parts)])
  const origins = replicas.map(({ url }) => url) as [string, string]
  return { world, origins }
}

t.test('C6.1, C6.3 20 users, 5 scope sets, 2 replicas, 1,000 requests at a provider that takes a refresh token once', async t => {
  const clock = createClock(t)
  const { world, origins } = await startReplicas(t)
  const signedIn = await Promise.all(users.map(async (user, i) => {
    const [one, two] = i % 2 === 0 ? origins : [origins[1], origins[0]]
    return { user, browser: await world.signIn(user, one, two) }
  }))

  t.same(await load(world, mix(signedIn, origins)), [], 'every request was answered, with its user\'s token for its API')
  // A code brings the token of one scope set; each of the others costs one renewal, at whichever replica.
  t.same(tally(world, 0), { 'authorization_code 200': 20, 'refresh_token 200': 20 * 4 })

  const before = lastRequest(world)
  clock.advance(3600 * 1000)
  t.same(await load(world, mix(signedIn, origins)), [], 'again, with tokens that have all expired')
  t.same(tally(world, before), { 'refresh_token 200': 20 * 5 }, 'one renewal for each user and scope set')

  const after = lastRequest(world)
  t.same(await load(world, mix(signedIn, origins)), [])
  t.same(tally(world, after), {}, 'what is ready costs nothing')
})
