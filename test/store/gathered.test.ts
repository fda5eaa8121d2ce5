/** This file checks that records asked for in one turn go into one command, and that nobody gets another's. */
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { gathered } from '../../src/store/redis/gathered.ts'

function world () {
  const commands: string[][] = []
  const get = gathered(async keys => {
    commands.push([...keys])
    await turn()
    return keys.map(key => key.startsWith('no') ? undefined : `value of ${key}`)
  })
  return { commands, get }
}

t.test('what is asked for in one turn goes together, also from promises', async t => {
  const { commands, get } = world()
  const later = async (): Promise<string | undefined> => {
    for (let i = 0; i < 10; i++) await undefined
    return await get('b')
  }
  t.same(await Promise.all([get('a'), later(), get('none'), get('a')]), ['value of a', 'value of b', undefined, 'value of a'])
  t.same(commands.map(keys => keys.length), [4])
})

t.test('what is asked for later is not answered from before', async t => {
  const { commands, get } = world()
  const first = get('a')
  await turn()
  t.same(await Promise.all([first, get('a')]), ['value of a', 'value of a'])
  t.same(commands, [['a'], ['a']])
})

t.test('many are asked for by a hundred', async t => {
  const { commands, get } = world()
  const keys = Array.from({ length: 250 }, (_, i) => `k${i}`)
  t.same(await Promise.all(keys.map(get)), keys.map(key => `value of ${key}`))
  t.same(commands.map(({ length }) => length), [100, 100, 50])
})

t.test('a command that fails fails for all who went with it, and for nobody else', async t => {
  let calls = 0
  const get = gathered<string>(async keys => {
    if (++calls === 1) throw new Error('away')
    return keys
  })
  const failing = await Promise.allSettled([get('a'), get('b')])
  t.same(failing.map(({ status }) => status), ['rejected', 'rejected'])
  t.equal(await get('c'), 'c')
})
