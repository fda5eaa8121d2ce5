/** This file is @fastify/http-proxy as it comes, without sign-in and log: the stock way to proxy, as a process of its own. */
import httpProxy from '@fastify/http-proxy'
import { fastify } from 'fastify'

const [, , port, upstream] = process.argv as [string, string, string, string]
const app = fastify()
await app.register(httpProxy, { upstream: `http://127.0.0.1:${upstream}` })
await app.listen({ port: Number(port), host: '127.0.0.1' })
