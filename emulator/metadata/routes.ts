/** This file serves what clients read before anything else: instance discovery, OIDC metadata, signing keys. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { findTenant, sameText, TENANTLESS } from '../directory/find.ts'
import { EntraError } from '../errors/entra-error.ts'
import { parametersOf, segmentOf } from '../http/parameters.ts'
import { toJwk } from '../keys/signing-keys.ts'
import { issuerV1, issuerV2, type World } from '../world.ts'

export function registerMetadata (app: FastifyInstance, world: World): void {
  const metadata = { config: { endpoint: 'metadata' } }
  const jwks = { config: { endpoint: 'jwks' } }
  app.get('/common/discovery/instance', { config: { endpoint: 'instance' } }, (request) => instanceDiscovery(request, world))
  app.get('/:tenant/v2.0/.well-known/openid-configuration', metadata, (request) => metadataV2(segmentOf(request, 'tenant'), world))
  app.get('/:tenant/.well-known/openid-configuration', metadata, (request) => metadataV1(segmentOf(request, 'tenant'), world))
  app.get('/:tenant/discovery/v2.0/keys', jwks, (request) => signingKeys(segmentOf(request, 'tenant'), world))
  app.get('/:tenant/discovery/keys', jwks, (request) => signingKeys(segmentOf(request, 'tenant'), world))
}

/** MSAL asks here about hosts it does not know; the emulator vouches for its own host and port only. */
function instanceDiscovery (request: FastifyRequest, world: World): unknown {
  const asked = parametersOf(request).authorization_endpoint ?? ''
  const { host } = new URL(world.origin)
  if (!URL.canParse(asked) || new URL(asked).host !== host) {
    throw new EntraError(50049)
  }
  const [, tenant] = new URL(asked).pathname.split('/')
  return {
    tenant_discovery_endpoint: `${world.origin}/${tenant}/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }]
  }
}

/** The tenant segment as metadata shows it: its id, or the word that stands for any tenant. */
function namesOf (name: string, world: World): { segment: string, issuerId: string } {
  const tenantless = TENANTLESS.find((word) => sameText(word, name))
  if (tenantless !== undefined) return { segment: tenantless, issuerId: '{tenantid}' }
  const tenant = findTenant(name, world.state.tenants)
  if (tenant === undefined) throw new EntraError(90002, { error: 'invalid_tenant', detail: `Tenant '${name}' not found.` })
  return { segment: tenant.id, issuerId: tenant.id }
}

function metadataV2 (name: string, world: World): Record<string, unknown> {
  const { segment, issuerId } = namesOf(name, world)
  const base = `${world.origin}/${segment}`
  return {
    token_endpoint: `${base}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
    jwks_uri: `${base}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer: issuerV2(world, issuerId),
    request_uri_parameter_supported: false,
    userinfo_endpoint: `${world.origin}/oidc/userinfo`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    http_logout_supported: true,
    frontchannel_logout_supported: true,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    claims_supported: ['sub', 'iss', 'cloud_instance_name', 'aud', 'exp', 'iat', 'auth_time', 'acr', 'nonce', 'preferred_username', 'name', 'tid', 'ver', 'at_hash', 'c_hash', 'email'],
    tenant_region_scope: issuerId === '{tenantid}' ? null : 'EU',
    cloud_instance_name: 'emulator'
  }
}

/** v1 differs in the issuer and in the paths of its keys. */
function metadataV1 (name: string, world: World): Record<string, unknown> {
  const { segment, issuerId } = namesOf(name, world)
  return { ...metadataV2(name, world), issuer: issuerV1(world, issuerId), jwks_uri: `${world.origin}/${segment}/discovery/keys` }
}

function signingKeys (name: string, world: World): unknown {
  const issuer = issuerV2(world, namesOf(name, world).issuerId)
  return { keys: world.keys.published().map((key) => toJwk(key, issuer)) }
}
