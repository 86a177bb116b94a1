/** Retention in the console: a policy is tried before it is saved, and points are held and let go. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RetentionAnswer, SimulateAnswer } from '../../shared/api/retention.js';
import { chromiumMissing, TestBrowser } from './support/browser.js';
import { POINTS } from './support/sample.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();

describe.skipIf(missing !== undefined)('retention', () => {
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

  const retention = async (): Promise<RetentionAnswer> =>
    (await replica.ask('/v1/sets/shop/retention')) as RetentionAnswer;
  const simulate = async (policy: object): Promise<SimulateAnswer> => {
    const answer = await fetch(`${replica.url}/v1/sets/shop/retention/simulate`, {
      method: 'POST',
      headers: { authorization: `Bearer ${replica.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ policy }),
    });
    return (await answer.json()) as SimulateAnswer;
  };
  const fields = [
    'Keep last',
    'Everything within',
    'Hourly',
    'Daily',
    'Weekly',
    'Monthly',
    'Yearly',
  ];

  test('policy: it is tried as its fields change, says what would go, and changes nothing until it is saved', async () => {
    const view = await browser.open('/retention?set=shop');
    const { page } = view;
    for (const field of fields) await page.getByLabel(field, { exact: true }).fill('');
    await page.getByText('A policy needs at least one rule that keeps points.').waitFor();
    expect(await page.getByRole('button', { name: 'Save policy' }).isDisabled()).toBe(true);
    await page.getByLabel('Daily', { exact: true }).fill('7');
    const { keep, go } = await simulate({ daily: 7, minAgeMs: 86_400_000 });
    expect(keep + go).toBe(POINTS);
    await page.getByText(`${keep} points stay`).first().waitFor();
    await page.getByText(`${go} points go`).first().waitFor();
    await view.picture('retention-tried', 'whole');
    await view.expectAccessible();
    expect((await retention()).policy).toBe(null);
    await page.getByRole('button', { name: 'Save policy' }).click();
    await page.getByText('Saved. It is applied for the first time in about an hour.').waitFor();
    expect((await retention()).policy).toMatchObject({ daily: 7, minAgeMs: 86_400_000 });
    await page.getByRole('button', { name: 'Keep every point' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep every point' }).click();
    await page.getByText('This set has no policy: it keeps every point.').waitFor();
    expect((await retention()).policy).toBe(null);
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('field: a wrong value is said beside it, and the last trial stays', async () => {
    const view = await browser.open('/retention?set=shop');
    const { page } = view;
    await page.getByLabel('Everything within').fill('soon');
    await page.getByText('Give a length such as 7d, 36h or 90m.').waitFor();
    expect(await page.getByRole('button', { name: 'Save policy' }).isDisabled()).toBe(true);
    await view.close();
  });

  test('hold: a point is held with a reason and let go again', async () => {
    const view = await browser.open('/retention?set=shop');
    const { page } = view;
    const form = page.getByRole('form', { name: 'Hold a point' });
    await form.getByLabel('Point').fill('41');
    await form.getByLabel('Reason').fill('case 12');
    await form.getByRole('button', { name: 'Hold' }).click();
    await page.getByRole('cell', { name: 'case 12' }).waitFor();
    const [hold] = (await retention()).holds;
    expect(hold).toMatchObject({ point: 41, reason: 'case 12' });
    await page.getByRole('button', { name: `Release ${hold?.hold ?? ''}` }).click();
    await view.expectAccessible();
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
    await page.getByText('No point of this set is held.').waitFor();
    expect((await retention()).holds).toEqual([]);
    expect(view.troubles).toEqual([]);
    await view.close();
  });
});
