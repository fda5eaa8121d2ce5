/**
 * This file is what people do in the demo, in few words.
 */
import type { Page } from 'playwright-core'

/** Opens the demo and picks an account, up to the consent page or, when everything is granted, the orders. */
export async function pickAccount (page: Page, url: string, upn: string): Promise<void> {
  await page.goto(url)
  await page.locator(`[data-testid=account-tile][data-upn="${upn}"]`).click()
}

/** Signs in and gives every permission that is asked for. */
export async function signIn (page: Page, url: string, upn: string): Promise<void> {
  await pickAccount(page, url, upn)
  await page.getByTestId('consent-accept').click()
  await page.getByTestId('order-row').first().waitFor()
}

/** Scope values on the consent page. */
export async function askedScopes (page: Page): Promise<string[]> {
  await page.getByTestId('consent-accept').waitFor()
  return await page.getByTestId('consent-scope').evaluateAll(lines => lines.map(line => line.getAttribute('data-scope') ?? ''))
}

/** The text of one element, without the spaces around it. */
export async function textOf (page: Page, testId: string): Promise<string> {
  return (await page.getByTestId(testId).textContent())?.trim() ?? ''
}

/** Everything of this page that a script could read: content, cookies, storage. */
export async function readableByScript (page: Page): Promise<string> {
  return await page.evaluate(`[
    document.documentElement.outerHTML, document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)
  ].join('\\n')`)
}
