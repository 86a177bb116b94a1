/**
 * What the console says when something is wrong: the mass change with the calm point that is held, its
 * alarm, a job that ended with problems, one that the end of the replica cut off, and answers that do
 * not come.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AlarmsAnswer } from '../../shared/api/alarms.js';
import type { JobJson, JobsAnswer } from '../../shared/api/jobs.js';
import type { RetentionAnswer } from '../../shared/api/retention.js';
import type { ListAnswer } from '../../shared/api/tree.js';
import { JobStore } from '../../replica/jobs/job-store.js';
import { AlarmStore } from '../../replica/observe/alarm-store.js';
import { chromiumMissing, TestBrowser } from './support/browser.js';
import { BURST_POINT, LAST_GOOD_POINT } from './support/sample.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();
const patience = { timeout: 20_000 };
/** The alarm's calm point is older than the point before the burst, which looks calm by its bytes. */
const CALM_POINT = LAST_GOOD_POINT - 2;
/** So often cut off, a job is not begun again by itself. */
const ATTEMPTS = 5;
const TEXT = '400 files became what encryption makes of them';

describe.skipIf(missing !== undefined)('worst day', () => {
  let replica: SampleReplica;
  let browser: TestBrowser;
  let interrupted: string;

  beforeAll(async () => {
    replica = await startSampleReplica({
      before: ({ dataFolder, restoreRoot }) => {
        const catalog = path.join(dataFolder, 'catalog.db');
        const alarms = new AlarmStore(catalog);
        alarms.add({
          set: 'shop',
          kind: 'mass-change',
          severity: 'critical',
          sinceMs: Date.now() - 3_600_000,
          text: TEXT,
          facts: {
            calmPoint: CALM_POINT,
            firstPoint: BURST_POINT,
            hold: null,
            signs: ['400 files that could be read are random bytes now'],
            examples: ['app/catalogue/item-0001.json.locked'],
          },
        });
        alarms.close();
        interrupted = cutOff(catalog, path.join(restoreRoot, 'cut-off'));
        damage(path.join(dataFolder, 'sets', 'mail', 'base'));
      },
    });
    browser = await TestBrowser.start(replica);
  });

  afterAll(async () => {
    await browser.close();
    await replica.close();
  });

  test('mass change: the set warns of it, names the calm point that is held, and leads to it', async () => {
    const view = await browser.open('/sets/shop');
    const { page } = view;
    const notice = page.getByRole('region', { name: `Mass change at point ${BURST_POINT}` });
    await notice.getByText(TEXT).waitFor();
    const { holds } = (await replica.ask('/v1/sets/shop/retention')) as RetentionAnswer;
    const hold = holds.find(({ point }) => point === CALM_POINT)?.hold ?? 'no hold';
    await notice.getByText(`${hold} keeps it: no policy removes it.`).waitFor();
    await view.expectAccessible();
    await view.expectNoSidewaysScroll();
    await view.picture('mass-change', 'whole');
    await notice
      .getByRole('button', { name: `Pick point ${CALM_POINT}, the last calm one` })
      .click();
    const point = page.getByRole('region', { name: 'The point', exact: true });
    await point.getByRole('heading', { name: `Point ${CALM_POINT}` }).waitFor();
    await point.getByText(hold).waitFor();
    // The point before the burst is behind the calm one: whoever chooses it is told.
    await view.go(`/sets/shop/restore?point=${LAST_GOOD_POINT}`);
    await page.getByText(`Point ${CALM_POINT} is the last calm one before it.`).waitFor();
    await page.getByRole('button', { name: `Use point ${CALM_POINT}` }).click();
    expect(await page.getByLabel('Point', { exact: true }).inputValue()).toBe(String(CALM_POINT));
    await expect
      .poll(() => page.getByText('is the last calm one before it.').count(), patience)
      .toBe(0);
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  for (const theme of ['light', 'dark'] as const) {
    test(`mass change: it is told at 360 pixels, ${theme}`, async () => {
      const view = await browser.open('/sets/shop', { theme, width: 360, height: 740 });
      const { page } = view;
      await page.getByRole('region', { name: `Mass change at point ${BURST_POINT}` }).waitFor();
      await view.expectAccessible();
      await view.expectNoSidewaysScroll();
      await view.picture('mass-change', 'whole');
      await view.go('/alarms');
      await page.getByText('400 files that could be read').waitFor();
      await view.picture('alarm', 'whole');
      await view.expectNoSidewaysScroll();
      await view.close();
    });
  }

  test('alarm: acknowledged with a note, it waits for nobody any more, and its hold stays', async () => {
    const view = await browser.open('/sets/shop');
    const { page } = view;
    const banner = page.getByRole('complementary', { name: 'Alarms' });
    await banner.getByText(TEXT).waitFor();
    await view.go('/alarms?set=shop');
    await page.getByRole('heading', { name: 'Alarms of shop' }).waitFor();
    await page.getByText('400 files that could be read are random bytes now').waitFor();
    await view.picture('alarm', 'whole');
    await page.getByRole('button', { name: 'Acknowledge alarm-1' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Note').fill('the intruder is out');
    expect(await dialog.getByLabel('Keep the hold').isChecked()).toBe(true);
    await view.expectAccessible();
    await view.picture('alarm-acknowledge');
    await dialog.getByRole('button', { name: 'Acknowledge', exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
    await expect.poll(() => banner.getByText(TEXT).count(), patience).toBe(0);
    await page.getByLabel('Also those that ended').check();
    await page.getByText(/Acknowledged by local, .*: the intruder is out/).waitFor();
    const { alarms } = (await replica.ask('/v1/alarms?set=shop&state=all')) as AlarmsAnswer;
    const mass = alarms.find(({ kind }) => kind === 'mass-change');
    expect(mass?.acknowledged).toMatchObject({ action: 'keep', note: 'the intruder is out' });
    const { holds } = (await replica.ask('/v1/sets/shop/retention')) as RetentionAnswer;
    expect(holds.map(({ point }) => point)).toContain(CALM_POINT);
    // Points of it stay suspect, and the large change is told with the alarm's calm point.
    await view.go('/sets/shop');
    await page.getByRole('button', { name: `Pick point ${CALM_POINT}` }).waitFor();
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('alarms: while they cannot be asked for, no page is silent as if there were none', async () => {
    const view = await browser.blank();
    const { page } = view;
    await page.route('**/v1/alarms?**', (route) => route.abort());
    await view.signIn();
    await page.getByText('Whether there are alarms is not known.').waitFor();
    await page.unroute('**/v1/alarms?**');
    await page.getByRole('button', { name: 'Try again' }).click();
    await expect.poll(() => page.getByText('Whether there are alarms').count(), patience).toBe(0);
    await view.close();
  });

  test('signing in: a replica that does not answer is said, and asked again without a token', async () => {
    const view = await browser.open('/jobs');
    const { page } = view;
    await page.route('**/v1/me', (route) => route.abort());
    await page.reload();
    await page.getByText('Whether you are signed in could not be asked.').waitFor();
    await page.unroute('**/v1/me');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('heading', { name: 'Jobs', exact: true }).waitFor();
    await view.close();
  });

  test('folder: when the rest of it cannot be read, it says so beside what is there', async () => {
    const view = await browser.open('/jobs');
    const { page } = view;
    await page.route(/\/ls\?.*after=/, (route) => route.abort());
    await page.route(/\/ls\?(?!.*after=)/, async (route) => {
      const answer = await route.fetch();
      const list = (await answer.json()) as ListAnswer;
      await route.fulfill({ response: answer, json: { ...list, next: 'more' } });
    });
    await view.go(`/sets/shop/points/${CALM_POINT}?path=app/etc`);
    await page.getByText('The rest could not be read: The replica does not answer.').waitFor();
    await page.getByRole('link', { name: 'shop.conf', exact: true }).waitFor();
    await view.close();
  });

  test('restore: another address in the same tab is another restore, from its first step on', async () => {
    const view = await browser.open(`/sets/shop/restore?point=${LAST_GOOD_POINT}`);
    const { page } = view;
    const point = page.getByLabel('Point', { exact: true });
    await expect.poll(() => point.inputValue(), patience).toBe(String(LAST_GOOD_POINT));
    await page.getByRole('button', { name: 'Next' }).click();
    const folder = page.getByLabel('Folder', { exact: true });
    expect(await folder.inputValue()).toMatch(new RegExp(`/shop-${LAST_GOOD_POINT}$`));
    await view.go(`/sets/shop/restore?point=${CALM_POINT}`);
    await expect.poll(() => point.inputValue(), patience).toBe(String(CALM_POINT));
    await page.getByRole('button', { name: 'Next' }).click();
    expect(await folder.inputValue()).toMatch(new RegExp(`/shop-${CALM_POINT}$`));
    await view.close();
  });

  test('problems: a verification that found damage is no green “done”, and says so above all else', async () => {
    const view = await browser.open('/jobs');
    const { page } = view;
    const form = page.getByRole('region', { name: 'Start a job' });
    await form.getByLabel('Set').selectOption('mail');
    await form.getByLabel('What to do').selectOption('verify');
    await form.getByRole('button', { name: 'Start' }).click();
    await page.getByRole('heading', { name: 'Verification: mail' }).waitFor();
    const warning = page.getByRole('alert').filter({ hasText: 'What is stored is damaged.' });
    await warning.waitFor();
    await page.getByText(/^done, \d+ problems?$/).waitFor();
    expect(await page.locator('.mark.good').count()).toBe(0);
    await page.getByRole('cell', { name: 'mail/inbox' }).first().waitFor();
    await view.expectAccessible();
    await view.picture('job-problems', 'whole');
    await page.setViewportSize({ width: 360, height: 740 });
    await view.expectNoSidewaysScroll();
    await view.picture('job-problems', 'whole');
    await page.setViewportSize({ width: 1280, height: 800 });
    await view.go('/jobs?kind=verify');
    await page.getByRole('cell', { name: /^done, \d+ problems?$/ }).waitFor();
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('resume: a restore that the end of the replica cut off goes on by its button, and ends', async () => {
    const view = await browser.open(`/jobs/${interrupted}`);
    const { page } = view;
    await page.getByText('interrupted', { exact: true }).first().waitFor();
    await view.picture('job-interrupted', 'whole');
    await page.getByRole('button', { name: `Resume ${interrupted}` }).click();
    await page.getByText('done', { exact: true }).waitFor();
    const job = (await replica.ask(`/v1/jobs/${interrupted}`)) as JobJson;
    expect(job).toMatchObject({ state: 'done', attempt: ATTEMPTS + 1 });
    const restored = path.join(replica.restoreRoot, 'cut-off', 'app/etc/shop.conf');
    expect(fs.readFileSync(restored, 'utf8')).toContain(`# version ${LAST_GOOD_POINT}\n`);
    expect(await page.getByRole('button', { name: `Resume ${interrupted}` }).count()).toBe(0);
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('restore: when the answer to its beginning is lost, the jobs are looked at before it is begun again', async () => {
    const view = await browser.open(
      `/sets/shop/restore?point=${LAST_GOOD_POINT}&paths=app/etc/empty`,
    );
    const { page } = view;
    const next = (): Promise<void> => page.getByRole('button', { name: 'Next' }).click();
    await next();
    await page.getByLabel('Folder', { exact: true }).fill(path.join(replica.restoreRoot, 'lost'));
    await next();
    await next();
    await page.getByText('Nothing that is there now would be lost.').waitFor();
    await next();
    await page.route('**/v1/jobs', async (route) => {
      await route.fetch();
      await route.abort();
    });
    await page.getByRole('button', { name: 'Restore now' }).click();
    await page.getByText('It may have begun all the same.').waitFor();
    await page.unroute('**/v1/jobs');
    await page.getByRole('link', { name: 'Jobs of this set' }).click();
    await page.getByRole('link', { name: 'Restore: shop' }).first().waitFor();
    const { jobs } = (await replica.ask('/v1/jobs?set=shop&kind=restore')) as JobsAnswer;
    expect(jobs.filter(({ request }) => JSON.stringify(request).includes('/lost'))).toHaveLength(1);
    await view.close();
  });

  test('holds: while they cannot be asked for, the point does not say that it has none', async () => {
    const view = await browser.open('/jobs');
    const { page } = view;
    await page.route('**/v1/sets/shop/retention', (route) => route.abort());
    await view.go(`/sets/shop?point=${CALM_POINT}`);
    const point = page.getByRole('region', { name: 'The point', exact: true });
    await point.getByText('Not known: The replica does not answer.').waitFor();
    expect(await point.getByText('none', { exact: true }).count()).toBe(0);
    await view.close();
  });

  test('status: a set whose events come faster than answers is told of all the same', async () => {
    const view = await browser.open('/jobs');
    const { page } = view;
    await page.getByText('Live', { exact: true }).waitFor();
    let events = 0;
    await page.route('**/v1/events', async (route) => {
      events += 1;
      const body = `event: set\ndata: {"set":"shop"}\nid: ${events}\n\n`;
      await route.fulfill({ body, headers: { 'content-type': 'text/event-stream' } });
    });
    // Each answer takes longer than the next event: the stream is taken up every second.
    let asked = 0;
    await page.route('**/v1/status', async (route) => {
      asked += 1;
      const until = events + 2;
      await expect.poll(() => events, { timeout: 30_000 }).toBeGreaterThanOrEqual(until);
      await route.continue().catch(() => undefined);
    });
    await page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, value: true });
      document.dispatchEvent(new Event('visibilitychange'));
      Object.defineProperty(document, 'hidden', { configurable: true, value: false });
      document.dispatchEvent(new Event('visibilitychange'));`);
    await view.go('/');
    await page.getByRole('link', { name: 'shop', exact: true }).waitFor();
    expect(asked).toBeGreaterThan(0);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await view.close();
  });
});

/** A restore that ran when the replica was killed; its name. */
function cutOff(catalog: string, folder: string): string {
  const store = new JobStore(catalog);
  const now = Date.now();
  const job = store.add({
    kind: 'restore',
    set: 'shop',
    by: 'local',
    createdMs: now - 60_000,
    request: {
      point: String(LAST_GOOD_POINT),
      paths: ['app/etc'],
      where: 'replica',
      target: { folder },
      conflict: 'overwrite',
      orphans: 'leave',
      dryRun: false,
      undoPoint: false,
      undoDays: 30,
    },
  });
  store.update([{ ...job, state: 'running', startedMs: now - 50_000, attempt: ATTEMPTS }]);
  store.close();
  return `job-${job.id}`;
}

/** Turns the bytes of every file below a folder. */
function damage(folder: string): void {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    fs.writeFileSync(
      file,
      fs.readFileSync(file).map((byte) => byte ^ 0xff),
    );
  }
}
