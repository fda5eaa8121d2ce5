/** This file is oauth2-proxy, with its sessions in Redis and in cookies. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { apis, clientId, clientSecret, tenantId } from '../directory.ts'
import type { Bars, Peer, Place, Program } from './peer.ts'

const signIn = { callbackPath: '/oauth2/callback', startPath: '/oauth2/start?rd=%2Fapp%2F', prefix: '/oauth2/' }

export const oauth2Proxy: Program = {
  name: 'oauth2-proxy',
  hint: 'go install github.com/oauth2-proxy/oauth2-proxy/v7@latest',
  find (machine) {
    const program = machine.find('oauth2-proxy')
    if (program === undefined) return undefined
    return {
      version: versionOf(program),
      peers: [
        peer(program, 'Redis', { get: { atLeast: 3.5 } }, ({ redisPort }) => (
          ['--session-store-type=redis', `--redis-connection-url=redis://127.0.0.1:${redisPort}`]
        )),
        peer(program, 'cookie', { get: { atLeast: 5 } }, () => ['--session-store-type=cookie'])
      ]
    }
  }
}

/** One that `go install` has built does not know its version; what Go notes in each program does. */
function versionOf (program: string): string {
  const said = /v\d[\d.]*/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }).split(' (')[0]!)
  const noted = /oauth2-proxy\/v7\t(v[\w.-]+)/.exec(readFileSync(program, 'latin1'))
  return said?.[0] ?? noted?.[1] ?? 'unknown'
}

function peer (program: string, sessions: string, bars: Bars, storeFlags: (place: Place) => string[]): Peer {
  return {
    name: `oauth2-proxy, ${sessions}`,
    bars,
    signIn,
    prepare: place => ({ command: [program, ...flags(place), ...storeFlags(place)], env: { GOMAXPROCS: '1' } })
  }
}

/**
 * The token goes into X-Forwarded-Access-Token: in Authorization it can only put the ID token, short of a config format that its
 * makers call alpha. It leaves out what it would add by itself, and its logs. How many idle connections to the application it
 * keeps (two) cannot be set.
 */
function flags ({ port, publicUrl, appPort, entra }: Place): string[] {
  return [
    `--http-address=127.0.0.1:${port}`,
    `--redirect-url=${publicUrl}${signIn.callbackPath}`,
    `--upstream=http://127.0.0.1:${appPort}/`,
    '--provider=oidc',
    `--oidc-issuer-url=${entra.origin}/${tenantId}/v2.0`,
    `--provider-ca-file=${entra.caFile}`,
    `--client-id=${clientId}`,
    `--client-secret=${clientSecret}`,
    `--scope=openid profile offline_access ${apis[0]!.scope}`,
    '--code-challenge-method=S256',
    '--oidc-email-claim=preferred_username',
    '--skip-claims-from-profile-url=true',
    '--email-domain=*',
    `--cookie-secret=${randomBytes(16).toString('hex')}`,
    '--cookie-secure=false',
    '--pass-access-token=true',
    '--pass-user-headers=false',
    '--pass-basic-auth=false',
    '--request-logging=false',
    '--auth-logging=false',
    '--standard-logging=false'
  ]
}
