/** This file lists the header fields that a route cannot set or remove because the gateway decides about them. */

const HOP_BY_HOP = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade']
const REQUEST = new Set([...HOP_BY_HOP, 'host', 'authorization', 'cookie', 'content-length', 'expect', 'forwarded', 'traceparent', 'x-request-id'])
const RESPONSE = new Set([...HOP_BY_HOP, 'content-length', 'set-cookie', 'scopegate', 'scopegate-error'])
const ROUTING = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-prefix'])
const OWNED = /^(?:x-forwarded|x-ms-client-principal|x-ms-token|x-auth-request|x-original|x-rewrite|proxy)-?/

/** Fields that the gateway sets towards an upstream, or never lets through, compared in any spelling (`-` or `_`, case). */
export function isRequestHeaderOurs (name: string): boolean {
  const plain = spellingOf(name)
  return REQUEST.has(plain) || OWNED.test(plain)
}

/** Like {@link isRequestHeaderOurs}, but the names that identity presets use may carry another claim. */
export function isForeignToIdentity (name: string): boolean {
  const plain = spellingOf(name)
  return REQUEST.has(plain) || ROUTING.has(plain) || /^(?:x-original|x-rewrite|proxy)-/.test(plain)
}

/** Fields of an answer that frame it, are cookies, or say who answered. */
export function isResponseHeaderOurs (name: string): boolean {
  const plain = spellingOf(name)
  return RESPONSE.has(plain) || plain.startsWith('proxy-')
}

function spellingOf (name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}
