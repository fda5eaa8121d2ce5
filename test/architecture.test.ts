/**
 * This file is the architecture diagram: two tables, of layers and of foreign packages, held against the imports of
 * every file. Imports are taken from TypeScript's own parse of a file, so neither a comment nor a line break hides one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')

/** A file imports its own folder and lower rows only; the siblings of a row never import each other. */
const rows: ReadonlyArray<readonly string[]> = [
  ['config/', 'errors.ts'],
  ['store/', 'telemetry/'],
  ['session/', 'identity/'],
  ['auth/', 'proxy/', 'management/'],
  ['server/'],
  ['cli/'],
  ['main.ts']
]

/** Where a package may be imported. What is imported as a type only leaves no trace and is allowed anywhere. */
const importers: Readonly<Record<string, readonly string[]>> = {
  '@azure/msal-node': ['identity/'],
  '@fastify/cookie': ['session/lifecycle.ts'],
  '@fastify/error': ['errors.ts'],
  '@fastify/http-proxy': ['proxy/routes.ts'],
  '@fastify/session': ['session/lifecycle.ts'],
  '@keyv/mysql': ['store/sql/mysql.ts'],
  '@keyv/postgres': ['store/sql/postgres.ts'],
  '@keyv/redis': ['store/'],
  '@keyv/sqlite': ['store/sql/sqlite.ts'],
  '@opentelemetry/api': ['telemetry/'],
  '@opentelemetry/exporter-trace-otlp-proto': ['telemetry/span-export.ts'],
  '@opentelemetry/resources': ['telemetry/span-export.ts'],
  '@opentelemetry/sdk-trace-base': ['telemetry/span-export.ts'],
  ajv: ['config/'],
  fastify: ['server/app.ts', 'server/management-app.ts'],
  jose: ['identity/', 'store/seal.ts'],
  keyv: ['store/'],
  'node-forge': ['identity/pfx.ts'],
  pg: ['store/sql/postgres.ts'],
  pino: ['telemetry/'],
  'prom-client': ['telemetry/'],
  typebox: ['config/'],
  undici: ['proxy/upstreams.ts', 'identity/network.ts'],
  yaml: ['config/']
}

const maxLines = 300
const worlds = ['src', 'emulator', 'demo', 'bench', 'test']

interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
  /** Imported when that line is reached. */
  readonly dynamic?: boolean
}

interface Source {
  /** Relative to `src/` for a file of the gateway, else to the root. */
  readonly name: string
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
  readonly usesProcess: boolean
}

function filesBelow (folder: string): string[] {
  try {
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => join(root, folder, name))
      .sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function read (path: string, base: string): Source {
  const text = readFileSync(path, 'utf8')
  return { name: relative(join(root, base), path), path, text, ...parse(path, text) }
}

function parse (path: string, text: string): Pick<Source, 'imports' | 'usesProcess'> {
  const imports: Import[] = []
  let usesProcess = false
  function visit (node: ts.Node): void {
    if (ts.isImportDeclaration(node)) {
      imports.push({ specifier: textOf(node.moduleSpecifier), typeOnly: isTypeOnly(node.importClause) })
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      imports.push({ specifier: textOf(node.moduleSpecifier), typeOnly: node.isTypeOnly })
    } else if (ts.isCallExpression(node) && isDynamicImport(node)) {
      imports.push({ specifier: textOf(node.arguments[0]), typeOnly: false, dynamic: true })
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      imports.push({ specifier: textOf(node.argument.literal), typeOnly: true })
    } else if (ts.isIdentifier(node) && node.text === 'process' && !isPropertyName(node)) usesProcess = true
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true))
  return { imports, usesProcess: usesProcess || imports.some(({ specifier }) => /^(?:node:)?process$/.test(specifier)) }
}

/** Both `import type x` and an import all of whose names are types: nothing of them is there at run time. */
function isTypeOnly (clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.isTypeOnly) return true
  const names = clause.namedBindings
  if (clause.name !== undefined || names === undefined || !ts.isNamedImports(names)) return false
  return names.elements.every(one => one.isTypeOnly)
}

function isDynamicImport ({ expression }: ts.CallExpression): boolean {
  return expression.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(expression) && expression.text === 'require')
}

function textOf (node: ts.Node | undefined): string {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : '(computed)'
}

/** `x.process` and `{ process: 1 }` are somebody else's; `globalThis.process` is not. */
function isPropertyName (node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return parent.expression.getText() !== 'globalThis'
  return ts.isPropertyAssignment(parent) && parent.name === node
}

/** The row and the folder, or file of the top, that a file of the gateway belongs to. */
function placeOf (name: string): { row: number, place: string } {
  const row = rows.findIndex(places => places.some(place => isIn(name, place)))
  return { row, place: rows[row]?.find(place => isIn(name, place)) ?? '(no row)' }
}

function isIn (name: string, place: string): boolean {
  return place.endsWith('/') ? name.startsWith(place) : name === place
}

/** The target of a relative import, relative to `base`. */
function targetOf (source: Source, specifier: string, base: string): string {
  return relative(join(root, base), join(dirname(source.path), specifier))
}

const isRelative = ({ specifier }: Import): boolean => specifier.startsWith('.')
const isForeign = ({ specifier }: Import): boolean => !/^(?:\.|node:)/.test(specifier)
const packageOf = (specifier: string): string => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')

