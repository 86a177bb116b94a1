/** Processes stopped one by one: all of a tree, and all let go again, whoever dies (promise 6). */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createProcessFreezer } from '../../../agent/quiesce/process-freezer.js';
import { identityOf, type ProcessIdentity } from '../../../agent/quiesce/process-identity.js';
import { isStopped, processTree } from '../../../agent/quiesce/process-tree.js';
import { performRelease, type ReleaseAction } from '../../../agent/quiesce/release-action.js';

const never = new AbortController().signal;
let root: string;
let child: ChildProcess;
let seen: ProcessIdentity[];

/** A shell with workers that start a new process for every line they write. */
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'afterimage-processes-'));
  const work = 'while :; do echo x >> "$0.$w"; sleep 0.005; done';
  child = spawn('sh', ['-c', `w=1; (${work}) & w=2; (${work}) & wait`, join(root, 'lines')], {
    stdio: 'ignore',
  });
  seen = [];
  await grows();
});
afterEach(async () => {
  for (const { pid } of [...seen, ...processTree(server())]) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // gone already
    }
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  rmSync(root, { recursive: true, force: true });
});

function server(): ProcessIdentity {
  return identityOf(child.pid ?? 0) ?? { pid: child.pid ?? 0, startTicks: '' };
}
function lines(worker: 1 | 2): number {
  try {
    return readFileSync(join(root, `lines.${worker}`)).length;
  } catch {
    return 0;
  }
}
async function grows(workers: readonly (1 | 2)[] = [1, 2]): Promise<void> {
  const before = workers.map(lines);
  await vi.waitFor(
    () => {
      for (const [at, worker] of workers.entries()) {
        expect(lines(worker)).toBeGreaterThan((before[at] ?? 0) + 6);
      }
    },
    { timeout: 10_000, interval: 5 },
  );
}

test('process freezer: nothing of a tree that forks runs while frozen, all of it goes on after', async () => {
  for (let round = 0; round < 10; round += 1) {
    const freezer = createProcessFreezer(server());
    const changes: ReleaseAction[] = [];
    const facts = await freezer.freeze(never, (action) => {
      changes.push(action);
      return Promise.resolve();
    });
    const before = [lines(1), lines(2)];
    const tree = processTree(server());
    expect(tree.length).toBeGreaterThanOrEqual(3);
    expect(tree.every(isStopped)).toBe(true);
    expect(facts['processes']).toBeGreaterThanOrEqual(tree.length);
    expect(freezer.isFrozen()).toBe(true);
    expect([lines(1), lines(2)]).toEqual(before);
    // Whoever releases knows all that was stopped, also what was found late.
    expect(await performRelease(changes.at(-1) ?? freezer.action)).toEqual([]);
    expect(freezer.isFrozen()).toBe(false);
    await grows();
  }
});

test('process freezer: what somebody else had stopped stays stopped', async () => {
  const worker = processTree(server())[1];
  if (worker === undefined) throw new Error('the shell has no worker');
  process.kill(worker.pid, 'SIGSTOP');
  await vi.waitFor(() => {
    expect(isStopped(worker)).toBe(true);
  });
  const freezer = createProcessFreezer(server());
  await freezer.freeze(never, () => Promise.resolve());
  await performRelease(freezer.action);
  await grows([2]);
  expect(isStopped(worker)).toBe(true);
});

test('process freezer: children go on although their parent was killed while they were stopped', async () => {
  const freezer = createProcessFreezer(server());
  await freezer.freeze(never, () => Promise.resolve());
  seen = processTree(server());
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(freezer.isFrozen()).toBe(false);
  expect(await performRelease(freezer.action)).toEqual([]);
  await grows();
});

test('process freezer: a process that is gone is not frozen', async () => {
  const before = server();
  seen = processTree(before);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const freezer = createProcessFreezer(before);
  await expect(freezer.freeze(never, () => Promise.resolve())).rejects.toThrow(/is gone/);
});
