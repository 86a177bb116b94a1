/** The restore wizard with a real agent: yesterday's file back in place on the application server. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TOKEN_FILE, URL_FILE } from '../../shared/api/address.js';
import { type Product, startProduct } from '../system/support/product.js';
import { chromiumMissing, TestBrowser } from './support/browser.js';

const missing = chromiumMissing();

describe.skipIf(missing !== undefined)('restore to the agent', () => {
  let product: Product;
  let browser: TestBrowser;
  let file: string;

  beforeAll(async () => {
    execFileSync(process.execPath, [
      fileURLToPath(new URL('../../console/build.js', import.meta.url)),
    ]);
    product = await startProduct({
      storage: 'memory',
      sets: (folder) => {
        fs.mkdirSync(path.join(folder, 'app'));
        file = path.join(folder, 'app', 'orders.csv');
        fs.writeFileSync(file, 'as it was yesterday\n'.repeat(5000));
        fs.writeFileSync(path.join(folder, 'app', 'other'), 'untouched');
        return [{ name: 'app', roots: [path.join(folder, 'app')] }];
      },
    });
    const at = (name: string): string =>
      fs.readFileSync(path.join(product.replicaData, name), 'utf8').trim();
    browser = await TestBrowser.start({
      url: at(URL_FILE),
      token: at(TOKEN_FILE),
      restoreRoot: '',
      ask: (route) => product.api(route),
      close: () => Promise.resolve(),
    });
  });

  afterAll(async () => {
    await browser.close();
    await product.close();
  });

  test('in place: the dry run says what is overwritten, an undo point is made, and the bytes of the older point are there', async () => {
    const wanted = fs.readFileSync(file);
    const point = await product.sync('app');
    fs.writeFileSync(file, 'encrypted');
    await product.sync('app');
    const view = await browser.open(`/sets/app/restore?point=${point}&paths=app/orders.csv`);
    const { page } = view;
    const next = (): Promise<void> => page.getByRole('button', { name: 'Next' }).click();
    await next();
    await page.getByLabel('Back to the application server').check();
    await page.getByLabel('In place, where the files came from').check();
    await view.picture('restore-where');
    await next();
    expect(await page.getByLabel('Make an undo point first').isChecked()).toBe(true);
    await view.expectAccessible();
    await view.picture('restore-how');
    await next();
    await page.getByText('1 file overwritten.').waitFor();
    expect(await page.locator('.planned-entries tbody code.path').allInnerTexts()).toEqual([
      'app/orders.csv',
    ]);
    expect(fs.readFileSync(file, 'utf8')).toBe('encrypted');
    await next();
    await page.getByText('An undo point is made first.').waitFor();
    await page.getByLabel('Type app to confirm').fill('app');
    await page.getByRole('button', { name: 'Restore now' }).click();
    await page.getByRole('heading', { name: 'Restored' }).waitFor({ timeout: 40_000 });
    await view.picture('restore-agent-done');
    expect(fs.readFileSync(file)).toEqual(wanted);
    const points = await product.points('app');
    expect(points.length).toBeGreaterThanOrEqual(3);
    expect(view.troubles).toEqual([]);
    await view.close();
  });
});
