/**
 * This file holds the few shapes that the schema is made of: every object is closed, every property has a description, no
 * text is empty.
 */
import Type, { type Static, type TArrayOptions, type TObject, type TProperties, type TSchema, type TSchemaOptions, type TStringOptions } from 'typebox'

/** An object without unknown keys. */
export function closed<P extends TProperties> (properties: P, options: TSchemaOptions = {}): TObject<P> {
  return Type.Object(properties, { ...options, additionalProperties: false })
}

/** An object whose keys the user chooses; `names` is the format of a key. */
export function mapOf<T extends TSchema> (names: string, values: T, description: string, options: TSchemaOptions = {}) {
  const propertyNames = { type: 'string', format: names }
  return Type.Unsafe<Record<string, Static<T>>>({ type: 'object', description, propertyNames, additionalProperties: values, ...options })
}

/** A text; `format` is one of formats.ts. */
export function text (description: string, options: TStringOptions = {}) {
  return Type.String({ description, minLength: 1, ...options })
}

/** A list of texts, each of the given format of formats.ts. */
export function texts (description: string, format: string | undefined, options: TArrayOptions = {}) {
  return Type.Array(Type.String({ minLength: 1, ...(format === undefined ? {} : { format }) }), { description, ...options })
}

/** A whole number within bounds. */
export function whole (description: string, bounds: { min: number, max: number, default?: number }) {
  const { min, max, ...preset } = bounds
  return Type.Integer({ description, minimum: min, maximum: max, ...preset })
}

/** A time in whole seconds, up to a day. */
export function seconds (description: string, bounds: { min?: number, default?: number } = {}) {
  return whole(description, { min: 1, max: 86_400, ...bounds })
}

/** One of a few words. The first is the default. */
export function oneOf<const V extends string[]> (description: string, values: readonly [...V]) {
  return Type.Enum(values, { description, default: values[0] })
}
