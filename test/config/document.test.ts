/** This file tests that what is written about the configuration is true: descriptions, generated files, the example. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Ajv } from 'ajv'
import t from 'tap'
import { parse } from 'yaml'
import { compileConfig } from '../../src/config/compile.ts'
import { generateFiles, publishedSchema } from '../../src/config/document.ts'
import { formatProblem, loadConfig } from '../../src/config/load.ts'
import { ConfigSchema } from '../../src/config/schema.ts'
import { CA, configText } from './support.ts'

const root = resolve(import.meta.dirname, '../..')
const example = resolve(root, 'config/gateway.yaml')
const env = {
  AZURE_TENANT_ID: '72f988bf-86f1-41af-91ab-2d7cd011db47',
  AZURE_CLIENT_ID: '2ec40e65-ba09-4853-bcde-bcb60029e596',
  AZURE_CLIENT_SECRET: 'not-a-secret-of-anybody',
  SCOPEGATE_KEY: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
}

/** Every object of a schema that has properties, with the pointer to it. */
function * objectsOf (schema: unknown, pointer = ''): Generator<[string, Record<string, { description?: string }>]> {
  if (typeof schema !== 'object' || schema === null) return
  if ('properties' in schema) yield [pointer, schema.properties as Record<string, { description?: string }>]
  for (const [key, value] of Object.entries(schema)) yield * objectsOf(value, `${pointer}/${key}`)
}

t.test('every property is described, and every object is closed', async t => {
  for (const [pointer, properties] of objectsOf(ConfigSchema)) {
    for (const [name, property] of Object.entries(properties)) t.match(property.description, /^[A-Za-z].*\.$/, `${pointer}/${name}`)
  }
  const closed = JSON.stringify(ConfigSchema).match(/"additionalProperties":false/g)!.length
  t.equal(closed, [...objectsOf(ConfigSchema)].length)
})

t.test('the generated files are up to date', async t => {
  for (const [path, text] of generateFiles()) t.equal(readFileSync(resolve(root, path), 'utf8'), text, `${path}: npm run generate`)
})

t.test('the example loads, and compiles', async t => {
  const loaded = loadConfig({ file: example, env })
  if (loaded.kind === 'problems') throw new Error(loaded.problems.map(formatProblem).join('\n'))
  t.same([...loaded.files.keys()], [example], 'it needs no other file to be there')
  t.equal(compileConfig(loaded.config).routes.length, 8)
})

t.test('the example names its schema and every key of it', async t => {
  const text = readFileSync(example, 'utf8')
  t.equal(text.split('\n')[0], '# yaml-language-server: $schema=./gateway.schema.json')
  for (const [pointer, properties] of objectsOf(ConfigSchema)) {
    for (const name of Object.keys(properties)) t.match(text, new RegExp(`[\\s{]${name}:`), `${pointer}/${name}`)
  }
})

t.test('the example with everything in it that is commented out loads too', async t => {
  const text = readFileSync(example, 'utf8')
    .replace('# yaml-language', '## yaml-language')
    .replace(/^keys:\n(?:.*\n)*?(?=# Or the same)/m, '')
    .replaceAll(/^( *)# (?=- |[ ]*[A-Za-z0-9]+:(?: [^ ]+| \{.*\}| \[.*\])?(?: +#.*)?$)/gm, '$1')
  function readFile (path: string): string {
    if (path === example) return text
    if (path.endsWith('keys.yaml')) return `[{ id: k1, key: ${env.SCOPEGATE_KEY} }]`
    return path.endsWith('-token') ? env.SCOPEGATE_KEY : `${CA}-----BEGIN PRIVATE KEY-----`
  }
  const loaded = loadConfig({ file: example, env: { ...env, CLIENT_PFX: 'QUJD' }, readFile, now: Date.parse('2027-01-01') })
  t.same(loaded.kind === 'problems' ? loaded.problems.map(formatProblem) : [], [])
  t.match(loaded.kind === 'config' && loaded.config.entra.clientCredentials.map(credential => credential.sourceType),
    ['SignedAssertionFilePath', 'SignedAssertionFromManagedIdentity', 'KeyVault', 'Path', 'Base64Encoded', 'ClientSecret'])
})

t.test('the published schema is plain JSON Schema and asks only for what has no default', async t => {
  const ajv = new Ajv({ strict: false, validateFormats: false })
  const validate = ajv.compile(publishedSchema())
  t.ok(validate(parse(readFileSync(example, 'utf8'))), JSON.stringify(validate.errors))
  t.same(Object.values(publishedSchema()).filter(Array.isArray), [['version', 'server', 'entra', 'upstreams', 'routes']])
  t.notOk(validate({ ...parse(readFileSync(example, 'utf8')), more: 1 }))
  t.ok(validate(parse(configText())), JSON.stringify(validate.errors))
})
