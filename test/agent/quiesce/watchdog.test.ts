/** The watchdog process itself: what it does when it is killed, stopped, closed or misspoken to. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createRecipe } from '../../../agent/quiesce/create-recipe.js';
import { startWatchdog } from '../../../agent/quiesce/watchdog-client.js';
import type { Watchdog } from '../../../agent/quiesce/watchdog-client.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';

let root: string;
let watchdog: Watchdog;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'afterimage-watchdog-'));
  watchdog = await startWatchdog({ log: silentLog, armedFile: join(root, 'armed.json') });
});
afterEach(async () => {
  await watchdog.close();
  rmSync(root, { recursive: true, force: true });
});

/** A release that can be seen: it writes into a file that must exist, like a kernel's control. */
function control(name: string): {
  path: string;
  action: { kind: 'write'; path: string; value: string };
} {
  const path = join(root, name);
  writeFileSync(path, 'held');
  return { path, action: { kind: 'write', path, value: 'released' } };
}
async function untilReleased(path: string): Promise<void> {
  await vi.waitFor(
    () => {
      expect(readFileSync(path, 'utf8')).toBe('released');
    },
    { timeout: 10_000, interval: 5 },
  );
}

test('watchdog: releases at the deadline and says so', async () => {
  const { path, action } = control('a');
  const armed = await watchdog.arm({ deadlineMs: 100, action });
  expect(readFileSync(path, 'utf8')).toBe('held');
  await untilReleased(path);
  expect(await armed.settled).toEqual([]);
  expect(armed.fired.aborted).toBe(true);
  expect(await armed.claim(1_000)).toBe(false);
  await armed.disarm();
});

test('watchdog: a disarmed release is never done, also not at its end', async () => {
  const { path, action } = control('a');
  const armed = await watchdog.arm({ deadlineMs: 60_000, action });
  expect(await armed.claim(60_000)).toBe(true);
  await armed.disarm();
  await watchdog.close();
  expect(readFileSync(path, 'utf8')).toBe('held');
  expect(existsSync(join(root, 'armed.json'))).toBe(false);
});

test('watchdog: the changed action is the one that is done', async () => {
  const [first, second] = [control('a'), control('b')];
  const armed = await watchdog.arm({ deadlineMs: 60_000, action: first.action });
  await armed.change(second.action);
  await watchdog.close();
  expect(readFileSync(second.path, 'utf8')).toBe('released');
  expect(readFileSync(first.path, 'utf8')).toBe('held');
});

test('watchdog: killed while something is held, another takes over with the same deadline', async () => {
  const { path, action } = control('a');
  const armed = await watchdog.arm({ deadlineMs: 1_500, action });
  const before = watchdog.pid;
  process.kill(before, 'SIGKILL');
  await vi.waitFor(() => {
    expect(watchdog.pid).not.toBe(before);
    expect(watchdog.pid).toBeGreaterThan(0);
  });
  await armed.settled;
  await untilReleased(path);
  await armed.disarm();
});

test('watchdog: killed while nothing is held, the next hold starts another', async () => {
  const before = watchdog.pid;
  process.kill(before, 'SIGKILL');
  await vi.waitFor(() => {
    expect(watchdog.pid).toBe(0);
  });
  const { action } = control('a');
  const armed = await watchdog.arm({ deadlineMs: 60_000, action });
  expect(watchdog.pid).not.toBe(before);
  await armed.disarm();
});

test.each(['', '{"watchdog":{"pid":1', '\0\0\0\0'])(
  'watchdog: starts on a list that a loss of power tore: %j',
  async (left) => {
    const armedFile = join(root, 'torn.json');
    writeFileSync(armedFile, left);
    const other = await startWatchdog({ log: silentLog, armedFile });
    const { path, action } = control('b');
    await other.arm({ deadlineMs: 100, action });
    await untilReleased(path);
    await other.close();
  },
);

test('watchdog: signals to its whole group do not end it', async () => {
  const { path, action } = control('a');
  await watchdog.arm({ deadlineMs: 60_000, action });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(watchdog.pid, signal);
  const second = await watchdog.arm({ deadlineMs: 60_000, action: control('b').action });
  await second.disarm();
  expect(readFileSync(path, 'utf8')).toBe('held');
});

test('watchdog: stopped for good, the agent releases by itself after the deadline', async () => {
  const folder = mkdtempSync(join(root, 'hooks-'));
  const log = join(root, 'log');
  writeFileSync(join(folder, '1'), `#!/bin/sh\necho $1 >> "${log}"\n`, { mode: 0o755 });
  const recipe = createRecipe(
    { kind: 'hooks', folder, hookTimeoutMs: 5_000, deadlineMs: 300 },
    { watchdog, clock: systemClock, log: silentLog },
  );
  const held = await recipe.hold(new AbortController().signal);
  process.kill(watchdog.pid, 'SIGSTOP');
  try {
    await vi.waitFor(
      () => {
        expect(held.broken.aborted).toBe(true);
        expect(readFileSync(log, 'utf8')).toBe('freeze\nthaw\n');
      },
      { timeout: 10_000 },
    );
    expect(await held.release()).toMatchObject({ intact: false, problems: [] });
  } finally {
    process.kill(watchdog.pid, 'SIGCONT');
  }
});

test('none: holds nothing and promises nothing', async () => {
  const recipe = createRecipe({ kind: 'none' }, { watchdog, clock: systemClock, log: silentLog });
  expect(recipe.consistency).toBe('crash');
  const held = await recipe.hold(new AbortController().signal);
  expect(await held.release()).toMatchObject({ heldMs: 0, intact: true });
  await expect(recipe.hold(AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
});
