/** The restore wizard end to end against a real replica: what the dry run says is what happens. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumMissing, TestBrowser, type TestPage } from './support/browser.js';
import { LAST_GOOD_POINT } from './support/sample.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();
const POINT = LAST_GOOD_POINT;
const FILE = 'app/etc/shop.conf';

interface PlanLine {
  readonly type: string;
  readonly action?: string;
  readonly path?: string;
}

describe.skipIf(missing !== undefined)('restore wizard', () => {
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

  const next = (view: TestPage): Promise<void> =>
    view.page.getByRole('button', { name: 'Next' }).click();
  const counted = (view: TestPage, outcome: string): Promise<string> =>
    view.page.locator(`[data-outcome=${outcome}] .count-value`).innerText();
  const bytesOf = async (name: string): Promise<Buffer> => {
    const url = `${replica.url}/v1/sets/shop/points/${POINT}/file?path=${encodeURIComponent(name)}`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${replica.token}` } });
    return Buffer.from(await answer.arrayBuffer());
  };
  const planOf = async (body: object): Promise<string[]> => {
    const answer = await fetch(`${replica.url}/v1/sets/shop/points/${POINT}/restore`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${replica.token}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ ...body, mode: 'in-place', effect: 'plan' }),
    });
    const lines = (await answer.text()).trim().split('\n');
    return lines
      .map((line) => JSON.parse(line) as PlanLine)
      .filter(({ type }) => type === 'action')
      .map(({ action = '', path: name = '' }) => `${action} ${name}`);
  };

  test('one file of an older point: it comes back beside, byte for byte, and nothing has to be confirmed by name', async () => {
    const view = await browser.open(`/sets/shop/restore?point=${POINT}&paths=${FILE}`);
    const { page } = view;
    await next(view);
    const folder = await page.getByLabel('Folder', { exact: true }).inputValue();
    expect(folder).toBe(path.join(replica.restoreRoot, `shop-${POINT}`));
    await next(view);
    await next(view);
    await page.getByText('Nothing that is there now would be lost.').waitFor();
    await view.picture('restore-dry-run');
    await next(view);
    await view.expectAccessible();
    await view.picture('restore-confirm');
    await page.getByRole('button', { name: 'Restore now' }).click();
    await page.getByRole('heading', { name: 'Restored' }).waitFor();
    await view.picture('restore-done');
    expect(fs.readFileSync(path.join(folder, FILE))).toEqual(await bytesOf(FILE));
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('over what is there: the dry run names each path of the plan, and only the set’s name lets it go on', async () => {
    const folder = path.join(replica.restoreRoot, 'over');
    fs.mkdirSync(path.join(folder, 'app/etc'), { recursive: true });
    fs.writeFileSync(path.join(folder, FILE), 'what somebody broke');
    fs.writeFileSync(path.join(folder, 'app/etc/extra.conf'), 'not in the point');
    const planned = await planOf({ to: folder, paths: ['app/etc'], extra: 'delete' });
    const view = await browser.open(`/sets/shop/restore?point=${POINT}&paths=app/etc`);
    const { page } = view;
    await next(view);
    await page.getByLabel('Folder', { exact: true }).fill(folder);
    await next(view);
    await page.getByLabel('Delete them').check();
    await next(view);
    await page.getByText('1 file overwritten, 1 entry deleted.').waitFor();
    const rows = await page.locator('.planned-entries tbody code.path').allInnerTexts();
    expect(rows.toSorted()).toEqual(planned.map((line) => line.replace(/^\w+ /, '')).toSorted());
    expect(await counted(view, 'deleted')).toBe('1');
    expect(await counted(view, 'overwritten')).toBe('1');
    await page.getByLabel('Filter paths').fill('EXTRA');
    expect(await page.locator('.planned-entries tbody tr').count()).toBe(1);
    await view.expectAccessible();
    await view.picture('restore-dry-run-over');
    expect(fs.readFileSync(path.join(folder, FILE), 'utf8')).toBe('what somebody broke');
    await next(view);
    const restore = page.getByRole('button', { name: 'Restore now' });
    expect(await restore.isDisabled()).toBe(true);
    await page.getByLabel('Type shop to confirm').fill('shop');
    await view.picture('restore-confirm-over');
    await restore.click();
    await page.getByRole('heading', { name: 'Restored' }).waitFor();
    expect(fs.readFileSync(path.join(folder, FILE))).toEqual(await bytesOf(FILE));
    expect(fs.existsSync(path.join(folder, 'app/etc/extra.conf'))).toBe(false);
    await view.close();
  });

  test('a policy that only the job knows: what is there is kept under another name, as the dry run says', async () => {
    const folder = path.join(replica.restoreRoot, 'renamed');
    fs.mkdirSync(path.join(folder, 'app/etc'), { recursive: true });
    fs.writeFileSync(path.join(folder, FILE), 'mine');
    const view = await browser.open(`/sets/shop/restore?point=${POINT}&paths=${FILE}`);
    const { page } = view;
    await next(view);
    await page.getByLabel('Folder', { exact: true }).fill(folder);
    await next(view);
    await page.getByLabel('Keep what is there under another name').check();
    await next(view);
    await page.getByText('Nothing that is there now would be lost.').waitFor();
    expect(await counted(view, 'aside')).toBe('1');
    await next(view);
    await page.getByRole('button', { name: 'Restore now' }).click();
    await page.getByRole('heading', { name: 'Restored' }).waitFor();
    expect(fs.readFileSync(path.join(folder, FILE))).toEqual(await bytesOf(FILE));
    const names = fs.readdirSync(path.join(folder, 'app/etc'));
    const mine = names.filter((name) => name !== 'shop.conf');
    expect(mine).toHaveLength(1);
    expect(fs.readFileSync(path.join(folder, 'app/etc', mine[0] ?? ''), 'utf8')).toBe('mine');
    await view.close();
  });

  test('the application server: it is not offered while its agent is away, and a download needs no dry run', async () => {
    const view = await browser.open(`/sets/shop/restore?point=${POINT}&paths=${FILE}`);
    const { page } = view;
    await next(view);
    expect(await page.getByLabel('Back to the application server').isDisabled()).toBe(true);
    await page.getByLabel('To this computer, as a download').check();
    await page.getByLabel('zip: opens everywhere').check();
    await next(view);
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download' }).click();
    const saved = await (await saving).path();
    expect(fs.readFileSync(saved).subarray(0, 2).toString()).toBe('PK');
    await view.close();
  });
});
