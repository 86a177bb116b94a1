/**
 * Every page on which somebody looks: free of what axe calls serious or critical, in both themes, and
 * without sideways scrolling at 360 pixels. The pictures are for people.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumMissing, TestBrowser } from './support/browser.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();

const file = '/sets/shop/points/90?at=app/etc/shop.conf';
const looks = [
  ['overview', '/', 'Sets'],
  ['set', '/sets/shop?point=45', 'shop'],
  ['set-table', '/sets/shop?as=table', 'shop'],
  ['folder', '/sets/shop/points/90?path=app/catalogue', 'Point 90'],
  ['file-facts', file, 'Point 90'],
  ['file-preview', `${file}&tab=preview`, 'Point 90'],
  ['file-picture', '/sets/shop/points/90?at=app/images/logo.png&tab=preview', 'Point 90'],
  ['file-versions', `${file}&tab=versions`, 'Point 90'],
  ['file-compare', `${file}&tab=compare`, 'Point 90'],
  ['versions', '/sets/shop/versions?path=app/etc/old.conf', 'old.conf'],
  ['compare', '/sets/shop/compare?from=90&to=91', 'From point 90 to point 91'],
  ['no-point', '/sets/shop/points/900', undefined],
] as const;

describe.skipIf(missing !== undefined)('pages to look at', () => {
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

  for (const [name, link, title] of looks) {
    test(`${name}: can be read and used in both themes and at 360 pixels`, async () => {
      for (const theme of ['light', 'dark'] as const) {
        for (const width of [1280, 360]) {
          const view = await browser.open(link, { theme, width });
          if (title === undefined) await view.page.getByRole('alert').waitFor();
          else
            await view.page.getByRole('heading', { name: title, level: 1, exact: true }).waitFor();
          await expect
            .poll(() => view.page.locator('.loading').count(), { timeout: 15_000 })
            .toBe(0);
          await view.picture(name, 'whole');
          await view.expectAccessible();
          await view.expectNoSidewaysScroll();
          expect(view.troubles).toEqual([]);
          await view.close();
        }
      }
    });
  }

  for (const [name, button] of [
    ['hold', 'Hold'],
    ['mount', 'Mount'],
    ['certificate', 'Certificate'],
  ] as const) {
    test(`dialog ${name}: can be read and used in both themes and at 360 pixels, and Escape closes it`, async () => {
      for (const theme of ['light', 'dark'] as const) {
        for (const width of [1280, 360]) {
          const view = await browser.open('/sets/shop?point=45', { theme, width });
          await view.page.getByRole('button', { name: button }).click();
          await view.page.getByRole('dialog').waitFor();
          await view.picture(`dialog-${name}`);
          await view.expectAccessible();
          await view.expectNoSidewaysScroll();
          await view.page.keyboard.press('Escape');
          await expect.poll(() => view.page.getByRole('dialog').count()).toBe(0);
          expect(view.troubles).toEqual([]);
          await view.close();
        }
      }
    });
  }
});
