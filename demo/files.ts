/**
 * This file finds the files of the checkout, from the sources and from `dist/` alike.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const isSource = existsSync(new URL('../package.json', import.meta.url))
const checkout = new URL(isSource ? '../' : '../../', import.meta.url)

/** @param path - relative to the root of the checkout */
export function fileIn (path: string): string {
  return fileURLToPath(new URL(path, checkout))
}
