/** Writes staged pages into files at their final places, and moves ended bodies to the attic (R7). */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError } from '../../shared/errors.js';
import { BLOCK_BYTES, PAGE_BYTES, PAGES_PER_BLOCK } from '../../shared/limits.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import { atticPath } from '../history/body-files.js';
import { writeFully } from '../history/packs.js';
import type { IndexDb } from '../index/index-db.js';
import { stagedNodes } from '../index/paged.js';
import type { PagesFile } from '../stage/pages-file.js';
import type { TwoTrees } from '../stage/seal-tree.js';
import { type StagedBlock, stagedBlocks } from '../stage/staged-block.js';
import type { Durability } from './durability.js';
import { below, existsAt, type FolderTree, openFileAt, unlessAbsent } from './folders.js';

export interface ContentsDeps {
  readonly intent: IndexDb;
  readonly setFolder: string;
  readonly parkFolder: string;
  readonly pages: PagesFile;
  readonly after: FolderTree;
  readonly trees: TwoTrees;
  readonly durability: Durability;
  readonly slice: TimeSlice;
  readonly posix: Posix;
}

interface KeptFile {
  readonly id: number;
  readonly size: number;
}

/** Patches every file whose body is kept and whose content or size changed. */
export async function patchFiles(deps: ContentsDeps): Promise<void> {
  const files = stagedNodes<KeptFile>(deps.intent, {
    columns: 'id, size',
    where: 'body_word = 1 AND dead = 0',
  });
  for (const file of files) {
    await patchFile(deps, file);
    await deps.slice.breathe();
  }
}

async function patchFile(deps: ContentsDeps, file: KeptFile): Promise<void> {
  const name = deps.trees.newName(file.id);
  if (name === undefined)
    throw new AfterimageError('internal', `patched node ${file.id} has no name`);
  const fd = openPatched(deps, name);
  try {
    const rows = stagedBlocks(deps.intent, file.id);
    let changed = fs.fstatSync(fd).size !== file.size;
    if (changed) fs.ftruncateSync(fd, file.size);
    for (const row of rows) {
      writeBlock(deps.pages, fd, row);
      changed = true;
      await deps.slice.breathe();
    }
    if (changed) deps.durability.touch(`file ${file.id}`, fd);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * The file to patch. One that somebody took out of the base is begun anew: what this sync says of it
 * is kept, its other blocks are damaged and said to be.
 */
function openPatched(deps: ContentsDeps, name: { parent: number; name: Buffer }): number {
  const folder = deps.after.open(name.parent);
  if (!existsAt(below(folder, name.name))) {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
    return fs.openSync(below(folder, name.name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }
  return openFileAt(folder, name.name);
}

function writeBlock(pages: PagesFile, fd: number, row: StagedBlock): void {
  const start = row.block * BLOCK_BYTES;
  if (row.length === 0) {
    if (row.mask !== 0) writeFully(fd, Buffer.alloc(row.bytes), start);
    return;
  }
  const bytes = pages.read(row.offset, row.length);
  let from = 0;
  for (let page = 0; page < PAGES_PER_BLOCK;) {
    if ((row.mask & (1 << page)) === 0) {
      page += 1;
      continue;
    }
    let end = page;
    while (end < PAGES_PER_BLOCK && (row.mask & (1 << end)) !== 0) end += 1;
    const length = Math.min(bytes.length - from, (end - page) * PAGE_BYTES);
    writeFully(fd, bytes.subarray(from, from + length), start + page * PAGE_BYTES);
    from += length;
    page = end;
  }
}

/** Ended bodies leave the park for the attic, unread. */
export async function fillAttic(deps: ContentsDeps): Promise<void> {
  const ended = stagedNodes<{ readonly id: number; readonly old_body: number }>(deps.intent, {
    columns: 'id, old_body',
    where: 'old_body IS NOT NULL AND (dead = 1 OR body_word = 2)',
  });
  const fans = new Set<string>();
  for (const { id, old_body: body } of ended) {
    const parked = path.join(deps.parkFolder, `${id}.0`);
    const attic = atticPath(deps.setFolder, body);
    const fan = path.dirname(attic);
    if (!fans.has(fan)) {
      fs.mkdirSync(fan, { recursive: true, mode: 0o700 });
      fans.add(fan);
      touchFolder(deps.durability, fan);
      touchFolder(deps.durability, path.dirname(fan));
    }
    if (existsAt(parked)) fs.renameSync(parked, attic);
    await deps.slice.breathe();
  }
}

function touchFolder(durability: Durability, folder: string): void {
  const fd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  durability.touch(folder, fd);
  fs.closeSync(fd);
}

interface TimeRow {
  readonly id: number;
  readonly mtime_s: number;
  readonly mtime_ns: number;
}

/**
 * Gives folders, and files and links that stayed where they were, their times; folders last. Owners,
 * modes, attributes and special kinds live in the index alone (R23): the base is a plain copy that
 * nobody can run. What was placed anew has its time already.
 */
export async function setTimes(deps: ContentsDeps): Promise<void> {
  for (const where of ['kind IN (0, 2) AND fresh = 0', 'kind = 1']) {
    const rows = stagedNodes<TimeRow>(deps.intent, {
      columns: 'id, mtime_s, mtime_ns',
      where: `dead = 0 AND ${where}`,
    });
    for (const row of rows) {
      const name = deps.trees.newName(row.id);
      if (name !== undefined) setTime(deps, name, timeOf(row));
      await deps.slice.breathe();
    }
  }
}

/** A file that somebody took out of the base has no time to set; verify tells of it. */
function setTime(
  deps: ContentsDeps,
  name: { parent: number; name: Buffer },
  mtimeNs: bigint,
): void {
  unlessAbsent(() => {
    deps.posix.setMtime(below(deps.after.open(name.parent), name.name), mtimeNs);
  });
}

/** Sets the mtime of a node that was placed at `path`. */
export function setPlacedTime(
  deps: Pick<ContentsDeps, 'intent' | 'posix'>,
  node: number,
  path: Buffer,
): void {
  const row = deps.intent.get<TimeRow>('SELECT id, mtime_s, mtime_ns FROM node WHERE id = ?', node);
  if (row !== undefined) deps.posix.setMtime(path, timeOf(row));
}

function timeOf(row: TimeRow): bigint {
  return BigInt(row.mtime_s) * 1_000_000_000n + BigInt(row.mtime_ns);
}
