/**
 * The tree that first copies and changes are measured on: many small text files, some of them equal,
 * middle-sized files that half compress, one large file that is changed by pages, and a log. At
 * scale 1 it has 40,201 files and 2.3 GB.
 */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Random, seedOf } from './random.js';
import { fillWithText, makeText } from './text.js';

export const PAGE_BYTES = 4096;
/** Files below one folder of `small/`, which is what a moved folder moves. */
export const GROUP_FILES = 504;

const SMALL_FILES = 40_000;
const SMALL_BYTES_MIN = 512;
const SMALL_BYTES_MAX = 32 * 1024;
const DUPLICATES = 0.2;
const FOLDER_FILES = 84;
const MIDDLE_FILES = 200;
const MIB = 1024 * 1024;
const MIDDLE_MIB_MAX = 8;
const STRETCH_BYTES = 64 * 1024;
const DOCUMENT_BYTES = 7_000_000;
const PAGED_BYTES = 1024 * MIB;
const PAGED_CHUNK_BYTES = 4 * MIB;
const LOG_BYTES = 16 * MIB;

export interface TreeOptions {
  /** Made when missing. */
  readonly folder: string;
  /** 1 for the whole tree; counts of files and the sizes of the large ones follow. */
  readonly scale: number;
  readonly seed: number;
}

/** Where the parts of a tree are. */
export interface MixedTree {
  readonly folder: string;
  /** Its folders are groups of small files. */
  readonly small: string;
  /** 7 MB, whatever the scale. */
  readonly document: string;
  readonly paged: string;
  readonly log: string;
}

export function writeMixedTree(options: TreeOptions): MixedTree {
  const { folder, scale, seed } = options;
  const tree: MixedTree = {
    folder,
    small: join(folder, 'small'),
    document: join(folder, 'middle', 'document.bin'),
    paged: join(folder, 'pages.db'),
    log: join(folder, 'app.log'),
  };
  writeSmallFiles(tree.small, Math.max(1, Math.round(SMALL_FILES * scale)), seed);
  writeMiddleFiles(tree, Math.max(1, Math.round(MIDDLE_FILES * scale)), seed);
  writePagedFile(tree.paged, scaledBytes(PAGED_BYTES, scale), seed);
  const random = new Random(seedOf(seed, 'log'));
  writeFileSync(tree.log, makeText(scaledBytes(LOG_BYTES, scale), random));
  return tree;
}

/** Content of a small file; the same seed is a duplicate. */
export function smallContent(seed: number): Buffer {
  const random = new Random(seed);
  const spread = SMALL_BYTES_MAX / SMALL_BYTES_MIN;
  return makeText(Math.round(SMALL_BYTES_MIN * spread ** random.fraction()), random);
}

function writeSmallFiles(small: string, count: number, seed: number): void {
  const random = new Random(seedOf(seed, 'small'));
  const seeds: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const repeated = random.fraction() < DUPLICATES ? seeds[random.below(seeds.length)] : undefined;
    const content = repeated ?? seedOf(seed, 'small', index);
    seeds.push(content);
    const group = Math.floor(index / GROUP_FILES);
    const inner = Math.floor((index % GROUP_FILES) / FOLDER_FILES);
    const folder = join(small, `group-${numbered(group, 3)}`, `folder-${inner}`);
    if (index % FOLDER_FILES === 0 || index % GROUP_FILES === 0) {
      mkdirSync(folder, { recursive: true });
    }
    writeFileSync(join(folder, `file-${numbered(index, 5)}.txt`), smallContent(content));
  }
}

function writeMiddleFiles(tree: MixedTree, count: number, seed: number): void {
  mkdirSync(join(tree.folder, 'middle'), { recursive: true });
  writeFileSync(tree.document, middleContent(DOCUMENT_BYTES, seedOf(seed, 'document')));
  const random = new Random(seedOf(seed, 'middle'));
  for (let index = 1; index < count; index += 1) {
    const bytes = random.between(MIB, MIDDLE_MIB_MAX * MIB);
    const path = join(tree.folder, 'middle', `file-${numbered(index, 3)}.bin`);
    writeFileSync(path, middleContent(bytes, seedOf(seed, 'middle', index)));
  }
}

/** Stretches of text and of bytes that do not compress, in turn. */
function middleContent(bytes: number, seed: number): Buffer {
  const random = new Random(seed);
  const content = random.bytes(bytes);
  for (let at = 0; at < bytes; at += 2 * STRETCH_BYTES) {
    fillWithText(content.subarray(at, at + STRETCH_BYTES), random);
  }
  return content;
}

/** A database's file: see `shapePage`. */
export function writePagedFile(path: string, bytes: number, seed: number): void {
  const file = openSync(path, 'w');
  try {
    for (let at = 0; at < bytes; at += PAGED_CHUNK_BYTES) {
      const random = new Random(seedOf(seed, 'paged', at));
      const chunk = random.bytes(Math.min(PAGED_CHUNK_BYTES, bytes - at));
      for (let page = 0; page < chunk.length; page += PAGE_BYTES) {
        shapePage(chunk.subarray(page, page + PAGE_BYTES), random);
      }
      writeSync(file, chunk);
    }
  } finally {
    closeSync(file);
  }
}

/** As in a database: a fifth of the pages is empty, two fifths are dense, two fifths half text. */
function shapePage(page: Buffer, random: Random): void {
  const kind = random.below(5);
  if (kind === 0) page.fill(0);
  else if (kind < 3) fillWithText(page.subarray(0, PAGE_BYTES / 2), random);
}

/** Whole blocks, at least one. */
export function scaledBytes(bytes: number, scale: number): number {
  return Math.max(1, Math.round((bytes * scale) / STRETCH_BYTES)) * STRETCH_BYTES;
}

export function numbered(index: number, digits: number): string {
  return String(index).padStart(digits, '0');
}
