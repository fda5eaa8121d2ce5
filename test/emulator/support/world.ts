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

/** With and without the HTTP admin API. */
const shared = new Map<boolean, Emulator>()

/** Starting costs two RSA keys: tests that need no config of their own share one emulator per file, reset each time. */
async function shareEmulator (admin: boolean): Promise<Emulator> {
  const entra = shared.get(admin) ?? await startEmulator({ admin })
  if (!shared.has(admin)) {
    shared.set(admin, entra)
    tap.teardown(() => entra.close())
  }
  entra.admin.reset()
  return entra
}

/** With any option besides `admin`, the emulator is the test's own. */
export async function startWorld (t: Test, options: EmulatorOptions = {}): Promise<TestWorld> {
  const { admin = false, ...own } = options
  const isShared = Object.keys(own).length === 0
  const entra = isShared ? await shareEmulator(admin) : await startEmulator(options)
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
    if (!isShared) await entra.close()
  })
  return { entra, browser: anotherBrowser(), anotherBrowser, msal: (msalOptions) => createMsal(entra, network, msalOptions) }
}
