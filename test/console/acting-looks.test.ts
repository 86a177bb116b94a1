/**
 * Every page on which somebody acts: free of what axe calls serious or critical, in both themes, and
 * without sideways scrolling at 360 pixels. The pictures are for people.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumMissing, TestBrowser } from './support/browser.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();

const looks = [
  ['jobs', '/jobs', 'Jobs'],
  ['retention', '/retention?set=shop', 'Retention'],
  ['search', '/search?q=conf', 'Search'],
  ['agents', '/agents', 'Agents'],
  ['audit', '/audit', 'Audit'],
  ['settings', '/settings', 'Settings'],
  ['alarms', '/alarms', 'Alarms'],
  ['restore', '/sets/shop/restore?point=90&paths=app/etc/shop.conf', 'Restore shop'],
] as const;

describe.skipIf(missing !== undefined)('acting pages', () => {
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
          await view.page.getByRole('heading', { name: title, level: 1 }).waitFor();
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
});
