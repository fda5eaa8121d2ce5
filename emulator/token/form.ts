/** This file checks the outer form of a token request. */
import { EntraError } from '../errors/entra-error.ts'
import type { TokenContext } from './context.ts'

export function requireForm ({ request }: TokenContext): void {
  const [type] = request.contentType.split(';')
  if (type?.trim().toLowerCase() !== 'application/x-www-form-urlencoded') {
    throw new EntraError(900144, { detail: "The request body must contain the following parameter: 'grant_type'." })
  }
}

/** RFC 6749 3.2: parameters must not be repeated. */
export function refuseDuplicates (context: TokenContext): void {
  const names = [...context.request.form.keys()]
  const repeated = names.find((name, at) => names.indexOf(name) !== at)
  if (repeated !== undefined) throw new EntraError(90100, { detail: `'${repeated}' parameter is duplicated.` })
  context.parameters = Object.fromEntries(context.request.form)
}
