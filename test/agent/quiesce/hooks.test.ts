import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createRecipe } from '../../../agent/quiesce/create-recipe.js';
import type { HooksConfig, QuiesceRecipe } from '../../../agent/quiesce/recipe.js';
import { startWatchdog } from '../../../agent/quiesce/watchdog-client.js';
import type { Watchdog } from '../../../agent/quiesce/watchdog-client.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import { startHoldingAgent } from './holding-agent.js';

let watchdog: Watchdog;
let root: string;

beforeAll(async () => {
  watchdog = await startWatchdog({ log: silentLog });
});
afterAll(async () => {
  await watchdog.close();
});
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'afterimage-hooks-'));
  mkdirSync(join(root, 'hooks.d'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A hook that logs its calls, then runs `freeze` when frozen and `thaw` when thawed. */
function addHook(name: string, does: { freeze?: string; thaw?: string } = {}): string {
  const path = join(root, 'hooks.d', name);
  const script = [
    '#!/bin/sh',
    `echo "${name} $1" >> "${root}/log"`,
    `if [ "$1" = freeze ]; then ${does.freeze ?? ':'}; fi`,
    `if [ "$1" = thaw ]; then ${does.thaw ?? ':'}; fi`,
  ];
  writeFileSync(path, `${script.join('\n')}\n`, { mode: 0o755 });
  return path;
}
function calls(): string[] {
  const path = join(root, 'log');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}
function configure(limits: Partial<HooksConfig> = {}): HooksConfig {
  const folder = join(root, 'hooks.d');
  return { kind: 'hooks', folder, hookTimeoutMs: 10_000, deadlineMs: 20_000, ...limits };
}
function recipe(limits: Partial<HooksConfig> = {}): QuiesceRecipe {
  return createRecipe(configure(limits), { watchdog, clock: systemClock, log: silentLog });
}
const never = new AbortController().signal;

describe('hooks: order', () => {
  test('freeze goes by name bytes and thaw back, over executables only', async () => {
    for (const name of ['20-b', '10-a', 'Z']) addHook(name);
    chmodSync(addHook('15-readme'), 0o644);
    mkdirSync(join(root, 'hooks.d/folder'));
    const held = await recipe().hold(never);
    expect(calls()).toEqual(['10-a freeze', '20-b freeze', 'Z freeze']);
    expect(held.facts).toMatchObject({ kind: 'hooks', hooks: 3 });
    const outcome = await held.release();
    expect(calls().slice(3)).toEqual(['Z thaw', '20-b thaw', '10-a thaw']);
    expect(outcome).toMatchObject({ intact: true, releasedBy: 'agent', problems: [] });
    expect(held.broken.aborted).toBe(false);
  });

  test('release is done once, however often it is asked for', async () => {
    addHook('a');
    const held = await recipe().hold(never);
    const outcomes = await Promise.all([held.release(), held.release()]);
    outcomes.push(await held.release());
    expect(new Set(outcomes).size).toBe(1);
    expect(calls()).toEqual(['a freeze', 'a thaw']);
  });

  test('after a failed freeze, freezeFail and thaw go back over the hooks that were started', async () => {
    addHook('1');
    addHook('2', { freeze: 'echo no room >&2; exit 3' });
    addHook('3');
    const failure = recipe().hold(never);
    await expect(failure).rejects.toMatchObject({
      code: 'quiesce-failed',
      message: expect.stringMatching(/2 freeze exited with 3: no room/) as string,
    });
    expect(calls()).toEqual([
      '1 freeze',
      '2 freeze',
      '2 freezeFail',
      '1 freezeFail',
      '2 thaw',
      '1 thaw',
    ]);
  });

  test('a failing thaw does not keep the others from theirs, and is told', async () => {
    addHook('1');
    addHook('2', { thaw: 'exit 1' });
    const held = await recipe().hold(never);
    const outcome = await held.release();
    expect(calls().slice(2)).toEqual(['2 thaw', '1 thaw']);
    expect(outcome.problems).toEqual([expect.stringMatching(/2 thaw exited with 1/)]);
    expect(outcome.intact).toBe(true);
  });
});

describe('hooks: limits', () => {
  test('a freeze over its time is killed with its children, then everything is thawed', async () => {
    const pidFile = join(root, 'pid');
    addHook('1', { freeze: `sleep 1000 & echo $! > "${pidFile}"; wait` });
    await expect(recipe({ hookTimeoutMs: 300 }).hold(never)).rejects.toMatchObject({
      code: 'quiesce-failed',
      message: expect.stringMatching(/ran longer than 300 ms/) as string,
    });
    expect(calls()).toEqual(['1 freeze', '1 freezeFail', '1 thaw']);
    const child = readFileSync(pidFile, 'utf8').trim();
    await vi.waitFor(() => {
      const state = existsSync(`/proc/${child}/stat`)
        ? readFileSync(`/proc/${child}/stat`, 'utf8').split(' ')[2]
        : 'gone';
      expect(['gone', 'Z']).toContain(state);
    });
  });

  test('a thaw over its time is killed and told', async () => {
    addHook('1', { thaw: 'exec sleep 1000' });
    const held = await recipe({ hookTimeoutMs: 300 }).hold(never);
    const { problems } = await held.release();
    expect(problems).toEqual([expect.stringMatching(/1 thaw ran longer than 300 ms/)]);
  });

  test('a hook that leaves a daemon behind is not waited for', async () => {
    addHook('1', { freeze: `sleep 5 & echo $! > "${root}/pid"` });
    const held = await recipe({ hookTimeoutMs: 2_000 }).hold(never);
    await held.release();
    process.kill(Number(readFileSync(join(root, 'pid'), 'utf8')), 'SIGKILL');
  });

  test('a hold past its deadline is thawed once by the watchdog, and the holder is told', async () => {
    addHook('1');
    addHook('2');
    const held = await recipe({ deadlineMs: 400 }).hold(never);
    await vi.waitFor(() => {
      expect(held.broken.aborted).toBe(true);
    });
    const outcome = await held.release();
    expect(outcome).toMatchObject({ intact: false, releasedBy: 'watchdog', problems: [] });
    expect(calls()).toEqual(['1 freeze', '2 freeze', '2 thaw', '1 thaw']);
  });

  test('a deadline during the freeze ends it, thaws and says quiesce-deadline', async () => {
    addHook('1');
    addHook('2', { freeze: 'exec sleep 1000' });
    const failure = recipe({ deadlineMs: 400 }).hold(never);
    await expect(failure).rejects.toMatchObject({ code: 'quiesce-deadline' });
    const thaws = calls().filter((call) => call.endsWith(' thaw'));
    expect(new Set(thaws)).toEqual(new Set(['1 thaw', '2 thaw']));
    expect(calls().at(-1)).toBe('1 thaw');
  });

  test('a cancelled hold ends the freeze, thaws and says cancelled', async () => {
    addHook('1', { freeze: 'exec sleep 1000' });
    const controller = new AbortController();
    const failure = recipe().hold(controller.signal);
    await vi.waitFor(() => {
      expect(calls()).toEqual(['1 freeze']);
    });
    controller.abort();
    await expect(failure).rejects.toMatchObject({ code: 'cancelled' });
    expect(calls()).toEqual(['1 freeze', '1 freezeFail', '1 thaw']);
  });

  test('a folder without executables, or none at all, is an error and not a silent hold', async () => {
    await expect(recipe().hold(never)).rejects.toMatchObject({ code: 'quiesce-failed' });
    const folder = join(root, 'missing');
    await expect(recipe({ folder }).hold(never)).rejects.toMatchObject({ code: 'quiesce-failed' });
  });

  test('a hook that everybody may write is refused before anything runs', async () => {
    addHook('1');
    chmodSync(addHook('2'), 0o777);
    await expect(recipe().hold(never)).rejects.toMatchObject({
      code: 'quiesce-failed',
      message: expect.stringMatching(/may be written by everybody/) as string,
    });
    expect(calls()).toEqual([]);
  });
});

describe('hooks: promise 6, the agent is killed', () => {
  test('while it holds: the watchdog thaws in order', async () => {
    addHook('1');
    addHook('2');
    const agent = await startHoldingAgent(configure(), { until: 'held' });
    await agent.kill();
    await vi.waitFor(() => {
      expect(calls()).toEqual(['1 freeze', '2 freeze', '2 thaw', '1 thaw']);
    });
  });

  test('in the middle of a freeze: the freeze is killed, then thawed', async () => {
    addHook('1');
    addHook('2', { freeze: `exec sleep 1000` });
    addHook('3');
    const agent = startHoldingAgent(configure(), { until: 'started' });
    await vi.waitFor(() => {
      expect(calls()).toEqual(['1 freeze', '2 freeze']);
    });
    await (await agent).kill();
    await vi.waitFor(() => {
      expect(calls().slice(2)).toEqual(['2 freezeFail', '1 freezeFail', '2 thaw', '1 thaw']);
    });
  });

  test('together with the watchdog: the next watchdog thaws what the file says', async () => {
    addHook('1');
    const armedFile = join(root, 'armed.json');
    const agent = await startHoldingAgent(configure(), { until: 'held', armedFile });
    process.kill(agent.watchdogPid, 'SIGSTOP'); // so that it cannot be the faster one
    await agent.kill();
    process.kill(agent.watchdogPid, 'SIGKILL');
    expect(calls()).toEqual(['1 freeze']);
    const next = await startWatchdog({ log: silentLog, armedFile });
    try {
      expect(calls()).toEqual(['1 freeze', '1 thaw']);
      expect(existsSync(armedFile)).toBe(false);
    } finally {
      await next.close();
    }
  });
});
