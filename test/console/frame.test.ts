/** The console's frame in a real browser: signing in and out, theme, keyboard, and what is not there. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumMissing, TestBrowser } from './support/browser.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();

describe.skipIf(missing !== undefined)('frame', () => {
  let replica: SampleReplica;
  let browser: TestBrowser;

  beforeAll(async () => {
    replica = await startSampleReplica();
    browser = await TestBrowser.start(replica);
  });

  afterAll(async () => {
    await browser.close();
    await replica.close();
  });

  test('signing in: a wrong token is told with its hint, the right one opens what was asked for, and signing out ends it', async () => {
    const view = await browser.blank();
    const { page } = view;
    await page.goto(`${replica.url}/console/#/sets/shop?point=45`);
    await page.getByLabel('Token').fill('x'.repeat(43));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    await view.expectAccessible();
    await view.picture('sign-in');
    await page.getByLabel('Token').fill(replica.token);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Point 45' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Point 45' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Signed out.').waitFor();
    await page.reload();
    await page.getByLabel('Token').waitFor();
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('a session that ended meanwhile: asks to sign in again, and shows nothing more', async () => {
    const view = await browser.open('/');
    const { page } = view;
    await page.getByRole('heading', { name: 'Sets', level: 1 }).waitFor();
    await page.context().clearCookies();
    await view.go('/sets/shop');
    await page.getByText('The session has ended.').waitFor();
    expect(await page.getByRole('heading', { name: 'shop' }).count()).toBe(0);
    await view.close();
  });

  test('theme: is as the system, then as chosen, and stays chosen', async () => {
    const view = await browser.open('/', { theme: 'dark' });
    const { page } = view;
    const ground = (): Promise<unknown> =>
      page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
    await page.getByRole('button', { name: 'Colours: as the system' }).click();
    await page.getByRole('button', { name: 'Colours: light' }).waitFor();
    const light = await ground();
    await page.reload();
    const button = page.getByRole('button', { name: 'Colours: light' });
    await button.waitFor();
    expect(await ground()).toBe(light);
    await button.click();
    await page.getByRole('button', { name: 'Colours: dark' }).click();
    await page.getByRole('button', { name: 'Colours: as the system' }).waitFor();
    expect(await ground()).not.toBe(light);
    await view.close();
  });

  test('navigation: the first stop of the keyboard skips it, and at 360 pixels it opens and closes', async () => {
    const view = await browser.open('/', { width: 360 });
    const { page } = view;
    await page.getByRole('heading', { name: 'Sets', level: 1 }).waitFor();
    await page.evaluate('document.activeElement?.blur()');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('MAIN');
    const search = page.getByRole('navigation', { name: 'Pages' }).getByText('Search');
    expect(await search.isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Menu' }).click();
    await search.click();
    await page.getByRole('heading', { name: 'Search', level: 1 }).waitFor();
    expect(await search.isVisible()).toBe(false);
    await view.close();
  });

  test('an address that is none: says so and leads home', async () => {
    const view = await browser.open('/nowhere');
    await view.page.getByText('There is no such page').waitFor();
    await view.page.getByRole('link', { name: 'All sets' }).click();
    await view.page.getByRole('heading', { name: 'Sets', level: 1 }).waitFor();
    await view.close();
  });

  test('this harness: notices a button without a name', async () => {
    const view = await browser.open('/');
    await view.page.getByRole('heading', { name: 'Sets', level: 1 }).waitFor();
    await view.page.evaluate(
      "document.querySelector('main').append(document.createElement('button'))",
    );
    await expect(view.expectAccessible()).rejects.toThrow(/button-name/);
    await view.close();
  });
});
