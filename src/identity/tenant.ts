/** This file knows how tenants are named, pure. */

const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** A lower-case GUID, as tokens name tenants. */
export function isGuid (text: unknown): text is string {
  return typeof text === 'string' && guid.test(text)
}

/** Whether an alias is meant that serves many tenants: tokens carry the issuer of the user's own. */
export function isShared (tenantId: string): boolean {
  return tenantId === 'organizations' || tenantId === 'common'
}

/** The issuer of a tenant, from one that may have `{tenantid}` in it. */
export function issuerOf (template: string, tid: string): string {
  return template.replace('{tenantid}', tid)
}

/** The tenant whose issuer this is. @returns undefined when it is none of that template */
export function tenantOf (template: string, issuer: string): string | undefined {
  const tid = issuer.slice(template.indexOf('{'), template.indexOf('{') + 36)
  return isGuid(tid) && issuer === issuerOf(template, tid) ? tid : undefined
}
