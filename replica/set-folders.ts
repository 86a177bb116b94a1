/**
 * The folders of one set on the replica, and what start-up sweeps out of them (R4), as long as nothing
 * speaks against the index that does not name it.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { IndexDb } from './index/index-db.js';
import type { Log } from '../shared/log.js';
import { hasContentRows, placeOf } from './index/bodies.js';
import { Place } from './index/schema.js';

const parts = ['base', 'attic', 'packs', 'intent', 'new', 'park', 'leftover'] as const;

export function makeSetFolders(setFolder: string): void {
  for (const part of parts)
    fs.mkdirSync(path.join(setFolder, part), { recursive: true, mode: 0o700 });
}

/** A set that is being opened. */
export interface OpeningSet {
  readonly set: string;
  readonly folder: string;
  readonly writer: IndexDb;
  /** Why the index is not to be believed in what it does not name; undefined when it is. */
  readonly doubt: () => string | undefined;
}

/**
 * Unlinks attic files that no index row names. They stay when there is a doubt of the index, or when
 * it has rows of what they hold: a body that was removed left none.
 */
export function sweepAttic({ set, folder, writer, doubt }: OpeningSet, log: Log): void {
  const attic = path.join(folder, 'attic');
  let removed = 0;
  let kept = 0;
  for (const fan of fs.readdirSync(attic)) {
    for (const name of fs.readdirSync(path.join(attic, fan))) {
      const body = Number(name);
      if (placeOf(writer, body) === Place.attic) continue;
      if (hasContentRows(writer, body) || doubt() !== undefined) {
        kept += 1;
        continue;
      }
      fs.unlinkSync(path.join(attic, fan, name));
      removed += 1;
    }
  }
  if (removed > 0) log.info('files that no point names were removed', { set, files: removed });
  if (kept === 0) return;
  const why = doubt() ?? 'rows of their content are there';
  log.warn('files that no point names are kept', { set, files: kept, why });
}

/**
 * Empties the park, which is done with once nothing is applied. With a doubt of the index, which
 * would say so, it is set aside.
 */
export async function sweepPark({ folder, doubt }: OpeningSet): Promise<void> {
  const park = path.join(folder, 'park');
  const isEmpty = !fs.existsSync(park) || fs.readdirSync(park).length === 0;
  if (!isEmpty && doubt() !== undefined) {
    const strays = path.join(folder, 'strays');
    fs.mkdirSync(strays, { recursive: true, mode: 0o700 });
    fs.renameSync(park, fs.mkdtempSync(path.join(strays, 'park-')));
  }
  await emptyFolders(park);
}

/** Empties folders of ours without following links. */
export async function emptyFolders(...folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    await fs.promises.rm(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
}
