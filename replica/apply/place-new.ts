/**
 * Places new files and links that have one name, after everything else: all folders stand by then, and
 * nothing waits for them, so they need no row of a plan. Files go many in a call; what a crash placed
 * already, or what stands in the way, is looked at one by one.
 */
import fs from 'node:fs';
import { nodeKinds } from '../../shared/protocol/records.js';
import { type NewPlace, Placed } from '../../shared/posix/new-files.js';
import type { Posix } from '../../shared/posix/posix.js';
import { mtimeOf } from '../index/nodes.js';
import { entryStretches, placedAlone } from '../index/paged.js';
import { below } from './folders.js';
import { type NamesDeps, placeOne } from './names.js';

/** Fewer files are placed, and made durable, one by one. */
const BATCH_FILES_MIN = 32;
const LINK = nodeKinds.indexOf('symlink');

interface AloneRow {
  readonly parent: number;
  readonly name: Buffer;
  readonly node: number;
  readonly kind: number;
  readonly mtime_s: number;
  readonly mtime_ns: number;
}

export interface PlaceNewDeps extends NamesDeps {
  readonly posix: Pick<Posix, 'placeNew' | 'setMtime'>;
}

export async function placeNew(deps: PlaceNewDeps): Promise<void> {
  const from = fs.openSync(deps.newFolder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    for (const { after, upTo } of entryStretches(deps.intent)) {
      const rows = deps.intent.all<AloneRow>(
        `SELECT e.parent, e.name, e.node, n.kind, n.mtime_s, n.mtime_ns
         FROM entry e JOIN node n ON n.id = e.node
         WHERE (e.parent, e.name) > (?, ?) AND (e.parent, e.name) <= (?, ?) AND ${placedAlone}
         ORDER BY e.parent, e.name`,
        ...after,
        ...upTo,
      );
      await placeRows(deps, { rows, from });
      await deps.slice.breathe();
    }
  } finally {
    fs.closeSync(from);
  }
}

/** Rows come folder by folder; the files of one are placed while those of the next are looked at. */
async function placeRows(
  deps: PlaceNewDeps,
  { rows, from }: { readonly rows: readonly AloneRow[]; readonly from: number },
): Promise<void> {
  if (rows.length < BATCH_FILES_MIN) {
    for (const row of rows) {
      placeRow(deps, row);
      await deps.slice.breathe();
    }
    return;
  }
  deps.durability.everything();
  for (let at = 0; at < rows.length;) {
    const parent = rows[at]?.parent;
    let end = at;
    while (rows[end]?.parent === parent) end += 1;
    await placeFolder(deps, { rows: rows.slice(at, end), from });
    at = end;
  }
}

async function placeFolder(
  deps: PlaceNewDeps,
  { rows, from }: { readonly rows: readonly AloneRow[]; readonly from: number },
): Promise<void> {
  const files = rows.filter(({ kind }) => kind !== LINK);
  const [first] = files;
  for (const row of rows) if (row.kind === LINK) placeRow(deps, row);
  if (first === undefined) return;
  const places = files.map(({ node, name, mtime_s: seconds, mtime_ns: nanoseconds }): NewPlace => {
    return { node, name, seconds, nanoseconds };
  });
  const to = deps.after.open(first.parent);
  const placed = await deps.posix.placeNew({ from, to }, places);
  for (const [index, row] of files.entries()) {
    if (placed[index] !== Placed.moved) placeRow(deps, row);
  }
}

function placeRow(deps: PlaceNewDeps, row: AloneRow): void {
  const folder = deps.after.open(row.parent);
  deps.durability.touch(`folder ${row.parent}`, folder);
  const target = below(folder, row.name);
  const way = row.kind === LINK ? 'symlink' : 'new';
  placeOne(deps, { ...row, way, from_parent: null, from_name: null }, target);
  deps.posix.setMtime(target, mtimeOf(row));
  deps.durability.touchAt(`time ${row.node}`, target);
}
