/** The processes below a process, and whether they are stopped, as /proc tells. */
import { readdirSync, readFileSync } from 'node:fs';
import { identityOf } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';

/** Far more than any server has. */
const PROCESSES_MAX = 100_000;

/** The root first, then what it started, and so on. Empty when the root is gone. */
export function processTree(root: ProcessIdentity): ProcessIdentity[] {
  const tree: ProcessIdentity[] = [];
  const waiting = [root.pid];
  for (let at = 0; at < waiting.length && at < PROCESSES_MAX; at += 1) {
    const pid = waiting[at] ?? root.pid;
    const identity = identityOf(pid);
    if (identity === undefined) continue;
    if (pid === root.pid && identity.startTicks !== root.startTicks) return [];
    tree.push(identity);
    waiting.push(...childrenOf(pid));
  }
  return tree;
}

/** Numbers of the processes that it started and that are there. */
export function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap((thread) =>
    readOrNothing(`/proc/${pid}/task/${thread}/children`)
      .split(' ')
      .filter((child) => child !== '')
      .map(Number),
  );
}

/** True when no thread of it runs: stopped, or ended. */
export function isStopped(identity: ProcessIdentity): boolean {
  return threadsOf(identity.pid).every((thread) => {
    const stat = readOrNothing(`/proc/${identity.pid}/task/${thread}/stat`);
    // A thread that ended since it was listed has no state.
    return stat === '' || /^[TtZX] /.test(stat.slice(stat.lastIndexOf(')') + 2));
  });
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // no such process: the answer, not a failure
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // gone meanwhile
  }
}
