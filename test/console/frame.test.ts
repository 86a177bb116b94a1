/** The console's frame in a real browser: signing in, the theme, the keyboard's way past the navigation. */
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

  test('signing in: a wrong token is told with its hint, the right one opens the sets', async () => {
    const view = await browser.blank();
    await view.page.goto(`${replica.url}/console/`);
    await view.page.getByLabel('Token').fill('x'.repeat(43));
    await view.page.getByRole('button', { name: 'Sign in' }).click();
    await view.page.getByRole('alert').waitFor();
    await view.expectAccessible();
    await view.picture('sign-in');
    await view.signIn();
    await view.page.getByRole('heading', { name: 'Sets', level: 1 }).waitFor();
    expect(view.troubles).toEqual([]);
    await view.close();
  });
});
