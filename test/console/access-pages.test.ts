/** Who may ask: tokens and enrolments are made, shown once, used and revoked; a viewer is told what it may not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentsAnswer } from '../../shared/api/access.js';
import { chromiumMissing, TestBrowser } from './support/browser.js';
import { type SampleReplica, startSampleReplica } from './support/sample-replica.js';

const missing = chromiumMissing();

describe.skipIf(missing !== undefined)('access', () => {
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

  const statusWith = async (token: string, route: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${replica.url}${route}`, { headers })).status;
  };

  test('token: it is shown once, may what its role and sets say, and nothing once it is revoked', async () => {
    const view = await browser.open('/settings');
    const { page } = view;
    const form = page.getByRole('form', { name: 'Make token' });
    await form.getByLabel('Name').fill('auditor');
    await form.getByLabel('Only these').check();
    expect(await form.getByRole('button', { name: 'Make token' }).isDisabled()).toBe(true);
    await form.getByLabel('mail').check();
    await form.getByRole('button', { name: 'Make token' }).click();
    const shown = page.getByRole('region', { name: 'Token', exact: true });
    const token = (await shown.innerText()).trim();
    expect(token.length).toBeGreaterThan(30);
    await view.expectAccessible();
    await view.picture('token-made', 'whole');
    expect(await statusWith(token, '/v1/sets/mail/points')).toBe(200);
    expect(await statusWith(token, '/v1/sets/shop/points')).toBeGreaterThan(400);
    expect(await statusWith(token, '/v1/tokens')).toBe(403);
    await page.getByRole('button', { name: 'I have it' }).click();
    expect(await page.getByText(token).count()).toBe(0);
    await page.getByRole('button', { name: 'Revoke auditor' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await expect.poll(() => statusWith(token, '/v1/sets/mail/points')).toBe(401);
    await page.getByText('No token was made here yet.').waitFor();
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('enrolment: it is shown once with the commands for its machine, and revoking wants the name typed', async () => {
    const view = await browser.open('/agents');
    const { page } = view;
    await page.getByLabel('Name').fill('Web 7');
    await page.getByText('Use a-z, 0-9, _ and - only.').waitFor();
    await page.getByLabel('Name').fill('web-7');
    await page.getByRole('button', { name: 'Make enrolment' }).click();
    const text = await page.locator('.shown-once pre').first().innerText();
    expect(JSON.parse(text)).toMatchObject({ agent: 'web-7' });
    await page.getByText('afterimage agent --config agent.yaml').waitFor();
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as file' }).click();
    expect((await saving).suggestedFilename()).toBe('web-7.enrolment.json');
    await view.expectAccessible();
    await view.picture('enrolment', 'whole');
    await page.getByRole('button', { name: 'I have it' }).click();
    await page.getByRole('button', { name: 'Revoke web-7' }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByRole('button', { name: 'Revoke' }).isDisabled()).toBe(true);
    await dialog.getByLabel('Type web-7 to confirm').fill('web-7');
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('web-7 is revoked.').waitFor();
    const { agents } = (await replica.ask('/v1/agents')) as AgentsAnswer;
    const left = agents.filter(({ name, state }) => name === 'web-7' && state !== 'revoked');
    expect(left).toEqual([]);
    expect(view.troubles).toEqual([]);
    await view.close();
  });

  test('audit: what was done is listed, and filtered by what it was', async () => {
    const view = await browser.open('/audit');
    const { page } = view;
    await page.getByRole('cell', { name: 'token.create' }).first().waitFor();
    await page.getByLabel('Action').fill('token.revoke');
    await page.getByRole('button', { name: 'Filter' }).click();
    await expect.poll(() => page.getByRole('cell', { name: 'token.create' }).count()).toBe(0);
    await page.getByRole('cell', { name: 'token.revoke' }).first().waitFor();
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export as CSV' }).click();
    expect((await saving).suggestedFilename()).toMatch(/\.csv$/);
    await view.picture('audit-filtered');
    await view.close();
  });

  test('viewer: sees what it may not do disabled with the reason, and is asked to sign in again when its session ends', async () => {
    const answer = await fetch(`${replica.url}/v1/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${replica.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'looker', role: 'viewer', validMs: 3_600_000 }),
    });
    const { token, id } = (await answer.json()) as { token: string; id: string };
    const own = await TestBrowser.start({ ...replica, token });
    try {
      const view = await own.open('/retention?set=shop');
      const { page } = view;
      await page
        .getByText(/^\d+ points stay/)
        .first()
        .waitFor();
      await page.getByText('This needs a token with the role admin.').first().waitFor();
      expect(await page.getByRole('button', { name: 'Save policy' }).isDisabled()).toBe(true);
      expect(await page.getByRole('link', { name: 'Audit' }).count()).toBe(0);
      await view.expectAccessible();
      await view.picture('viewer', 'whole');
      await fetch(`${replica.url}/v1/tokens/${id}/revoke`, {
        method: 'POST',
        headers: { authorization: `Bearer ${replica.token}`, 'content-type': 'application/json' },
        body: '{}',
      });
      await view.go('/jobs');
      await page.getByText('The session has ended. Sign in again.').waitFor();
      await view.expectAccessible();
      await view.close();
    } finally {
      await own.close();
    }
  });
});
