/**
 * On a file system in memory (tmpfs) a store through a mapping can leave no trace: not in size, nor
 * in any time, nor after a flush. Files that somebody has mapped for writing are therefore read by
 * every walk (promise 4), and so are those that a source reported. What is mapped, stored to and
 * unmapped between two walks stays unseen when its pages had been read before the store: of that
 * only an event can tell.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { errnoOf } from '../../shared/errors.js';
import type { FileStatus } from '../../shared/posix/posix.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { AgentState } from '../state.js';
import type { NodeRow } from '../state/node-row.js';
import { encodeIdentity } from '../state/status.js';
import type { OpenRoot } from './open-roots.js';
import type { PlanParts } from './plan-parts.js';
import { splitPath } from './walk-targets.js';

/** Reported paths that are looked for, at most: as many as the journal holds. */
const REPORTED_MAX = 100_000;
/** statfs(2): TMPFS_MAGIC and RAMFS_MAGIC. */
const blindTypes: readonly number[] = [0x0102_1994, 0x8584_58f6];
/** open(2): O_PATH, which Node does not name. */
const O_PATH = 0o1000_0000;
/** /proc/PID/maps: range, `rw-s` and the like, offset, device, inode. */
const sharedLine = /^([0-9a-f]+-[0-9a-f]+) .w.s [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) (\d+)/gm;

/** Whether stores through mappings of its files can go unseen. */
export function isBlind(root: Pick<OpenRoot, 'fd'>): boolean {
  return blindTypes.includes(statfsSync(`/proc/self/fd/${root.fd}`).type);
}

/** Files of a root that are mapped for writing, or were reported, are to be read by the walk that begins. */
export function lookAtMapped(
  root: OpenRoot,
  parts: Pick<PlanParts, 'state' | 'posix' | 'sayOnce' | 'journal'>,
): void {
  if (!isBlind(root)) return;
  const { state, posix } = parts;
  parts.sayOnce(
    `root ${root.name.toString()} is kept in memory: what a program stores through a mapping that it closes before the next sync may be missed`,
  );
  for (const status of mappedOn(root.status, posix)) {
    toRead(state.nodes.byIdentity(encodeIdentity(status, state.device(status.dev))), state);
  }
  for (const path of parts.journal?.since(0, REPORTED_MAX) ?? []) {
    const node = nodeAt(path, root, state);
    if (node !== undefined) toRead(state.nodes.get(node), state);
  }
}

function toRead(row: NodeRow | undefined, state: AgentState): void {
  if (row?.kind !== 'file') return;
  if (!row.dirty) state.nodes.update({ ...row, dirty: true });
  for (const { parent } of state.nodes.placesOf(row.id)) state.dropFingerprint(parent);
}

/** Of `<root>/<path>`, as last seen; undefined for what is not known or lies in another root. */
function nodeAt(path: Buffer, root: OpenRoot, state: AgentState): number | undefined {
  const [top, ...names] = splitPath(path);
  if (top?.equals(root.name) !== true) return undefined;
  let node = state.nodes.at(SET_NODE, top);
  for (const name of names) {
    if (node === undefined) return undefined;
    node = state.nodes.at(node, name);
  }
  return node;
}

/**
 * Inode numbers of all that some process has mapped shared and writable; undefined when not every
 * process may be looked at. Exact while those who map are held.
 */
export function mappedInodes(): ReadonlySet<string> | undefined {
  const found = new Set<string>();
  for (const pid of processes()) {
    const maps = mapsOf(pid);
    if (maps === undefined) return undefined;
    for (const [, , , , ino = ''] of maps) found.add(ino);
  }
  return found;
}

/** Of files on the device that some process has mapped shared and writable, each once. */
export function mappedOn(
  { dev }: Pick<FileStatus, 'dev'>,
  posix: PlanParts['posix'],
): FileStatus[] {
  const found = new Map<string, FileStatus>();
  for (const pid of processes()) {
    for (const [, range = '', major = '', minor = '', ino = ''] of mapsOf(pid) ?? []) {
      if (makeDevice(parseInt(major, 16), parseInt(minor, 16)) !== dev || found.has(ino)) continue;
      const status = statusOf(`/proc/${pid}/map_files/${range}`, posix);
      if (status?.dev === dev) found.set(ino, status);
    }
  }
  return [...found.values()];
}

function processes(): readonly string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

/** Undefined when they are not ours to look at. */
function mapsOf(pid: string): Iterable<RegExpExecArray> | undefined {
  try {
    return readFileSync(`/proc/${pid}/maps`, 'latin1').matchAll(sharedLine);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    // The process has ended meanwhile.
    return errno === 'ENOENT' || errno === 'ESRCH' ? [] : undefined;
  }
}

function statusOf(mapping: string, posix: PlanParts['posix']): FileStatus | undefined {
  let fd: number;
  try {
    fd = openSync(mapping, O_PATH | constants.O_RDONLY);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
  try {
    return posix.fstat(fd);
  } finally {
    closeSync(fd);
  }
}

/** makedev(3) of glibc, within 2^53. */
function makeDevice(major: number, minor: number): number {
  const low = ((minor & 0xff) | ((major & 0xfff) << 8)) >>> 0;
  const middle = Math.floor(minor / 256) * 2 ** 20;
  return low + middle + Math.floor(major / 4096) * 2 ** 44;
}
