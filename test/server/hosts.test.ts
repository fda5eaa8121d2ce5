/** This file checks which host names a gateway answers for. */
import t from 'tap'
import { knownHosts } from '../../src/server/hosts.ts'

function hosts (publicUrl: string, ...routes: Array<readonly string[] | undefined>) {
  return knownHosts({ server: { publicUrl }, routes: routes.map(hosts => ({ hosts })) } as never)
}

t.test('the public host and those of routes are known, no others', async t => {
  const isKnown = hosts('https://Portal.contoso.com:8443/', undefined, ['api.contoso.com', 'Shop.Contoso.com'], [])
  for (const host of ['portal.contoso.com', 'api.contoso.com', 'shop.contoso.com']) t.ok(isKnown(host), host)
  for (const host of [
    '', 'contoso.com', 'evil.example', 'portal.contoso.com.evil.example', 'evilportal.contoso.com', 'x.portal.contoso.com', 'localhost', '127.0.0.1', '[::1]',
    'portal.contoso.com:8443', '__proto__', 'constructor', '*', 'portal_contoso.com'
  ]) t.notOk(isKnown(host), host)
})

t.test('a gateway on loopback answers to every name of loopback', async t => {
  for (const url of ['http://localhost:8080', 'http://127.0.0.1:8080', 'http://[::1]:8080']) {
    const isKnown = hosts(url)
    for (const host of ['localhost', '127.0.0.1', '[::1]']) t.ok(isKnown(host), `${host} at ${url}`)
    for (const host of ['127.0.0.2', '0.0.0.0', 'localhost.evil.example', '::1', 'evil.example']) t.notOk(isKnown(host), `${host} at ${url}`)
  }
})
