/**
 * This file reads whether and where traces are wanted, from the variables that every program with OpenTelemetry knows. Those
 * that are not named here are read by its packages themselves.
 *
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */

export type Env = Readonly<Record<string, string | undefined>>

export type TraceSettings =
  | { readonly kind: 'off' }
  /** They are wanted, but not as it could be done here. */
  | { readonly kind: 'refused', readonly why: string }
  | { readonly kind: 'on', readonly collector: string }

const samplers = ['always_on', 'always_off', 'traceidratio', 'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio']

/** An empty variable is one that is not set. What cannot be done is refused: spans that are sent elsewhere help nobody. */
export function readTraceSettings (env: Env): TraceSettings {
  const endpointName = nameOf(env, 'ENDPOINT')
  const exporters = valueOf(env, 'OTEL_TRACES_EXPORTER')?.split(',').map(name => name.trim()) ?? ['otlp']
  const isDisabled = valueOf(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true'
  if (endpointName === undefined || isDisabled || !exporters.includes('otlp')) return { kind: 'off' }
  const endpoint = valueOf(env, endpointName)!
  if (!isHttpUrl(endpoint)) return refused(endpointName, 'must be a URL such as http://collector.example.com:4318')
  const protocolName = nameOf(env, 'PROTOCOL')
  if (protocolName !== undefined && valueOf(env, protocolName) !== 'http/protobuf') return refused(protocolName, 'must be http/protobuf')
  return samplerTrouble(env) ?? { kind: 'on', collector: new URL(endpoint).origin }
}

/** Those for traces alone come first. */
function nameOf (env: Env, what: string): string | undefined {
  return [`OTEL_EXPORTER_OTLP_TRACES_${what}`, `OTEL_EXPORTER_OTLP_${what}`].find(name => valueOf(env, name) !== undefined)
}

function valueOf (env: Env, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}

function isHttpUrl (text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text)
}

/** The packages would take every request instead. */
function samplerTrouble (env: Env): TraceSettings | undefined {
  const sampler = valueOf(env, 'OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on'
  if (!samplers.includes(sampler)) return refused('OTEL_TRACES_SAMPLER', `must be one of ${samplers.join(', ')}`)
  const ratio = Number(valueOf(env, 'OTEL_TRACES_SAMPLER_ARG') ?? '1')
  if (sampler.endsWith('ratio') && !(ratio >= 0 && ratio <= 1)) return refused('OTEL_TRACES_SAMPLER_ARG', 'must be a number from 0 to 1')
  return undefined
}

function refused (name: string, why: string): TraceSettings {
  return { kind: 'refused', why: `${name} ${why}` }
}
