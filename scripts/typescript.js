/**
 * This file lets Node run TypeScript for the tests, each file compiled once and kept by its content: the loader of tap
 * compiles everything again in each of the processes, which is half the time of the whole suite.
 *
 * Preload it: `NODE_OPTIONS=--import=<this file>`.
 */
import { register } from 'node:module'

// Says to tap's own loader that it is not needed.
process.env.TAP_TYPE_STRIP_ONLY = '1'
register('./typescript-hooks.js', import.meta.url)
