/**
 * Holds by freezing a control group: every process in it stops at one instant, whatever it is. The
 * files are then as after a crash of the application alone: consistency `filesystem`.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AfterimageError } from '../../shared/errors.js';
import { holdUnderWatchdog } from './hold-under-watchdog.js';
import type { Hold } from './hold-under-watchdog.js';
import type { CgroupConfig, QuiesceDeps, QuiesceRecipe } from './recipe.js';
import { performRelease } from './release-action.js';

/** One of the two interfaces of the kernel. */
interface Freezer {
  readonly version: 1 | 2;
  readonly control: string;
  readonly freeze: string;
  readonly thaw: string;
  isFrozen(): boolean;
}

const LET_GO_MS_MAX = 5_000;
/** Groups below the one that is frozen; far more than any service has. */
const GROUPS_MAX = 10_000;

export function createCgroupRecipe(config: CgroupConfig, deps: QuiesceDeps): QuiesceRecipe {
  return {
    name: 'cgroup',
    consistency: 'filesystem',
    hold: async (signal) => {
      const { folder, deadlineMs } = config;
      const hold = prepare(folder, [process.pid, deps.watchdog.pid]);
      return holdUnderWatchdog({ name: 'cgroup', hold, deadlineMs, deps, signal });
    },
  };
}

/** Looks before anything is frozen: a group that holds the agent would hold it for ever. */
function prepare(folder: string, own: readonly number[]): Hold {
  try {
    const freezer = findFreezer(folder);
    const processes = processesBelow(folder);
    if (!own.some((pid) => processes.includes(pid))) {
      return createHold(folder, freezer, processes.length);
    }
  } catch (error) {
    if (error instanceof AfterimageError) throw error;
    const message = `cgroup: cannot read ${folder}`;
    throw new AfterimageError('quiesce-failed', message, { cause: error, facts: { folder } });
  }
  const message = `cgroup: ${folder} holds the agent itself`;
  throw new AfterimageError('quiesce-failed', message, { facts: { folder } });
}

function findFreezer(folder: string): Freezer {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const [two, one] = [join(folder, 'cgroup.freeze'), join(folder, 'freezer.state')];
  if (existsSync(two)) {
    const isFrozen = (): boolean => /^frozen 1$/m.test(read('cgroup.events'));
    return { version: 2, control: two, freeze: '1', thaw: '0', isFrozen };
  }
  if (existsSync(one)) {
    const isFrozen = (): boolean => read('freezer.state').trim() === 'FROZEN';
    return { version: 1, control: one, freeze: 'FROZEN', thaw: 'THAWED', isFrozen };
  }
  const message = `cgroup: ${folder} has neither cgroup.freeze nor freezer.state`;
  throw new AfterimageError('quiesce-failed', message, { facts: { folder } });
}

/** Process ids in the group and every group below it, which a freeze stops too. */
function processesBelow(folder: string): number[] {
  const processes: number[] = [];
  const folders = [folder];
  for (let index = 0; index < folders.length && index < GROUPS_MAX; index += 1) {
    const current = folders[index] ?? folder;
    const lines = readFileSync(join(current, 'cgroup.procs'), 'utf8').split('\n');
    processes.push(...lines.filter((line) => line !== '').map(Number));
    for (const entry of readdirSync(current, { withFileTypes: true })) {
      if (entry.isDirectory()) folders.push(join(current, entry.name));
    }
  }
  return processes;
}

function createHold(folder: string, freezer: Freezer, processes: number): Hold {
  // Frozen by somebody else: the application is as still as we want it, and stays as it was found.
  const before = freezer.isFrozen();
  const { control, freeze, thaw, version } = freezer;
  const action = { kind: 'write', path: control, value: before ? freeze : thaw } as const;
  let began = false;
  return {
    action,
    letGoMsMax: LET_GO_MS_MAX,
    async acquire(signal) {
      began = true;
      const startMs = performance.now();
      writeFileSync(control, freeze);
      while (!freezer.isFrozen()) {
        await wait(1, undefined, { signal });
        // Version 1 may stop half-way when a process forks meanwhile: asking again goes on.
        if (version === 1) writeFileSync(control, freeze);
      }
      const freezeMs = Math.round(performance.now() - startMs);
      return { kind: 'cgroup', version, folder, processes, freezeMs, frozenBefore: before };
    },
    async letGo() {
      if (!began) return { problems: [], intact: false };
      const intact = existsSync(control) && freezer.isFrozen();
      return { problems: await performRelease(action), intact };
    },
  };
}
