/** Jobs in the console: what runs is seen to go on, can be cancelled, and says at its end what became of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobJson, JobsAnswer } from '../../shared/api/jobs.js';
import { chromiumMissing, TestBrowser } from './support/browser.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();
const patience = { timeout: 20_000 };

describe.skipIf(missing !== undefined)('jobs', () => {
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

  const post = (route: string, body: object): Promise<Response> =>
    fetch(`${replica.url}${route}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${replica.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const begin = async (body: object): Promise<JobJson> => {
    const answer = await post('/v1/jobs', body);
    expect(answer.status).toBe(201);
    return (await answer.json()) as JobJson;
  };
  const cancel = async (id: string): Promise<void> => {
    expect((await post(`/v1/jobs/${id}/cancel`, {})).status).toBe(200);
  };

  test('list: a job that begins elsewhere appears by itself, and its cancel button ends it', async () => {
    const view = await browser.open('/jobs');
    const { page } = view;
    await page.getByText('No job matches.').waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    const { id } = await begin({ kind: 'scrub', set: 'shop', bytesPerSecond: 1024 });
    await page.getByRole('link', { name: 'Scrubbing round: shop' }).waitFor();
    await page.getByRole('cell', { name: 'running', exact: true }).waitFor();
    await view.picture('jobs-running');
    await page.getByRole('button', { name: `Cancel ${id}` }).click();
    await page.getByRole('cell', { name: 'cancelled', exact: true }).waitFor();
    expect(((await replica.ask(`/v1/jobs/${id}`)) as JobJson).state).toBe('cancelled');
    await view.expectAccessible();
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('one job: it is begun from the page, shows its log and its result, and the filter finds it', async () => {
    const view = await browser.open('/jobs');
    const { page } = view;
    const form = page.getByRole('region', { name: 'Start a job' });
    await form.getByLabel('Set').selectOption('mail');
    await form.getByLabel('What to do').selectOption('verify');
    await form.getByRole('button', { name: 'Start' }).click();
    await page.getByRole('heading', { name: 'Verification: mail' }).waitFor();
    await page.getByText('done', { exact: true }).waitFor();
    const { jobs } = (await replica.ask('/v1/jobs?kind=verify')) as JobsAnswer;
    const [job] = jobs;
    await page
      .getByText(job?.result?.text ?? 'no result', { exact: true })
      .first()
      .waitFor();
    await view.expectAccessible();
    await view.picture('job', 'whole');
    await view.go('/jobs?kind=verify&state=ended');
    await expect.poll(() => page.locator('tbody tr').count(), patience).toBe(1);
    await view.go('/jobs?kind=prune');
    await page.getByText('No job matches.').waitFor();
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('tabs: one that nobody looks at holds no stream, and catches up when it is looked at', async () => {
    const view = await browser.open('/jobs?kind=export');
    const { page } = view;
    const look = (hidden: boolean): Promise<void> =>
      page.evaluate(
        `Object.defineProperty(document, 'hidden', { configurable: true, value: ${hidden} });
        document.dispatchEvent(new Event('visibilitychange'));`,
      );
    await page.getByText('Live', { exact: true }).waitFor();
    const streams: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/v1/events')) streams.push(request.url());
    });
    await look(true);
    await page.getByText('Not live', { exact: true }).waitFor();
    const { id } = await begin({ kind: 'export', what: 'audit', to: replica.restoreRoot });
    const state = async (): Promise<string> =>
      ((await replica.ask(`/v1/jobs/${id}`)) as JobJson).state;
    await expect.poll(state, patience).toBe('done');
    expect(streams).toEqual([]);
    await look(false);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Export' }).waitFor();
    await view.close();
  });

  test('order: an answer that was on its way while the job ended does not bring its past back', async () => {
    const list = await browser.open('/jobs?kind=scrub&state=cancelled');
    await list.page.getByText('Live', { exact: true }).waitFor();
    const { id } = await begin({ kind: 'scrub', set: 'mail', bytesPerSecond: 1024 });
    const view = await browser.open('/jobs?kind=prune');
    const { page } = view;
    await page.getByText('Live', { exact: true }).waitFor();
    await page.route(`**/v1/jobs/${id}`, async (route) => {
      const past = await route.fetch();
      await cancel(id);
      await list.page.getByText(id, { exact: true }).waitFor();
      await route.fulfill({ response: past });
    });
    await view.go(`/jobs/${id}`);
    await page.getByRole('heading', { name: 'Scrubbing round: mail' }).waitFor();
    await page.getByText('cancelled', { exact: true }).first().waitFor();
    expect(await page.getByRole('button', { name: `Cancel ${id}` }).count()).toBe(0);
    await view.close();
    await list.close();
  });
});
