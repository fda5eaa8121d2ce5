/** This file makes the URLs that tell apps about a sign-out. */
import { findClient } from '../directory/find.ts'
import type { SignedInAccount } from '../state.ts'
import { issuerV2, type World } from '../world.ts'

/** The live service sends `sid` alone, whatever its documentation says of `iss`. */
export function frontChannelUrls ({ apps, sid, tenantId }: SignedInAccount, world: World): string[] {
  return apps.map((clientId) => findClient(clientId, world.state.tenants)?.logoutUrl)
    .filter((url) => url !== null && url !== undefined)
    .map((registered) => {
      const url = new URL(registered)
      url.searchParams.set('sid', sid)
      if (world.quirks.frontChannelIss) url.searchParams.set('iss', issuerV2(world, tenantId))
      return url.href
    })
}
