/** This file checks the gateway's pages: complete HTML that runs and loads nothing, and hostile text stays text. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { confirmSignOutPage } from '../../src/auth/pages/confirm-sign-out.ts'
import { consentGivenPage } from '../../src/auth/pages/consent-given.ts'
import { consentNeededPage } from '../../src/auth/pages/consent-needed.ts'
import { problemPage } from '../../src/auth/pages/problem.ts'
import { signedOutPage } from '../../src/auth/pages/signed-out.ts'
import { html, page, styleSource } from '../../src/auth/pages/template.ts'
import { type ErrorCode, errors, problemOf } from '../../src/errors.ts'

const hostile = [
  '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "'><svg onload=alert(1)>", '</title><script>', '</style><script>', '&lt;', '&#60;script&#62;',
  'javascript:alert(1)', '" onfocus="alert(1)" autofocus="', '<!--', ']]>', '\u2028<b>', '{{7*7}}', '${7*7}' // eslint-disable-line no-template-curly-in-string
]

/** Where an administrator consents: the one place outside that a page links to. */
const provider = 'https://login.example'

/** Every page, with the text where a page takes some. */
function pages (text: string): Record<string, string> {
  return {
    'signed out': signedOutPage(),
    'confirm sign-out': confirmSignOutPage(text),
    'consent given': consentGivenPage(),
    ...Object.fromEntries([true, false].map(isSignedIn => [`consent needed, ${isSignedIn ? 'signed in' : 'nobody'}`, consentNeededPage(
      problemOf(new errors.SG_CONSENT_NEEDED()), text, { loginUrl: `/.auth/login?x=${text}`, adminConsentUrl: `${provider}/x?scope=${text}`, isSignedIn }
    )])),
    'problem, all of it outside text': problemPage({ code: text as ErrorCode, status: 500, title: text }, text, `/.auth/login?x=${text}`),
    ...Object.fromEntries(Object.keys(errors).map(code =>
      [`problem ${code}`, problemPage(problemOf(new errors[code as ErrorCode]()), text, `/.auth/login?${new URLSearchParams({ x: text })}`)]))
  }
}

t.test('every page is whole: type, language, encoding, title, one heading, everything closed', async t => {
  for (const [name, text] of Object.entries(pages('req-1'))) {
    t.match(text, /^<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><meta name="viewport" [^>]+><title>[^<]+<\/title>/, name)
    t.match(text, /<\/body>\n<\/html>\n$/, name)
    t.equal(text.match(/<h1>/g)?.length, 1, name)
    t.equal(text.match(/<main>/g)?.length, 1, name)
    const body = text.slice(text.indexOf('<body>'))
    const open: string[] = []
    for (const [, slash, tag] of body.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
      if (slash === '') open.push(tag!)
      else if (tag !== 'html') t.equal(open.pop(), tag, name)
    }
    t.same(open, [], name)
  }
})

t.test('no page runs or loads anything', async t => {
  for (const [name, text] of Object.entries(pages('req-1'))) {
    t.notMatch(text, /<(?:script|iframe|object|embed|link|img|base|svg|video|audio)\b/i, name)
    t.notMatch(text, /\son[a-z]+\s*=|javascript:|@import|url\(|http-equiv|\ssrc=|\sstyle=/i, name)
    t.notMatch(text.replaceAll(` href="${provider}/`, ''), /(?:href|action)="(?!\/(?!\/))/, `${name}: every address is a local path`)
  }
})

t.test('hostile text stays text on every page', async t => {
  for (const text of hostile) {
    for (const [name, whole] of Object.entries(pages(text))) {
      const tags = whole.match(/<\/?[a-z!][^>]*>/gi) ?? []
      const plain = pages('x')[name]!.match(/<\/?[a-z!][^>]*>/gi) ?? []
      t.equal(tags.length, plain.length, `${name} has no more tags with ${encodeURI(text)}`)
      t.same(tags.map(tag => tag.match(/\s[a-z-]+(?==")/g)), plain.map(tag => tag.match(/\s[a-z-]+(?==")/g)), `${name}: nor attributes`)
      if (/[<>"']/.test(text)) t.notOk(whole.includes(text), name)
    }
  }
})

t.test('what was escaped reads as what it was', async t => {
  const shown = problemPage(problemOf(new errors.SG_INTERNAL()), 'a&b<c>"d"\'e\'', undefined)
  t.ok(shown.includes('a&amp;b&lt;c&gt;&quot;d&quot;&#39;e&#39;'))
  t.equal(html`<p>${'&amp;'}</p>${html`<b>${'<'}</b>`}`.html, '<p>&amp;amp;</p><b>&lt;</b>')
})

t.test('a problem page shows code and request id, a way on where there is one, and never a cause', async t => {
  for (const [code, Coded] of Object.entries(errors)) {
    const text = problemPage(problemOf(new Coded({ cause: new Error('ECONNREFUSED 10.0.0.7') })), 'req-1', undefined)
    t.match(text, `data-testid="error-code">${code}</dd>`)
    t.match(text, 'data-testid="request-id">req-1</dd>')
    t.notMatch(text, /ECONNREFUSED|10\.0\.0\.7|undefined|\[object/)
    t.notMatch(text, 'data-testid="sign-in"')
  }
  t.match(problemPage(problemOf(new errors.SG_SIGN_IN_EXPIRED()), 'req-1', '/.auth/login?a=1&b=2'), 'href="/.auth/login?a=1&amp;b=2"')
})

t.test('the page about consent lets one try again, leave it, or ask an administrator; sign out only who is signed in', async t => {
  const ways = { loginUrl: '/.auth/login?a=1&b=2', adminConsentUrl: `${provider}/t/v2.0/adminconsent?client_id=c&scope=s`, isSignedIn: true }
  const problem = problemOf(new errors.SG_CONSENT_NEEDED())
  const text = consentNeededPage(problem, 'req-1', ways)
  t.match(text, 'href="/.auth/login?a=1&amp;b=2" data-testid="sign-in"')
  t.match(text, 'href="/" data-testid="home"')
  t.match(text, 'href="/.auth/logout" data-testid="sign-out"')
  t.match(text, `href="${provider}/t/v2.0/adminconsent?client_id=c&amp;scope=s" data-testid="admin-consent"`)
  t.match(text, `data-testid="admin-consent-url">${provider}/t/v2.0/adminconsent?client_id=c&amp;scope=s</code>`)
  t.match(text, 'data-testid="error-code">SG_CONSENT_NEEDED</dd>')
  t.match(text, 'data-testid="request-id">req-1</dd>')
  t.notMatch(consentNeededPage(problem, 'req-1', { ...ways, isSignedIn: false }), 'sign-out')
})

t.test('the confirmation posts, and carries the page to go to afterwards', async t => {
  const text = confirmSignOutPage('/bye?a=1&b="2"')
  t.match(text, '<form method="post" action="/.auth/logout?post_logout_redirect_uri=%2Fbye%3Fa%3D1%26b%3D%222%22">')
})

t.test('the one style sheet of a page is the one that the Content-Security-Policy allows', async t => {
  const [, style] = /<style>([^]*?)<\/style>/.exec(page('x', html``))!
  t.equal(styleSource, `'sha256-${createHash('sha256').update(style!).digest('base64')}'`)
})

t.test('a page about a refusal does not claim that somebody is signed in', async t => {
  t.notMatch(problemPage(problemOf(new errors.SG_ACCESS_DENIED()), 'req-1', undefined), /signed in/i)
})
