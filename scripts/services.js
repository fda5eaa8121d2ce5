/**
 * This file sees to it that the programs which tests drive are there: installs them on Debian when it may, and says what
 * to install where it may not. The tests that need a missing one then fail; none is skipped.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

const services = [
  { path: '/usr/bin/python3', debian: 'python3', purpose: 'SQLite tests' },
  { path: '/usr/bin/make', debian: 'make', purpose: 'SQLite tests' },
  { path: '/usr/bin/g++', debian: 'g++', purpose: 'SQLite tests' },
  { path: '/usr/bin/chromium', debian: 'chromium', purpose: 'browser tests' },
  { path: '/usr/bin/redis-server', debian: 'redis-server', purpose: 'store tests' },
  { path: '/usr/bin/redis-cli', debian: 'redis-tools', purpose: 'store tests' },
  { path: '/usr/sbin/nginx', debian: 'nginx', purpose: 'tests of path spellings' },
  { path: '/usr/sbin/apache2', debian: 'apache2-bin', purpose: 'tests of path spellings' },
  { path: '/usr/sbin/lighttpd', debian: 'lighttpd', purpose: 'tests of path spellings' },
  { path: '/usr/bin/gunicorn', debian: 'gunicorn', purpose: 'tests of path spellings' },
  { path: '/usr/lib/python3/dist-packages/flask/__init__.py', debian: 'python3-flask', purpose: 'tests of path spellings' },
  { path: '/usr/bin/php', debian: 'php-cli', purpose: 'tests of path spellings' },
  { path: '/usr/bin/openssl', debian: 'openssl', purpose: 'tests of upstreams over TLS' },
  { path: '/usr/bin/slowhttptest', debian: 'slowhttptest', purpose: 'tests of slow clients' },
  { path: '/usr/bin/faketime', debian: 'faketime', purpose: 'tests of clocks that differ' },
  { path: '/usr/bin/promtool', debian: 'prometheus', purpose: 'tests of alerts' },
  { path: '/usr/bin/wrk', debian: 'wrk', purpose: 'benchmarks' },
  { path: '/usr/sbin/mariadbd', debian: 'mariadb-server', purpose: 'SQL store tests' },
  { path: '/usr/bin/pg_ctlcluster', debian: 'postgresql', purpose: 'SQL store tests' }
]

export function ensureServices () {
  ensurePrograms()
  // After them: its driver may have to be compiled.
  ensureSqlite()
}

function ensurePrograms () {
  const missing = services.filter(({ path }) => !existsSync(path))
  if (missing.length === 0) return
  const packages = missing.map(({ debian }) => debian)
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
  if (mayInstall) install(packages)
  for (const { path, debian, purpose } of missing.filter(({ path }) => !existsSync(path))) {
    console.error(`${path} is missing: the ${purpose} will fail. Install it (Debian: apt-get install ${debian}).`)
  }
}

/** Not in the lock file: its driver is compiled, or fetched from outside the registry, and `npm ci` must work without. */
function ensureSqlite () {
  if (existsSync(join(root, 'node_modules', '@keyv', 'sqlite'))) return
  console.error('installing @keyv/sqlite; it may have to be compiled, which takes minutes')
  // In a folder of its own: an optional peer is not installed beside the rest without being written into package.json.
  const folder = join(root, 'node_modules', '.sqlite')
  mkdirSync(folder, { recursive: true })
  const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', '@keyv/sqlite@^4.0.8', 'keyv@5.6']
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status === 0) link(join(folder, 'node_modules', '@keyv', 'sqlite'), join(root, 'node_modules', '@keyv', 'sqlite'))
  if (status !== 0) console.error('@keyv/sqlite could not be installed: the SQLite tests will fail. Its driver needs python3, make and g++.')
}

/** npm takes the folder away sometimes, and leaves the link. */
function link (target, path) {
  rmSync(path, { force: true })
  symlinkSync(target, path)
}

function install (packages) {
  console.error(`installing ${packages.join(', ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'inherit'], env })
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { stdio: ['ignore', 'ignore', 'inherit'], env })
}
