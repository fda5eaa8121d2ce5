/** The command line: what it takes, what it prints, and how it ends. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { HELP, parseCommandLine } from '../../emulator/command-line.ts'

const MAIN = fileURLToPath(new URL('../../emulator/main.ts', import.meta.url))

t.test('options', async (t) => {
  t.match(parseCommandLine([]), { help: false, host: 'localhost', admin: false, allowRemote: false, port: undefined })
  t.match(parseCommandLine(['--port', '0', '--admin', '--config', 'x.yaml']), { port: 0, admin: true, config: 'x.yaml' })
  for (const wrong of [['--prot', '1'], ['--port', 'x'], ['--port', '70000'], ['--config'], ['stray']]) {
    t.throws(() => parseCommandLine(wrong), { name: 'UsageError' }, wrong.join(' '))
  }
})

t.test('every option is in the help', async (t) => {
  for (const option of ['config', 'port', 'host', 'allow-remote', 'admin', 'admin-token', 'microsoft-issuer', 'tls-folder', 'help']) {
    t.match(HELP, `--${option}`)
  }
})

t.test('it prints what one needs, and ends on SIGINT', async (t) => {
  const tlsFolder = join(t.testdir(), 'tls')
  const args = [...process.execArgv, MAIN, '--port', '0', '--admin', '--tls-folder', tlsFolder]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let printed = ''
  child.stdout.on('data', (text) => { printed += String(text) })
  while (!printed.includes('Ctrl-C')) await once(child.stdout, 'data')
  t.match(printed, /Entra ID emulator: https:\/\/localhost:\d+/)
  t.match(printed, `CA to trust: ${join(tlsFolder, 'ca.pem')}`)
  t.match(printed, 'alice@contoso.example')
  t.match(printed, 'tenantId: 11111111-1111-4111-8111-111111111111')
  t.match(printed, /Admin API: https:\/\/localhost:\d+\/_emulator/)
  child.kill('SIGINT')
  t.strictSame(await once(child, 'close'), [0, null])
})
