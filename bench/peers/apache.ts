/** This file is Apache with mod_auth_openidc and mod_proxy_http, with its sessions in shared memory, in Redis and in cookies. */
import { randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apis, clientId, clientSecret, tenantId } from '../directory.ts'
import { connections } from '../load.ts'
import type { Bars, Peer, Place, Program } from './peer.ts'

const modules = '/usr/lib/apache2/modules'
const moduleFile = join(modules, 'mod_auth_openidc.so')
const loaded = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'headers', 'proxy', 'proxy_http', 'auth_openidc']
const signIn = { callbackPath: '/oidc/callback', startPath: '/app/', prefix: '/oidc/' }

export const modAuthOpenidc: Program = {
  name: 'Apache mod_auth_openidc',
  hint: 'Debian: apt-get install apache2-bin libapache2-mod-auth-openidc',
  find (machine) {
    const program = machine.find('apache2')
    if (program === undefined || !existsSync(moduleFile)) return undefined
    return {
      version: versionOf(program),
      peers: [
        peer(program, 'shm', {
          get: { atLeast: 2.2, stretch: 3 }, download: { atLeast: 1.3 }, upload: { atLeast: 1.8 }
        }, () => 'OIDCCacheType shm'),
        peer(program, 'Redis', { get: { atLeast: 5 } }, ({ redisPort }) => (
          `OIDCCacheType redis\nOIDCRedisCacheServer 127.0.0.1:${redisPort}`
        )),
        peer(program, 'client cookie', { get: { atLeast: 5 } }, () => 'OIDCSessionType client-cookie')
      ]
    }
  }
}

function versionOf (program: string): string {
  const server = /Apache\/([\d.]+)/.exec(execFileSync(program, ['-v'], { encoding: 'utf8' }))
  const module = /mod_auth_openidc-([\d.]+)/.exec(readFileSync(moduleFile, 'latin1'))
  return `${module?.[1] ?? 'unknown'} in Apache ${server?.[1] ?? 'unknown'}`
}

function peer (program: string, sessions: string, bars: Bars, sessionLines: (place: Place) => string): Peer {
  return {
    name: `mod_auth_openidc, ${sessions}`,
    bars,
    signIn,
    prepare (place) {
      const file = join(place.folder, 'apache.conf')
      // The user that serves requests may not be let into the emulator's own folder.
      copyFileSync(place.entra.caFile, join(place.folder, 'ca.pem'))
      writeFileSync(file, configOf(place, sessionLines(place)))
      // Ended by itself it takes its child, its locks and its shared memory along.
      return { command: [program, '-f', file, '-D', 'FOREGROUND'], endSignal: 'SIGTERM' }
    }
  }
}

/**
 * One process with a thread for each connection of the load and as many to spare. The token is the only claim that becomes a
 * field of the request, and sessions outlast the run.
 */
function configOf ({ port, publicUrl, folder, appPort, entra }: Place, sessionLines: string): string {
  return `
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ServerName ${new URL(publicUrl).host}
Listen 127.0.0.1:${port}
ErrorLog /dev/null
${loaded.map(name => `LoadModule ${name}_module ${join(modules, `mod_${name}.so`)}`).join('\n')}
User #65534
Group #65534

ServerLimit 1
StartServers 1
ThreadLimit ${2 * connections}
ThreadsPerChild ${2 * connections}
MaxRequestWorkers ${2 * connections}
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
LimitRequestFieldSize 65536

OIDCProviderMetadataURL ${entra.origin}/${tenantId}/v2.0/.well-known/openid-configuration
OIDCCABundlePath ${folder}/ca.pem
OIDCClientID ${clientId}
OIDCClientSecret ${clientSecret}
OIDCScope "openid profile offline_access ${apis[0]!.scope}"
OIDCPKCEMethod S256
OIDCRedirectURI ${publicUrl}${signIn.callbackPath}
OIDCCryptoPassphrase ${randomBytes(32).toString('hex')}
OIDCSessionInactivityTimeout 86400
OIDCPassClaimsAs environment
OIDCPassIDTokenAs payload
${sessionLines}

<Location />
  AuthType openid-connect
  Require valid-user
  RequestHeader set Authorization "Bearer %{OIDC_access_token}e"
</Location>
ProxyPass ${signIn.prefix} !
ProxyPass / http://127.0.0.1:${appPort}/
`
}
