/** Writes staged pages into files at their final places, and moves ended bodies to the attic (R7). */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError } from '../../shared/errors.js';
import { BLOCK_BYTES, PAGE_BYTES, PAGES_PER_BLOCK } from '../../shared/limits.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import { atticPath } from '../history/body-files.js';
import { writeFully } from '../history/packs.js';
import type { IndexDb } from '../index/index-db.js';
import { mtimeOf, nodeAt } from '../index/nodes.js';
import { paged, stagedNodes, stagedParents } from '../index/paged.js';
import type { PagesFile } from '../stage/pages-file.js';
import type { TwoTrees } from '../stage/seal-tree.js';
import { type StagedBlock, stagedBlocks } from '../stage/staged-block.js';
import type { Durability } from './durability.js';
import { below, existsAt, type FolderTree, openFileAt, unlessAbsent } from './folders.js';

/** Folders whose times are known to be set, so as not to set them again. */
const FOLDERS_KNOWN_MAX = 10_000;

export interface ContentsDeps {
  readonly index: IndexDb;
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
  const kept = {
    columns: 'id, mtime_s, mtime_ns',
    where: 'dead = 0 AND kind IN (0, 2) AND fresh = 0',
  };
  for (const row of stagedNodes<TimeRow>(deps.intent, kept)) {
    setTime(deps, row.id, mtimeOf(row));
    await deps.slice.breathe();
  }
  const folders = { columns: 'id, mtime_s, mtime_ns', where: 'dead = 0 AND kind = 1' };
  for (const row of stagedNodes<TimeRow>(deps.intent, folders)) {
    setTime(deps, row.id, mtimeOf(row));
    await deps.slice.breathe();
  }
  await setTouchedTimes(deps);
}

/** Folders that the sync says nothing of, although names of theirs were taken away and given back. */
async function setTouchedTimes(deps: ContentsDeps): Promise<void> {
  const { intent, index, trees } = deps;
  const done = new Set<number>();
  const set = async ({ parent }: { readonly parent: number }): Promise<void> => {
    if (parent === SET_NODE || done.has(parent)) return;
    if (done.size >= FOLDERS_KNOWN_MAX) done.clear();
    done.add(parent);
    if (intent.get('SELECT 1 FROM node WHERE id = ?', parent) !== undefined) return;
    const row = nodeAt(index, parent, trees.parent);
    if (row !== undefined) setTime(deps, parent, mtimeOf(row));
    await deps.slice.breathe();
  };
  for (const row of stagedParents(intent)) await set(row);
  // A file written anew gave up names that the sync says nothing of.
  for (const row of paged<{ parent: number; seq: number }>(intent, {
    sql: 'SELECT parent, seq FROM park WHERE seq > ? ORDER BY seq LIMIT ?',
    start: [0],
    cursorOf: ({ seq }) => [seq],
  }))
    await set(row);
}

/** What has no name any more, or was taken out of the base by somebody, has no time to set. */
function setTime(deps: ContentsDeps, node: number, mtimeNs: bigint): void {
  const name = deps.trees.newName(node);
  if (name === undefined) return;
  unlessAbsent(() => {
    const path = below(deps.after.open(name.parent), name.name);
    deps.posix.setMtime(path, mtimeNs);
    deps.durability.touchAt(`time ${node}`, path);
  });
}

/** Sets the mtime of a node that was placed at `path`, as the sync says it or as it was. */
export function setPlacedTime(
  deps: Pick<ContentsDeps, 'intent' | 'index' | 'posix' | 'trees' | 'durability'>,
  node: number,
  path: Buffer,
): void {
  const row =
    deps.intent.get<TimeRow>('SELECT id, mtime_s, mtime_ns FROM node WHERE id = ?', node) ??
    nodeAt(deps.index, node, deps.trees.parent);
  if (row === undefined) return;
  deps.posix.setMtime(path, mtimeOf(row));
  deps.durability.touchAt(`time ${node}`, path);
}
