/** The sets of files that product and peers protect, and what happens to each of them, in order. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { scaledBytes, writeMixedTree, writePagedFile } from '../trees/mixed-tree.js';
import {
  appendToLog,
  changeOnePercent,
  changePages,
  insertInFront,
  renameFolder,
} from '../trees/mutations.js';
import { Random, seedOf } from '../trees/random.js';
import { littleContent, writeSmallFiles } from '../trees/small-files.js';

const GIB = 1024 ** 3;
const PAGES = 1_000;
const PAGES_MIN = 20;
const INSERTED_BYTES = 100;
const APPENDED_BYTES = 1024 * 1024;
const NO_CHANGES = 5;
const READS = 9;
const POINTS = 20;
const TOUCHED = 0.01;

/** A set of files as it lies on the disk; places that it does not have are absent. */
export interface Subject {
  readonly folder: string;
  /** Absolute. Folders of small files are in it. */
  readonly small?: string;
  readonly contentOf?: (seed: number) => Buffer;
  readonly paged?: string;
  readonly document?: string;
  readonly log?: string;
}

export interface Happening {
  readonly subject: Subject;
  readonly seed: number;
  readonly scale: number;
}

export type Work =
  'copy' | 'restore_all' | 'restore_in_place' | 'one_file' | 'range_4kib' | 'fill' | 'find';

export interface Step {
  readonly name: string;
  readonly work: Work;
  /** Before the work, once for all copiers. */
  readonly change?: (happening: Happening) => void;
  /** How often it is done in a round; the round's value is the median. */
  readonly repeats?: number;
}

export interface Story {
  readonly name: string;
  readonly about: string;
  /** At scale 1. */
  readonly bytes: number;
  readonly write: (options: {
    readonly folder: string;
    readonly scale: number;
    readonly seed: number;
  }) => Subject;
  readonly steps: readonly Step[];
}

/** How many pages are written at a scale. */
export function pagesAt(scale: number): number {
  return Math.max(PAGES_MIN, Math.round(PAGES * scale));
}

const firstCopy: Step = { name: 'first_copy', work: 'copy' };
const noChange: Step = { name: 'no_change', work: 'copy', repeats: NO_CHANGES };
const onePercent: Step = {
  name: 'one_percent',
  work: 'copy',
  change: ({ subject, seed }) => {
    if (subject.small !== undefined) changeOnePercent({ ...subject, small: subject.small }, seed);
  },
};
const pages = (name: string, salt = ''): Step => ({
  name,
  work: 'copy',
  change: ({ subject: { paged }, scale, seed }) => {
    if (paged === undefined) return;
    changePages({ paged }, pagesAt(scale), salt === '' ? seed : seedOf(seed, salt));
  },
});
const restoreAll: Step = { name: 'restore_all', work: 'restore_all' };

const mixed: Story = {
  name: 'd1',
  about: '40,000 small files, 200 of 1 to 8 MiB, one of 1 GiB, a log; 2.4 GB',
  bytes: 2.4 * GIB,
  write: (options) => writeMixedTree(options),
  steps: [
    firstCopy,
    noChange,
    onePercent,
    pages('pages_1gib'),
    {
      name: 'insert_100',
      work: 'copy',
      change: ({ subject: { document }, seed }) => {
        if (document !== undefined) insertInFront({ document }, INSERTED_BYTES, seed);
      },
    },
    {
      name: 'append_1mib',
      work: 'copy',
      change: ({ subject: { log }, seed }) => {
        if (log !== undefined) appendToLog({ log }, APPENDED_BYTES, seed);
      },
    },
    {
      name: 'rename_500',
      work: 'copy',
      change: ({ subject: { small }, seed }) => {
        if (small !== undefined) renameFolder({ small }, seed);
      },
    },
    { name: 'one_file', work: 'one_file', repeats: READS },
    { name: 'range_4kib', work: 'range_4kib', repeats: READS },
    restoreAll,
    { name: 'restore_in_place', work: 'restore_in_place' },
  ],
};

const large: Story = {
  name: 'd2',
  about: 'one file of 4 GiB in pages of 4 KiB, as of a database',
  bytes: 4 * GIB,
  write: ({ folder, scale, seed }) => {
    mkdirSync(folder, { recursive: true });
    const paged = join(folder, 'pages.db');
    writePagedFile(paged, scaledBytes(4 * GIB, scale), seed);
    return { folder, paged };
  },
  // What follows writes to a file may begin with the first change: it is measured for itself.
  steps: [firstCopy, noChange, pages('pages_4gib_first', 'first'), pages('pages_4gib')],
};

const little: Story = {
  name: 'd3',
  about: '100,000 files of 1 to 3 KiB in 1,000 folders',
  // With what a file takes besides its bytes.
  bytes: 0.8 * GIB,
  write: (options) => {
    const small = writeSmallFiles(options);
    return { folder: options.folder, small, contentOf: littleContent };
  },
  steps: [
    firstCopy,
    noChange,
    onePercent,
    { name: `points_${POINTS}`, work: 'fill', repeats: POINTS },
    { name: `find_${POINTS}_points`, work: 'find', repeats: READS },
  ],
};

export const stories: readonly Story[] = [mixed, large, little];

/** A tree of the machine's own, of which a copy is protected. */
export function realTree(source: string): Story {
  return {
    name: 'tree',
    about: `a copy of ${source}`,
    bytes: 2 * bytesOf(source),
    write: ({ folder }) => {
      execFileSync('cp', ['--archive', source, folder]);
      return { folder };
    },
    steps: [
      firstCopy,
      noChange,
      { name: 'one_percent', work: 'copy', change: touchOnePercent },
      restoreAll,
    ],
  };
}

function bytesOf(folder: string): number {
  const said = execFileSync('du', ['--summarize', '--block-size=1', folder], { encoding: 'utf8' });
  return Number.parseInt(said, 10);
}

/** A line more in one of a hundred files. */
function touchOnePercent({ subject, seed }: Happening): void {
  const random = new Random(seedOf(seed, 'touched'));
  const files = readdirSync(subject.folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const count = Math.max(1, Math.round(files.length * TOUCHED));
  for (const index of random.choose(count, files.length)) {
    appendFileSync(files[index] ?? '', `one more line ${seed}\n`);
  }
}

/** A file to fetch: the document, or whatever is there. */
export function oneFileOf({ folder, document }: Subject): string {
  if (document !== undefined) return relative(folder, document);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const file = names.find((name) => statSync(join(folder, name)).isFile());
  if (file === undefined) throw new Error(`${folder} has no file`);
  return file;
}
