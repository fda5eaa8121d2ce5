/** This file checks that what the next sign-in asks for travels sealed, bound to its session, and for a while only. */
import t from 'tap'
import { createSignInNeeds } from '../../src/auth/need.ts'
import type { SignInNeed } from '../../src/errors.ts'
import { sealWorld } from './support.ts'

const need: SignInNeed = { reason: 'mfa_required', scopes: ['api://orders/Orders.Read'], claims: '{"access_token":{"acrs":{"value":"c1"}}}' }

function parametersOf (url: string): URLSearchParams {
  return new URL(url, 'https://gw.example').searchParams
}

t.test('a sign-in that has to bring nothing special has nothing sealed', async t => {
  const needs = createSignInNeeds(sealWorld().sealer)
  const url = await needs.loginUrl({ scopes: [] }, '/orders?page=2&x=ä"', 's:a')
  t.match(url, /^\/\.auth\/login\?post_login_redirect_uri=[\x21-\x7e]+$/)
  t.notMatch(url, /["<> ]/)
  t.same([...parametersOf(url)], [['post_login_redirect_uri', '/orders?page=2&x=ä"']])
})

t.test('scopes and claims reach the login of the session that needs them', async t => {
  const needs = createSignInNeeds(sealWorld().sealer)
  for (const sessionKey of ['s:a', undefined]) {
    const sealed = parametersOf(await needs.loginUrl(need, '/orders', sessionKey)).get('need')
    t.same(await needs.open(sealed, sessionKey), { scopes: need.scopes, claims: need.claims })
  }
  const claimsOnly = parametersOf(await needs.loginUrl({ ...need, scopes: [] }, '/', 's:a')).get('need')
  t.same(await needs.open(claimsOnly, 's:a'), { scopes: [], claims: need.claims })
  const scopesOnly = parametersOf(await needs.loginUrl({ scopes: need.scopes }, '/', 's:a')).get('need')
  t.same(await needs.open(scopesOnly, 's:a'), { scopes: need.scopes, claims: undefined })
})

t.test('nothing of the need can be read in the address', async t => {
  const needs = createSignInNeeds(sealWorld().sealer)
  const url = await needs.loginUrl(need, '/orders', 's:a')
  t.notMatch(url, /Orders\.Read|acrs|s:a/)
})

t.test('another session\'s need is none', async t => {
  const needs = createSignInNeeds(sealWorld().sealer)
  const sealed = parametersOf(await needs.loginUrl(need, '/', 's:a')).get('need')
  t.equal(await needs.open(sealed, 's:b'), undefined)
  t.equal(await needs.open(sealed, undefined), undefined)
  const anonymous = parametersOf(await needs.loginUrl(need, '/', undefined)).get('need')
  t.equal(await needs.open(anonymous, 's:a'), undefined)
})

t.test('a link works for an hour', async t => {
  const { sealer, clock } = sealWorld()
  const needs = createSignInNeeds(sealer)
  const sealed = parametersOf(await needs.loginUrl(need, '/', 's:a')).get('need')
  clock.advance(3590)
  t.ok(await needs.open(sealed, 's:a'))
  clock.advance(20)
  t.equal(await needs.open(sealed, 's:a'), undefined)
})

t.test('what a request makes up is no need', async t => {
  const { sealer, stranger } = sealWorld()
  const needs = createSignInNeeds(sealer)
  const foreign = await stranger.seal('sign-in-need', { scopes: ['evil'], sessionKey: 's:a' }, 1e6)
  const otherPurpose = await sealer.seal('transaction', { scopes: ['evil'], sessionKey: 's:a' }, 1e6)
  for (const sealed of [undefined, null, '', 'x', {}, ['x'], 7, '{"scopes":["evil"]}', foreign, otherPurpose, 'a.b.c.d.e', 'x'.repeat(100_000)]) {
    t.equal(await needs.open(sealed, 's:a'), undefined)
  }
})
