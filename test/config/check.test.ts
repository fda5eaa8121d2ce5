/** This file tests the commands that look at a config without serving it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { check } from '../../src/cli/check.ts'
import { schema } from '../../src/cli/schema.ts'
import { publishedSchema } from '../../src/config/document.ts'
import { configText, withRoutes } from './support.ts'

function output () {
  const written: string[] = []
  return { write: (text: string) => written.push(text), text: () => written.join('') }
}

async function run (folder: string, text: string, ...options: string[]) {
  const [file, out, err] = [join(folder, 'gateway.yaml'), output(), output()]
  writeFileSync(file, text)
  const code = await check({ args: ['--config', file, ...options], env: { SECRET: 'the-client-secret-of-the-test' }, out, err })
  return { code, file, out: out.text(), err: err.text() }
}

t.test('a good config is summed up in a line', async t => {
  const { code, file, out, err } = await run(t.testdir(), configText({ upstreams: 'upstreams: { app: { url: https://app.example, scopes: [User.Read] } }' }))
  t.equal(code, 0)
  t.equal(out, `${file} is fine: 1 route, 1 upstream, 1 scope set\n`)
  t.equal(err, '')
})

t.test('every problem of a bad one is a line of its own', async t => {
  const { code, file, out, err } = await run(t.testdir(), withRoutes('{ path: /a, upstream: apps }', '{ path: b, upstream: app }'))
  t.equal(code, 1)
  t.equal(out, '')
  t.same(err.split('\n'), [
    `${file}:6:27 upstream is "apps", which is not among the upstreams: did you mean app?`,
    `${file}:7:13 path must begin with /`,
    '2 problems',
    ''
  ])
})

t.test('--json says the same to programs', async t => {
  const good = await run(t.testdir(), configText(), '--json')
  t.same(JSON.parse(good.out), { file: good.file, problems: [] })
  const { code, file, out, err } = await run(t.testdir(), withRoutes('{ path: /a, upstream: apps }'), '--json')
  t.equal(code, 1)
  t.equal(err, '')
  const message = 'upstream is "apps", which is not among the upstreams: did you mean app?'
  t.same(JSON.parse(out), { file, problems: [{ file, line: 6, column: 27, path: '/routes/0/upstream', message }] })
})

t.test('schema prints the published schema', async t => {
  const out = output()
  t.equal(schema({ out }), 0)
  t.same(JSON.parse(out.text()), JSON.parse(JSON.stringify(publishedSchema())))
})
