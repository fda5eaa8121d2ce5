/** This file starts an emulator with a browser and MSAL for one test, and closes all of it afterwards. */
import type { Test } from 'tap'
import type { EmulatorConfig } from '../../../emulator/config/shape.ts'
import { startEmulator, type Emulator, type EmulatorOptions } from '../../../emulator/start.ts'
import { createBrowser, type Browser } from './browser.ts'
import { createMsal, createNetwork, type MsalOptions } from './msal.ts'

export interface TestWorld {
  readonly entra: Emulator
  readonly browser: Browser
  msal (options?: MsalOptions): ReturnType<typeof createMsal>
  /** A further browser, with its own cookies. */
  anotherBrowser (): Browser
}

export async function startWorld (t: Test, options: EmulatorOptions & { config?: EmulatorConfig } = {}): Promise<TestWorld> {
  const entra = await startEmulator(options)
  const network = createNetwork(entra)
  const browsers: Browser[] = []
  const anotherBrowser = () => {
    const browser = createBrowser(entra)
    browsers.push(browser)
    return browser
  }
  t.teardown(async () => {
    await Promise.all(browsers.map((browser) => browser.close()))
    await network.close()
    await entra.close()
  })
  return { entra, browser: anotherBrowser(), anotherBrowser, msal: (msalOptions) => createMsal(entra, network, msalOptions) }
}
