/**
 * This file describes the two halves of what is proxied: upstreams (where to) and routes (what, for whom, with which token).
 */
import Type, { type Static } from 'typebox'
import { closed, mapOf, oneOf, seconds, text, texts, whole } from './schema-parts.ts'

/** The methods that a route may list. A route that lists none takes all of them. */
export const METHODS = [
  'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT',
  'COPY', 'LOCK', 'MKCOL', 'MOVE', 'PROPFIND', 'PROPPATCH', 'REPORT', 'SEARCH', 'UNLOCK'
] as const

const CONNECT = 'How long a connection to the upstream may take.'
const HEADERS = 'How long the upstream may take to answer with headers.'
const BODY = 'How long the upstream may pause within a body.'

export const UpstreamSchema = closed({
  url: text('A literal http or https origin, with a base path if needed.', { format: 'upstream-url', examples: ['https://graph.microsoft.com/v1.0'] }),
  scopes: texts('Scopes of the token that routes to this upstream get, all of one API; empty means no token.', 'scope', { default: [] }),
  caFile: Type.Optional(text('A PEM file with further CAs for this upstream.')),
  timeouts: closed({
    connectSeconds: seconds(CONNECT, { default: 3 }),
    headersSeconds: seconds(HEADERS, { default: 30 }),
    bodySeconds: seconds(BODY, { default: 60 })
  }, { description: 'Deadlines towards this upstream.', default: {} }),
  allowHttpTokens: Type.Boolean({ description: 'Whether tokens may travel to another host over plain http.', default: false })
}, { description: 'An application behind the gateway.' })

const accessRule = (description: string) => closed({
  roles: Type.Optional(texts('App roles (claim roles).', undefined, { minItems: 1 })),
  groups: Type.Optional(texts('Groups (claim groups), as the token names them: usually object IDs.', undefined, { minItems: 1 })),
  tenants: Type.Optional(texts('Tenant IDs (claim tid).', 'guid', { minItems: 1 })),
  users: Type.Optional(texts('Users, as tenant ID/object ID.', 'user', { minItems: 1 })),
  claims: Type.Optional(mapOf('claim', texts('Accepted values of this claim.', undefined, { minItems: 1 }), "Any other claims of the ID token, or of an API client's token, by name.", { minProperties: 1 }))
}, { description, minProperties: 1 })

const headerEdit = (names: string, description: string) => closed({
  set: Type.Optional(mapOf(names, text('The value.', { format: 'field-value' }), 'Headers to set, by name.')),
  remove: Type.Optional(texts('Headers to remove.', names))
}, { description })

const IDENTITY_PRESETS = ['none', 'standard', 'easyauth', 'oauth2-proxy'] as const

const IdentityHeadersSchema = Type.Unsafe<(typeof IDENTITY_PRESETS)[number] | Record<string, string>>({
  description: 'Headers that tell the upstream who the user is: a preset, or a map from header name to claim.',
  type: ['string', 'object'],
  default: 'none',
  if: { type: 'string' },
  then: { enum: IDENTITY_PRESETS },
  else: mapOf('identity-header', text('The claim.'), 'Header name to claim.', { minProperties: 1 })
})

export const RouteSchema = closed({
  path: text('Exact, or ending in /*. Literal: no patterns, no escapes. /api/a/* matches /api/a and /api/a/x, never /api/ab.', { format: 'route-path' }),
  hosts: Type.Optional(texts('Host names without port; without it any host.', 'host-name', { minItems: 1 })),
  methods: Type.Optional(Type.Array(Type.Enum([...METHODS]), {
    description: 'Methods; GET implies HEAD. Without it every method that no other route of the same path lists.', minItems: 1, uniqueItems: true
  })),
  upstream: text('The name of the upstream.'),
  rewrite: Type.Optional(text('What replaces the literal part of the path, once, at its start.', { format: 'literal-path' })),
  access: oneOf('authenticated: signed-in users; optional: anybody, with identity when there is one; public: anybody, without identity or token.',
    ['authenticated', 'optional', 'public']),
  allow: Type.Optional(accessRule('Who is let in: every listed kind must match, by any value of the kind.')),
  deny: Type.Optional(accessRule('Who is kept out, read like allow; it outweighs allow.')),
  scopes: Type.Optional(texts("Scopes of the token for this route instead of the upstream's, all of one API; empty means no token.", 'scope')),
  token: Type.Optional(Type.Enum(['user', 'onBehalfOf', 'app', 'none'], {
    description: 'user: the access token of the user, for an API client one on behalf of its user; the default where there are scopes. ' +
      "onBehalfOf: the same, said of a route for API clients. app: the gateway's own, for {resource}/.default. none: no token."
  })),
  requireAuthContext: Type.Optional(text('The authentication context of Conditional Access, c1 to c99, that the sign-in must have satisfied; without it the user signs in once more.', { format: 'auth-context' })),
  claimsChallenge: oneOf('What becomes of an answer that asks for other claims in the token: handle gets such a token, or a sign-in; passthrough passes it on.',
    ['handle', 'passthrough']),
  unauthenticated: oneOf('What a request without session gets: auto redirects navigations and answers others with 401.', ['auto', 'redirect', '401']),
  identityHeaders: IdentityHeadersSchema,
  requestHeaders: Type.Optional(headerEdit('request-header', 'Changes to the headers that the upstream gets.')),
  responseHeaders: Type.Optional(headerEdit('response-header', 'Changes to the headers that the browser gets.')),
  websocket: Type.Boolean({ description: 'Whether WebSockets may be opened here, by pages of publicUrl.', default: false }),
  allowedOrigins: Type.Optional(texts('Further origins whose pages may open WebSockets here.', 'web-origin', { minItems: 1 })),
  maxMessageBytes: whole('The longest WebSocket message in bytes, in either direction.', { min: 1, max: 2 ** 31 - 1, default: 1_048_576 }),
  streaming: Type.Boolean({ description: 'Whether answers are streams (server-sent events, say): headers at once, any pause, an end with the session.', default: false }),
  timeouts: Type.Optional(closed({
    connectSeconds: Type.Optional(seconds(CONNECT)),
    headersSeconds: Type.Optional(seconds(HEADERS)),
    bodySeconds: Type.Optional(seconds(BODY))
  }, { description: "Deadlines of this route where they differ from the upstream's." })),
  maxBodyBytes: Type.Optional(whole('The largest request body in bytes where it differs from server.limits.', { min: 0, max: Number.MAX_SAFE_INTEGER })),
  allowEncodedSlash: Type.Boolean({ description: 'Whether %2F and %5C may stand in the path.', default: false }),
  csrf: oneOf('strict refuses unsafe methods that come from another site; off does not.', ['strict', 'off'])
}, { description: 'A path and what happens there.' })

export type WrittenRoute = Static<typeof RouteSchema>
