/**
 * This file loses replicas in the middle of a renewal, at a provider that takes a used refresh token again, as Entra does.
 */
import t from 'tap'
import { build } from '../support/build.ts'
import { comesBack, expectToken, expectTokens, startLosing, takeOver } from '../support/lost-replica.ts'
import { apis, users } from '../support/replicas.ts'

const reports = apis[1]!

t.before(build)

t.test('at a provider that takes a used refresh token again, as Entra does', async t => {
  const { lose, others } = await startLosing(t, { refreshReuse: 'allow', replicas: 3 })
  const killed = await lose({ user: users[0]!, lost: others[0]!, provider: 'answers', signal: 'SIGKILL' })
  const stopped = await lose({ user: users[1]!, lost: others[1]!, provider: 'answers', signal: 'SIGSTOP' })
  t.jobs = 2

  t.test('killed with the answer in hand: nobody notices but the request that was under way', async t => {
    await expectToken(killed, await takeOver(t, killed), reports)
    t.equal(await killed.pending, undefined)
    await expectTokens(killed, killed.browser, killed.left)
  })

  t.test('stopped past its lease: what it has comes too late, and both use the newer token', async t => {
    const { world, lost, left, browser } = stopped
    const newer = await expectToken(stopped, await takeOver(t, stopped), reports)
    lost.child.kill('SIGCONT')
    const late = await stopped.pending
    t.ok(late?.status === 503 || late?.json().headers.authorization === newer, `a fault or the newer token, not ${late?.status} ${late?.body}`)
    await comesBack(t, browser, { url: `${lost.origin}/reports/x`, status: 200 })
    const tokens = await expectTokens(stopped, browser, left)
    t.same(await expectTokens(stopped, browser, lost), tokens)
    t.equal(tokens[1], newer)
    t.equal(world.tokenCalls().filter(({ aadsts }) => aadsts !== null).length, 0)
  })
})