const src = filesBelow('src').map(path => read(path, 'src'))
const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional: boolean }>
}

t.test('the parser sees every way to import and every use of the process', async t => {
  const { imports } = parse('x.ts', `
    import a from 'one' // import z from 'not-this'
    import type { B } from 'two'
    import { type C, type D } from 'three'
    import { type E, f } from 'four'
    import 'five'
    export * from 'six'
    const g = await import('seven')
    const h = 'import i from "not-that"' + require('eight') + import(a + 'x')
    type J = import('nine').J`)
  t.same(imports.map(({ specifier, typeOnly }) => specifier + (typeOnly ? ' (type)' : '')),
    ['one', 'two (type)', 'three (type)', 'four', 'five', 'six', 'seven', 'eight', '(computed)', 'nine (type)'])
  for (const text of ['process.exit()', 'const { env } = process', 'globalThis.process.env', "import { env } from 'node:process'"]) {
    t.ok(parse('x.ts', text).usesProcess, text)
  }
  for (const text of ['/* the process */ const s = "process"', 'x.process()', 'const processed = 1']) t.notOk(parse('x.ts', text).usesProcess, text)
})

t.test('every file of the gateway has its place in the table of layers', async t => {
  t.ok(src.length > 50, 'the files were found')
  t.same(src.filter(({ name }) => placeOf(name).row < 0).map(({ name }) => name), [])
})

t.test('a file imports its own folder and lower rows only', async t => {
  const wrong = src.flatMap(source => source.imports.filter(isRelative).flatMap(one => {
    const target = targetOf(source, one.specifier, 'src')
    const [from, to] = [placeOf(source.name), placeOf(target)]
    return to.row < 0 || (from.place !== to.place && to.row >= from.row) ? [`${source.name} imports ${target}`] : []
  }))
  t.same(wrong, [])
})

t.test('a foreign package has one importer, and every one is in the table', async t => {
  const wrong = src.flatMap(source => source.imports.filter(one => isForeign(one) && !one.typeOnly).flatMap(({ specifier }) => {
    const places = importers[packageOf(specifier)]
    return places?.some(place => isIn(source.name, place)) === true ? [] : [`${source.name} imports ${specifier}`]
  }))
  t.same(wrong, [])
})

t.test('package.json lists what is imported, and nothing that is not', async t => {
  const imported = new Set(src.flatMap(source => source.imports.filter(isForeign).map(({ specifier }) => packageOf(specifier))))
  const listed = { ...dependencies, ...peerDependencies }
  t.same([...imported].filter(name => !Object.hasOwn(listed, name)), [], 'imported and not listed')
  t.same(Object.keys(listed).filter(name => !imported.has(name)), [], 'listed and not imported')
})

t.test('what need not be installed is optional, and imported when it is used', async t => {
  const optional = Object.keys(peerDependencies)
  t.same(Object.keys(peerDependenciesMeta), optional)
  t.ok(Object.values(peerDependenciesMeta).every(one => one.optional))
  const early = src.flatMap(source => source.imports
    .filter(one => !one.typeOnly && !one.dynamic && optional.includes(packageOf(one.specifier)))
    .map(({ specifier }) => `${source.name} imports ${specifier}`))
  t.same(early, [])
})

t.test('only main.ts touches the process', async t => {
  t.same(src.filter(source => source.usesProcess).map(({ name }) => name), ['main.ts'])
})

t.test('the gateway imports nothing of the emulator, the demo, the benchmarks or the tests', async t => {
  const wrong = src.flatMap(source => source.imports.filter(isRelative)
    .map(({ specifier }) => targetOf(source, specifier, '.'))
    .filter(target => !target.startsWith('src/'))
    .map(target => `${source.name} imports ${target}`))
  t.same(wrong, [])
})

t.test('the emulator, the demo and the benchmarks import nothing of the gateway: they must not share its mistakes', async t => {
  const others = ['emulator', 'demo', 'bench'].flatMap(folder => filesBelow(folder)).map(path => read(path, '.'))
  t.ok(others.length > 0, 'the files were found')
  const wrong = others.flatMap(source => source.imports.filter(isRelative)
    .map(({ specifier }) => targetOf(source, specifier, '.'))
    .filter(target => target.startsWith('src/'))
    .map(target => `${source.name} imports ${target}`))
  t.same(wrong, [])
})

t.test('no file is a barrel or a drawer', async t => {
  const names = worlds.flatMap(filesBelow).map(path => relative(root, path))
  t.same(names.filter(name => /(?:^|\/)(?:index|utils?|helpers?|common|misc|lib)\.ts$/.test(name)), [])
  t.same(names.filter(name => /(?:^|\/)(?:utils?|helpers?|common|misc|lib)\//.test(name)), [])
  t.same(src.filter(({ name }) => !/^(?:[a-z0-9]+(?:-[a-z0-9]+)*\/)*[a-z0-9]+(?:-[a-z0-9]+)*(?:\.d)?\.ts$/.test(name)).map(({ name }) => name), [])
})

t.test(`no file of the gateway is longer than ${maxLines} lines`, async t => {
  t.same(src.filter(({ text }) => text.trimEnd().split('\n').length > maxLines).map(({ name }) => name), [])
})

t.test('every file of the gateway begins with what it is for', async t => {
  t.same(src.filter(({ text }) => !/^(?:#!.*\n)?\/\*\*(?:\n \*)? This file \w/.test(text)).map(({ name }) => name), [])
})
