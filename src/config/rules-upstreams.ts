/** This file holds the rules for upstreams. */
import { pointerTo } from './problems.ts'
import { checkScopes } from './rules-scopes.ts'
import type { RuleContext, SoundConfig } from './sound.ts'
import { isLoopback } from './urls.ts'

export function checkUpstreams ({ upstreams = {}, routes = [] }: SoundConfig, context: RuleContext): void {
  for (const [name, upstream] of Object.entries(upstreams)) {
    if (upstream === undefined) continue
    const pointer = pointerTo('/upstreams', name)
    checkScopes(upstream.scopes, `${pointer}/scopes`, context)

    const url = new URL(upstream.url)
    const lists = [upstream.scopes, ...routes.filter(route => route?.upstream === name).map(route => route?.scopes ?? [])]
    if (lists.some(scopes => scopes.length > 0) && url.protocol === 'http:' && !isLoopback(url) && !upstream.allowHttpTokens) {
      context.report(`${pointer}/url`, 'would get access tokens unencrypted: use https, or set allowHttpTokens: true if the network is protected otherwise')
    }
  }
}
