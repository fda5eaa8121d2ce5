/**
 * This file is the one source of the configuration: the types, the defaults, the validation, the published JSON Schema and
 * the reference in `config/README.md` all come from `ConfigSchema`.
 *
 * Times are seconds and sizes are bytes. What a `format` means is said in formats.ts; rules that look at two places of a
 * config are in rules.ts.
 */
import Type, { type Static } from 'typebox'
import type { Environment } from './environment.ts'
import { closed, mapOf, oneOf, seconds, text, texts, whole } from './schema-parts.ts'
import { RouteSchema, UpstreamSchema } from './schema-routes.ts'

const perMinute = (description: string, preset: number) => whole(description, { min: 1, max: 100_000, default: preset })

const LimitsSchema = closed({
  maxBodyBytes: whole('The largest request body in bytes; a longer one is answered with 413. A route may set its own.', { min: 0, max: Number.MAX_SAFE_INTEGER, default: 10_485_760 }),
  maxHeaderBytes: whole('The largest header section of a request in bytes; a longer one is answered with 431.', { min: 1024, max: 1_048_576, default: 16_384 }),
  headersTimeoutSeconds: seconds('How long a client may take to send its headers. Not more than requestTimeoutSeconds.', { default: 15 }),
  requestTimeoutSeconds: seconds('How long a client may take to send a whole request.', { default: 60 }),
  maxConnections: whole('Open client connections; more are refused.', { min: 1, max: 1_000_000, default: 10_000 }),
  maxStallSeconds: seconds('After the process stood still for so long, new requests get 503 until it keeps up again.', { default: 1 }),
  signInsPerMinute: perMinute('Sign-ins that a client address may begin and not finish in a minute; more get 429. Finished ones do not count.', 30),
  signOutsPerMinute: perMinute('Sign-outs of a client address in a minute; more get 429.', 60),
  invalidCookiesPerMinute: perMinute('Requests of a client address in a minute, other than navigations, whose session cookie is forged or has ended; more get 429. So do as many bearer tokens that are no good.', 300),
  drainDelaySeconds: seconds('How long after SIGTERM new requests are still served, while load balancers notice. After SIGINT it is 0.', { min: 0, default: 5 }),
  drainSeconds: seconds('How long requests under way may take after that before their connections are closed.', { min: 0, default: 25 })
}, { description: 'What a client may use up.', default: {} })

const ManagementSchema = closed({
  host: text('The address to listen on. Probes of another machine, such as the kubelet, need more than loopback.', { default: '127.0.0.1' }),
  port: whole('The port to listen on; 0 lets the system choose one.', { min: 0, max: 65_535, default: 9090 }),
  tokenFile: Type.Optional(text('A file with the bearer token for /sessions, read again when it changes; without it there is no /sessions.'))
}, { description: 'A listener of its own for /livez, /readyz, /metrics and /sessions; without this key there is none.' })

const WorkersSchema = Type.Unsafe<number | 'auto'>({
  description: 'Processes that share the port; auto is one per core. More than one need the redis store. 1 needs no further process.',
  type: ['integer', 'string'],
  default: 1,
  if: { type: 'string' },
  then: { enum: ['auto'] },
  else: { type: 'integer', minimum: 1, maximum: 256 }
})

const ServerSchema = closed({
  host: text('The address to listen on.', { default: '0.0.0.0' }),
  port: whole('The port to listen on; 0 lets the system choose one.', { min: 0, max: 65_535, default: 8080 }),
  publicUrl: text('What browsers see: an origin. The redirect URI to register is this with /.auth/callback behind it.', {
    format: 'public-url', examples: ['https://portal.contoso.com']
  }),
  trustedProxies: texts('Addresses or CIDR blocks of the proxies in front whose X-Forwarded-For, X-Request-Id and traceparent are believed; empty means none.', 'address-block', { default: [] }),
  management: Type.Optional(ManagementSchema),
  workers: WorkersSchema,
  limits: LimitsSchema
}, { description: 'The listener.' })

const sourceType = <const T extends string>(value: T, description: string) => Type.Literal(value, { description })
const managedIdentityClientId = Type.Optional(text('The client ID of a user-assigned managed identity; without it the machine\'s own.', { format: 'guid' }))
const certificatePassword = Type.Optional(text('The password of the certificate, if it has one.', { format: 'secret' }))

