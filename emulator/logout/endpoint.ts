/** This file is the sign-out endpoint: whom to sign out, and the answer. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { findPathTenant } from '../authorize/address.ts'
import { findBrowser, forgetAccount } from '../browser.ts'
import type { User } from '../directory/directory.ts'
import { EntraError } from '../errors/entra-error.ts'
import { createFlow, requireFlow } from '../flows.ts'
import { logError } from '../http/log-request.ts'
import { parametersOf, segmentOf } from '../http/parameters.ts'
import { traceOf } from '../http/trace.ts'
import { errorPage } from '../pages/error.ts'
import { sendPage } from '../pages/send.ts'
import { signedOutPage, signOutPickerPage } from '../pages/sign-out.ts'
import type { Browser, SignedInAccount } from '../state.ts'
import type { World } from '../world.ts'
import { hintedAccount, type LogoutParameters } from './hint.ts'
import { frontChannelUrls } from './front-channel.ts'
import { findPostLogoutUri } from './post-logout-uri.ts'

export function registerLogoutEndpoint (app: FastifyInstance, world: World): void {
  const errorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    if (!(error instanceof EntraError)) throw error
    logError(request, error.code)
    return sendPage(reply, errorPage(error, traceOf(request, world), world.quirks.errorPageStatus))
  }
  app.route({ method: ['GET', 'POST'], url: '/:tenant/oauth2/v2.0/logout', config: { endpoint: 'logout' }, errorHandler, handler: (request, reply) => begin(request, reply, world) })
  app.post('/sign-out', { config: { endpoint: 'flow' }, errorHandler }, (request, reply) => signOutPicked(request, reply, world))
}

/** Without a hint the user is asked, even when only one account is signed in. */
async function begin (request: FastifyRequest, reply: FastifyReply, world: World): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  findPathTenant(segmentOf(request, 'tenant'), world)
  const browser = findBrowser(request, world)
  if (browser === undefined) return answer([], { reply, parameters, world })
  const hinted = hintedAccount(browser, parameters, world)
  if (hinted !== undefined) return signOut(browser, hinted, { reply, parameters, world })
  const flow = createFlow('logout', segmentOf(request, 'tenant'), parameters, world)
  const next = findPostLogoutUri(parameters, browser.accounts, world)
  const users = browser.accounts.map((account) => userOf(account, world)).filter((user) => user !== undefined)
  return sendPage(reply, signOutPickerPage(flow.id, next === undefined ? [] : [new URL(next).origin], users))
}

async function signOutPicked (request: FastifyRequest, reply: FastifyReply, world: World): Promise<FastifyReply> {
  const { flow: flowId, oid } = parametersOf(request)
  const flow = requireFlow(flowId, world)
  const browser = findBrowser(request, world)
  const account = browser?.accounts.find((candidate) => candidate.oid === oid)
  world.state.flows.delete(flow.id)
  if (browser === undefined || account === undefined) return answer([], { reply, parameters: flow.parameters, world })
  return signOut(browser, account, { reply, parameters: flow.parameters, world })
}

interface SignOut {
  readonly reply: FastifyReply
  readonly parameters: LogoutParameters
  readonly world: World
}

/** Refresh tokens survive: signing out of the browser does not revoke what a confidential client holds. */
function signOut (browser: Browser, account: SignedInAccount, signingOut: SignOut): FastifyReply {
  forgetAccount(browser, account, signingOut)
  return answer([account], signingOut)
}

function answer (accounts: readonly SignedInAccount[], { reply, parameters, world }: SignOut): FastifyReply {
  const frames = accounts.flatMap((account) => frontChannelUrls(account, world))
  return sendPage(reply, signedOutPage(frames, findPostLogoutUri(parameters, accounts, world)))
}

function userOf ({ tenantId, oid }: SignedInAccount, { state }: World): User | undefined {
  return state.tenants.find(({ id }) => id === tenantId)?.users.find((user) => user.oid === oid)
}
