/**
 * Opens a set's roots for a walk and refuses what is not the root it was: an unmounted file system
 * must never look like an empty tree (R17).
 */
import { closeSync, constants, opendirSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import type { FileStatus, Posix } from '../../shared/posix/posix.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { AgentState } from '../state.js';
import type { OpenFolder } from './open-folder.js';

export interface RootPath {
  readonly name: string;
  /** Absolute. Links on the way to a root are followed. */
  readonly path: string;
  /** Of a snapshot, the root that it is of, open: what is mounted there is not walked here either. */
  readonly liveFd?: number;
}

export interface OpenRoot {
  readonly name: Buffer;
  readonly fd: number;
  readonly status: FileStatus;
  /** Paths below the root, as `<root>/<path>`, at which something else is mounted. */
  readonly mounts: ReadonlySet<string>;
}

/** In the order of their names' bytes. @throws AfterimageError `root-missing` */
export function openRoots(
  roots: readonly RootPath[],
  parts: { readonly posix: Posix; readonly state: AgentState },
): OpenRoot[] {
  const opened: OpenRoot[] = [];
  const mounts = readMounts();
  try {
    for (const root of roots) {
      const fd = openRoot(root);
      const name = Buffer.from(root.name);
      const status = parts.posix.fstat(fd);
      opened.push({ name, fd, status, mounts: mountsBelow(root.liveFd ?? fd, root.name, mounts) });
      checkIdentity(root, { name, fd, status }, parts.state);
    }
  } catch (error) {
    closeRoots(opened);
    throw error;
  }
  return opened.sort((a, b) => Buffer.compare(a.name, b.name));
}

export function closeRoots(roots: readonly OpenRoot[]): void {
  for (const root of roots) closeSync(root.fd);
}

/** The set as the folder of one root. */
export function setFolder(
  root: OpenRoot,
): Pick<OpenFolder, 'node' | 'rootName' | 'child' | 'pathOf'> {
  const self = Buffer.from(`/proc/self/fd/${root.fd}/.`);
  const { name } = root;
  return { node: SET_NODE, rootName: name, child: () => self, pathOf: () => name };
}

function openRoot(root: RootPath): number {
  try {
    return openSync(root.path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw new AfterimageError('root-missing', `root ${root.path} cannot be opened`, {
      cause: error,
      facts: { root: root.name, path: root.path, errno: errnoOf(error) ?? null },
    });
  }
}

function checkIdentity(
  root: RootPath,
  seen: { readonly name: Buffer; readonly fd: number; readonly status: FileStatus },
  state: AgentState,
): void {
  const identity = state.rootIdentity(seen.name);
  if (identity === undefined) {
    checkNotEmpty(root, seen, state);
    return;
  }
  const { dev, ino, btimeNs } = seen.status;
  const known = state.devOf(identity);
  if (known === dev) return;
  const sameFolder =
    btimeNs !== 0n &&
    identity.readBigUInt64LE(4) === ino &&
    identity.readBigInt64LE(12) === btimeNs;
  if (sameFolder && known !== undefined) {
    state.renumberDevice({ from: known, to: dev });
    return;
  }
  throw new AfterimageError('root-missing', `root ${root.path} is on another file system`, {
    facts: { root: root.name, path: root.path, device: dev, expected: known ?? null },
  });
}

/**
 * A root known only from the replica, as after the agent's state was lost: nothing tells whether it
 * is mounted but that it is not empty.
 */
function checkNotEmpty(
  root: RootPath,
  seen: { readonly name: Buffer; readonly fd: number },
  state: AgentState,
): void {
  const node = state.nodes.at(SET_NODE, seen.name);
  if (node === undefined || !state.nodes.hasChildren(node)) return;
  const entries = opendirSync(`/proc/self/fd/${seen.fd}`);
  try {
    if (entries.readSync() !== null) return;
  } finally {
    entries.closeSync();
  }
  throw new AfterimageError(
    'root-missing',
    `root ${root.path} is empty, and the newest point has files in it: is it not mounted? If it is meant to be empty, put any file into it`,
    { facts: { root: root.name, path: root.path } },
  );
}

/** Absolute paths of all mount points, one character a byte. */
function readMounts(): string[] {
  let table: string;
  try {
    table = readFileSync('/proc/self/mountinfo', 'latin1');
  } catch {
    // Without the table, device numbers still tell other file systems.
    return [];
  }
  return table.split('\n').flatMap((line) => {
    const field = line.split(' ')[4];
    return field === undefined ? [] : [unescapeOctal(field)];
  });
}

function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 8)),
  );
}

function mountsBelow(fd: number, name: string, mounts: readonly string[]): Set<string> {
  const top = readlinkSync(`/proc/self/fd/${fd}`, 'latin1');
  const prefix = top === '/' ? '/' : `${top}/`;
  const root = Buffer.from(name).toString('latin1');
  return new Set(
    mounts
      .filter((mount) => mount.startsWith(prefix) && mount !== top && mount !== '/')
      .map((mount) => `${root}/${mount.slice(prefix.length)}`),
  );
}
