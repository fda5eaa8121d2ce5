/**
 * This file reads single parameters from a query. A parameter that comes twice is two answers to one question: for most
 * that means none, for a callback it means refusal.
 */

/** A parameter's value: what it says, that it is absent, or that it was given more than once. */
export type Parameter = string | undefined | typeof repeated

export const repeated = Symbol('given more than once')

/** @param url - the request's URL, path and query */
export function readQuery (url: string): (name: string) => Parameter {
  const mark = url.indexOf('?')
  const parameters = new URLSearchParams(mark < 0 ? '' : url.slice(mark))
  return name => {
    const values = parameters.getAll(name)
    return values.length > 1 ? repeated : values[0]
  }
}

/** The value of a parameter that has exactly one. */
export function single (parameter: Parameter): string | undefined {
  return typeof parameter === 'string' ? parameter : undefined
}
