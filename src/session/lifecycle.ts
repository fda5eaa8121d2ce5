/**
 * This file begins and ends sessions, with @fastify/cookie and @fastify/session inside the `/.auth` scope. Nothing else
 * writes the session cookie.
 */
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import type { SessionsByUser } from './by-user.ts'
import { type CookieForm, findCookie } from './cookie.ts'
import type { SessionIds } from './ids.ts'
import type { SessionReader } from './reader.ts'
import type { SessionRecords } from './records.ts'
import { type Session as UserSession, hasOutlivedItself, type User } from './session.ts'

declare module 'fastify' {
  interface Session { user?: UserSession }
}

export interface LifecycleOptions {
  readonly records: SessionRecords
  readonly ids: SessionIds
  readonly cookie: CookieForm
  readonly reader: SessionReader
  readonly byUser: SessionsByUser
  readonly publicProtocol: 'http' | 'https'
  readonly now: () => number
}

/** What ended with a session. */
export interface EndedSession {
  readonly key: string
  readonly session: UserSession
  /** Whether the account has no other session left. */
  readonly last: boolean
}

export interface SessionLifecycle {
  /** Prepares a scope: within it, requests carry their session. */
  register (scope: FastifyInstance): Promise<void>
  /** The live session of a request in that scope, if there is one. */
  current (request: FastifyRequest): { readonly key: string, readonly session: UserSession } | undefined
  /**
   * Starts a session under a new id; whatever session the browser had before ends (session fixation).
   * @throws SG_STORE_UNAVAILABLE it could not be stored; the browser then gets no cookie
   */
  begin (request: FastifyRequest, session: UserSession): Promise<void>
  /** Ends the request's session here and clears its cookie. @returns undefined when there was none */
  end (request: FastifyRequest, reply: FastifyReply): Promise<EndedSession | undefined>
  /** Ends every session of a user, on all replicas. */
  endAllOf (user: User): Promise<readonly EndedSession[]>
  /** Ends the session of that record, on all replicas. @returns undefined when there was none */
  endByKey (sessionKey: string): Promise<EndedSession | undefined>
  /** Ends the sessions that began with a session at the provider. Tokens stay: the request that says so is nobody's. */
  endBySid (sid: string): Promise<number>
  /** Ends the sessions that a provider says are over. */
  endOf (over: ProviderSession): Promise<readonly EndedSession[]>
}

/** What is over at the provider: the session `sid` there, or without one everything of the user `sub`. */
export interface ProviderSession {
  readonly iss: string
  readonly sid: string | undefined
  readonly sub: string | undefined
}

