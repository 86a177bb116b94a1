/** The folders of one set on the replica, and what start-up sweeps out of them (R4). */
import fs from 'node:fs';
import path from 'node:path';
import type { IndexDb } from './index/index-db.js';
import { Place } from './index/schema.js';

const parts = ['base', 'attic', 'packs', 'intent', 'new', 'park', 'leftover'] as const;

export function makeSetFolders(setFolder: string): void {
  for (const part of parts)
    fs.mkdirSync(path.join(setFolder, part), { recursive: true, mode: 0o700 });
}

/** Unlinks attic files that no index row names. Returns how many. */
export function sweepAttic(setFolder: string, index: IndexDb): number {
  const attic = path.join(setFolder, 'attic');
  let swept = 0;
  for (const fan of fs.readdirSync(attic)) {
    for (const name of fs.readdirSync(path.join(attic, fan))) {
      const row = index.get<{ place: number }>('SELECT place FROM body WHERE id = ?', Number(name));
      if (row?.place === Place.attic) continue;
      fs.unlinkSync(path.join(attic, fan, name));
      swept += 1;
    }
  }
  return swept;
}

/** Empties folders of ours without following links. */
export async function emptyFolders(...folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    await fs.promises.rm(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
}
