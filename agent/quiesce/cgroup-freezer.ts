/** Freezes a control group, of either interface of the kernel: every process in it, at one instant. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AfterimageError } from '../../shared/errors.js';
import type { Freezer } from './freezer.js';

/** One of the two interfaces of the kernel. */
interface Control {
  readonly version: 1 | 2;
  readonly file: string;
  readonly freeze: string;
  readonly thaw: string;
  isFrozen(): boolean;
}

/** Groups below the one that is frozen; far more than any service has. */
const GROUPS_MAX = 10_000;

/**
 * Looks before anything is frozen: a group that holds one of `own` would hold the agent for ever.
 * @throws AfterimageError `quiesce-failed`
 */
export function createCgroupFreezer(folder: string, own: readonly number[]): Freezer {
  try {
    const control = findControl(folder);
    const processes = processesInGroup(folder);
    if (!own.some((pid) => processes.includes(pid))) {
      return freezerOf(folder, control, processes.length);
    }
  } catch (error) {
    if (error instanceof AfterimageError) throw error;
    const message = `cgroup: cannot read ${folder}`;
    throw new AfterimageError('quiesce-failed', message, { cause: error, facts: { folder } });
  }
  const message = `cgroup: ${folder} holds the agent itself`;
  throw new AfterimageError('quiesce-failed', message, { facts: { folder } });
}

function findControl(folder: string): Control {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const [two, one] = [join(folder, 'cgroup.freeze'), join(folder, 'freezer.state')];
  if (existsSync(two)) {
    const isFrozen = (): boolean => /^frozen 1$/m.test(read('cgroup.events'));
    return { version: 2, file: two, freeze: '1', thaw: '0', isFrozen };
  }
  if (existsSync(one)) {
    const isFrozen = (): boolean => read('freezer.state').trim() === 'FROZEN';
    return { version: 1, file: one, freeze: 'FROZEN', thaw: 'THAWED', isFrozen };
  }
  const message = `cgroup: ${folder} has neither cgroup.freeze nor freezer.state`;
  throw new AfterimageError('quiesce-failed', message, { facts: { folder } });
}

/** Process ids in the group and every group below it, which a freeze stops too. */
export function processesInGroup(folder: string): number[] {
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

function freezerOf(folder: string, control: Control, processes: number): Freezer {
  // Frozen by somebody else: the application is as still as we want it, and stays as it was found.
  const before = control.isFrozen();
  const { file, freeze, thaw, version } = control;
  return {
    action: { kind: 'write', path: file, value: before ? freeze : thaw },
    async freeze(signal) {
      const startMs = performance.now();
      writeFileSync(file, freeze);
      while (!control.isFrozen()) {
        await wait(1, undefined, { signal });
        // Version 1 may stop half-way when a process forks meanwhile: asking again goes on.
        if (version === 1) writeFileSync(file, freeze);
      }
      const freezeMs = Math.round(performance.now() - startMs);
      return { frozen: 'cgroup', version, folder, processes, freezeMs, frozenBefore: before };
    },
    isFrozen: () => existsSync(file) && control.isFrozen(),
  };
}