const credentials = [
  closed({
    sourceType: sourceType('SignedAssertionFilePath', 'A signed assertion in a file, as Azure workload identity mounts it; read again when it changes.'),
    signedAssertionFileDiskPath: Type.Optional(text('The file; without it the variable AZURE_FEDERATED_TOKEN_FILE names it.'))
  }),
  closed({
    sourceType: sourceType('SignedAssertionFromManagedIdentity', 'The token of an Azure managed identity, for which the application has a federated credential.'),
    managedIdentityClientId,
    tokenExchangeUrl: Type.Optional(text('The audience of the federated credential; without it api://AzureADTokenExchange.'))
  }),
  closed({
    sourceType: sourceType('KeyVault', 'An exportable certificate in Azure Key Vault; read again every hour. The vault is asked as the pod\'s workload identity or the machine\'s managed identity.'),
    keyVaultUrl: text('The vault: an https origin.', { format: 'key-vault-url' }),
    keyVaultCertificateName: text('The name of the certificate.', { format: 'key-vault-name' }),
    managedIdentityClientId
  }),
  closed({
    sourceType: sourceType('Path', 'A certificate with its private key in a file, PEM or PFX.'),
    certificateDiskPath: text('The file.'),
    certificatePassword
  }),
  closed({
    sourceType: sourceType('Base64Encoded', 'A certificate with its private key as base64, PEM or PFX.'),
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

const endpoint = (description: string) => Type.Optional(text(description, { format: 'endpoint-url' }))

const AuthorityMetadataSchema = closed({
  issuer: Type.Optional(text('The issuer of its tokens, as its metadata document has it.', { format: 'issuer-url' })),
  authorizationEndpoint: endpoint('Where users sign in; at the instance.'),
  tokenEndpoint: endpoint('Where codes and refresh tokens are redeemed; may be elsewhere than browsers go.'),
  jwksUri: endpoint('Its signing keys; may be elsewhere than browsers go.'),
  endSessionEndpoint: endpoint('Where users sign out; at the instance.'),
  userClaim: oneOf('The claim of ID tokens that names a user: sub for a provider that has no oid.', ['oid', 'sub'])
}, {
  description: 'The endpoints of a provider that is not Entra ID for organisations: External ID, B2C, AD FS, an emulator. All of them, or none.',
  default: {}
})

const EntraSchema = closed({
  instance: text('The cloud: origin of the identity provider.', { default: 'https://login.microsoftonline.com/', format: 'instance-url' }),
  tenantId: text('The tenant that signs users in: GUID, domain, organizations or common.', { format: 'tenant' }),
  allowedTenants: texts('Tenants that are let in, as GUIDs. Required with organizations or common.', 'guid', { default: [] }),
  clientId: text('The application (client) ID, a GUID.', { format: 'guid' }),
  clientCredentials: Type.Array(CredentialSchema, {
    description: 'How the gateway proves who it is, in order of preference; the first that loads is used.', minItems: 1
  }),
  sendX5c: Type.Boolean({ description: 'Whether assertions that a certificate signs carry it and its chain, for applications that trust by subject name and issuer.', default: false }),
  clientCapabilities: Type.Array(Type.Enum(['cp1']), {
    description: 'cp1 tells Entra that claims challenges are handled: tokens of some APIs then live for a day and are revoked at once.', default: [], uniqueItems: true
  }),
  initialScopes: texts('Scopes asked for at sign-in, of any number of APIs; empty lets consent grow route by route.', 'scope', { default: [] }),
  authorityMetadata: AuthorityMetadataSchema,
  graphUrl: Type.Optional(text('The origin of Microsoft Graph, where instance is no cloud of Microsoft. It is asked for the groups of users who are in more than a token holds, when a rule names groups.', { format: 'instance-url' })),
  caFile: Type.Optional(text('A PEM file with further CAs for the identity provider, for Graph, and for whatever else credentials come from.'))
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

const table = text('The table, made by the gateway. Deployments that share a database must differ in it. Not a word of SQL.', { default: 'scopegate', format: 'identifier' })

/** @param url - its description and format */
const databaseServer = (url: ReturnType<typeof text>) => ({
  url,
  password: secretText('Password; wins over the one in the url.'),
  tls: Type.Optional(closed({
    caFile: Type.Optional(text('A PEM file with the CA of the server, instead of the public ones.'))
  }, { description: 'TLS to the database. Certificate and name are always verified.' })),
  connections: whole('Connections of this replica at once, at most.', { min: 1, max: 200, default: 10 }),
  table
})

const PostgresSchema = closed({
  ...databaseServer(text('The server: postgres://user@host:port/database.', { format: 'postgres-url' })),
  schema: text('The schema that holds the table; made when it is missing.', { default: 'public', format: 'identifier' })
}, { description: 'Where PostgreSQL is. Needs the packages @keyv/postgres and pg.' })

const MysqlSchema = closed(
  databaseServer(text('The server: mysql://user@host:port/database.', { format: 'mysql-url' })),
  { description: 'Where MySQL or MariaDB is. Needs the package @keyv/mysql.' }
)

const SqliteSchema = closed({
  file: text('The database, in a folder that is there. Replicas on one machine may share it.'),
  table
}, { description: 'Where the SQLite file is. Needs the package @keyv/sqlite.' })

const StoreSchema = closed({
  type: oneOf('memory keeps sessions and tokens in this process, and they end with it; the others share them between replicas.', [
    'memory', 'redis', 'postgres', 'mysql', 'sqlite'
  ]),
  redis: Type.Optional(RedisSchema),
  postgres: Type.Optional(PostgresSchema),
  mysql: Type.Optional(MysqlSchema),
  sqlite: Type.Optional(SqliteSchema)
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

const LoggingSchema = closed({
  samplePercent: whole('How many lines of requests that went well are written: 100 is all, 10 every tenth, 0 none. What failed, was refused or was slow always has its line, and so has every event.', { min: 0, max: 100, default: 100 }),
  slowSeconds: seconds('With a samplePercent below 100: requests that take this long always have their line.', { default: 1 })
}, { description: 'The lines of requests in the log. How much else is written is set by LOG_LEVEL.', default: {} })

export const ConfigSchema = closed({
  version: Type.Literal(1, { description: 'The version of this format.' }),
  server: ServerSchema,
  entra: EntraSchema,
  session: SessionSchema,
  store: StoreSchema,
  keys: Type.Optional(KeysSchema),
  logging: LoggingSchema,
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

/**
 * A loaded config: defaults filled in, variables substituted, paths absolute, the key file read, the environment looked at,
 * deeply frozen.
 */
export type Config = Frozen<Omit<Written, 'keys' | 'entra'>> & {
  readonly environment: Environment
  readonly entra: Frozen<Omit<Written['entra'], 'clientCredentials'>> & { readonly clientCredentials: readonly ClientCredential[] }
  readonly keys?: Frozen<Static<typeof KeyListSchema>>
}
