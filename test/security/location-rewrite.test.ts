/**
 * X19, H8: the stock rewriting put the route's prefix before `login`, `//evil` and `javascript:`, and passed internal
 * addresses on. Ours changes an address only when it parses to exactly the upstream's own origin.
 */
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startUpstream } from '../support/upstream.ts'

const app = await startUpstream(t, {
  answer: (request, response) => {
    const value = new URL(request.url ?? '', 'http://app').searchParams.get('to') ?? ''
    response.writeHead(302, { Location: value, 'Content-Location': value }).end()
  }
})
const gateway = await startGateway(t, {
  upstreams: { app: { url: app.origin }, based: { url: `${app.origin}/base` } },
  routes: [
    { path: '/plain/*', upstream: 'app', access: 'public' },
    { path: '/short/*', upstream: 'app', access: 'public', rewrite: '/long/way' },
    { path: '/root/*', upstream: 'app', access: 'public', rewrite: '/' },
    { path: '/based/*', upstream: 'based', access: 'public', rewrite: '/' }
  ]
})

async function locationOf (target: string, value: string): Promise<string | undefined> {
  const answer = await exchange(t, gateway.port, { target: `${target}?to=${encodeURIComponent(value)}` })
  t.equal(answer.status, 302)
  t.equal(answer.header('content-location'), answer.header('location'), 'Content-Location is treated alike')
  return answer.header('location')
}

const untouched = [
  'login', './login', '../login', '/login', '?x=1', '#x', '', '//evil.example/x', '///evil.example', '/\\evil.example', 'javascript:alert(1)', 'data:text/html,x', 'mailto:a@b', 'https://evil.example/x', 'http://evil.example',
  `http://127.0.0.1:${app.port}.evil.example/x`, `http://127.0.0.1:${app.port}@evil.example/x`, `http://user:pass@127.0.0.1:${app.port}/x`, `http://user@127.0.0.1:${app.port}/x`, `https://127.0.0.1:${app.port}/x`, `http://127.0.0.1:${app.port + 1}/x`,
  'http://127.0.0.1/x', `http://localhost:${app.port}/x`, `//127.0.0.1:${app.port}/x`, `http:/127.0.0.1:${app.port}/x`, 'http://', 'http://[', 'https://login.microsoftonline.com/x?a=b#c', 'HTTP://EVIL.EXAMPLE/x', 'x:y', '%2F%2Fevil.example', 'a b'
]

t.test('X19 addresses that are not on the upstream\'s own origin pass byte for byte', async t => {
  for (const value of untouched) {
    for (const route of ['/plain/x', '/short/x', '/root/x', '/based/x']) t.equal(await locationOf(route, value), value, `${value} on ${route}`)
  }
})

const own = app.origin
t.test('addresses on the upstream\'s own origin become what the client can reach', async t => {
  t.equal(await locationOf('/plain/x', `${own}/plain/y?q=1#f`), '/plain/y?q=1#f')
  t.equal(await locationOf('/plain/x', `${own}/other`), '/other')
  t.equal(await locationOf('/plain/x', `${own}`), '/')
  t.equal(await locationOf('/plain/x', `HTTP://127.0.0.1:${app.port}/plain/y`), '/plain/y')
  t.equal(await locationOf('/short/x', `${own}/long/way/y`), '/short/y')
  t.equal(await locationOf('/short/x', `${own}/long/way`), '/short')
  t.equal(await locationOf('/root/x', `${own}/y?q`), '/root/y?q')
  t.equal(await locationOf('/based/x', `${own}/base/y`), '/based/y')
})

t.test('what would lead outside of the route stays what it is', async t => {
  t.equal(await locationOf('/short/x', `${own}/long/ways/y`), `${own}/long/ways/y`)
  t.equal(await locationOf('/short/x', `${own}/elsewhere`), `${own}/elsewhere`)
  t.equal(await locationOf('/based/x', `${own}/based/y`), `${own}/based/y`)
  t.equal(await locationOf('/based/x', `${own}/basement`), `${own}/basement`)
})

t.test('X19 no address becomes one on another origin', async t => {
  const tricks = [`${own}//evil.example/x`, `${own}/\\evil.example`, `${own}/.//evil.example`, `${own}/plain/..//evil.example`, `${own}//\\evil.example`, `${own}/%2f/evil.example`, `${own}/base//evil.example`, `${own}/base/\\evil.example`, `${own}/long/way//evil.example`, `${own}/\t/evil.example`, `${own}/plain//evil.example`]
  for (const value of tricks) {
    for (const route of ['/plain/x', '/short/x', '/root/x', '/based/x']) {
      const location = await locationOf(route, value) ?? ''
      const { origin } = new URL(location, gateway.url)
      t.ok([gateway.url, own].includes(origin), `${value} on ${route} -> ${location}`)
      t.notMatch(location, /^\/[/\\]/)
    }
  }
})
