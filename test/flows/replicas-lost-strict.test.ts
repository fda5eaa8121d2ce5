/**
 * This file loses replicas in the middle of a renewal, at a provider that takes each refresh token once.
 */
import t from 'tap'
import { build } from '../support/build.ts'
import { comesBack, expectToken, expectTokens, startLosing, takeOver } from '../support/lost-replica.ts'
import { apis, users } from '../support/replicas.ts'

const reports = apis[1]!

t.before(build)

t.test('at a provider that takes a refresh token once', async t => {
  const { lose, others } = await startLosing(t, { refreshReuse: 'revoke', replicas: 4 })
  const unheard = await lose({ user: users[0]!, lost: others[0]!, provider: 'hangs', signal: 'SIGKILL' })
  const killed = await lose({ user: users[1]!, lost: others[1]!, provider: 'answers', signal: 'SIGKILL' })
  const stopped = await lose({ user: users[2]!, lost: others[2]!, provider: 'answers', signal: 'SIGSTOP' })
  t.jobs = 3

  t.test('killed before the provider has taken it: the other replica renews when the lease ends', async t => {
    await expectToken(unheard, await takeOver(t, unheard), reports)
    t.equal(await unheard.pending, undefined, 'only the request that was under way is lost')
    await expectTokens(unheard, unheard.browser, unheard.left)
  })

  // The new refresh token is in the lost replica's memory and nowhere else: only the user can get another one.
  t.test('killed with the answer in hand: a sign-in is needed, and helps', async t => {
    const { world, user, left, browser } = killed
    const reply = await takeOver(t, killed)
    t.equal(reply.status, 401)
    t.match(reply.json(), { code: 'SG_SIGN_IN_REQUIRED', reason: 'sign_in_required' })
    t.equal((await browser.fetch(`${left.origin}/orders/x`)).status, 401, 'the session has ended with its grant')
    await expectTokens(killed, await world.signIn(user, left.origin), left)
  })

  t.test('stopped past its lease: a sign-in is needed, and what comes too late does not disturb it', async t => {
    const { world, user, lost, left, browser } = stopped
    t.match((await takeOver(t, stopped)).json(), { code: 'SG_SIGN_IN_REQUIRED' })
    const again = await world.signIn(user, left.origin)
    lost.child.kill('SIGCONT')
    const late = await stopped.pending
    t.ok(late?.status === 503 || late?.status === 401, `nothing of a grant that is gone, not ${late?.status}`)
    await comesBack(t, browser, { url: `${lost.origin}/reports/x`, status: 401 })
    await comesBack(t, again, { url: `${lost.origin}/reports/x`, status: 200 })
    t.same(await expectTokens(stopped, again, lost), await expectTokens(stopped, again, left))
  })
})
