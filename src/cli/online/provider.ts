/** This file looks whether the identity provider can be reached, and takes the credentials of this gateway. */
import type { Config } from '../../config/schema.ts'
import type { Metadata } from '../../identity/metadata.ts'
import { type CredentialProbe, type CredentialVerdict, createProviderProbe, type ProviderProbe } from '../../identity/probe.ts'
import { StsError } from '../../identity/sts-error.ts'
import { failed, type Finding, ok, type Result, warning, withinDeadline } from './finding.ts'
import { type Place, troubleWith } from './trouble.ts'

/** Never throws. The credentials are tried once the provider's endpoints are known. */
export async function lookAtProvider ({ entra, environment, server }: Config, deadlineMs: number): Promise<readonly Finding[]> {
  const place = { at: new URL(entra.instance).host, caKey: 'entra.caFile' }
  const target = `provider ${new URL(entra.instance).origin}/${entra.tenantId}`
  const probe = openProbe({ entra, environment, server })
  if (probe === undefined) return [{ target, ...failed('entra.caFile cannot be read any more') }]
  const learned: Learned = {}
  try {
    const provider = await withinDeadline(deadlineMs, async () => await learn(probe, learned), wording(place))
    const tried = probe.credentials.map(async one => await tryCredential(one, learned.metadata, { place, deadlineMs }))
    const credentials = inAll(await Promise.all(tried))
    return [{ target, ...provider }, ...credentials.map((result, i) => ({ target: nameOf(probe.credentials, i), ...result }))]
  } finally {
    await probe.close()
  }
}

interface Learned {
  metadata?: Metadata
}

function openProbe ({ entra, environment, server }: Pick<Config, 'entra' | 'environment' | 'server'>): ProviderProbe | undefined {
  const redirectUri = new URL('/.auth/callback', server.publicUrl).href
  const quiet = { info () {}, warn () {}, error () {} }
  try {
    return createProviderProbe({ entra, environment, redirectUri, now: Date.now, random: Math.random, log: quiet })
  } catch {
    return undefined
  }
}

async function learn (probe: ProviderProbe, learned: Learned): Promise<Result> {
  const metadata = await probe.endpoints()
  await probe.keys(metadata)
  learned.metadata = metadata
  return ok('its endpoints and signing keys are known')
}

function wording (place: Place) {
  return { inWords: (error: unknown) => providerTrouble(place, error), late: (seconds: number) => `${silence(place)} (${seconds} s)` }
}

function silence ({ at }: Place): string {
  return `${at} does not answer in time: does a firewall swallow what is sent there, or is HTTPS_PROXY missing?`
}

function providerTrouble (place: Place, error: unknown): string {
  if (error instanceof TypeError) return `what it says cannot be used: ${error.message}. Look at entra.instance and entra.tenantId`
  if (!(error instanceof StsError) || error.cause !== undefined) return troubleWith(place, error)
  const { code, status } = error
  if (code === 'sts_timeout') return silence(place)
  if (code === 'sts_throttled') return `it answers ${status}: it is asked too often. Try again in a while`
  if (code === 'sts_unavailable') return `it answers ${status ?? 'nothing'}: an outage there, or of a proxy on the way. Try again in a while`
  if (status !== undefined && status >= 400) return `it answers ${status}: does the tenant exist there? Look at entra.instance and entra.tenantId`
  return 'what it answers is no JSON: does something on the way answer in its place, such as a sign-in page of a network, or is entra.instance another site?'
}

interface TryOptions {
  readonly place: Place
  readonly deadlineMs: number
}

async function tryCredential (
  probe: CredentialProbe, metadata: Metadata | undefined, { place, deadlineMs }: TryOptions
): Promise<Result> {
  return await withinDeadline(deadlineMs, async () => inWords(await probe.try(metadata), place), {
    inWords: error => troubleWith(place, error),
    late: seconds => `is not there within ${seconds} s: does the service that keeps it answer?`
  })
}

const untried = {
  unknown: warning('loads; the provider is not reached, so it was not asked whether it takes it'),
  other: ok('loads; only a sign-in tells whether this provider takes it'),
  shared: ok('loads; only a sign-in tells whether Entra takes it, since no single tenant is configured')
}

function inWords (verdict: CredentialVerdict, place: Place): Result {
  switch (verdict.kind) {
    case 'accepted': return ok('loads, and the provider takes it')
    case 'loaded': return untried[verdict.untried]
    // Its messages are the gateway's own and name files and services, never what they hold.
    case 'unreadable': return failed(`cannot be used: ${verdict.error.message}`)
    case 'rejected': return failed(`the provider refuses it (${verdict.code}): ${remedies[verdict.code] ?? 'docs/entra-errors.md says what to do'}`)
    case 'unanswered': return failed(`could not be tried: ${providerTrouble(place, verdict.error)}`)
  }
}

const otherKey = 'register this certificate at the application, or use the one that is registered'
const outOfTime = 'the assertion is out of time: set the clock here'

/** @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
const remedies: Readonly<Record<string, string>> = {
  AADSTS7000215: 'the secret is wrong: copy the secret\'s value, not its ID',
  AADSTS7000222: 'the secret has expired: add another one to the application',
  AADSTS700016: 'the tenant has no application with this entra.clientId',
  AADSTS700024: outOfTime,
  AADSTS700027: otherKey,
  AADSTS7000214: otherKey,
  AADSTS700211: 'no federated credential has the issuer of the assertion',
  AADSTS700212: 'no federated credential has the audience of the assertion',
  AADSTS700213: 'no federated credential has the subject of the assertion',
  AADSTS7000218: 'it wants a credential of another kind'
}

/** The first that works is used: as long as there is one, those that do not are only worth a warning. */
function inAll (results: readonly Result[]): readonly Result[] {
  if (!results.some(({ outcome }) => outcome === 'ok')) return results
  return results.map(one => one.outcome === 'failed' ? warning(one.text) : one)
}

function nameOf (credentials: readonly CredentialProbe[], index: number): string {
  return `credential ${credentials.length > 1 ? `${index + 1} ` : ''}${credentials[index]!.name}`
}
