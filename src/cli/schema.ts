/** This file is `scopegate schema`: the JSON Schema of the config, for editors and for checks elsewhere. */
import { publishedSchema } from '../config/document.ts'
import type { Output } from './check.ts'

/** @returns the exit code, always 0 */
export function schema ({ out }: { readonly out: Output }): number {
  out.write(`${JSON.stringify(publishedSchema(), null, 2)}\n`)
  return 0
}
