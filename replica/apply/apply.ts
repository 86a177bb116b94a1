/**
 * Applies a sealed sync, from transaction A to the new point (design: order of one sync). Once
 * transaction A is on disk there is only redo: a crash anywhere in here ends in the same point.
 */
import fs from 'node:fs';
import path from 'node:path';
import { invariant } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { Log } from '../../shared/log.js';
import { toPathText } from '../../shared/path-text.js';
import type { Posix } from '../../shared/posix/posix.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { Clock } from '../../shared/clock.js';
import { cutPoint, type CutPoint } from '../index/cut.js';
import type { IndexDb } from '../index/index-db.js';
import { notePackTail } from '../index/pack-rows.js';
import type { PendingNames } from '../history/body-files.js';
import type { Packs } from '../history/packs.js';
import { intentFolders } from '../stage/intent-db.js';
import type { PagesFile } from '../stage/pages-file.js';
import { TwoTrees } from '../stage/seal-tree.js';
import { type ContentsDeps, fillAttic, patchFiles, setPlacedTime, setTimes } from './contents.js';
import { Durability } from './durability.js';
import { FolderTree } from './folders.js';
import { type NamesDeps, parkNames, placeNames } from './names.js';
import { placeNew } from './place-new.js';

export interface ApplyDeps {
  readonly setFolder: string;
  readonly index: IndexDb;
  readonly intent: IndexDb;
  readonly pages: PagesFile;
  readonly core: HashCore;
  readonly posix: Posix;
  readonly clock: Clock;
  readonly log: Log;
  /** Tells readers where names go while they move (R9). */
  readonly setPending: (names: PendingNames | undefined) => void;
}

/** Transaction A: the before-images' rows and the state "applying". From here on only redo. */
export function beginApply(
  { index, intent }: Pick<ApplyDeps, 'index' | 'intent'>,
  { point, packs }: { readonly point: number; readonly packs: Packs },
): void {
  const packTail = packs.tail();
  const sync = intent.get<{ sync: number }>('SELECT sync FROM sync');
  invariant(sync !== undefined, 'a sealed intent names its sync');
  const rows = intent.iterate<Record<string, unknown>>('SELECT * FROM before');
  const insert = index.db.prepare(
    `INSERT OR REPLACE INTO before (body, block, hi, lo, mask, digest, pack, offset, length, damaged)
     VALUES (@body, @block, @hi, @lo, @mask, @digest, @pack, @offset, @length, @damaged)`,
  );
  index.durably(() => {
    for (const row of rows) insert.run(row);
    notePackTail(index, packTail);
    index.run(
      'INSERT INTO applying (one, point, sync, parked) VALUES (1, ?, ?, 0)',
      point,
      sync.sync,
    );
  });
}

/** Does, or does again, everything between transaction A and the new point. */
export async function applySync(deps: ApplyDeps): Promise<CutPoint> {
  const state = deps.index.get<{ point: number; parked: number }>(
    'SELECT point, parked FROM applying',
  );
  invariant(state !== undefined, 'apply runs between transactions A and B');
  const trees = new TwoTrees(deps.index, deps.intent, state.point - 1);
  const base = fs.openSync(
    path.join(deps.setFolder, 'base'),
    fs.constants.O_RDONLY | fs.constants.O_DIRECTORY,
  );
  const before = new FolderTree(base, trees.oldName);
  const after = new FolderTree(base, trees.newName);
  const slice = new TimeSlice();
  const durability = new Durability(deps.posix, base);
  deps.setPending({ namesOf: (node) => trees.newNames(node), nameOf: trees.newName });
  try {
    const { park, new: newFolder } = intentFolders(deps.setFolder);
    const names: NamesDeps = {
      ...deps,
      parkFolder: park,
      newFolder,
      before,
      after,
      durability,
      slice,
      setTime: (node, path) => {
        setPlacedTime({ ...deps, trees, durability }, node, path);
      },
      symlinkTarget: (node) =>
        symlinkTarget(deps.intent, deps.index, { node, point: state.point - 1 }),
    };
    const contents: ContentsDeps = { ...deps, parkFolder: park, after, trees, durability, slice };
    if (state.parked === 0) await parkAll(names, deps);
    before.close();
    await placeNames(names);
    await placeNew({ ...names, posix: deps.posix });
    await patchFiles(contents);
    await fillAttic(contents);
    await setTimes(contents);
    await durability.flush();
    return await cutPoint({ ...deps, slice, point: state.point, timeMs: deps.clock.now() });
  } finally {
    before.close();
    after.close();
    fs.closeSync(base);
  }
}

async function parkAll(names: NamesDeps, deps: ApplyDeps): Promise<void> {
  fs.mkdirSync(names.parkFolder, { recursive: true, mode: 0o700 });
  await parkNames(names, (row) => {
    deps.log.warn('a name to be removed is not in the base', {
      name: toPathText(row.name),
      node: row.node,
    });
  });
  if (!needsParkedMark(deps.intent)) return;
  names.durability.everything();
  await names.durability.flush();
  deps.index.durably(() => deps.index.run('UPDATE applying SET parked = 1'));
}

/**
 * The mark is needed when a name that comes equals one that goes, or a folder moves: redo could
 * otherwise park what was placed (R6). Without either it may be left out (R8).
 */
function needsParkedMark(intent: IndexDb): boolean {
  const reused =
    intent.get(
      'SELECT 1 FROM park p JOIN place q ON q.parent = p.parent AND q.name = p.name LIMIT 1',
    ) ??
    intent.get(
      `SELECT 1 FROM park p JOIN entry e ON e.parent = p.parent AND e.name = p.name
       WHERE e.node <> 0 LIMIT 1`,
    );
  if (reused !== undefined) return true;
  return intent.get("SELECT 1 FROM place WHERE way = 'moved-folder' LIMIT 1") !== undefined;
}

function symlinkTarget(
  intent: IndexDb,
  index: IndexDb,
  at: { node: number; point: number },
): Buffer {
  const row =
    intent.get<{ target: Buffer | null }>(
      'SELECT target FROM node WHERE id = ? AND dead = 0',
      at.node,
    ) ??
    index.get<{ target: Buffer | null }>(
      'SELECT target FROM node WHERE id = ? AND born <= ? AND died > ?',
      at.node,
      at.point,
      at.point,
    );
  invariant(row?.target != null, `symlink ${at.node} has a target`);
  return row.target;
}
