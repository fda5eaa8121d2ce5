/** This file reads client credentials out of an Authorization header (RFC 6749 2.3.1). */

export interface BasicCredential {
  readonly clientId: string
  readonly secret: string
}

/** Both parts are URL-encoded before they are joined: a colon in a secret is `%3A`. */
export function readBasic (authorization: string | undefined): BasicCredential | undefined {
  const [, encoded] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '') ?? []
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const at = text.indexOf(':')
  if (at < 0) return undefined
  return { clientId: decodePart(text.slice(0, at)), secret: decodePart(text.slice(at + 1)) }
}

function decodePart (text: string): string {
  return new URLSearchParams(`part=${text}`).get('part') ?? ''
}
