/**
 * C3.1-C3.3: what the gateway keeps of a return address, Chromium resolves to a page of the same origin: as a link, as a URL and
 * as a redirect. What it does not keep is held against Chromium too, so that this test is known to notice.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { parseReturnUrl } from '../../src/auth/return-url.ts'
import { payloads, valueOf } from '../security/redirect-payloads.ts'
import { openWindow, startChromium } from './support/chromium.ts'

/** Answers `/jump/N` with a redirect to the n-th address, anything else with a page. */
const server = createServer((request, response) => {
  const [, n] = /^\/jump\/(\d+)$/.exec(request.url!) ?? []
  if (n === undefined) response.setHeader('content-type', 'text/html').end('<p>here</p>')
  else response.writeHead(303, { location: kept[Number(n)]! }).end()
})
await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
t.teardown(async () => {
  server.closeAllConnections()
  await new Promise(resolve => { server.close(resolve) })
})
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const pieces = ['/', '%2f', '%5c', '%25', '.', '..', '@', ':', 'evil.example', '%09', '?', '#', ';', 'a', '%20', '%c3%a9', 'https:', 'javascript:', '[', ']', '&', '=', '~', '|', '"', '<', '^', '`', '{']
const random = fc.sample(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map(parts => `/${parts.join('')}`), 2000)
const values = [...payloads.map(valueOf), ...random].filter(value => typeof value === 'string')
const kept = [...new Set(values.map(parseReturnUrl))]

const { page } = await openWindow(await startChromium(t))
await page.goto(`${origin}/here`)

/** Origins that Chromium finds: by its URL parser, and by a link on a page. */
async function originsOf (urls: readonly string[]): Promise<string[][]> {
  return await page.evaluate(`(${JSON.stringify(urls)}).map(url => {
    const link = document.createElement('a')
    link.setAttribute('href', url)
    const parsed = URL.canParse(url, location.href) ? new URL(url, location.href).origin : 'none'
    return [parsed, link.protocol === 'http:' ? link.origin : 'elsewhere']
  })`)
}

t.test('Chromium takes many of the values that are not kept to other places', async t => {
  const dropped = values.filter(value => parseReturnUrl(value) !== value)
  const found = await originsOf(dropped)
  const elsewhere = found.filter(origins => origins.some(one => one !== origin))
  t.ok(elsewhere.length > 150, `${elsewhere.length} of ${dropped.length}`)
})

t.test('C3.1 C3.2 C3.3 Chromium resolves whatever is kept to the same origin', async t => {
  t.ok(kept.length > 100, `${kept.length} addresses`)
  const found = await originsOf(kept)
  t.same(kept.filter((_, i) => found[i]!.some(one => one !== origin)), [])
})

t.test('C3.3 Chromium follows a redirect to whatever is kept to the same origin', async t => {
  const sample = kept.slice(0, 60)
  const astray: string[] = []
  for (const [n, url] of sample.entries()) {
    await page.goto(`${origin}/jump/${n}`)
    if (new URL(page.url()).origin !== origin) astray.push(url)
  }
  t.same(astray, [])
  t.equal(await page.textContent('p'), 'here')
})
