/**
 * The worst day: open the set, find where far too much changed, take the point before it, and get a
 * file back. Once with a pointer, once with keys alone.
 */
import fs from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumMissing, TestBrowser } from './support/browser.js';
import { BURST_POINT, LAST_GOOD_POINT, POINTS } from './support/sample.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();

/** Resolves when the address behind `#` matches. */
function atAddress(page: Page, pattern: RegExp): Promise<void> {
  return page.waitForURL((url) => pattern.test(decodeURIComponent(url.hash)));
}

describe.skipIf(missing !== undefined)('operator', () => {
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

  test('by pointer: from the overview to the bytes of a file as it was before the burst', async () => {
    const view = await browser.open('/');
    const { page } = view;
    await page.getByRole('link', { name: 'shop', exact: true }).click();

    await page.getByRole('heading', { name: `Point ${BURST_POINT} changed far more` }).waitFor();
    await page.getByRole('button', { name: `Pick point ${LAST_GOOD_POINT}` }).click();
    const point = page.getByRole('region', { name: 'The point', exact: true });
    await point.getByRole('heading', { name: `Point ${LAST_GOOD_POINT}` }).waitFor();
    await atAddress(page, new RegExp(`point=${LAST_GOOD_POINT}`));
    await point.getByRole('link', { name: 'Browse' }).click();

    await page.getByRole('link', { name: 'app', exact: true }).click();
    await page.getByRole('link', { name: 'etc', exact: true }).click();
    await page.getByRole('link', { name: 'shop.conf', exact: true }).click();
    const panel = page.getByRole('region', { name: 'shop.conf' });
    await panel.getByText('647 bytes').waitFor();

    await panel.getByRole('tab', { name: 'Preview' }).click();
    await panel.getByText(`# version ${LAST_GOOD_POINT}`).waitFor();

    await panel.getByRole('tab', { name: 'Versions' }).click();
    await panel.getByText('12 versions').waitFor();
    expect(await panel.getByRole('listitem').count()).toBe(12);

    await panel.getByRole('tab', { name: 'Compare' }).click();
    await panel.getByText('3 lines added, 3 removed').waitFor();
    await panel.getByText('listen = 8081').waitFor();

    const saving = page.waitForEvent('download');
    await panel.getByRole('button', { name: 'Download' }).click();
    const saved = await saving;
    expect(saved.suggestedFilename()).toBe('shop.conf');
    const text = fs.readFileSync(await saved.path(), 'utf8');
    expect(text.startsWith(`# version ${LAST_GOOD_POINT}\n`)).toBe(true);
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('by keys: the timeline tells each point, Enter picks, and the folder opens down to a preview', async () => {
    const view = await browser.open('/sets/shop');
    const { page } = view;
    const timeline = page.getByRole('slider', { name: 'Points over time' });
    await page.getByText(`${POINTS} of ${POINTS} points in sight`).waitFor();
    await timeline.focus();
    const tellsOf = (text: string): Promise<void> =>
      expect.poll(() => timeline.getAttribute('aria-valuetext')).toContain(text);
    await page.keyboard.press('End');
    await tellsOf(`Point ${POINTS},`);
    for (let step = POINTS; step > BURST_POINT; step -= 1) await page.keyboard.press('ArrowLeft');
    await tellsOf(`Point ${BURST_POINT},`);
    await tellsOf('much more than usual');
    await page.keyboard.press('+');
    await page.keyboard.press('+');
    await expect
      .poll(() => page.getByText(/points in sight/).textContent())
      .not.toContain(`${POINTS} of`);
    await page.keyboard.press('ArrowLeft');
    await tellsOf(`Point ${LAST_GOOD_POINT},`);
    await page.keyboard.press('Enter');
    await atAddress(page, new RegExp(`point=${LAST_GOOD_POINT}`));

    const browse = page
      .getByRole('region', { name: 'The point', exact: true })
      .getByRole('link', { name: 'Browse' });
    await browse.focus();
    await page.keyboard.press('Enter');
    for (const [folder, typed] of [
      ['Entries of the set', 'app'],
      ['Entries of app', 'et'],
      ['Entries of app/etc', 'shop'],
    ] as const) {
      const list = page.getByRole('grid', { name: folder, exact: true });
      if (folder === 'Entries of the set') await list.focus();
      // Whoever opened a folder by key goes on in it.
      await expect.poll(() => list.evaluate('document.activeElement.ariaLabel')).toBe(folder);
      await page.keyboard.type(typed);
      await page.keyboard.press('Enter');
    }
    const panel = page.getByRole('region', { name: 'shop.conf' });
    await panel.getByRole('tab', { name: 'Facts' }).focus();
    await page.keyboard.press('ArrowRight');
    await panel.getByText(`# version ${LAST_GOOD_POINT}`).waitFor();
    await atAddress(page, /at=app\/etc\/shop\.conf&tab=preview/);
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('selection: entries of two folders become one archive, with what was chosen and no more', async () => {
    const view = await browser.open(`/sets/shop/points/${LAST_GOOD_POINT}?path=app/etc`);
    const { page } = view;
    await page.getByLabel('Select shop.conf').check();
    await page.getByRole('navigation', { name: 'Path' }).getByRole('link', { name: 'app' }).click();
    await page.getByLabel('Select images').check();
    await page.getByText('2 selected').waitFor();
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download tar' }).click();
    const bytes = fs.readFileSync(await (await saving).path());
    const has = (name: string): boolean => bytes.includes(name);
    expect(has('app/etc/shop.conf')).toBe(true);
    expect(has('app/images/logo.png')).toBe(true);
    expect(has('core.bin')).toBe(false);
    await view.close();
  });

  test('comparison: the burst is told as counts and changes, each of which opens', async () => {
    const view = await browser.open(`/sets/shop/compare?from=${LAST_GOOD_POINT}&to=${BURST_POINT}`);
    const { page } = view;
    await page.getByText('402 changes').waitFor();
    await page.getByRole('button', { name: 'Added 1' }).click();
    const changes = page.getByRole('grid', { name: 'Changes' });
    await expect.poll(() => changes.getByRole('row').count()).toBe(2);
    await changes.getByRole('link', { name: 'app/etc/READ_ME.txt' }).click();
    await page.getByRole('region', { name: 'READ_ME.txt' }).waitFor();
    await view.close();
  });

  test('hold: a reason makes one, it shows on the point, and it is released again', async () => {
    const view = await browser.open(`/sets/shop?point=${LAST_GOOD_POINT}`);
    const { page } = view;
    const point = page.getByRole('region', { name: 'The point', exact: true });
    await point.getByRole('button', { name: 'Hold' }).click();
    await page.getByLabel('Reason').fill('last good state, ask Kim');
    await page.keyboard.press('Enter');
    await point.getByText('last good state, ask Kim').waitFor();
    await point.getByRole('button', { name: 'Release' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
    await expect.poll(() => point.getByText('last good state, ask Kim').count()).toBe(0);
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('a picture and what is none: shown as a picture, and refused with a reason', async () => {
    const view = await browser.open('/sets/shop/points/5?at=app/images/logo.png&tab=preview');
    const { page } = view;
    const picture = page.getByRole('img', { name: 'Preview of logo.png' });
    await picture.waitFor();
    await expect
      .poll(() => view.number(`document.querySelector('.picture img').naturalWidth`), {
        timeout: 5000,
      })
      .toBe(96);
    await view.go('/sets/shop/points/5?at=app/core.bin&tab=preview');
    await page.getByText('No preview').waitFor();
    await view.close();
  });
});
