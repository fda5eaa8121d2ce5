/** This file lets tests write a config in a few lines and load it with files and variables that exist only in the test. */
import { loadConfig, type Loaded } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'

export const FILE = '/etc/scopegate/gateway.yaml'
export const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47'
export const CLIENT = '2ec40e65-ba09-4853-bcde-bcb60029e596'

/** Self-signed, valid until 2126; its key is nowhere. */
export const CA = `-----BEGIN CERTIFICATE-----
MIIBiDCCAS+gAwIBAgIUAIrikD4t9yvjqRG3nTgJrKdgg6MwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOc2NvcGVnYXRlIHRlc3QwIBcNMjYxMTI0MTUyNjE3WhgPMjEy
NjEwMzExNTI2MTdaMBkxFzAVBgNVBAMMDnNjb3BlZ2F0ZSB0ZXN0MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEkrm4Pu3AGgUtCTEpHg69nZKu+Y5Esz4UdY2HCoVm
Bd3pg13zndMfSbF3apTaF9iVKjTrZraZu5ZcOzlJ9uLmcaNTMFEwHQYDVR0OBBYE
FDpnBRpt5tGRlm+U1+ukKxq7KEPuMB8GA1UdIwQYMBaAFDpnBRpt5tGRlm+U1+uk
Kxq7KEPuMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgAOJubKHo
CYzJzASev1XY2ZbhTod/cEF1h/+ruxRUexwCIH+YHFGLjCwS2pUIft0fudYm8ZQ6
Xk2bC3isyFxg6oxQ
-----END CERTIFICATE-----
`

const SECTIONS = {
  version: 'version: 1',
  server: 'server: { publicUrl: https://portal.contoso.com }',
  entra: `entra: { tenantId: ${TENANT}, clientId: ${CLIENT}, clientCredentials: [{ sourceType: ClientSecret, clientSecret: "\${SECRET}" }] }`,
  upstreams: 'upstreams: { app: { url: https://app.example }, plain: { url: http://app.example } }',
  routes: 'routes: [{ path: /*, upstream: app }]'
}

/** A good config with some of its sections written otherwise; an empty text leaves one out. */
export function configText (sections: Partial<Record<keyof typeof SECTIONS | 'more', string>> = {}): string {
  return Object.values({ ...SECTIONS, ...sections }).filter(text => text !== '').join('\n') + '\n'
}

/** A good config with these routes. */
export function withRoutes (...routes: string[]): string {
  return configText({ routes: `routes:\n${routes.map(route => `  - ${route}`).join('\n')}` })
}

export interface World {
  readonly env?: Readonly<Record<string, string>>
  /** Absolute path -> content. */
  readonly files?: Readonly<Record<string, string>>
  readonly now?: number
}

/** Loads a text as if it were the file {@link FILE}. */
export function load (text: string, { env, files = {}, now }: World = {}): Loaded {
  const readFile = (path: string) => {
    const content = path === FILE ? text : files[path]
    if (content === undefined) throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' })
    return content
  }
  return loadConfig({ file: FILE, env: { SECRET: 'the-client-secret-of-the-test', ...env }, readFile, ...(now === undefined ? {} : { now }) })
}

/** Loads a text that is good. */
export function mustLoad (text: string, world: World = {}): Config {
  const loaded = load(text, world)
  if (loaded.kind === 'problems') throw new Error(loaded.problems.map(problem => problem.message).join('\n'))
  return loaded.config
}
