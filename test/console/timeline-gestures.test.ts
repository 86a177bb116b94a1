/** The timeline under pointer, wheel and two fingers; what it shows stays in the address. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumMissing, TestBrowser, type TestPage } from './support/browser.js';
import { BURST_POINT, POINTS } from './support/sample.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();

interface Range {
  readonly from: number;
  readonly to: number;
}

/** What the address says is in sight, once it differs from `last`. */
async function nextRange(page: Page, last?: Range): Promise<Range> {
  let now: Range = { from: NaN, to: NaN };
  await expect
    .poll(() => {
      const query = new URLSearchParams(new URL(page.url()).hash.split('?')[1]);
      now = { from: Number(query.get('from') ?? NaN), to: Number(query.get('to') ?? NaN) };
      return now.from > 0 && (now.from !== last?.from || now.to !== last.to);
    })
    .toBe(true);
  return now;
}

async function openTimeline(browser: TestBrowser): Promise<{
  readonly view: TestPage;
  readonly box: { readonly x: number; readonly y: number; readonly width: number };
}> {
  const view = await browser.open('/sets/shop');
  await view.page.getByText(`${POINTS} of ${POINTS} points in sight`).waitFor();
  const box = await view.page.getByRole('slider', { name: 'Points over time' }).boundingBox();
  if (box === null) throw new Error('the timeline is not in the page');
  return { view, box };
}

describe.skipIf(missing !== undefined)('gestures', () => {
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

  test('wheel and drag: zoom at the pointer, then move by as much time as pixels, and the address opens the same again', async () => {
    const { view, box } = await openTimeline(browser);
    const { page } = view;
    await page.mouse.move(box.x + box.width / 2, box.y + 100);
    for (let turn = 0; turn < 4; turn += 1) await page.mouse.wheel(0, -200);
    const zoomed = await nextRange(page);
    const span = zoomed.to - zoomed.from;
    expect(span).toBeLessThan(15 * 86_400_000);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 + 120, box.y + 100, { steps: 4 });
    await page.mouse.up();
    const moved = await nextRange(page, zoomed);
    expect(moved.to - moved.from).toBeCloseTo(span, -2);
    expect((zoomed.from - moved.from) / span).toBeCloseTo(120 / box.width, 2);
    const told = await page.getByText(/points in sight/).textContent();
    await page.reload();
    await expect.poll(() => page.getByText(/points in sight/).textContent()).toBe(told);
    await view.close();
  });

  test('two fingers: drawn apart they zoom in, and what they leave is not picked', async () => {
    const { view, box } = await openTimeline(browser);
    const { page } = view;
    const session = await page.context().newCDPSession(page);
    const y = box.y + 100;
    const touch = async (type: 'touchStart' | 'touchMove' | 'touchEnd', apart?: number) => {
      const middle = box.x + box.width / 2;
      const touchPoints =
        apart === undefined
          ? []
          : [
              { x: middle - apart, y, id: 1 },
              { x: middle + apart, y, id: 2 },
            ];
      await session.send('Input.dispatchTouchEvent', { type, touchPoints });
    };
    await touch('touchStart', 40);
    for (const apart of [60, 90, 120, 160]) await touch('touchMove', apart);
    await touch('touchEnd');
    const { from, to } = await nextRange(page);
    expect(to - from).toBeLessThan(12 * 86_400_000);
    expect(page.url()).not.toContain('point=');
    await view.close();
  });

  test('pointer: tells of the point under it, and a press picks that point', async () => {
    const { view, box } = await openTimeline(browser);
    const { page } = view;
    const share = 0.02 / 1.04 + ((BURST_POINT - 1) / (POINTS - 1)) * (1 / 1.04);
    const x = box.x + 104 + (box.width - 104) * share;
    await page.mouse.move(x, box.y + 60);
    const tip = page.locator('.item-tip');
    await tip.getByText(`Point ${BURST_POINT}`).waitFor();
    await tip.getByText('much more than usual').waitFor();
    await view.picture('timeline-tip');
    await page.mouse.click(x, box.y + 60);
    await page.getByRole('heading', { name: `Point ${BURST_POINT}`, exact: true }).waitFor();
    await view.close();
  });
});
