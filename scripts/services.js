/**
 * This file sees to it that the programs which tests drive are there: installs them on Debian when it may, and says what
 * to install where it may not. The tests that need a missing one then fail; none is skipped.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const services = [
  { path: '/usr/bin/chromium', debian: 'chromium', purpose: 'browser tests' },
  { path: '/usr/bin/redis-server', debian: 'redis-server', purpose: 'store tests' },
  { path: '/usr/bin/redis-cli', debian: 'redis-tools', purpose: 'store tests' }
]

export function ensureServices () {
  const missing = services.filter(({ path }) => !existsSync(path))
  if (missing.length === 0) return
  const packages = missing.map(({ debian }) => debian)
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
  if (mayInstall) install(packages)
  for (const { path, debian, purpose } of missing.filter(({ path }) => !existsSync(path))) {
    console.error(`${path} is missing: the ${purpose} will fail. Install it (Debian: apt-get install ${debian}).`)
  }
}

function install (packages) {
  console.error(`installing ${packages.join(', ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'inherit'], env })
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { stdio: ['ignore', 'ignore', 'inherit'], env })
}
