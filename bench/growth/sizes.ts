/** Sets that grow while what changes in them stays the same: 100 small files, or 1,000 pages. */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Step, Story } from '../peers/stories.js';
import { numbered } from '../trees/mixed-tree.js';
import { changePages } from '../trees/mutations.js';
import { Random, seedOf } from '../trees/random.js';
import { littleContent } from '../trees/small-files.js';

const GIB = 1024 ** 3;
const FOLDER_FILES = 100;
const CHANGED_FILES = 100;
const CHANGED_PAGES = 1_000;
/** A file takes that much of a file system, its inode included. */
const FILE_ROOM_BYTES = 20 * 1024;
/** One such stretch of data, then holes. */
const DATA_BYTES = 1024 * 1024;
const STRETCH_BYTES = 64 * DATA_BYTES;

export const CHANGE = 'change';
const NO_CHANGES = 3;
const steps = (change: Step['change']): readonly Step[] => [
  { name: 'first_copy', work: 'copy' },
  { name: 'no_change', work: 'copy', repeats: NO_CHANGES },
  { name: CHANGE, work: 'copy', ...(change === undefined ? {} : { change }) },
];

/** A number of small files, of which a fixed number is written anew. */
export function manyFiles(count: number, changed = CHANGED_FILES): Story {
  const folderOf = (root: string, index: number): string =>
    join(root, `folder-${numbered(Math.floor(index / FOLDER_FILES), 5)}`);
  const fileOf = (root: string, index: number): string =>
    join(folderOf(root, index), `file-${numbered(index, 7)}.txt`);
  return {
    name: `files-${count}`,
    about: `${count} files of 1 to 3 KiB, ${changed} written anew`,
    bytes: count * FILE_ROOM_BYTES,
    write: ({ folder, seed }) => {
      for (let index = 0; index < count; index += 1) {
        if (index % FOLDER_FILES === 0) mkdirSync(folderOf(folder, index), { recursive: true });
        writeFileSync(fileOf(folder, index), littleContent(seedOf(seed, index)));
      }
      return { folder };
    },
    steps: steps(({ subject, seed }) => {
      const random = new Random(seedOf(seed, 'growth'));
      for (const index of random.choose(changed, count)) {
        writeFileSync(fileOf(subject.folder, index), littleContent(seedOf(seed, 'anew', index)));
      }
    }),
  };
}

/** One file, mostly holes, of which a fixed number of pages is written. */
export function largeFile(gib: number): Story {
  const bytes = gib * GIB;
  return {
    name: `gib-${gib}`,
    about: `a file of ${gib} GiB, 1.6 % of it data, ${CHANGED_PAGES} pages written`,
    bytes: Math.ceil((bytes * DATA_BYTES) / STRETCH_BYTES) + GIB / 4,
    write: ({ folder, seed }) => {
      mkdirSync(folder, { recursive: true });
      const paged = join(folder, 'large.db');
      const file = openSync(paged, 'w');
      try {
        ftruncateSync(file, bytes);
        for (let at = 0; at < bytes; at += STRETCH_BYTES) {
          writeSync(file, new Random(seedOf(seed, at)).bytes(DATA_BYTES), 0, DATA_BYTES, at);
        }
      } finally {
        closeSync(file);
      }
      return { folder, paged };
    },
    steps: steps(({ subject: { paged }, seed }) => {
      if (paged !== undefined) changePages({ paged }, CHANGED_PAGES, seed);
    }),
  };
}
