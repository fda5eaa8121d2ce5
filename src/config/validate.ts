/** This file holds a config against the schema and turns what ajv finds into sentences. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { formats } from './formats.ts'
import { pointerTo, type Finding } from './problems.ts'
import { ConfigSchema, KeyListSchema } from './schema.ts'
import { closest } from './words.ts'

const ajv = new Ajv({ allErrors: true, useDefaults: true, discriminator: true, allowUnionTypes: true, verbose: true })
for (const [name, check] of Object.entries(formats)) ajv.addFormat(name, text => check(text) === undefined)

/** The two kinds of file that make a config. */
export type Kind = 'config' | 'keys'

const validators: Readonly<Record<Kind, ValidateFunction>> = {
  config: ajv.compile(ConfigSchema),
  keys: ajv.compile(KeyListSchema)
}

/** Fills defaults into the data, and answers with everything that the schema has against it. Coerces nothing. */
export function validate (kind: Kind, data: unknown): readonly Finding[] {
  const check = validators[kind]
  return check(data) ? [] : check.errors!.map(findingOf).filter(finding => finding !== undefined)
}

function findingOf (error: ErrorObject): Finding | undefined {
  const at = (pointer: string, message: string, part: Finding['part'] = 'value'): Finding => ({ pointer, message, part })
  const pointer = error.instancePath
  if (error.propertyName !== undefined) return at(pointerTo(pointer, error.propertyName), formatProblem(error, error.propertyName), 'key')
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
    case 'enum': return wrongWord(error)
    case 'const': return `must be ${JSON.stringify(error.params.allowedValue)}`
    case 'minimum': return `must be at least ${limit}`
    case 'maximum': return `must be at most ${limit}`
    case 'minLength': return 'must not be empty'
    case 'minItems': case 'minProperties': return 'must have at least one entry: add one, or remove the key'
    case 'uniqueItems': return 'has the same entry twice: remove one'
    case 'format': return formatProblem(error, error.data as string)
    default: return error.message ?? 'is not valid'
  }
}

function formatProblem ({ params }: ErrorObject, text: string): string {
  return formats[params.format]!(text)!
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

function wrongWord ({ params, data }: ErrorObject): string {
  const known: readonly string[] = params.allowedValues
  if (typeof data === 'number' && known.includes(String(data))) return `must be a text: write "${data}", in quotes`
  return `must be one of ${known.join(', ')}`
}

function missingKey ({ params, parentSchema }: ErrorObject): string {
  const description: string | undefined = parentSchema?.properties?.[params.missingProperty]?.description
  return description === undefined ? 'is missing' : `is missing: ${description}`
}

function unknownKey ({ params, parentSchema }: ErrorObject): string {
  return `is not a key here: ${closest(params.additionalProperty, Object.keys(parentSchema?.properties ?? {}))}`
}

const MICROSOFT_IDENTITY_WEB: Readonly<Record<string, string>> = {
  Certificate: 'use Path or Base64Encoded',
  StoreWithThumbprint: 'use Path with the certificate as a PEM or PFX file',
  StoreWithDistinguishedName: 'use Path with the certificate as a PEM or PFX file',
  SignedAssertionFromVault: 'use KeyVault with the certificate',
  CustomSignedAssertion: 'use SignedAssertionFilePath with the assertion in a file',
  AutoDecryptKeys: 'remove it; tokens are not encrypted for the gateway'
}

function wrongSource ({ params, parentSchema }: ErrorObject): string {
  const value: string = params.tagValue
  if (Object.hasOwn(MICROSOFT_IDENTITY_WEB, value)) return `must not be ${value}, which is not supported: ${MICROSOFT_IDENTITY_WEB[value]}`
  const branches: { properties: { sourceType: { const: string } } }[] = parentSchema!.oneOf
  return `must be one of ${branches.map(branch => branch.properties.sourceType.const).join(', ')}`
}
