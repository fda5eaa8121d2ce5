/** This file checks which cookie is the session's and which cookies are the gateway's: byte for byte in, any spelling out. */
import t from 'tap'
import { cookieForm, findCookie, isOwnCookie, withoutOwnCookies } from '../../src/session/cookie.ts'

const name = '__Host-scopegate'

t.test('over https the cookie is bound to the host, over http on loopback it cannot be', async t => {
  t.same(cookieForm(new URL('https://portal.contoso.com'), 'scopegate', 'lax'), { name, secure: true, sameSite: 'lax' })
  t.same(cookieForm(new URL('http://localhost:8080'), 'scopegate', 'strict'), { name: 'scopegate', secure: false, sameSite: 'strict' })
})

t.test('the session cookie is found by its exact name', async t => {
  const found: Record<string, string> = {
    [`${name}=v`]: 'v',
    [`a=1; ${name}=v`]: 'v',
    [`a=1;${name}=v;b=2`]: 'v',
    [`${name}=v; b=2`]: 'v',
    [`  ${name}=v  ;  b=2`]: 'v',
    [`;;;; ${name}=v;;;;`]: 'v',
    [`${name}=`]: '',
    [`${name}=a=b=c`]: 'a=b=c',
    [`a=${name}; ${name}=v`]: 'v',
    [`${name}2=x; ${name}=v`]: 'v',
    [`${name}=v; ${name}.t.12345678=x; ${name}x=y`]: 'v',
    [`a="x; ${name}=v`]: 'v',
    [`${name}=%41"`]: '%41"'
  }
  for (const [header, value] of Object.entries(found)) t.same(findCookie(header, name), { kind: 'value', value }, header)
})

t.test('no other spelling of the name is the session cookie', async t => {
  const headers = [
    '', ' ', ';', '=', `=${name}=v`, `= ${name}=v`, `;=${name}=v`, name, `${name} =v`, `${name};=v`, `${name}\t=v`, `x${name}=v`,
    `${name}2=v`, `${name}.t.12345678=v`, '__host-scopegate=v', '__HOST-SCOPEGATE=v', '__Host-Scopegate=v', 'scopegate=v', 'Host-scopegate=v',
    '__Secure-scopegate=v', `"${name}"=v`, `a=${name}=v`, `a=1, ${name}=v`, '__Host%2Dscopegate=v', `${name.slice(0, -1)}=v`, `\u00a0${name}=v`
  ]
  for (const header of headers) t.same(findCookie(header, name), { kind: 'none' }, JSON.stringify(header))
  t.same(findCookie(undefined, name), { kind: 'none' })
})

t.test('of two session cookies one was planted, and nobody can tell which', async t => {
  for (const header of [
    `${name}=a; ${name}=b`, `${name}=a;${name}=a`, `${name}=a; x=1; ${name}=b`, `${name}=; ${name}=b`, `${name}=a; ${name}=`,
    `${name}=a; ${name}=b; ${name}=c`, `x=1;  ${name}=a ; ${name}=b`
  ]) t.same(findCookie(header, name), { kind: 'several' }, header)
})

t.test('finding a cookie takes time in proportion to the header', async t => {
  const size = 65_536
  const headers = [
    ';'.repeat(size), ' '.repeat(size), '; '.repeat(size / 2), `${name};`.repeat(size / 17), 'a'.repeat(size), '='.repeat(size),
    `a=${' '.repeat(size)}; ${name}=v`, Array.from({ length: 500 }, (_, i) => `c${i}=${'x'.repeat(120)}`).join('; '), ' ;'.repeat(size / 2)
  ]
  const isOwn = isOwnCookie(cookieForm(new URL('https://gw'), 'scopegate', 'lax'))
  for (const header of headers) {
    const before = process.cpuUsage().user
    for (let i = 0; i < 10; i++) findCookie(header, name)
    for (let i = 0; i < 10; i++) withoutOwnCookies(header, isOwn)
    t.ok(process.cpuUsage().user - before < 1_000_000, JSON.stringify(header.slice(0, 20)))
  }
})

t.test('a cookie of the gateway is its own in every spelling that a browser or backend could take for it', async t => {
  const isOwn = isOwnCookie(cookieForm(new URL('https://gw'), 'scopegate', 'lax'))
  for (const own of [
    name, '__host-scopegate', '__HOST-SCOPEGATE', 'scopegate', 'ScopeGate', '__Secure-scopegate', '__secure-Scopegate', ` ${name}`, `${name}\t`,
    `${name}.t.12345678`, `${name}.r`, `${name}.after`, 'scopegate.t.x', '__HOST-SCOPEGATE.T.X', 'scopegate.'
  ]) t.ok(isOwn(own), JSON.stringify(own))
  for (const other of ['', 'scopegate2', 'scopegate-theme', 'my-scopegate', 'scope', 'xscopegate', '.scopegate', '__Host-', '__Host-app', 'scopegate_t']) {
    t.notOk(isOwn(other), JSON.stringify(other))
  }
})

t.test('a gateway on plain http owns the same spellings, its cookie being called without prefix', async t => {
  const isOwn = isOwnCookie(cookieForm(new URL('http://localhost'), 'MyApp', 'lax'))
  for (const own of ['MyApp', 'myapp', '__Host-MyApp', '__secure-myapp.t.x', 'MYAPP.r']) t.ok(isOwn(own), own)
  t.notOk(isOwn('myapp2'))
  t.notOk(isOwn('scopegate'))
})

t.test('what goes on is the application\'s cookies, in their order', async t => {
  const isOwn = isOwnCookie(cookieForm(new URL('https://gw'), 'scopegate', 'lax'))
  const cases: Array<[header: string, kept: string | undefined]> = [
    [`${name}=v`, undefined],
    [`${name}=v; ${name}.t.12345678=w; ${name}.r=x`, undefined],
    [`a=1; ${name}=v; b=2`, 'a=1; b=2'],
    [`${name}=v;a=1`, 'a=1'],
    ['a=1; b="x y"; c=d=e', 'a=1; b="x y"; c=d=e'],
    ['', undefined],
    [' ; ;; ', undefined],
    [`a; ${name}`, 'a'],
    [`  ${name.toUpperCase()} =v; b=2`, 'b=2'],
    [`a=${name}; b=2`, `a=${name}; b=2`],
    [`a=1; a=2; \t${name}=v`, 'a=1; a=2'],
    ['a=1;b=2', 'a=1; b=2'],
    [`${name}2=v`, `${name}2=v`],
    ['__Host-app=1; __Secure-app=2', '__Host-app=1; __Secure-app=2']
  ]
  for (const [header, kept] of cases) t.equal(withoutOwnCookies(header, isOwn), kept, JSON.stringify(header))
})
