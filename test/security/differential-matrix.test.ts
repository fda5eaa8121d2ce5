/**
 * C1.24: one path, many readings. Every spelling of path-spellings.ts goes byte by byte through a gateway to real servers:
 * none shows its protected page to anybody whom the rule of that page does not let in, and each reads the very path that was
 * authorised.
 */
import t, { type Test } from 'tap'
import { parseTarget } from '../../src/proxy/target.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, type RawAnswer, type RawConnection, rawRequest } from '../support/raw.ts'
import { readingOf, startWebServers } from '../support/servers.ts'
import { signIn } from '../support/signed-in.ts'
import { spellings } from './path-spellings.ts'

const entra = await startEntra(t)
const servers = await startWebServers(t)
const named = servers.map((server, i) => ({ ...server, upstream: `server${i}` }))
type Named = typeof named[number]
/** The same routes for each server, once as they are and once with encoded slashes allowed. */
const hostOf = ({ upstream }: Named, variant: 'strict' | 'slashes' = 'slashes'): string => `${upstream}.${variant}.example`

const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: Object.fromEntries(named.map(({ upstream, port }) => [upstream, { url: `http://127.0.0.1:${port}` }])),
  routes: named.flatMap(server => (['strict', 'slashes'] as const).flatMap(variant => {
    const common = { upstream: server.upstream, hosts: [hostOf(server, variant)], allowEncodedSlash: variant === 'slashes', websocket: true }
    return [
      { ...common, path: '/public/*', access: 'public' },
      { ...common, path: '/admin/*', allow: { roles: ['Orders.Admin'] } },
      { ...common, path: '/*' }
    ]
  }))
})
const cookieOf = async (user: string): Promise<string> => (await signIn(t, { url: gateway.url, entra, user: `${user}@contoso.example` })).cookie
const people = { nobody: undefined, 'a user': await cookieOf('bob'), 'an administrator': await cookieOf('alice') }

interface Asker {
  readonly host: string
  readonly cookie?: string | undefined
  readonly fields?: ReadonlyArray<readonly [name: string, value: string]>
}

/** Asks one after the other, on one connection as long as it lasts. */
function asker (t: Test, port: number, { host, cookie, fields = [] }: Asker): (target: string) => Promise<RawAnswer> {
  let connection: RawConnection | undefined
  return async target => {
    connection ??= await connectRaw(t, port)
    connection.send(rawRequest({ target: target.replaceAll('HOST', host), host, fields, ...(cookie === undefined ? {} : { cookie }) }))
    const answer = await connection.answer({ deadlineMs: 20_000 })
    if (answer === undefined) throw new Error(`no answer to ${JSON.stringify(target)}`)
    if (answer.header('connection') !== 'keep-alive') {
      connection.socket.destroy()
      connection = undefined
    }
    return answer
  }
}

const isRefused = (answer: RawAnswer): boolean => answer.header('scopegate-error') === 'SG_TARGET_INVALID'

/** What was authorised, decoded as every server decodes it. Some take an encoded backslash for a slash. */
function authorised (target: string, host: string): string {
  const parsed = parseTarget(target.replaceAll('HOST', host))
  return parsed.kind === 'refused' ? '(refused)' : decodeURIComponent(parsed.path).replaceAll('\\', '/')
}

const lastHost = hostOf(named.at(-1)!)
const administrator = { cookie: people['an administrator'] }

/** Those of the spellings that an asker gets further with than the checks of a target. */
async function passing (ask: ReturnType<typeof asker>, targets: readonly string[]): Promise<string[]> {
  const passed: string[] = []
  for (const target of targets) if (!isRefused(await ask(target))) passed.push(target)
  return passed
}

/** What is wrong with an answer to somebody. */
function wrongWith (answer: RawAnswer, who: keyof typeof people, wanted: string): string | undefined {
  const reading = readingOf(answer)
  if (reading === undefined) return undefined
  if (who === 'nobody' && reading.page !== 'PUBLIC') return `shows ${reading.page} to nobody known`
  if (who === 'a user' && reading.page === 'PROTECTED') return 'shows the protected page to a user without the role'
  return reading.path.replaceAll('\\', '/') === wanted ? undefined : `reads ${JSON.stringify(reading.path)}, authorised was ${JSON.stringify(wanted)}`
}

t.test('the list is long, and without what is no request at all', async t => {
  t.ok(spellings.length >= 600, `${spellings.length} spellings`)
  t.notOk(spellings.some(target => /[\r\n]/.test(target)))
})

t.test('the servers do read the protected path out of spellings that do not say so', async t => {
  // Not every server answers what is beyond ASCII.
  const below = spellings.filter(target => /^\/public(?![^/%\\;])[!-~]*$/.test(target))
  for (const server of servers) {
    const ask = asker(t, server.port, { host: 'localhost' })
    let shown = 0
    for (const target of below) if (readingOf(await ask(target))?.page === 'PROTECTED') shown++
    // Flask neither folds nor shortens: it is here for how gunicorn decodes.
    t.ok(shown >= 10 || server.name === 'gunicorn and Flask', `${server.name}: ${shown} spellings below /public show it`)
  }
})

const passed = await passing(asker(t, gateway.port, { host: lastHost, ...administrator }), spellings)

t.test('C1.24 most spellings are refused before it matters who asks for what', async t => {
  t.ok(passed.length > 100, `${passed.length} spellings go on`)
  t.ok(spellings.length - passed.length > 300, `${spellings.length - passed.length} are refused`)
})

t.test('C1.24 C1.6 without allowEncodedSlash, those with an encoded slash or backslash are refused too', async t => {
  const encoded = passed.filter(target => /%2f|%5c/i.test(target.split('?', 1)[0]!))
  t.ok(encoded.length > 5, `${encoded.length} of them`)
  t.same(await passing(asker(t, gateway.port, { host: hostOf(named.at(-1)!, 'strict'), ...administrator }), encoded), [])
})

t.test('C1.24 an upgrade is refused for the same targets, and shows no more', async t => {
  const fields = [['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Version', '13'], ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==']] as const
  const asked = { host: lastHost, fields: [...fields, ['Origin', gateway.url]] as const }
  const [upgraded, shown] = [asker(t, gateway.port, { ...asked, ...administrator }), asker(t, gateway.port, asked)]
  t.same(await passing(upgraded, spellings), passed)
  const open: string[] = []
  for (const target of passed) if (![undefined, 'PUBLIC'].includes(readingOf(await shown(target))?.page)) open.push(target)
  t.same(open, [])
})

/** How often a server said how it read a path. */
async function checkServer (t: Test, server: Named): Promise<number> {
  const host = hostOf(server)
  let count = 0
  await Promise.all(Object.entries(people).map(async ([who, cookie]) => {
    const ask = asker(t, gateway.port, { host, cookie })
    const wrong: string[] = []
    for (const target of passed) {
      const answer = await ask(target)
      const why = wrongWith(answer, who as keyof typeof people, authorised(target, host))
      if (why !== undefined) wrong.push(`${JSON.stringify(target)} ${why}`)
      if (readingOf(answer) !== undefined) count++
    }
    t.same(wrong, [], who)
  }))
  return count
}

for (const server of named) {
  t.test(`C1.24 ${server.name} shows the protected page to nobody who may not see it, and reads what was authorised`, async t => {
    const count = await checkServer(t, server)
    t.ok(count > 150, `it said ${count} times how it read a path`)
  })
}
