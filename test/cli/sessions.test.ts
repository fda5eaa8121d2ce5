/** This file runs `scopegate sessions` and `scopegate keygen` as an administrator does, against a gateway with people in it. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { keygen } from '../../src/cli/keygen.ts'
import { sessions } from '../../src/cli/sessions.ts'
import { loadConfig } from '../../src/config/load.ts'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway, tenant } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { type Ended, folder, start, writeConfig } from '../support/process.ts'
import { startUpstream } from '../support/upstream.ts'

const alice = `${tenant}/33333333-3333-4333-8333-333333333331`
const nobody = `${tenant}/99999999-9999-4999-8999-999999999999`
const token = randomBytes(32).toString('base64')
const tokenFile = join(folder(t), 'token')
writeFileSync(tokenFile, token)

/** As a process: what main.ts adds. */
async function runProcess (t: Test, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return await start(t, args, env).ended
}

/** The command itself, since a process takes its time. */
async function run (args: readonly string[]): Promise<Ended> {
  let out = ''
  let err = ''
  const code = await sessions({ args, env: {}, out: { write: text => { out += text } }, err: { write: text => { err += text } } })
  return { code, out, err }
}

/** A config for the command line only: it names a listener and needs none of its own. */
function configWith (t: Test, management: object | undefined, more: object = {}): string {
  return writeConfig(t, {
    version: 1,
    server: { publicUrl: 'http://localhost:8080', ...(management === undefined ? {} : { management }) },
    entra: { tenantId: tenant, clientId: tenant, clientCredentials: [{ sourceType: 'ClientSecret', clientSecret: 'the-client-secret-of-the-test' }] },
    upstreams: { app: { url: 'http://127.0.0.1:1' } },
    routes: [{ path: '/*', upstream: 'app' }],
    ...more
  })
}