export function createSessionLifecycle (options: LifecycleOptions): SessionLifecycle {
  const { records, ids, cookie, reader, byUser, publicProtocol, now } = options
  const attributes = { path: '/', httpOnly: true, secure: cookie.secure, sameSite: cookie.sameSite } as const

  async function register (scope: FastifyInstance): Promise<void> {
    await scope.register(fastifyCookie, { parseOptions: attributes })
    scope.addHook('onRequest', async function preparePublicView (request, reply) {
      // @fastify/session sends no secure cookie unless it believes in https; only publicUrl knows (security.md, H5).
      Object.defineProperty(request, 'protocol', { value: publicProtocol })
      // The parser takes the first of two cookies, trims names and decodes values. The session has to be the one that the
      // reader finds, or none; and of two, one was planted (security.md, X20).
      const found = findCookie(request.raw.headers.cookie, cookie.name)
      if (found.kind === 'value') request.cookies[cookie.name] = found.value
      else delete request.cookies[cookie.name]
      if (found.kind === 'several') reply.clearCookie(cookie.name)
    })
    await scope.register(fastifySession, {
      secret: { sign: ids.sign, unsign: unsignFor },
      idGenerator: ids.generate,
      cookieName: cookie.name,
      cookie: attributes,
      store: sessionStore(options),
      rolling: false,
      saveUninitialized: false
    })
  }

  function unsignFor (value: string): { valid: boolean, renew: boolean, value: string | null } {
    const id = ids.unsign(value)
    return { valid: id !== undefined, renew: false, value: id ?? null }
  }

  function current (request: FastifyRequest): { key: string, session: UserSession } | undefined {
    const session = request.session?.user
    if (session === undefined || hasOutlivedItself(session, now())) return undefined
    return { key: ids.recordKey(request.session.sessionId), session }
  }

  async function begin (request: FastifyRequest, session: UserSession): Promise<void> {
    const before = current(request)
    if (before !== undefined) reader.forget(before.key)
    try {
      await request.session.regenerate()
      if (before !== undefined) await leave(before)
      await byUser.add(session, ids.recordKey(request.session.sessionId), session.absoluteEndsAt - now())
      request.session.set('user', session)
      await request.session.save()
    } catch (error) {
      // Otherwise the plugin saves it once more with the answer: a refused sign-in must not become a session after all.
      ;(request as { session: unknown }).session = null
      throw error
    }
  }

  /** Again after the record is gone: a request in between may have read it. */
  async function leave (before: { readonly key: string, readonly session: UserSession }): Promise<boolean> {
    reader.forget(before.key)
    return await byUser.remove(before.session.account, before.key)
  }

  async function end (request: FastifyRequest, reply: FastifyReply): Promise<EndedSession | undefined> {
    const before = current(request)
    if (before !== undefined) reader.forget(before.key)
    await request.session.destroy()
    reply.clearCookie(cookie.name)
    return before === undefined ? undefined : { ...before, last: await leave(before) }
  }

  async function endByKeys (
    sessionKeys: readonly string[], isMeant = (_session: UserSession): boolean => true
  ): Promise<readonly EndedSession[]> {
    const ended: EndedSession[] = []
    for (const key of sessionKeys) {
      const session = await records.read(key)
      if (session !== undefined && !isMeant(session)) continue
      const isFirst = await records.end(key)
      if (session === undefined) continue
      const last = await leave({ key, session })
      if (isFirst) ended.push({ key, session, last })
    }
    return ended
  }

  /** A `sid` of one issuer says nothing about sessions of another. */
  async function endOf ({ iss, sid, sub }: ProviderSession): Promise<readonly EndedSession[]> {
    const found = sid === undefined ? await byUser.ofSubject(iss, sub ?? '') : await byUser.ofSid(sid)
    return await endByKeys(found, ({ claims }) => claims.iss === iss && (sub === undefined || claims.sub === sub))
  }

  return {
    register,
    current,
    begin,
    end,
    endOf,
    endAllOf: async user => await endByKeys(await byUser.ofUser(user)),
    endByKey: async key => (await endByKeys([key]))[0],
    endBySid: async sid => (await endByKeys(await byUser.ofSid(sid))).length
  }
}

/**
 * The store as @fastify/session wants it. It calls without a catch: a rejection would hang the request for ever, so every
 * path ends in the callback. Writing a user is an update of the empty record that `regenerate` made: a session that was
 * destroyed meanwhile does not come back.
 */
function sessionStore ({ records, ids }: LifecycleOptions): fastifySession.SessionStore {
  async function write (id: string, session: UserSession | undefined): Promise<void> {
    if (session === undefined) return await records.prepare(ids.recordKey(id))
    if (!await records.update(ids.recordKey(id), session)) throw new errors.SG_SIGN_IN_EXPIRED()
  }

  return {
    set (id, session, callback) {
      write(id, session.user).then(() => callback(), callback)
    },
    get (id, callback) {
      const found = (user?: UserSession): void => callback(null, user === undefined ? null : { cookie: {}, user } as never)
      records.read(ids.recordKey(id)).then(found, callback)
    },
    destroy (id, callback) {
      records.end(ids.recordKey(id)).then(() => callback(), callback)
    }
  }
}
