/**
 * This file makes one scrape answer for all workers: the worker that is scraped asks the first process, and that asks the
 * others. What goes between them is metrics as text, in which nothing is about a user.
 */
import cluster, { type Worker } from 'node:cluster'
import type { Logger } from '../telemetry/log.ts'
import { mergeTexts } from '../telemetry/merge.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createQuestion, type Question } from './question.ts'

/** What a worker says to the first process. */
type FromWorker =
  | { readonly kind: 'metrics-wanted' }
  /** Its own; without a text when they could not be had. */
  | { readonly kind: 'metrics', readonly text?: string }

/** What the first process says to a worker about metrics. */
type ToWorker =
  | { readonly kind: 'metrics-asked' }
  | { readonly kind: 'metrics-gathered', readonly texts: readonly string[] }

type Answer = { readonly kind: 'text', readonly text: string } | { readonly kind: 'failed' } | { readonly kind: 'gone' }

/** Who takes longer is left out. */
const workerMs = 1000
/** The first process waits for workers, and needs some time itself. */
const firstProcessMs = 2 * workerMs
const tellingMs = 60_000

/** The metrics of this worker, whose text is that of all workers. */
export function metricsOfAll (own: Metrics, log: Logger): Metrics {
  const worker = cluster.worker!
  const others = createQuestion<readonly string[]>(() => { say(worker, { kind: 'metrics-wanted' }) })
  const tellIncomplete = createTelling(log)

  worker.on('message', (message: ToWorker) => {
    if (message.kind === 'metrics-gathered') others.answer(message.texts)
    else if (message.kind === 'metrics-asked') {
      own.text().then(
        ({ body }) => { say(worker, { kind: 'metrics', text: body }) },
        () => { say(worker, { kind: 'metrics' }) }
      )
    }
  })

  return {
    ...own,
    async text () {
      const [{ type, body }, texts] = await Promise.all([own.text(), others.ask(firstProcessMs)])
      if (texts === undefined) tellIncomplete({ isFirstProcessSilent: true })
      return { type, body: mergeTexts([body, ...texts ?? []]) }
    }
  }
}

export interface MetricsRelay {
  /** From now on this worker asks and is asked. It has to serve already: before that it does not answer. */
  join (worker: Worker): void
}

/** What the first process does for scrapes. */
export function createMetricsRelay (log: Logger): MetricsRelay {
  const questions = new Map<Worker, Question<Answer>>()
  const tellIncomplete = createTelling(log)

  async function gather (asker: Worker): Promise<void> {
    const asked = [...questions].filter(([worker]) => worker !== asker)
    const answers = await Promise.all(asked.map(async ([{ id }, question]) => ({ id, answer: await question.ask(workerMs) })))
    const silent = answers.filter(({ answer }) => answer === undefined || answer.kind === 'failed').map(({ id }) => id)
    if (silent.length > 0) tellIncomplete({ workers: silent })
    const texts = answers.flatMap(({ answer }) => answer?.kind === 'text' ? [answer.text] : [])
    say(asker, { kind: 'metrics-gathered', texts })
  }

  return {
    join (worker) {
      const question = createQuestion<Answer>(() => { say(worker, { kind: 'metrics-asked' }) })
      questions.set(worker, question)
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'metrics-wanted') gather(worker)
        else if (message.kind === 'metrics') question.answer(message.text === undefined ? { kind: 'failed' } : { kind: 'text', text: message.text })
      })
      worker.once('disconnect', () => {
        questions.delete(worker)
        question.answer({ kind: 'gone' })
      })
    }
  }
}

/** A process that has just gone does not matter: then nobody waits for the answer either. */
function say (worker: Worker, message: FromWorker | ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => {})
}

/** Says that a scrape lacks somebody, at most once a minute. */
function createTelling (log: Logger): (whom: object) => void {
  let lastAt = -Infinity
  return whom => {
    const at = performance.now()
    if (at - lastAt < tellingMs) return
    lastAt = at
    log.warn({ event: 'metrics-incomplete', ...whom }, 'a worker did not tell its metrics in time, and a scrape has to do without them')
  }
}
