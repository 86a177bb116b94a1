/**
 * Moves names in the base: parks what goes, places what comes (R6, R7). Every step can be done
 * again after a crash: what is parked or placed already is recognised and left.
 */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError, errnoOf, invariant } from '../../shared/errors.js';
import { toPathText } from '../../shared/path-text.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from '../index/index-db.js';
import { paged, type PagedQuery } from '../index/paged.js';
import type { PlaceWay } from '../stage/plan-names.js';
import { isBaseLink, makeBaseLink } from './base-link.js';
import type { Durability } from './durability.js';
import { below, existsAt, type FolderTree, unlessAbsent } from './folders.js';

export interface NamesDeps {
  readonly intent: IndexDb;
  /** The set's folder. */
  readonly setFolder: string;
  readonly parkFolder: string;
  readonly newFolder: string;
  readonly before: FolderTree;
  readonly after: FolderTree;
  readonly durability: Durability;
  readonly slice: TimeSlice;
  readonly symlinkTarget: (node: number) => Buffer;
  /** Gives what was placed its mtime. */
  readonly setTime: (node: number, path: Buffer) => void;
}

interface ParkRow {
  readonly seq: number;
  readonly parent: number;
  readonly name: Buffer;
  readonly node: number;
  readonly k: number;
}

interface PlacedName {
  readonly parent: number;
  readonly name: Buffer;
  readonly node: number;
  readonly way: PlaceWay;
  readonly from_parent: number | null;
  readonly from_name: Buffer | null;
}

interface PlaceRow extends PlacedName {
  readonly seq: number;
}

/** Parks every name that goes. What is missing in the base is reported by `onAbsent`, never guessed. */
export async function parkNames(deps: NamesDeps, onAbsent: (row: ParkRow) => void): Promise<void> {
  for (const row of paged<ParkRow>(deps.intent, bySeq('park'))) {
    const parked = path.join(deps.parkFolder, `${row.node}.${row.k}`);
    const moved = unlessAbsent(() => {
      const folder = deps.before.open(row.parent);
      deps.durability.touch(`folder ${row.parent}`, folder);
      if (!existsAt(parked)) fs.renameSync(below(folder, row.name), parked);
    });
    if (!moved && !existsAt(parked)) onAbsent(row);
    await deps.slice.breathe();
  }
}

/**
 * Places every name that the plan has, parents first, and gives files built anew and links their times.
 * `placeNew` comes after it.
 */
export async function placeNames(deps: NamesDeps): Promise<void> {
  for (const row of paged<PlaceRow>(deps.intent, bySeq('place'))) {
    const folder = deps.after.open(row.parent);
    deps.durability.touch(`folder ${row.parent}`, folder);
    const target = below(folder, row.name);
    placeOne(deps, row, target);
    if (row.way === 'new' || row.way === 'symlink') deps.setTime(row.node, target);
    await deps.slice.breathe();
  }
}

/** Makes one name what it is to be; done before, nothing is done. */
export function placeOne(deps: NamesDeps, row: PlacedName, target: Buffer): void {
  switch (row.way) {
    case 'folder':
      makeFolder(deps, target);
      return;
    case 'symlink':
      makeSymlink(deps, target, deps.symlinkTarget(row.node));
      return;
    case 'new':
      moveIn(deps, {
        from: path.join(deps.newFolder, String(row.node)),
        to: target,
        node: row.node,
      });
      return;
    case 'park':
    case 'moved-folder':
      moveIn(deps, {
        from: path.join(deps.parkFolder, `${row.node}.0`),
        to: target,
        node: row.node,
      });
      return;
    case 'link':
      invariant(row.from_parent !== null && row.from_name !== null, 'a link has a source');
      linkFrom(deps, { parent: row.from_parent, name: row.from_name }, row);
  }
}

/** Renames into place; a source that is gone with the target there was moved before. */
function moveIn(deps: NamesDeps, move: { from: string; to: Buffer; node: number }): void {
  if (existsAt(move.from)) {
    clear(deps, move.to);
    fs.renameSync(move.from, move.to);
    return;
  }
  if (!existsAt(move.to)) {
    throw new AfterimageError(
      'storage-failed',
      `node ${move.node} is neither in the intent nor in its place`,
      {
        facts: { node: move.node, target: toPathText(move.to) },
      },
    );
  }
}

function makeFolder(deps: NamesDeps, target: Buffer): void {
  if (isFolder(target)) return;
  clear(deps, target);
  fs.mkdirSync(target, { mode: 0o700 });
}

function makeSymlink(deps: NamesDeps, target: Buffer, pointsTo: Buffer): void {
  if (existsAt(target)) {
    const there = linkTargetOf(target);
    if (there !== undefined && isBaseLink(there, pointsTo)) return;
    clear(deps, target);
  }
  makeBaseLink(target, pointsTo);
}

/** The source folder is held open on its own: looking the other up may close the shared descriptor. */
function linkFrom(deps: NamesDeps, from: { parent: number; name: Buffer }, row: PlacedName): void {
  const fd = fs.openSync(`/proc/self/fd/${deps.after.open(from.parent)}`, fs.constants.O_RDONLY);
  try {
    linkIn(deps, below(fd, from.name), below(deps.after.open(row.parent), row.name));
  } finally {
    fs.closeSync(fd);
  }
}

function linkIn(deps: NamesDeps, source: Buffer, target: Buffer): void {
  if (existsAt(target)) {
    const a = fs.lstatSync(source, { bigint: true });
    const b = fs.lstatSync(target, { bigint: true });
    if (a.ino === b.ino && a.dev === b.dev) return;
    clear(deps, target);
  }
  fs.linkSync(source, target);
}

/** Moves away what stands where no name of the parent point was: it was planted, and is kept in the park. */
function clear(deps: NamesDeps, target: Buffer): void {
  if (!existsAt(target)) return;
  for (let n = 0; ; n += 1) {
    const aside = path.join(deps.parkFolder, `planted.${n}`);
    if (existsAt(aside)) continue;
    fs.renameSync(target, aside);
    return;
  }
}

function isFolder(target: Buffer): boolean {
  return fs.lstatSync(target, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function linkTargetOf(target: Buffer): Buffer | undefined {
  try {
    return fs.readlinkSync(target, { encoding: 'buffer' });
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}

/** All rows of a plan, in its order. */
function bySeq(table: 'park' | 'place'): PagedQuery<{ readonly seq: number }> {
  return {
    sql: `SELECT * FROM ${table} WHERE seq > ? ORDER BY seq LIMIT ?`,
    start: [0],
    cursorOf: ({ seq }) => [seq],
  };
}
