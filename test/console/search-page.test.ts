/** Search in the console with keys alone, and its filters. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumMissing, TestBrowser, type TestPage } from './support/browser.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();

describe.skipIf(missing !== undefined)('search', () => {
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

  const hash = (view: TestPage): Promise<string> =>
    view.page.evaluate('decodeURIComponent(window.location.hash)');
  const focused = (view: TestPage): Promise<string> =>
    view.page.evaluate('document.activeElement.textContent');

  test('keys: a name is typed, arrows choose, R leads to its restore, V to its versions, Enter to its folder', async () => {
    const view = await browser.open('/search');
    const { page } = view;
    await page.keyboard.type('conf');
    await page.getByText('2 results in 2 sets').waitFor();
    await page.keyboard.press('ArrowDown');
    expect(await focused(view)).toBe('shop.conf');
    await page.keyboard.press('ArrowDown');
    expect(await focused(view)).toBe('old.conf');
    await view.expectAccessible();
    await page.keyboard.press('r');
    await page.getByRole('heading', { name: 'Restore shop' }).waitFor();
    expect(await hash(view)).toContain('/sets/shop/restore?point=59&paths=app/etc/old.conf');
    expect(await page.getByLabel('Paths').inputValue()).toBe('app/etc/old.conf');
    await page.goBack();
    await page.getByText('2 results in 2 sets').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('v');
    expect(await hash(view)).toContain('/sets/shop/versions?path=app/etc/shop.conf');
    await page.goBack();
    await page.getByText('2 results in 2 sets').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect.poll(() => hash(view)).toContain('/sets/shop/points/94?path=app/etc');
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('filters: only deleted things of an extension are left, and the address keeps them', async () => {
    const view = await browser.open('/search?q=o');
    const { page } = view;
    await page.getByText('Filters').click();
    await page.getByLabel('Extension').fill('conf');
    await page.getByLabel('State').selectOption('Only deleted');
    await page.getByText('1 result in 2 sets').waitFor();
    expect(await page.locator('.result-open').allInnerTexts()).toEqual(['old.conf']);
    expect(await hash(view)).toContain('live=false');
    await page.reload();
    await page.getByText('1 result in 2 sets').waitFor();
    await view.expectAccessible();
    await view.picture('search-filters');
    await page.getByLabel('Name of a file or folder').fill('no such thing');
    await page.getByText('Nothing of that name was ever in a point that is kept.').waitFor();
    expect(view.troubles).toEqual([]);
    await view.close();
  });
});
