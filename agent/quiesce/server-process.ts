/**
 * Finds the processes of a database server from what the server says of itself, makes sure that they
 * are the ones, and chooses how to stop them: its own control group if it has one, else one by one.
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createCgroupFreezer, processesInGroup } from './cgroup-freezer.js';
import type { Freezer } from './freezer.js';
import { createProcessFreezer } from './process-freezer.js';
import { identityOf, isAlive } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';
import { processTree } from './process-tree.js';

/**
 * The server's first process. Servers work in their data folder: a process that does not is of
 * another machine, or of another container whose numbers mean nothing here.
 */
export function findServer(pid: number, dataFolder: string): ProcessIdentity {
  const identity = identityOf(pid);
  const there = identity !== undefined && isSameFolder(`/proc/${pid}/cwd`, dataFolder);
  if (there) return identity;
  throw new Error(
    `the server's process ${pid} is not one that works in ${dataFolder} here: does it run on another machine or in a container?`,
  );
}

function isSameFolder(one: string, other: string): boolean {
  try {
    const [a, b] = [statSync(one), statSync(other)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false; // not to be seen from here
  }
}

export interface FreezerChoice {
  readonly server: ProcessIdentity;
  /** The group that the operator named; undefined to look for one. */
  readonly cgroup: string | undefined;
  /** Processes that must go on: the agent's. */
  readonly own: readonly number[];
}

export function chooseFreezer({ server, cgroup, own }: FreezerChoice): Freezer {
  const group = cgroup ?? ownGroupOf(server);
  if (group !== undefined) {
    const freezer = createCgroupFreezer(group, own);
    if (holdsTree(group, server)) return freezer;
    throw new Error(`the control group ${group} does not hold all of the server's processes`);
  }
  if (processTree(server).some(({ pid }) => own.includes(pid))) {
    throw new Error('the server has started the agent, and cannot be stopped by it');
  }
  return createProcessFreezer(server);
}

/** False when a process of the server would go on although the group is frozen. */
function holdsTree(group: string, server: ProcessIdentity): boolean {
  const members = new Set(processesInGroup(group));
  // One that is not there may have ended, or begun since the group was read.
  return processTree(server).every(
    (one) => members.has(one.pid) || !isAlive(one) || processesInGroup(group).includes(one.pid),
  );
}

/** The folder of a group that can be frozen and holds the server's processes and no others. */
function ownGroupOf(server: ProcessIdentity): string | undefined {
  const tree = new Set(processTree(server).map(({ pid }) => pid));
  for (const folder of groupsOf(server.pid)) {
    const alone = processesInGroup(folder).every((pid) => tree.has(pid));
    if (alone && holdsTree(folder, server)) return folder;
  }
  return undefined;
}

/** Of the unified hierarchy, then of the old freezer; those that hold no less than the machine are left out. */
function groupsOf(pid: number): string[] {
  const memberships = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const folders: string[] = [];
  for (const line of memberships) {
    const [, controllers = '', group = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const unified = controllers === '';
    if (group === '/' || group.includes('..')) continue;
    if (!unified && !controllers.split(',').includes('freezer')) continue;
    const mount = mounts.find(([, , type, options = '']) =>
      unified ? type === 'cgroup2' : type === 'cgroup' && options.split(',').includes('freezer'),
    )?.[1];
    const folder = mount === undefined ? undefined : join(mount, group);
    const control = unified ? 'cgroup.freeze' : 'freezer.state';
    if (folder !== undefined && existsSync(join(folder, control))) folders.push(folder);
  }
  return folders;
}

/** Of some named paths, those that lie under none of the roots, as `name: path`. */
export function outsideOf(
  roots: readonly string[],
  paths: Readonly<Record<string, string>>,
): string[] {
  const inside = roots.map(real);
  return Object.entries(paths)
    .filter(([, path]) => {
      const place = real(path);
      return !inside.some((root) => place === root || place.startsWith(`${root}/`));
    })
    .map(([name, path]) => `${name}: ${path}`);
}

function real(path: string): string {
  try {
    return realpathSync(path).replace(/\/$/, '');
  } catch {
    return path; // not there: then it is nowhere below a root either, unless it is named so
  }
}
