/** This file uses every command rightly and wrongly, as a process: what it prints, where, and its exit code. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { build } from '../support/build.ts'
import { configOf } from '../support/gateway.ts'
import { type Ended, folder, start, writeConfig } from '../support/process.ts'

t.before(build)

/** What a command needs beside its options, to be complete. */
const commands: Readonly<Record<string, readonly string[]>> = {
  serve: ['serve'],
  check: ['check'],
  explain: ['explain', 'GET', '/'],
  schema: ['schema'],
  keygen: ['keygen'],
  sessions: ['sessions', 'list', '11111111-1111-4111-8111-111111111111/33333333-3333-4333-8333-333333333331']
}
/** Those that read a config. */
const readers = ['serve', 'check', 'explain', 'sessions']

const good = { upstreams: { app: { url: 'http://127.0.0.1:1' } }, routes: [{ path: '/*', upstream: 'app' }] }

async function run (t: Test, args: readonly string[], env?: Record<string, string>): Promise<Ended> {
  return await start(t, args, env).ended
}

/** A few at a time: many processes that start together are slower than one after the other. */
async function each<T> (items: readonly T[], check: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  await Promise.all([1, 2, 3].map(async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await check(item)
  }))
}

t.test('every command has --help, also behind its arguments: on standard output, 0', async t => {
  await each([['--help'], ['-h'], ...Object.values(commands).flatMap(use => [[use[0]!, '--help'], [...use, '-h']])], async args => {
    const { code, out, err } = await run(t, args)
    t.equal(code, 0, args.join(' '))
    t.match(out, /^scopegate /)
    t.match(out, /^Exit codes: 0 fine, 1 .*, 2 wrong usage/m)
    t.equal(err, '')
  })
})

t.test('help names all there is', async t => {
  const { out } = await run(t, ['--help'])
  for (const name of Object.keys(commands)) t.match(out, new RegExp(`^  ${name} `, 'm'))
  for (const name of ['--config', 'SCOPEGATE_CONFIG', 'config/gateway.yaml', 'LOG_LEVEL', 'SIGTERM', 'SIGHUP', '70 cannot start']) t.ok(out.includes(name), name)
  const options = {
    check: ['--online', '--json', '--config FILE'],
    explain: ['METHOD URL', '--as FILE', '--json', '--config FILE'],
    sessions: ['list USER', 'revoke USER', 'revoke --session ID', '--url URL', '--token-file FILE', '--json', '--config FILE']
  }
  await each(Object.entries(options), async ([name, wanted]) => {
    const { out } = await run(t, [name, '--help'])
    for (const one of wanted) t.ok(out.includes(one), `${name} ${one}`)
  })
})

t.test('wrong usage says what is wrong, then how it is right: on standard error, 2', async t => {
  const uses: ReadonlyArray<readonly [args: readonly string[], why: string]> = [
    [['nonsense'], 'there is no command nonsense'],
    [['constructor'], 'there is no command constructor'],
    [['--nonsense'], 'Unknown option \'--nonsense\''],
    [['-x'], 'Unknown option \'-x\''],
    [['--config'], 'Option \'--config <value>\' argument missing'],
    [['serve', 'extra'], 'serve takes no extra'],
    [['check', 'extra'], 'check takes no extra'],
    [['schema', 'extra'], 'schema takes no extra'],
    [['keygen', 'extra'], 'keygen takes no extra'],
    [['explain'], 'explain takes a method and a URL'],
    [['explain', 'GET', '/', 'extra'], 'explain takes a method and a URL'],
    [['sessions'], 'sessions does not take that'],
    [['sessions', 'list', 'alice'], 'sessions does not take that'],
    [['serve', '--online'], 'Unknown option \'--online\''],
    [['check', '--as', 'x'], 'Unknown option \'--as\''],
    ...Object.values(commands).flatMap(use => [
      [[...use, '--nonsense'], 'Unknown option \'--nonsense\''],
      [[...use, '--config'], 'Option \'--config <value>\' argument missing']
    ] as const)
  ]
  await each(uses, async ([args, why]) => {
    const { code, out, err } = await run(t, args)
    t.equal(code, 2, args.join(' '))
    t.ok(err.startsWith(`${why}\n\nscopegate `), err.slice(0, 100))
    t.match(err, 'Exit codes:')
    t.equal(out, '')
  })
})

t.test('a config that is not there or cannot be read is 1, with its name and the system\'s code', async t => {
  const at = folder(t)
  const files: ReadonlyArray<readonly [file: string, text: string]> = [
    [join(at, 'none.yaml'), 'none.yaml:1:1 cannot be read (ENOENT)'],
    [at, ':1:1 cannot be read (EISDIR)']
  ]
  await each(readers.flatMap(name => files.map(file => [name, ...file] as const)), async ([name, file, text]) => {
    for (const [args, env] of [[[...commands[name]!, '--config', file], {}], [commands[name]!, { SCOPEGATE_CONFIG: file }]] as const) {
      const { code, out, err } = await run(t, args, env)
      t.equal(code, 1, `${name} ${file}`)
      t.ok(err.includes(text), err)
      t.equal(out, '')
    }
  })
})

t.test('a variable that is not set, and a wrong one, are told without what the others hold', async t => {
  const clientSecret = ['FIRST', 'SECOND'].map(name => `\${${name}}`).join('')
  const file = writeConfig(t, configOf({ ...good, entra: { clientCredentials: [{ sourceType: 'ClientSecret', clientSecret }] } }, 8080))
  await each(readers, async name => {
    const { code, err } = await run(t, [...commands[name]!, '--config', file], { FIRST: 'the-secret-of-the-test' })
    t.equal(code, 1, name)
    t.match(err, 'SECOND')
    t.notMatch(err, 'the-secret-of-the-test')
  })
  const { code, err } = await run(t, ['serve', '--config', file], { FIRST: 'a', SECOND: 'b', LOG_LEVEL: 'loud' })
  t.equal(code, 2)
  t.equal(err, 'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent\n')
})

t.test('what is printed can be used: a schema, and an entry for the key ring', async t => {
  const { code, out } = await run(t, ['schema'])
  t.equal(code, 0)
  t.match(JSON.parse(out), { type: 'object' })
  const keygen = await run(t, ['keygen'])
  t.equal(keygen.code, 0)
  const keyFile = join(folder(t), 'keys.yaml')
  writeFileSync(keyFile, keygen.out)
  t.equal(parse(keygen.out).length, 1)
  const file = writeConfig(t, { ...configOf(good, 8080), keys: { file: keyFile } })
  t.match(await run(t, ['check', '--config', file]), { code: 0, err: '' })
  t.match(await run(t, ['--config', file, 'check']), { code: 0, out: 'is fine' }, 'options may stand before the command')
  t.match(await run(t, ['--config', file, 'explain', 'GET', '/x']), { code: 0, out: 'request  GET /x' })
})
