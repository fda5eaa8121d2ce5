/** This file reads and writes traceparent fields. */
import fc from 'fast-check'
import t from 'tap'
import { formatTraceparent, parseTraceparent } from '../../src/telemetry/trace-context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'

t.test('a well-formed field is a place in a trace; only its lowest flag means anything', async t => {
  t.same(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, isSampled: true })
  t.same(parseTraceparent(`00-${traceId}-${spanId}-00`), { traceId, spanId, isSampled: false })
  t.same(parseTraceparent(`00-${traceId}-${spanId}-fe`), { traceId, spanId, isSampled: false })
  t.same(parseTraceparent(`00-${traceId}-${spanId}-ff`), { traceId, spanId, isSampled: true })
  t.same(parseTraceparent(`01-${traceId}-${spanId}-01-more`), { traceId, spanId, isSampled: true }, 'a later version begins like this one')
})

t.test('anything else is none', async t => {
  const good = `00-${traceId}-${spanId}-01`
  const wrong = [undefined, '', 'x', good.toUpperCase(), ` ${good}`, `${good} `, `${good}\n`, `${good}-x`, `${good}, ${good}`, `ff${good.slice(2)}`, `01${good.slice(2)}more`,
    `00-${'0'.repeat(32)}-${spanId}-01`, `00-${traceId}-${'0'.repeat(16)}-01`, 'a'.repeat(16_000)]
  for (const field of wrong) t.equal(parseTraceparent(field), undefined, field?.slice(0, 80) ?? 'no field')
})

t.test('whatever comes, it does not throw, and what it makes of it reads the same again', async t => {
  const part = (length: number) => fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
  const field = fc.tuple(part(32), part(16), part(2)).map(parts => `00-${parts.join('-')}`)
  t.doesNotThrow(() => fc.assert(fc.property(fc.oneof(field, fc.string()), text => {
    const place = parseTraceparent(text)
    return place === undefined || JSON.stringify(parseTraceparent(formatTraceparent(place))) === JSON.stringify(place)
  })))
})
