/**
 * This file opens Chromium for a test: windows with nothing in common, and a record of everything that went wrong in them.
 */
import { mkdirSync } from 'node:fs'
import { chromium, type Browser, type Page } from 'playwright-core'
import type { Test } from 'tap'

/** A page in a browser context of its own. */
export interface Window {
  readonly page: Page
  /** Console errors and uncaught exceptions, in order. */
  readonly errors: readonly string[]
  /** Saves what the page looks like as `coverage/screenshots/NAME.png`. */
  screenshot (name: string): Promise<void>
}

const screenshots = 'coverage/screenshots'
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'
]

/** Starts a browser with a profile of its own that ends with the test. */
export async function startChromium (t: Test): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args, timeout: 120_000 })
  t.teardown(async () => { await browser.close() })
  return browser
}

/** A window with its own cookies and storage. It accepts the emulator's certificate, as people do who try the demo. */
export async function openWindow (browser: Browser): Promise<Window> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1000, height: 720 } })
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  const errors: string[] = []
  page.on('console', message => { if (message.type() === 'error') errors.push(message.text()) })
  page.on('pageerror', error => { errors.push(error.message) })
  return {
    page,
    errors,
    async screenshot (name) {
      mkdirSync(screenshots, { recursive: true })
      await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true })
    }
  }
}
