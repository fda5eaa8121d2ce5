/**
 * This file is the legacy app: server-rendered pages of a program that never heard of OAuth. It believes the headers that
 * say who the user is, as such programs do, and its script calls two APIs as if they were its own.
 */
import { readFileSync } from 'node:fs'
import type { FastifyRequest } from 'fastify'
import { createApp, listen, type Running } from './app.ts'
import { fileIn } from './files.ts'
import { missingPage, ordersPage, profilePage, type Visitor } from './pages.ts'

const htmlType = 'text/html; charset=utf-8'

/** Serves its pages to everybody who reaches it: who may is decided before. */
export async function startLegacyApp (port: number): Promise<Running> {
  const app = createApp()
  const script = readFileSync(fileIn('demo/assets/app.js'))
  const style = readFileSync(fileIn('demo/assets/app.css'))
  app.get('/assets/app.js', async (_request, reply) => await reply.type('text/javascript; charset=utf-8').send(script))
  app.get('/assets/app.css', async (_request, reply) => await reply.type('text/css; charset=utf-8').send(style))
  app.get('/', async (request, reply) => await reply.type(htmlType).send(ordersPage(visitorOf(request))))
  app.get('/profile', async (request, reply) => await reply.type(htmlType).send(profilePage(visitorOf(request))))
  app.setNotFoundHandler(async (request, reply) => await reply.code(404).type(htmlType).send(missingPage(visitorOf(request))))
  return await listen(app, port)
}

function visitorOf (request: FastifyRequest): Visitor {
  return {
    name: headerText(request, 'x-ms-client-principal-name'),
    id: headerText(request, 'x-ms-client-principal-id')
  }
}

/** The gateway percent-encodes what is not ASCII. Without the gateway in front there is no header, and nobody is there. */
function headerText (request: FastifyRequest, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? decodeURIComponent(value) : 'nobody'
}
