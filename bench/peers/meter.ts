/**
 * What a piece of work costs: wall time, processor time and memory of all processes that do it, with
 * what they start, and bytes that crossed between the sides.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { runningCommands } from './commands.js';
import type { Network } from './network.js';
import { cpuOfEndedS, cpuOfTreeS, residentOfTreeMib } from './process-tree.js';

const SAMPLE_MS = 20;
const SETTLE_MS = 200;
const SETTLE_MS_MAX = 10_000;
/** An idle process may wake now and then: one tick of the clock that counts processor time. */
const IDLE_S = 0.015;
/** Name of what is started and ends within the work. */
const COMMAND = 'command';

export interface Cost {
  readonly ms: number;
  /** Until everything that the work left to do in the background was done too. */
  readonly cpuS: number;
  /** The same by process. */
  readonly cpuSOf: Readonly<Record<string, number>>;
  /** Most that was resident at once, sampled. */
  readonly rssMib: number;
  readonly rssMibOf: Readonly<Record<string, number>>;
  /** Both directions; undefined where nobody counts. */
  readonly wireBytes: number | undefined;
}

export type Processes = () => ReadonlyMap<string, number>;

/** Files of others must not be flushed on the time of this work: everything is flushed before. */
export async function measureCost(
  work: () => Promise<void>,
  { processes, network }: { readonly processes: Processes; readonly network: Network },
): Promise<Cost> {
  execFileSync('sync');
  await settle(processes);
  const crossedBefore = network.crossedBytes();
  const cpuBefore = cpuOf(processes());
  const memory = watchMemory(processes);
  const start = performance.now();
  try {
    await work();
  } finally {
    memory.stop();
  }
  const ms = performance.now() - start;
  await settle(processes);
  const cpuAfter = cpuOf(processes());
  const crossed = network.crossedBytes();
  const cpuSOf: Record<string, number> = {};
  for (const [name, used] of cpuAfter) cpuSOf[name] = used - (cpuBefore.get(name) ?? 0);
  return {
    ms,
    cpuS: Object.values(cpuSOf).reduce((sum, used) => sum + used, 0),
    cpuSOf,
    ...memory.most(),
    wireBytes:
      crossed === undefined || crossedBefore === undefined ? undefined : crossed - crossedBefore,
  };
}

/** Waits until processes that stay have nothing to do any more, at most some seconds. */
async function settle(processes: Processes): Promise<void> {
  const deadline = performance.now() + SETTLE_MS_MAX;
  const used = (): number => {
    const pids = new Set(processes().values());
    return [...pids].reduce((sum, pid) => sum + cpuOfTreeS(pid, pids), 0);
  };
  if (processes().size === 0) return;
  for (let before = used(); performance.now() < deadline;) {
    await delay(SETTLE_MS);
    const now = used();
    if (now - before <= IDLE_S) return;
    before = now;
  }
}

function cpuOf(processes: ReadonlyMap<string, number>): Map<string, number> {
  const used = new Map<string, number>([[COMMAND, cpuOfEndedS()]]);
  const pids = new Set(processes.values());
  for (const [name, pid] of processes) used.set(name, cpuOfTreeS(pid, pids));
  return used;
}

function watchMemory(processes: Processes): {
  readonly stop: () => void;
  readonly most: () => Pick<Cost, 'rssMib' | 'rssMibOf'>;
} {
  const rssMibOf: Record<string, number> = {};
  let rssMib = 0;
  const sample = (): void => {
    let total = 0;
    const note = (name: string, mib: number): void => {
      total += mib;
      rssMibOf[name] = Math.max(rssMibOf[name] ?? 0, mib);
    };
    const pids = new Set(processes().values());
    for (const [name, pid] of processes()) note(name, residentOfTreeMib(pid, pids));
    const commands = [...runningCommands()].map((pid) => residentOfTreeMib(pid));
    if (commands.length > 0) note(COMMAND, Math.max(...commands));
    rssMib = Math.max(rssMib, total);
  };
  const timer = setInterval(sample, SAMPLE_MS);
  return {
    stop: () => {
      clearInterval(timer);
      sample();
    },
    most: () => ({ rssMib, rssMibOf }),
  };
}
