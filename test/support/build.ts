/** This file sees to it that `dist/` is what the sources say, for tests that run programs. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const stamp = join(root, 'dist/.tsbuildinfo')

/** Builds when a source is newer than what was built last. */
export function build (): void {
  if (existsSync(stamp) && newestSource() <= statSync(stamp).mtimeMs) return
  // An error of types elsewhere does not keep the compiler from writing what it can.
  spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], { cwd: root })
  if (!existsSync(stamp)) throw new Error('there is no build: npm run build')
}

function newestSource (): number {
  const files = ['src', 'emulator', 'demo', 'bench'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => join(root, folder, name)))
  return Math.max(...files.map(file => statSync(file).mtimeMs))
}
