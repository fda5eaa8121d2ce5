/**
 * This file lets sessions share the texts that they have in common. Each record is parsed for itself, and brings its own copy of
 * the tenant, the issuer and the like: a tenth of what a session costs in memory.
 */
import type { Claims, Session } from './session.ts'

/** Claims that are the same for all users of a tenant. */
const tenantClaims: readonly string[] = ['iss', 'aud', 'tid', 'idp', 'ver']

/** Far more than there are tenants; a text that finds no room is kept by each session for itself. */
const maxTexts = 1000

/** @returns the same session, and texts that others have too are theirs */
export function createCommonTexts (): (session: Session) => Session {
  const texts = new Map<string, string>()

  function common (text: string): string {
    const known = texts.get(text)
    if (known !== undefined) return known
    if (texts.size < maxTexts) texts.set(text, text)
    return text
  }

  function commonClaims (claims: Claims): Claims {
    const shared = tenantClaims.flatMap(name => typeof claims[name] === 'string' ? [[name, common(claims[name])]] : [])
    return { ...claims, ...Object.fromEntries(shared) }
  }

  return session => {
    const { account } = session
    const claims = commonClaims(session.claims)
    const oid = claims.oid === account.oid ? claims.oid : account.oid
    const [tid, environment] = [common(account.tid), common(account.environment)]
    return { ...session, claims, account: { ...account, oid, tid, environment } }
  }
}
