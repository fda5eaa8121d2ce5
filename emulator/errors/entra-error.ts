/** This file is the one error type of the emulator: a refusal with an AADSTS code. */
import { entryOf, type Aadsts, type CatalogueEntry } from './catalogue.ts'

export interface EntraErrorOptions {
  /** Added to the catalogue's message. */
  readonly detail?: string
  /** Claims request to hand back with the error (Conditional Access). */
  readonly claims?: Record<string, unknown>
  /** The answer is a page of the emulator, even where errors are redirected. */
  readonly onPage?: boolean
  /** `error_subcode` of a redirect. */
  readonly subcode?: string
  /** These override the catalogue. */
  readonly error?: string
  readonly suberror?: string | null
  readonly status?: number
}

export class EntraError extends Error {
  override readonly name = 'EntraError'
  readonly code: Aadsts
  readonly entry: CatalogueEntry
  readonly status: number
  readonly options: EntraErrorOptions

  constructor (code: Aadsts, options: EntraErrorOptions = {}) {
    const entry = entryOf(code)
    super(options.detail === undefined ? entry.message : `${entry.message} ${options.detail}`)
    this.code = code
    this.entry = entry
    this.status = options.status ?? entry.status ?? 400
    this.options = options
  }
}
