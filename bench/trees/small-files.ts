/** 100,000 files of 1 to 3 KiB in 1,000 folders, at scale 1: what costs there is files, not bytes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { numbered, type TreeOptions } from './mixed-tree.js';
import { Random, seedOf } from './random.js';
import { makeText } from './text.js';

const FOLDERS = 1_000;
const FOLDER_FILES = 100;
const BYTES_MIN = 1024;
const BYTES_MAX = 3 * 1024;

/** Where the files are. */
export function writeSmallFiles({ folder, scale, seed }: TreeOptions): string {
  const folders = Math.max(1, Math.round(FOLDERS * scale));
  for (let index = 0; index < folders; index += 1) {
    const inner = join(folder, `folder-${numbered(index, 4)}`);
    mkdirSync(inner, { recursive: true });
    for (let file = 0; file < FOLDER_FILES; file += 1) {
      const content = littleContent(seedOf(seed, 'little', index, file));
      const name = `file-${numbered(index * FOLDER_FILES + file, 6)}.txt`;
      writeFileSync(join(inner, name), content);
    }
  }
  return folder;
}

export function littleContent(seed: number): Buffer {
  const random = new Random(seed);
  return makeText(random.between(BYTES_MIN, BYTES_MAX), random);
}
