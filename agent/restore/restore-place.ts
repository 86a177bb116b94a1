/**
 * Where an order may write on this host, and what stays there whatever it says (R22). The replica asks;
 * this agent's own configuration decides.
 */
import { closeSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { RestoreConfig, SetConfig } from '../../shared/config/agent-config.js';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import { parsePathText } from '../../shared/path-text.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { RestoreOrder } from '../../shared/protocol/restore-question.js';
import { kindOf } from '../../shared/restore/plan.js';
import type { Spares } from '../../shared/restore/remove-tree.js';
import type { RestoreTarget } from '../../shared/restore/request.js';
import { cleanPath, splitPath } from '../../shared/restore/set-path.js';
import { openRestoreFolder, placeBelow } from '../../shared/restore/target-folder.js';
import { closeRoots, openRoots, type RootPath } from '../plan/open-roots.js';
import type { PathFilter } from '../plan/path-filter.js';
import { CLONE_FOLDER, type FolderIdentity } from '../plan/plan-parts.js';
import type { AgentState } from '../state.js';

export interface PlaceParts {
  readonly filter: PathFilter;
  /** The agent's own data. */
  readonly ownFolders: readonly FolderIdentity[];
  /** Absolute paths that no restore beside the set may reach: every set's roots, the agent's data. */
  readonly guarded: readonly string[];
  readonly posix: Posix;
  readonly state: AgentState;
}

export interface RestorePlace {
  readonly target: RestoreTarget;
  /** Root names that entries of the point may have; undefined for any. */
  readonly roots: ReadonlySet<string> | undefined;
  readonly spares: Spares | undefined;
  close(): void;
}

interface PlaceRequest {
  readonly set: SetConfig;
  readonly allowed: RestoreConfig;
  readonly order: Pick<RestoreOrder, 'target' | 'effect'>;
  readonly parts: PlaceParts;
}

/** @throws AfterimageError `restore-refused`, `root-missing`, system errors */
export function openRestorePlace({ set, allowed, order, parts }: PlaceRequest): RestorePlace {
  if (allowed.allow === 'none') {
    throw new AfterimageError(
      'restore-refused',
      "nothing is restored to this host: restore.allow of its agent's configuration is none",
    );
  }
  if (order.target !== 'in-place') {
    checkGuarded(allowed.folders, order.target.beside, parts.guarded);
    return beside(allowed.folders, order.target.beside, order.effect);
  }
  const mounts = new Set(set.roots.flatMap((root) => [...checkRoot(root, parts)]));
  return {
    target: {
      type: 'roots',
      roots: new Map(set.roots.map(({ name, path }) => [latin1(name), Buffer.from(path)])),
    },
    roots: new Set(set.roots.map(({ name }) => latin1(name))),
    spares: sparesOf(parts, mounts),
    close: () => undefined,
  };
}

/** What is written beside the set has no undo point: it must not be a root by another way. */
function checkGuarded(folders: readonly string[], to: string, guarded: readonly string[]): void {
  const { root, names } = allowedPlace(folders, to);
  const folder = Buffer.concat([
    realPath(Buffer.from(root)),
    ...names.flatMap((name) => [Buffer.from('/'), name]),
  ]);
  for (const path of guarded) {
    const names = splitPath(cleanPath(realPath(Buffer.from(path))));
    if (!splitPath(cleanPath(folder)).every((name, at) => names[at]?.equals(name) === true))
      continue;
    throw new AfterimageError(
      'restore-refused',
      `${to} holds ${path}, which would be overwritten without an undo point: choose a folder of its own, or restore in place`,
      { facts: { path: to } },
    );
  }
}

function realPath(path: Buffer): Buffer {
  try {
    return realpathSync(path, { encoding: 'buffer' });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return path;
    throw error;
  }
}

function allowedPlace(folders: readonly string[], folder: string): ReturnType<typeof placeBelow> {
  try {
    return placeBelow(folders, folder);
  } catch (cause) {
    throw new AfterimageError(
      'restore-refused',
      `${folder} lies below none of restore.folders of the agent's configuration`,
      { cause, facts: { path: folder } },
    );
  }
}

function beside(
  folders: readonly string[],
  folder: string,
  effect: RestoreOrder['effect'],
): RestorePlace {
  const place = { roots: undefined, spares: undefined };
  if (effect === 'plan') {
    const target = { type: 'folder', folder: parsePathText(folder) } as const;
    return { ...place, target, close: () => undefined };
  }
  const fd = openRestoreFolder(folders, folder);
  const close = (): void => {
    closeSync(fd);
  };
  return { ...place, target: { type: 'opened', fd }, close };
}

/**
 * Paths below the root at which something else is mounted. A root on another file system than the one
 * that the points are of is not written to: what was there is not mounted (R17).
 */
function checkRoot(root: RootPath, { posix, state }: PlaceParts): ReadonlySet<string> {
  if (isThere(root.path)) {
    const opened = openRoots([root], { posix, state });
    closeRoots(opened);
    return opened[0]?.mounts ?? new Set();
  }
  const identity = state.rootIdentity(Buffer.from(root.name));
  const known = identity && state.devOf(identity);
  if (known !== undefined && known !== deviceOfParent(root.path)) {
    throw new AfterimageError(
      'root-missing',
      `root ${root.path} is missing, and its file system is not that of the folder it was in: is it not mounted?`,
      { facts: { root: root.name, path: root.path } },
    );
  }
  return new Set();
}

function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Of the nearest folder above that is there. */
function deviceOfParent(path: string): number {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    try {
      return statSync(folder).dev;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || folder === dirname(folder)) throw error;
    }
  }
}

/** What no point of the set has is none of a restore's business. */
function sparesOf({ filter, ownFolders }: PlaceParts, mounts: ReadonlySet<string>): Spares {
  return (path, { mode, dev, ino }) => {
    const folder = kindOf(mode) === 'folder';
    if (!filter.takes(path, { folder })) return true;
    if (mounts.size > 0 && isAtOrBelowMount(path.toString('latin1'), mounts)) return true;
    if (!folder) return false;
    const name = path.subarray(path.lastIndexOf(0x2f) + 1);
    if (name.equals(CLONE_FOLDER)) return true;
    return ownFolders.some((own) => own.dev === dev && own.ino === ino);
  };
}

function isAtOrBelowMount(path: string, mounts: ReadonlySet<string>): boolean {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    if (mounts.has(path.slice(0, end))) return true;
  }
  return false;
}

function latin1(name: string): string {
  return Buffer.from(name).toString('latin1');
}
