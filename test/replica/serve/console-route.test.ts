/** The console's files as a browser gets them: without a token, cached by ETag, under a strict policy. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestReplica } from '../../cli/support/served-memory.js';

const replica = new TestReplica();

beforeAll(async () => {
  execFileSync(process.execPath, [
    fileURLToPath(new URL('../../../console/build.js', import.meta.url)),
  ]);
  await replica.start();
});

afterAll(() => replica.stop());

const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${replica.url}${path}`, { headers, redirect: 'manual' });

test('/: leads to the console', async () => {
  const answer = await ask('/');
  expect(answer.status).toBe(302);
  expect(answer.headers.get('location')).toBe('/console/');
});

test('/console/: is the page, without a token, and nothing in it runs inline or comes from elsewhere', async () => {
  const answer = await ask('/console/');
  expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
  const policy = answer.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain('unsafe');
  expect(policy).toContain("frame-ancestors 'none'");
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  const html = await answer.text();
  expect(html).not.toMatch(/<script(?![^>]*\bsrc="\/)/);
  expect(html).not.toMatch(/<style|style="|https?:/);
});

test.each(['/console/app.js', '/console/app.css'])(
  '%s: is asked for anew each time and then not sent again',
  async (path) => {
    const first = await ask(path);
    expect(first.status).toBe(200);
    expect(first.headers.get('cache-control')).toBe('no-cache');
    const etag = first.headers.get('etag') ?? '';
    await first.arrayBuffer();
    // As a browser asks; what fetch says by itself would have it sent anew.
    const second = await ask(path, { 'if-none-match': etag, 'cache-control': 'max-age=0' });
    expect(second.status).toBe(304);
  },
);

test('other files: are not there', async () => {
  for (const path of ['/console/none.js', '/console/..%2f..%2fpackage.json']) {
    expect((await ask(path)).status).toBeGreaterThanOrEqual(400);
  }
});
