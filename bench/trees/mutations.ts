/**
 * What happens to a tree between two syncs. Each change is found from the tree as it lies on the
 * disk and a seed, so that changes may follow each other.
 */
import {
  appendFileSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type MixedTree, PAGE_BYTES, smallContent } from './mixed-tree.js';
import { Random, seedOf } from './random.js';
import { makeText } from './text.js';

const REWRITTEN = 0.01;
const ADDED = 0.005;
const REMOVED = 0.0025;

/** Small files in folders, each folder of which can be moved. */
export interface SmallFiles {
  readonly small: string;
  /** Of a file that is new or written anew; as in the mixed tree unless told. */
  readonly contentOf?: (seed: number) => Buffer;
}

/** A day of an application: 1 % of the small files rewritten, 0.5 % new, 0.25 % gone, a folder moved. */
export function changeOnePercent(tree: SmallFiles, seed: number): void {
  const { contentOf = smallContent } = tree;
  const random = new Random(seedOf(seed, 'one percent'));
  const files = listFiles(tree.small);
  const share = (part: number): number => Math.max(1, Math.round(files.length * part));
  const touched = random.choose(share(REWRITTEN) + share(REMOVED), files.length);
  for (const [turn, index] of shuffled(touched, random).entries()) {
    const path = files[index] ?? '';
    if (turn < share(REMOVED)) rmSync(path);
    else writeFileSync(path, contentOf(seedOf(seed, 'rewritten', index)));
  }
  for (let added = 0; added < share(ADDED); added += 1) {
    const folder = dirname(files[random.below(files.length)] ?? '');
    writeFileSync(join(folder, `new-${seed}-${added}.txt`), contentOf(seedOf(seed, added)));
  }
  renameFolder(tree, seedOf(seed, 'moved'));
}

/** Writes `count` whole pages at places without order into the paged file; all when it has fewer. */
export function changePages(tree: Pick<MixedTree, 'paged'>, count: number, seed: number): void {
  const random = new Random(seedOf(seed, 'pages'));
  const pages = choosePages(tree, count, random);
  const file = openSync(tree.paged, 'r+');
  try {
    for (const page of pages) {
      writeSync(file, random.bytes(PAGE_BYTES), 0, PAGE_BYTES, page * PAGE_BYTES);
    }
  } finally {
    closeSync(file);
  }
}

/** Which ones `changePages` writes. */
export function changedPages(
  tree: Pick<MixedTree, 'paged'>,
  count: number,
  seed: number,
): readonly number[] {
  return choosePages(tree, count, new Random(seedOf(seed, 'pages')));
}

function choosePages(tree: Pick<MixedTree, 'paged'>, count: number, random: Random): number[] {
  return random.choose(count, Math.floor(statSync(tree.paged).size / PAGE_BYTES));
}

/** Writes the document anew with `count` bytes in front of what it was. */
export function insertInFront(
  tree: Pick<MixedTree, 'document'>,
  count: number,
  seed: number,
): void {
  const random = new Random(seedOf(seed, 'insert'));
  const before = readFileSync(tree.document);
  writeFileSync(tree.document, Buffer.concat([random.bytes(count), before]));
}

/** Lets the log grow by `bytes` of text. */
export function appendToLog(tree: Pick<MixedTree, 'log'>, bytes: number, seed: number): void {
  appendFileSync(tree.log, makeText(bytes, new Random(seedOf(seed, 'append'))));
}

/** Gives one folder of small files another name. */
export function renameFolder(tree: SmallFiles, seed: number): void {
  const groups = readdirSync(tree.small).sort();
  const group = groups[new Random(seedOf(seed, 'rename')).below(groups.length)] ?? '';
  renameSync(join(tree.small, group), join(tree.small, `renamed-${seed}`));
}

/** Paths of all files below a folder, in order. */
function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function shuffled(items: readonly number[], random: Random): number[] {
  return items
    .map((item) => ({ item, rank: random.fraction() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
