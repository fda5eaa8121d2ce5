/** This file is the customization hooks (Node.js, `module.register`) that `typescript.js` registers. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = join(import.meta.dirname, '..', '.tap', 'compiled')
mkdirSync(cache, { recursive: true })

export async function load (url, context, nextLoad) {
  return isOurs(url) ? { format: 'module', source: await compiled(fileURLToPath(url)), shortCircuit: true } : await nextLoad(url, context)
}

function isOurs (url) {
  return url.startsWith('file:') && url.endsWith('.ts') && !url.includes('/node_modules/')
}

async function compiled (path) {
  const text = readFileSync(path, 'utf8')
  // The path is part of what is compiled: the source map names it.
  const kept = join(cache, createHash('sha256').update(`${path}\n${text}`).digest('hex'))
  try {
    return readFileSync(kept, 'utf8')
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  const source = await compile(path, text)
  // Another process may be at the same file: whoever reads it finds all of it.
  writeFileSync(`${kept}.${process.pid}`, source)
  renameSync(`${kept}.${process.pid}`, kept)
  return source
}

async function compile (fileName, text) {
  const { default: typescript } = await import('typescript')
  const { ModuleKind, ScriptTarget } = typescript
  const compilerOptions = {
    module: ModuleKind.ESNext, target: ScriptTarget.ES2023, verbatimModuleSyntax: true, inlineSourceMap: true, inlineSources: true
  }
  return typescript.transpileModule(text, { fileName, compilerOptions }).outputText
}