async function withPeople (t: Test) {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/*', upstream: 'app' }],
    server: { management: { port: 0, tokenFile } }
  })
  async function signIn () {
    const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
    await browser.go(`${gateway.url}/x`)
    return browser
  }
  const browsers = [await signIn(), await signIn(), await signIn()]
  const statuses = async () => await Promise.all(browsers.map(async browser => (await browser.fetch(`${gateway.url}/x`)).status))
  const config = configWith(t, { host: '0.0.0.0', port: gateway.managementPort, tokenFile })
  return { gateway, statuses, config }
}

t.test('sessions are listed as a table and as JSON, ended one by one and all at once', async t => {
  const { gateway, statuses, config } = await withPeople(t)
  t.same(await statuses(), [200, 200, 200])
  const table = await runProcess(t, ['sessions', 'list', alice], { SCOPEGATE_CONFIG: config })
  t.equal(table.code, 0)
  t.equal(table.err, '')
  const lines = table.out.trimEnd().split('\n')
  t.match(lines[0], /^session +since +ends if not used +ends$/)
  const row = /^s:[\w-]{43} {2}(?:20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(?: {2}|$)){3}/
  t.equal(lines.filter(line => row.test(line)).length, 3)
  t.match(lines.at(-1), /^In the log this user is [\w-]{16}$/)

  const json = await run(['list', alice, '--json', '--config', config])
  const { sessions: found } = JSON.parse(json.out)
  t.equal(found.length, 3)
  const named = ['--url', `http://127.0.0.1:${gateway.managementPort}`, '--token-file', tokenFile]
  t.match(await run(['revoke', '--session', found[0].id, ...named]), { code: 0, out: 'ended 1 session\n', err: '' })
  t.same((await statuses()).sort(), [200, 200, 401])
  t.match(await run(['revoke', '--session', found[0].id, ...named]), { code: 1, out: '', err: /there is no session s:.*: it has ended/ })
  t.match(await run(['revoke', alice, '--json', ...named]), { code: 0, out: '{"ended":2}\n', err: '' })
  t.same(await statuses(), [401, 401, 401])
  t.match(await run(['revoke', alice, ...named]), { code: 0, out: `${alice} had no session\n` })
  t.match(await run(['list', nobody, ...named]), { code: 0, out: `${nobody} has no session\n` })
})

t.test('wrong usage is 2 and asks nobody', async t => {
  let asked = 0
  const server = createServer(() => { asked++ })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close() })
  const named = ['--url', `http://127.0.0.1:${(server.address() as AddressInfo).port}`, '--token-file', tokenFile]
  const id = `s:${'A'.repeat(43)}`
  const uses = [
    [], ['end', alice], ['list'], ['revoke'], ['list', alice, alice], ['revoke', alice, '--session', id], ['list', '--session', id], ['revoke', '--session', 'x'],
    ['revoke', '*'], ['revoke', 'alice@contoso.example'], ['revoke', tenant], ['list', alice, '--nonsense'], ['list', alice, '--url', 'nonsense'],
    ['list', alice, '--url', 'ftp://127.0.0.1'], ['list', alice, '--url', 'http://127.0.0.1:1/path'], ['list', alice, '--url', 'http://u:p@127.0.0.1:1']
  ]
  await Promise.all(uses.map(async use => {
    const { code, out, err } = await run([...named, ...use])
    t.equal(code, 2, use.join(' '))
    t.match(err, 'scopegate sessions revoke --session ID')
    t.equal(out, '')
  }))
  t.equal(asked, 0)
  t.match(await run(['--help']), { code: 0, out: /^scopegate sessions list USER/, err: '' })
  t.match(await runProcess(t, ['sessions', 'list']), { code: 2, out: '', err: /^scopegate sessions list USER/m })
})

t.test('what is missing is said, with what to do about it, and without the token', async t => {
  const { config } = await withPeople(t)
  const strange = createServer((_request, response) => { response.end('<html>') })
  await new Promise<void>(resolve => { strange.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { strange.close() })
  const elsewhere = join(folder(t), 'token')
  writeFileSync(elsewhere, randomBytes(32).toString('base64'))
  const short = join(folder(t), 'token')
  writeFileSync(short, token.slice(0, 20))
  const closed = `http://127.0.0.1:${await freePort()}`
  const uses: Array<[args: string[], err: RegExp]> = [
    [['--config', configWith(t, undefined)], /has no server\.management: add it/],
    [['--config', configWith(t, {})], /has no tokenFile/],
    [['--config', configWith(t, { port: 0, tokenFile })], /port is 0: .* as --url/],
    [['--config', join(folder(t), 'none.yaml')], /none\.yaml:1:1 .*ENOENT[^]*--url and --token-file/],
    [['--config', config, '--token-file', elsewhere], /refused the token in .*token: is that the file/],
    [['--config', config, '--token-file', short], /token must hold one random token of 32/],
    [['--config', config, '--token-file', `${short}.none`], /cannot be read \(ENOENT\)/],
    [['--config', config, '--url', closed], /cannot be reached \(ECONNREFUSED\)/],
    [['--config', config, '--url', `http://127.0.0.1:${(strange.address() as AddressInfo).port}`], /none of a management listener/]
  ]
  await Promise.all(uses.map(async ([args, wanted]) => {
    const { code, out, err } = await run(['list', alice, ...args])
    t.equal(code, 1, args.join(' '))
    t.match(err, wanted)
    t.equal(out, '')
    t.notMatch(err, token.slice(0, 20))
  }))
})

t.test('keygen prints an entry that a key ring takes, another one each time', async t => {
  const { code, out, err } = await runProcess(t, ['keygen'])
  t.match({ code, err }, { code: 0, err: '' })
  t.match(out, /^- \{ id: k20\d{6}, key: "[A-Za-z0-9+/]{43}=" \}\n$/)
  let another = ''
  keygen({ out: { write: text => { another += text } }, now: Date.parse('2026-11-24T23:59:59Z') })
  t.match(another, '- { id: k20261124, key: ')
  t.equal(new Set([...parse(out), ...parse(another)].map(({ key }) => key)).size, 2)
  const keys = join(folder(t), 'keys.yaml')
  writeFileSync(keys, out)
  const file = configWith(t, undefined, { keys: { file: keys } })
  const loaded = loadConfig({ file, env: {} })
  t.match(loaded.kind === 'config' && loaded.config.keys, parse(out))
})
