/** This file looks whether the upstreams answer, over connections like those of the proxy. Nothing of a user is sent. */
import type { Config } from '../../config/schema.ts'
import { createUpstreams } from '../../proxy/upstreams.ts'
import { type Finding, ok, withinDeadline } from './finding.ts'
import { troubleWith } from './trouble.ts'

type Upstreams = Config['upstreams']

/** All at once. Never throws. */
export async function lookAtUpstreams (configs: Upstreams, deadlineMs: number): Promise<readonly Finding[]> {
  return await Promise.all(Object.keys(configs).map(async name => await lookAt(name, configs[name]!, deadlineMs)))
}

async function lookAt (name: string, config: Upstreams[string], deadlineMs: number): Promise<Finding> {
  const url = new URL(config.url)
  const place = { at: url.host, caKey: `upstreams.${name}.caFile`, schemes: { tls: 'https:', plain: 'http:' } }
  const result = await withinDeadline(deadlineMs, async signal => {
    const upstreams = createUpstreams({ [name]: config })
    try {
      const { dispatcher } = upstreams.get(name)
      // HEAD changes nothing there. Any status will do: nobody is signed in.
      const { statusCode, body } = await dispatcher.request({ origin: url.origin, path: url.pathname, method: 'HEAD', signal })
      await body.dump()
      return ok(`answers ${statusCode} to HEAD ${url.pathname}`)
    } finally {
      await upstreams.close()
    }
  }, {
    inWords: error => troubleWith(place, error),
    late: seconds => `${place.at} gives no answer to HEAD ${url.pathname} within ${seconds} s: is this its port, is it overloaded, or does a firewall swallow what is sent there?`
  })
  return { target: `upstream ${name} at ${url.origin}`, ...result }
}
