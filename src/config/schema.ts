/**
 * This file is the one source of the configuration: the types, the defaults, the validation, the published JSON Schema and
 * the reference in `config/README.md` all come from `ConfigSchema`.
 *
 * Times are seconds and sizes are bytes. What a `format` means is said in formats.ts; rules that look at two places of a
 * config are in rules.ts.
 */
import Type, { type Static } from 'typebox'
import { closed, mapOf, oneOf, seconds, text, texts, whole } from './schema-parts.ts'
import { RouteSchema, UpstreamSchema } from './schema-routes.ts'

const LimitsSchema = closed({
  maxBodyBytes: whole('The largest request body in bytes; a longer one is answered with 413. A route may set its own.', { min: 0, max: Number.MAX_SAFE_INTEGER, default: 10_485_760 }),
  maxHeaderBytes: whole('The largest header section of a request in bytes; a longer one is answered with 431.', { min: 1024, max: 1_048_576, default: 16_384 }),
  headersTimeoutSeconds: seconds('How long a client may take to send its headers. Not more than requestTimeoutSeconds.', { default: 15 }),
  requestTimeoutSeconds: seconds('How long a client may take to send a whole request.', { default: 60 }),
  maxConnections: whole('Open client connections; more are refused.', { min: 1, max: 1_000_000, default: 10_000 }),
  drainSeconds: seconds('How long requests under way may take after SIGTERM before their connections are closed.', { min: 0, default: 25 })
}, { description: 'What a client may use up.', default: {} })

const ServerSchema = closed({
  host: text('The address to listen on.', { default: '0.0.0.0' }),
  port: whole('The port to listen on; 0 lets the system choose one.', { min: 0, max: 65_535, default: 8080 }),
  publicUrl: text('What browsers see: an origin. The redirect URI to register is this with /.auth/callback behind it.', {
    format: 'public-url', examples: ['https://portal.contoso.com']
  }),
  trustedProxies: texts('Addresses or CIDR blocks of the proxies in front whose X-Forwarded-For is believed; empty means none.', 'address-block', { default: [] }),
  limits: LimitsSchema
}, { description: 'The listener.' })

const sourceType = <const T extends string>(value: T, description: string) => Type.Literal(value, { description })
const certificatePassword = Type.Optional(text('The password of the certificate, if it has one.', { format: 'secret' }))

const credentials = [
  closed({
    sourceType: sourceType('SignedAssertionFilePath', 'A signed assertion in a file, as Azure workload identity mounts it; read again when it changes.'),
    signedAssertionFileDiskPath: Type.Optional(text('The file; without it the variable AZURE_FEDERATED_TOKEN_FILE names it.'))
  }),
  closed({
    sourceType: sourceType('Path', 'A certificate with its private key in a file, PEM or PFX.'),
    certificateDiskPath: text('The file.'),
    certificatePassword
  }),
  closed({
    sourceType: sourceType('Base64Encoded', 'A certificate with its private key as base64, PFX.'),
    base64EncodedValue: text('The base64 text.', { format: 'base64' }),
    certificatePassword
  }),
  closed({
    sourceType: sourceType('ClientSecret', 'A client secret.'),
    clientSecret: text('The secret.', { format: 'secret' })
  })
] as const

const CredentialSchema = Type.Unsafe<Static<(typeof credentials)[number]>>({
  type: 'object',
  description: 'A credential of the application, as in Microsoft.Identity.Web.',
  required: ['sourceType'],
  discriminator: { propertyName: 'sourceType' },
  oneOf: credentials
})

const EntraSchema = closed({
  instance: text('The cloud: origin of the identity provider.', { default: 'https://login.microsoftonline.com/', format: 'instance-url' }),
  tenantId: text('The tenant that signs users in: GUID, domain, organizations or common.', { format: 'tenant' }),
  allowedTenants: texts('Tenants that are let in, as GUIDs. Required with organizations or common.', 'guid', { default: [] }),
  clientId: text('The application (client) ID, a GUID.', { format: 'guid' }),
  clientCredentials: Type.Array(CredentialSchema, {
    description: 'How the gateway proves who it is, in order of preference; the first that loads is used.', minItems: 1
  }),
  initialScopes: texts('Scopes asked for at sign-in, of any number of APIs; empty lets consent grow route by route.', 'scope', { default: [] }),
  caFile: Type.Optional(text('A PEM file with further CAs for the identity provider.'))
}, { description: 'Microsoft Entra ID. The names follow Microsoft.Identity.Web.' })

