/** This file gives a test an emulator with a browser and MSAL, and closes what it opened. */
import tap, { type Test } from 'tap'
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

let shared: Emulator | undefined

/** Starting costs two RSA keys: tests that need no options of their own share one emulator per file, reset each time. */
async function shareEmulator (): Promise<Emulator> {
  if (shared === undefined) {
    shared = await startEmulator()
    const { close } = shared
    tap.teardown(() => close())
  }
  shared.admin.reset()
  return shared
}

export async function startWorld (t: Test, options?: EmulatorOptions): Promise<TestWorld> {
  const entra = options === undefined ? await shareEmulator() : await startEmulator(options)
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
    if (options !== undefined) await entra.close()
  })
  return { entra, browser: anotherBrowser(), anotherBrowser, msal: (msalOptions) => createMsal(entra, network, msalOptions) }
}
