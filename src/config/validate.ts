/** This file holds a config against the schema and turns what ajv finds into sentences. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { formats } from './formats.ts'
import { pointerTo, type Finding } from './problems.ts'
import { ConfigSchema, KeyListSchema } from './schema.ts'

const ajv = new Ajv({ allErrors: true, useDefaults: true, discriminator: true, allowUnionTypes: true, verbose: true })
for (const [name, check] of Object.entries(formats)) ajv.addFormat(name, text => check(text) === undefined)

const validators = { config: ajv.compile(ConfigSchema), keys: ajv.compile(KeyListSchema) } satisfies Record<string, ValidateFunction>

/** Fills defaults into the data, and answers with everything that the schema has against it. Coerces nothing. */
export function validate (kind: keyof typeof validators, data: unknown): readonly Finding[] {
  const check = validators[kind]
  return check(data) ? [] : check.errors!.map(findingOf).filter(finding => finding !== undefined)
}

function findingOf (error: ErrorObject): Finding | undefined {
  const at = (pointer: string, message: string, part: Finding['part'] = 'value'): Finding => ({ pointer, message, part })
  const pointer = error.instancePath
  if (error.propertyName !== undefined) return at(pointerTo(pointer, error.propertyName), formats[error.params.format]!(error.propertyName)!, 'key')
  switch (error.keyword) {
    case 'propertyNames': case 'if': return undefined // said already by what they contain
    case 'additionalProperties': return at(pointerTo(pointer, error.params.additionalProperty), unknownKey(error), 'key')
    case 'required': return at(pointerTo(pointer, error.params.missingProperty), missingKey(error))
    case 'discriminator': return error.params.tagValue === undefined ? undefined : at(pointerTo(pointer, 'sourceType'), wrongSource(error))
    default: return at(pointer, sentenceOf(error))
  }
}

function sentenceOf (error: ErrorObject): string {
  const { limit } = error.params
  switch (error.keyword) {
    case 'type': return wrongType(error)
    case 'enum': return `must be one of ${error.params.allowedValues.join(', ')}`
    case 'const': return `must be ${JSON.stringify(error.params.allowedValue)}`
    case 'minimum': return `must be at least ${limit}`
    case 'maximum': return `must be at most ${limit}`
    case 'minLength': return 'must not be empty'
    case 'minItems': case 'minProperties': return 'must have at least one entry: add one, or remove the key'
    case 'uniqueItems': return 'has the same entry twice: remove one'
    case 'format': return formats[error.params.format]!(error.data as string)!
    default: return error.message ?? 'is not valid'
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'must be a text',
  integer: 'must be a whole number, without quotes',
  boolean: 'must be true or false, without quotes',
  array: 'must be a list, as in [a, b]',
  object: 'must be a map of keys and values'
}

function wrongType ({ params, data }: ErrorObject): string {
  const type = [params.type].flat()[0] as string
  if (data === null) return `is empty: write a value, or remove the key (it ${TYPES[type]})`
  return type === 'string' && typeof data !== 'object' ? 'must be a text: put it in quotes' : TYPES[type]!
}

function missingKey ({ params, parentSchema }: ErrorObject): string {
  const description: string | undefined = parentSchema?.properties?.[params.missingProperty]?.description
  return `${params.missingProperty} is missing${description === undefined ? '' : `: ${description}`}`
}

/** A key is shown only when it looks like one: `{ clientSecret:abc }` without the space is a key to YAML. */
function unknownKey ({ params, parentSchema }: ErrorObject): string {
  const known = Object.keys(parentSchema?.properties ?? {})
  const key: string = params.additionalProperty
  const likely = known.find(name => distance(name.toLowerCase(), key.toLowerCase()) <= Math.max(1, name.length / 4))
  const advice = likely === undefined ? `the keys here are ${known.join(', ')}` : `did you mean ${likely}?`
  return `${/^[A-Za-z][A-Za-z0-9_-]{0,39}$/.test(key) ? `unknown key ${key}` : 'unknown key'}: ${advice}`
}

const MICROSOFT_IDENTITY_WEB: Readonly<Record<string, string>> = {
  KeyVault: 'use Path with the certificate mounted as a file',
  Certificate: 'use Path or Base64Encoded',
  StoreWithThumbprint: 'use Path with the certificate as a PEM or PFX file',
  StoreWithDistinguishedName: 'use Path with the certificate as a PEM or PFX file',
  SignedAssertionFromManagedIdentity: 'use SignedAssertionFilePath with a workload identity',
  SignedAssertionFromVault: 'use Path with the certificate mounted as a file',
  CustomSignedAssertion: 'use SignedAssertionFilePath with the assertion in a file',
  AutoDecryptKeys: 'remove it; tokens are not encrypted for the gateway'
}

function wrongSource ({ params, schema, parentSchema }: ErrorObject): string {
  const value: unknown = params.tagValue
  if (typeof value === 'string' && Object.hasOwn(MICROSOFT_IDENTITY_WEB, value)) return `${value} is not supported: ${MICROSOFT_IDENTITY_WEB[value]}`
  const known = parentSchema?.oneOf.map((branch: { properties: { sourceType: { const: string } } }) => branch.properties.sourceType.const)
  return `must be one of ${known?.join(', ') ?? Object.keys(schema as object).join(', ')}`
}

/** How many letters have to be added, dropped or replaced to make one word of the other (Levenshtein). */
export function distance (one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[other.length]!
}
