/** This file is the little of Microsoft Graph that a sign-in needs: UserInfo, the profile, and group memberships. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { User } from '../directory/directory.ts'
import { GRAPH_ID, GRAPH_URI } from '../directory/graph-app.ts'
import { pairwiseSubject } from '../tokens/claims.ts'
import type { World } from '../world.ts'
import { readBearer, type Caller } from './bearer.ts'

type Answer = (user: User, caller: Caller) => unknown

export function registerGraph (app: FastifyInstance, world: World): void {
  const serve = (scope: string, answer: Answer) =>
    (request: FastifyRequest, reply: FastifyReply) => answerCall({ scope, answer, world }, request, reply)
  const groupsOf = ({ groups }: User) => ({ value: groups.map((id) => ({ '@odata.type': '#microsoft.graph.group', id })) })
  const graph = { config: { endpoint: 'graph' } }
  app.route({ method: ['GET', 'POST'], url: '/oidc/userinfo', config: { endpoint: 'userinfo' }, handler: serve('openid', userInfo) })
  app.get('/v1.0/me', graph, serve('User.Read', profile))
  app.get('/v1.0/me/memberOf', graph, serve('User.Read', groupsOf))
  app.post('/v1.0/me/getMemberObjects', graph, serve('User.Read', ({ groups }) => ({ value: groups })))
}

interface Call {
  readonly scope: string
  readonly answer: Answer
  readonly world: World
}

async function answerCall (call: Call, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const caller = await readBearer(request, call.world)
  const isForGraph = caller !== undefined && [GRAPH_ID, GRAPH_URI].includes(String(caller.claims.aud))
  if (!isForGraph || caller.user === undefined) {
    const error = graphError('InvalidAuthenticationToken', 'Access token validation failure.')
    return await reply.code(401).header('www-authenticate', 'Bearer').send(error)
  }
  if (!caller.scopes.includes(call.scope)) {
    return await reply.code(403).send(graphError('Authorization_RequestDenied', 'Insufficient privileges to complete the operation.'))
  }
  return await reply.send(call.answer(caller.user, caller))
}

const graphError = (code: string, message: string) => ({ error: { code, message } })

/** `sub` is the one of the client's ID token, not the one of the token presented. */
function userInfo (user: User, { claims, scopes }: Caller): unknown {
  const [givenName, ...rest] = user.name.split(' ')
  return {
    sub: pairwiseSubject(String(claims.appid ?? claims.azp), user.oid),
    name: user.name,
    family_name: rest.join(' '),
    given_name: givenName,
    picture: `${GRAPH_URI}/v1.0/me/photo/$value`,
    ...(scopes.includes('email') && user.mail !== null ? { email: user.mail } : {})
  }
}

function profile (user: User): unknown {
  const [givenName, ...rest] = user.name.split(' ')
  return { id: user.oid, displayName: user.name, givenName, surname: rest.join(' '), mail: user.mail, userPrincipalName: user.upn }
}