const SessionSchema = closed({
  idleSeconds: seconds('A session ends after this time without a request. Not more than absoluteSeconds.', { default: 3600 }),
  absoluteSeconds: seconds('A session ends after this time at the latest.', { default: 28_800 }),
  cookie: closed({
    name: text('The name of the session cookie. On https the gateway puts __Host- before it.', { default: 'scopegate', format: 'cookie-name' }),
    sameSite: oneOf('lax survives a link from another site; strict does not, and shows a signed-out first page after sign-in.', ['lax', 'strict'])
  }, { description: 'The session cookie.', default: {} })
}, { description: 'How long a sign-in lasts.', default: {} })

const secretText = (description: string) => Type.Optional(text(description, { format: 'secret' }))
const secretFile = (description: string) => Type.Optional(text(description))

const addresses = (description: string) => Type.Optional(Type.Array(closed({
  host: text('Host name or address.'),
  port: whole('Port.', { min: 1, max: 65_535 })
}), { description, minItems: 1 }))

const RedisSchema = closed({
  url: Type.Optional(text('One server: redis://host:port/database, or rediss:// with TLS.', { format: 'redis-url' })),
  sentinels: addresses('The Sentinels that know the master.'),
  masterName: Type.Optional(text('What the Sentinels call the master.')),
  sentinelCredentials: Type.Optional(closed({
    username: Type.Optional(text('User name at the Sentinels.')),
    password: secretText('Password at the Sentinels.'),
    passwordFile: secretFile('A file with that password; read again for every connection.')
  }, { description: 'For the Sentinels themselves, where they have credentials of their own.' })),
  cluster: addresses('Some nodes of a Redis Cluster; they tell the rest.'),
  username: Type.Optional(text('User name.')),
  password: secretText('Password.'),
  passwordFile: secretFile('A file with the password; read again for every connection, so that a rotated one needs no restart.'),
  tls: Type.Optional(closed({
    caFile: Type.Optional(text('A PEM file with the CAs of the servers, beside the public ones.')),
    certFile: secretFile('A PEM file with a client certificate.'),
    keyFile: secretFile('The private key of that certificate.'),
    serverName: Type.Optional(text('The name to expect in certificates, where servers are reached by other addresses.'))
  }, { description: 'TLS to Redis. Certificates and names are always verified.' })),
  keyPrefix: text('Before every key and channel. Deployments that share a Redis must differ in it.', { default: 'scopegate', format: 'key-prefix' })
}, { description: 'Where Redis is: exactly one of url, sentinels and cluster. Redis 6 or later.' })

const StoreSchema = closed({
  type: oneOf('memory keeps sessions and tokens in this process, and they end with it; redis shares them between replicas.', ['memory', 'redis']),
  redis: Type.Optional(RedisSchema)
}, { description: 'Where sessions and tokens are kept.', default: {} })

/** A list of keys, as it also stands in a key file. */
export const KeyListSchema = Type.Array(closed({
  id: text('The name of the key; it travels with what the key sealed.', { format: 'key-id' }),
  key: text('At least 32 random bytes as base64, base64url or hex.', { format: 'key' })
}), { minItems: 1 })

const KeyFileSchema = closed({ file: text('A YAML file that holds the list.') })

const KeysSchema = Type.Unsafe<Static<typeof KeyListSchema> | Static<typeof KeyFileSchema>>({
  description: 'The key ring: a list of id and key, or the file that holds it. The first key seals, every key opens. Without it a key is made at start.',
  type: ['array', 'object'],
  if: { type: 'array' },
  then: KeyListSchema,
  else: KeyFileSchema
})

export const ConfigSchema = closed({
  version: Type.Literal(1, { description: 'The version of this format.' }),
  server: ServerSchema,
  entra: EntraSchema,
  session: SessionSchema,
  store: StoreSchema,
  keys: Type.Optional(KeysSchema),
  upstreams: mapOf('upstream-name', UpstreamSchema, 'The applications behind the gateway, by name.'),
  routes: Type.Array(RouteSchema, {
    description: 'What is reachable: host first, then the longest literal path, then the method. What is not listed does not exist.', minItems: 1
  })
}, { title: 'scopegate configuration' })

type Frozen<T> = T extends (infer E)[] ? readonly Frozen<E>[] : T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T
type Written = Static<typeof ConfigSchema>
type WrittenCredential = Written['entra']['clientCredentials'][number]

/** A credential with its file named, whether the config named it or the environment did. */
export type ClientCredential =
  | Frozen<Exclude<WrittenCredential, { sourceType: 'SignedAssertionFilePath' }>>
  | { readonly sourceType: 'SignedAssertionFilePath', readonly signedAssertionFileDiskPath: string }

/** A loaded config: defaults filled in, variables substituted, paths absolute, the key file read, deeply frozen. */
export type Config = Frozen<Omit<Written, 'keys' | 'entra'>> & {
  readonly entra: Frozen<Omit<Written['entra'], 'clientCredentials'>> & { readonly clientCredentials: readonly ClientCredential[] }
  readonly keys?: Frozen<Static<typeof KeyListSchema>>
}
