/** Sets as large as they come: a folder of 100,000 entries, a timeline of 100,000 points. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ColumnsBuilder } from '../../replica/history/point-columns.js';
import { drawTimeline } from '../../replica/history/timeline.js';
import {
  TIMELINE_POINTS_MAX,
  type TimelineAnswer,
  timelineQuerySchema,
} from '../../shared/api/timeline.js';
import { chromiumMissing, TestBrowser, type TestPage } from './support/browser.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();
const ENTRIES = 100_000;
const POINTS = 100_000;
const BURST = 70_000;
/** Everything of the page, whatever was scrolled. */
const ELEMENTS_MAX = 1200;

describe.skipIf(missing !== undefined)('large sets', () => {
  let replica: SampleReplica;
  let browser: TestBrowser;

  beforeAll(async () => {
    replica = await startSampleReplica({
      fill: async (open) => {
        const set = await open('archive');
        set.folder('mail');
        for (let entry = 0; entry < ENTRIES; entry += 1) {
          // Links: an index of them is as large as one of files, and a disk has less to do.
          set.symlink(`mail/message-${String(entry).padStart(6, '0')}`, 'body');
        }
        await set.cut(Date.now());
      },
    });
    browser = await TestBrowser.start(replica);
  }, 180_000);

  afterAll(async () => {
    await browser.close();
    await replica.close();
  });

  test('a folder of 100,000 entries: scrolls to its end with few elements in the page, and jumps to a name', async () => {
    const view = await browser.open('/sets/archive/points/1?path=mail');
    const { page } = view;
    const list = page.getByRole('grid', { name: 'Entries of mail' });
    await list.waitFor();
    await page.getByRole('button', { name: 'Load all' }).click();
    await page.getByText('100,000 entries').waitFor();
    expect(await list.getAttribute('aria-rowcount')).toBe(String(ENTRIES + 1));
    for (let step = 0; step <= 20; step += 1) {
      await page.evaluate(
        `(() => { const list = document.querySelector('.virtual-list');
          list.scrollTop = (list.scrollHeight - list.clientHeight) * ${step / 20}; })()`,
      );
      const first = Math.round((step / 20) * (ENTRIES - 30));
      const rowInSight = list.locator(`[aria-rowindex="${first + 12}"]`);
      await rowInSight.waitFor({ state: 'attached' });
      expect(await view.number("document.querySelectorAll('*').length")).toBeLessThan(ELEMENTS_MAX);
    }
    await list.focus();
    await page.keyboard.press('End');
    await list.getByText('message-099999').waitFor();
    await page.keyboard.type('message-0420');
    await list.getByText('message-042000').waitFor();
    await page.keyboard.press('Space');
    await page.getByText('1 selected').waitFor();
    await view.picture('folder-large');
    await view.expectAccessible();
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('a folder of 100,000 entries: the first rows are there before the rest is asked for', async () => {
    const view = await browser.open('/sets/archive');
    const { page } = view;
    const asked: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/ls?')) asked.push(request.url());
    });
    await view.go('/sets/archive/points/1?path=mail');
    await page.getByText('message-000000').waitFor();
    await page.getByText('2,000 entries, more to come').waitFor();
    expect(asked).toHaveLength(1);
    await view.close();
  });

  test('a timeline of 100,000 points: shows the burst, zooms to single points, and lists them', async () => {
    const view = await browser.blank();
    const { page } = view;
    await serveTimeline(page);
    await view.signIn();
    await view.go('/sets/archive');
    await page.getByText('100,000 of 100,000 points in sight').waitFor();
    await page.getByRole('heading', { name: `Point ${BURST} changed far more` }).waitFor();
    await page.getByRole('button', { name: `Pick point ${BURST - 1}` }).waitFor();
    await view.picture('timeline-large');
    await expectDrawn(view);
    expect(await view.number("document.querySelectorAll('*').length")).toBeLessThan(ELEMENTS_MAX);
    const stage = page.getByRole('slider', { name: 'Points over time' });
    const box = await stage.boundingBox();
    if (box === null) throw new Error('the timeline is not in the page');
    // Where the burst is: its share of time, right of the gutter.
    const x = box.x + 104 + (box.width - 104) * (0.02 / 1.04 + (BURST / POINTS) * (1 / 1.04));
    await page.mouse.move(x, box.y + 80);
    for (let turn = 0; turn < 40; turn += 1) await page.mouse.wheel(0, -400);
    await expect
      .poll(async () =>
        Number(
          /^[\d,]+/
            .exec((await page.getByText(/points in sight/).textContent()) ?? '')?.[0]
            .replaceAll(',', ''),
        ),
      )
      .toBeLessThan(200);
    await view.picture('timeline-large-zoomed');
    await page.getByRole('button', { name: 'Table' }).click();
    const rows = page.getByRole('region', { name: 'Points in sight' }).getByRole('row');
    expect(await rows.count()).toBeGreaterThan(1);
    expect(await rows.count()).toBeLessThanOrEqual(TIMELINE_POINTS_MAX + 1);
    expect(view.troubles).toEqual([]);
    await view.close();
  });
});

