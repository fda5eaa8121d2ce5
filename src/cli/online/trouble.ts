/** This file says in words why a connection did not come about or broke, and what to do about it. */
import { errors } from '../../errors.ts'
import { upstreamFailure } from '../../proxy/failure.ts'

/** What advice needs to know of a target. */
export interface Place {
  /** `host:port`, or several of them. */
  readonly at: string
  /** The key of the config for further CAs. */
  readonly caKey: string
  /** What to write for TLS, and without it. */
  readonly schemes?: { readonly tls: string, readonly plain: string }
  /** The key of the config for another name in certificates, where there is one. */
  readonly serverNameKey?: string
}

type Advice = (place: Place) => string

const noWay: Advice = ({ at }) => `there is no way to ${at} from here: look at routes, firewalls and network policies`
const silent: Advice = ({ at }) => `${at} does not answer: a firewall or a network policy may swallow what is sent there, or it is overloaded`
const closed: Advice = ({ at, schemes }) =>
  `${at} closed the connection without an answer: is this its port${schemes === undefined ? '' : `, and should the URL begin with ${schemes.tls}`}?`
const outOfTime: Advice = () => 'its certificate is not valid at this time: renew it there, or set the clock here'
const strangeCa: Advice = ({ caKey }) => `its certificate is of no CA that is trusted here: set ${caKey} to a PEM file with its CA`
const noTls: Advice = ({ at, schemes }) =>
  `${at} does not speak TLS: is this its port${schemes === undefined ? '' : `, and should the URL begin with ${schemes.plain}`}?`
const noHttp: Advice = ({ at, schemes }) =>
  `what ${at} answers is no HTTP: is this its port${schemes === undefined ? '' : `, and should the URL begin with ${schemes.tls}`}?`

const advice: Readonly<Record<string, Advice>> = {
  ECONNREFUSED: ({ at }) => `nobody listens at ${at}: is it running, and is this its port?`,
  ENOTFOUND: ({ at }) => `no address is known for ${at}: is the name right, and does this machine ask the right DNS?`,
  EAI_AGAIN: ({ at }) => `the address of ${at} cannot be looked up: DNS does not answer`,
  EHOSTUNREACH: noWay,
  ENETUNREACH: noWay,
  EADDRNOTAVAIL: noWay,
  ETIMEDOUT: silent,
  UND_ERR_CONNECT_TIMEOUT: silent,
  UND_ERR_HEADERS_TIMEOUT: silent,
  UND_ERR_BODY_TIMEOUT: silent,
  ConnectionTimeoutError: silent,
  SocketTimeoutError: silent,
  DeadlineMissed: silent,
  ECONNRESET: closed,
  EPIPE: closed,
  UND_ERR_SOCKET: closed,
  SocketClosedUnexpectedlyError: closed,
  HTTPParserError: noHttp,
  ERR_TLS_CERT_ALTNAME_INVALID: ({ at, serverNameKey }) =>
    `its certificate is for another name than ${at}: use a name that is in it${serverNameKey === undefined ? '' : `, or set ${serverNameKey}`}`,
  CERT_HAS_EXPIRED: outOfTime,
  CERT_NOT_YET_VALID: outOfTime,
  DEPTH_ZERO_SELF_SIGNED_CERT: strangeCa,
  SELF_SIGNED_CERT_IN_CHAIN: strangeCa,
  UNABLE_TO_GET_ISSUER_CERT: strangeCa,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: strangeCa,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: strangeCa,
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  EMFILE: () => 'this process may open no more connections: raise its limit (ulimit -n)'
}

const maxCauses = 8

/** The text names hosts and keys of the config, and quotes no more of an error than its code. */
export function troubleWith (place: Place, error: unknown): string {
  const isTls = isAboutTls(error)
  const names = namesOf(error)
  // A handshake that fails also ends the connection, which says less.
  const known = names.find(name => Object.hasOwn(advice, name) && !(isTls && advice[name] === closed))
  if (known !== undefined) return advice[known]!(place)
  const code = names.find(isCode) ?? names[0] ?? 'unknown'
  if (isTls) return `TLS with ${place.at} fails (${code}): is a client certificate demanded, or another version?`
  return `the connection to ${place.at} fails (${code})`
}

/** Codes and class names of an error and its causes, the innermost first. */
function namesOf (error: unknown): string[] {
  const names: string[] = []
  for (let depth = 0; error instanceof Error && depth < maxCauses; depth++) {
    names.unshift(...'code' in error && typeof error.code === 'string' ? [error.code] : [], classOf(error))
    error = error.cause
  }
  return names
}

/** Not every library gives its errors a name. */
export function classOf (error: Error): string {
  return error.name === 'Error' ? error.constructor.name : error.name
}

/** As the system, OpenSSL and Node write them. The gateway's own codes say less than what is behind them. */
function isCode (name: string): boolean {
  return /^[A-Z][A-Z0-9_]+$/.test(name) && !name.startsWith('SG_')
}

function isAboutTls (error: unknown): boolean {
  for (let depth = 0; error instanceof Error && depth < maxCauses; depth++) {
    if (upstreamFailure(error) instanceof errors.SG_UPSTREAM_TLS) return true
    error = error.cause
  }
  return false
}
