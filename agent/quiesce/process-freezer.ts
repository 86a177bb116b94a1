/**
 * Stops a process and all below it by SIGSTOP, for servers that have no control group of their own.
 * Each is in the watchdog's list before it is stopped, so that it goes on even when its parent died
 * meanwhile. What had been stopped by somebody else stays stopped.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Freezer } from './freezer.js';
import type { ProcessIdentity } from './process-identity.js';
import { continueProcess, isAlive } from './process-identity.js';
import { childrenOf, isStopped, processTree } from './process-tree.js';
import type { ReleaseAction } from './release-action.js';

/** So many looks at one that does not stop, a millisecond each, before its children are let on. */
const LOOKS_MAX = 5;

export function createProcessFreezer(root: ProcessIdentity): Freezer {
  const known = new Map<number, ProcessIdentity>();
  const left = new Map<number, ProcessIdentity>();
  // Numbers are given again: a process is the one of its start.
  const isNew = ({ pid, startTicks }: ProcessIdentity): boolean =>
    known.get(pid)?.startTicks !== startTicks && left.get(pid)?.startTicks !== startTicks;
  const find = (): ProcessIdentity[] => {
    const fresh = processTree(root).filter(isNew);
    const found = fresh.filter((one) => !isStopped(one));
    for (const one of fresh) {
      if (found.includes(one)) known.set(one.pid, one);
      else left.set(one.pid, one);
    }
    return found;
  };
  const first = find();
  const action = (): ReleaseAction => ({ kind: 'continue', processes: [...known.values()] });
  return {
    get action() {
      return action();
    },
    async freeze(signal, change) {
      const startMs = performance.now();
      let fresh = first;
      for (let looks = 1; ; looks += 1) {
        for (const one of fresh) stop(one);
        const running = [...known.values()].filter((one) => !isStopped(one));
        fresh = find();
        if (fresh.length > 0) await change(action());
        else if (running.length === 0) break;
        else {
          const stepped = looks % LOOKS_MAX === 0 ? letChildrenStep(running, known) : [];
          await wait(1);
          fresh = stepped;
        }
        signal.throwIfAborted();
      }
      for (const [pid, one] of known) if (!isAlive(one)) known.delete(pid); // ended on its own
      if (known.size === 0) throw new Error(`process ${root.pid} is gone or was stopped before`);
      const freezeMs = Math.round(performance.now() - startMs);
      return { frozen: 'processes', processes: known.size, freezeMs };
    },
    isFrozen: () => [...known.values()].every((one) => isAlive(one) && isStopped(one)),
  };
}

/**
 * A process that has started another by vfork stops only when that one runs its program: it may have
 * been stopped too early for that. It goes on for a moment; the caller stops it again.
 */
function letChildrenStep(
  running: readonly ProcessIdentity[],
  known: ReadonlyMap<number, ProcessIdentity>,
): ProcessIdentity[] {
  const children = running.flatMap(({ pid }) => childrenOf(pid)).map((pid) => known.get(pid));
  const stepping = children.filter((child) => child !== undefined);
  for (const child of stepping) continueProcess(child);
  return stepping;
}

function stop(identity: ProcessIdentity): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, 'SIGSTOP');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return;
    const message = `process ${identity.pid} may not be stopped by the agent's user`;
    throw new Error(message, { cause: error });
  }
}