/** The canvas has the colours that the legend has; all of one colour it told nothing. */
async function expectDrawn(view: TestPage): Promise<void> {
  for (const [sample, property] of [
    ['.timeline-legend .shape.application', 'fill'],
    ['.timeline-legend .shape.filesystem', 'fill'],
    ['.timeline-legend .shape.crash', 'fill'],
    ['.timeline-swatch.high', 'backgroundColor'],
  ] as const) {
    const pixels = await view.number(`(() => {
      const wanted = getComputedStyle(document.querySelector('${sample}'))['${property}'].match(/\\d+/g);
      const canvas = document.querySelector('.timeline-stage canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] === 255 && wanted.every((value, part) => data[at + part] === Number(value))) count += 1;
      }
      return count;
    })()`);
    expect(pixels, `pixels of ${sample}`).toBeGreaterThan(20);
  }
}

/** Answers for the timeline as the replica draws it, over points that would take hours to cut. */
async function serveTimeline(page: Page): Promise<void> {
  const builder = new ColumnsBuilder();
  const firstMs = Date.UTC(2030, 0, 1);
  const everyMs = 10 * 60_000;
  for (let point = 1; point <= POINTS; point += 1) {
    builder.add({
      point,
      timeMs: firstMs + point * everyMs,
      changedNodes: 3 + (point % 40),
      changedBytes: point === BURST ? 9_000_000_000 : 4000 + ((point * 7919) % 90_000),
      consistency: point % 9 === 0 ? 'filesystem' : point % 31 === 0 ? 'crash' : 'application',
      healed: false,
      unreadable: false,
    });
  }
  const columns = builder.snapshot();
  const lastMs = firstMs + POINTS * everyMs;
  // What comes before the burst, among which the last calm one is looked for.
  await page.route(/\/v1\/sets\/archive\/points\?before=/, (route) => {
    const points = [BURST - 2, BURST - 1].map((point) => ({
      point,
      timeMs: firstMs + point * everyMs,
      changedBytes: 4000,
    }));
    return route.fulfill({ json: { set: 'archive', points, leftOut: BURST - 3 } });
  });
  await page.route(/\/v1\/sets\/archive\/timeline/, async (route) => {
    const given = Object.fromEntries(new URL(route.request().url()).searchParams);
    const query = timelineQuerySchema.parse(given);
    const fromMs = query.from ?? firstMs;
    const toMs = query.to ?? lastMs + 1;
    const drawn = drawTimeline(columns, {
      fromMs,
      toMs,
      buckets: query.buckets,
      held: new Set([40_000]),
      flagged: new Set(),
      listMax: TIMELINE_POINTS_MAX,
    });
    const answer: TimelineAnswer = {
      set: 'archive',
      fromMs,
      toMs,
      bucketMs: drawn.bucketMs,
      firstMs: firstMs + everyMs,
      lastMs,
      total: POINTS,
      inRange: drawn.inRange,
      buckets: drawn.buckets,
      points: null,
    };
    await route.fulfill({ json: answer });
  });
}
