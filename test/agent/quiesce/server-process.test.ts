/** What is frozen is all of the server, or the hold is refused. Needs a control group hierarchy. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { identityOf, type ProcessIdentity } from '../../../agent/quiesce/process-identity.js';
import { processTree } from '../../../agent/quiesce/process-tree.js';
import { chooseFreezer } from '../../../agent/quiesce/server-process.js';

/** A mounted hierarchy whose groups can be frozen; undefined where none can be made. */
function findHierarchy(): string | undefined {
  const lines = readFileSync('/proc/mounts', 'utf8').split('\n');
  const folders = lines.flatMap((line) => {
    const [, folder = '', type = ''] = line.split(' ');
    return type.startsWith('cgroup') ? [folder] : [];
  });
  return folders.find((folder) => {
    const probe = join(folder, `afterimage-probe-server-${process.pid}`);
    try {
      mkdirSync(probe);
      const there = ['cgroup.freeze', 'freezer.state'].some((name) =>
        existsSync(join(probe, name)),
      );
      rmdirSync(probe);
      return there;
    } catch {
      return false;
    }
  });
}

const hierarchy = findHierarchy();
if (hierarchy === undefined) console.warn('groups of servers not tested: none can be made here');

describe.skipIf(hierarchy === undefined)('freezer of a server', () => {
  const group = join(hierarchy ?? '', `afterimage-server-${process.pid}`);
  let child: ChildProcess;
  let tree: readonly ProcessIdentity[];
  const server = (): ProcessIdentity =>
    identityOf(child.pid ?? 0) ?? { pid: child.pid ?? 0, startTicks: '' };

  beforeEach(async () => {
    mkdirSync(group);
    child = spawn('sh', ['-c', 'sleep 1000 & wait'], { stdio: 'ignore' });
    await vi.waitFor(() => {
      expect(processTree(server()).length).toBe(2);
    });
    tree = processTree(server());
  });
  afterEach(async () => {
    const gone = once(child, 'exit');
    for (const { pid } of [...tree].reverse()) process.kill(pid, 'SIGKILL');
    await gone;
    await vi.waitFor(() => {
      rmdirSync(group);
    });
  });

  function enter(...processes: readonly (ProcessIdentity | undefined)[]): void {
    for (const one of processes) writeFileSync(join(group, 'cgroup.procs'), String(one?.pid));
  }
  const choose = (cgroup?: string): ReturnType<typeof chooseFreezer> =>
    chooseFreezer({ server: server(), cgroup, own: [process.pid] });

  test('a group that is named and lacks the server, or a part of it, is refused (R16)', () => {
    expect(() => choose(group)).toThrow(/does not hold all/);
    enter(tree[0]);
    expect(() => choose(group)).toThrow(/does not hold all/);
    enter(tree[1]);
    expect(choose(group).action).toMatchObject({ kind: 'write' });
  });

  test('a group that is found is frozen only when it holds all of the server', () => {
    enter(tree[0]);
    expect(choose().action.kind).toBe('continue');
    enter(tree[1]);
    expect(choose().action).toMatchObject({ kind: 'write' });
  });
});
