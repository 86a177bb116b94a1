/**
 * How soon the replica answers what an operator asks of many points, through its API; and how long
 * it takes to make a point of a large set. See docs/guide/benchmarks.md.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setPath } from '../cli/api-client.js';
import { foundSchema } from '../shared/api/changes.js';
import { AfterimageError } from '../shared/errors.js';
import type { Figure } from './figure.js';
import { manyFiles } from './growth/sizes.js';
import { Product, SET } from './harness.js';
import { readContent } from './peers/afterimage.js';
import { type Grounds, onGrounds } from './peers/grounds.js';
import { openNetwork } from './peers/network.js';
import { profileOnce } from './profile/one-run.js';
import type { RunOptions } from './run-options.js';
import { summarise } from './summary.js';
import { PAGE_BYTES, scaledBytes, writePagedFile } from './trees/mixed-tree.js';
import { changedPages, changeOnePercent, changePages } from './trees/mutations.js';
import { littleContent, writeSmallFiles } from './trees/small-files.js';

const GIB = 1024 ** 3;
const ROOM_BYTES = 3 * GIB;
const SPARE_BYTES = 2 * GIB;
const FEW_POINTS = 20;
const MANY_POINTS = 1_000;
const CUT_FILES = 1_000_000;
const CUT_FILE_BYTES = 20 * 1024;
const CHANGED_PAGES = 1_000;
const ASKED = 9;

interface Answers {
  readonly few: number[];
  readonly many: number[];
  readonly file: number[];
  readonly range: number[];
  readonly cut: number[];
}

/** Throws `mismatch` when an answer was wrong. */
export async function run(options: RunOptions): Promise<Figure[]> {
  const answers: Answers = { few: [], many: [], file: [], range: [], cut: [] };
  const { given = {}, scale } = options;
  const say = (text: string): void => void process.stderr.write(text);
  const cutFiles = Math.round(Number(given['cut'] ?? CUT_FILES * scale));
  const bytes = Math.max(ROOM_BYTES * scale, cutFiles * CUT_FILE_BYTES) + SPARE_BYTES;
  const room = { sourceBytes: bytes, copiesBytes: 2 * bytes, say };
  await onGrounds({ asked: given['ground'] ?? 'tmpfs', ...room }, async (grounds) => {
    say(`${grounds.about}\n`);
    await askAll(options, { grounds, answers, say });
    for (let round = 0; round < options.rounds && cutFiles > 0; round += 1) {
      say(`a point of ${cutFiles} files\n`);
      answers.cut.push(await cutOne(grounds, { files: cutFiles, seed: round }));
    }
  });
  const figure = (name: string, rounds: readonly number[], atMost: number): Figure[] =>
    rounds.length === 0 ? [] : [summarise({ name, unit: 'ms', rounds }, { atMost })];
  return [
    ...figure('one_file_ms', answers.file, 100),
    ...figure('range_4kib_ms', answers.range, 20),
    ...figure('find_20_points_ms', answers.few, 10),
    ...figure('find_1000_points_ms', answers.many, 50),
    ...figure('cut_1m_ms', answers.cut, 600),
  ];
}

interface Asking {
  readonly grounds: Grounds;
  readonly answers: Answers;
  readonly say: (text: string) => void;
}

/** A set of small files and a large one, point after point; its questions at 20 points and at many. */
async function askAll({ scale, given = {} }: RunOptions, asking: Asking): Promise<void> {
  const { grounds, answers, say } = asking;
  const seed = Number(given['seed'] ?? 1);
  const root = join(grounds.source, 'queried');
  const small = writeSmallFiles({ folder: root, scale, seed });
  const paged = join(root, 'pages.db');
  writePagedFile(paged, scaledBytes(GIB, scale), seed);
  const product = await Product.start({
    root,
    folder: join(grounds.copies, 'queried'),
    sourceFolder: join(grounds.source, 'queried-agent'),
    schedule: 'asked',
    set: { capture: { source: 'auto', scan_every: '7d' } },
    replica: { scrub: { every: 'never' } },
  });
  try {
    await product.sync();
    const old = changedPages({ paged }, CHANGED_PAGES, seed);
    const was = old.map((page) => readPage(paged, page));
    changePages({ paged }, CHANGED_PAGES, seed);
    changeOnePercent({ small, contentOf: littleContent }, seed);
    const log = join(root, 'log.txt');
    let points = 1;
    const until = async (count: number): Promise<void> => {
      for (; points < count; points += 1) {
        appendFileSync(log, `line ${points}\n`);
        await product.sync();
      }
    };
    await until(FEW_POINTS);
    for (let time = 0; time < ASKED; time += 1) answers.few.push(await find(product, 'log.txt'));
    const many = Number(given['points'] ?? MANY_POINTS);
    say(`${many} points\n`);
    await until(many);
    for (let time = 0; time < ASKED; time += 1) {
      answers.many.push(await find(product, 'log.txt'));
      const path = `${basename(root)}/pages.db`;
      const [page = 0, before = Buffer.alloc(0)] = [old[time], was[time]];
      const range = `bytes=${page * PAGE_BYTES}-${(page + 1) * PAGE_BYTES - 1}`;
      answers.range.push(await read(product, { point: '1', path, range }, before));
      const logged = { point: 'latest', path: `${basename(root)}/log.txt` };
      answers.file.push(await read(product, logged, await readFile(log)));
    }
  } finally {
    await product.stop();
  }
}

/** Milliseconds until all of the answer is there. */
async function find(product: Product, name: string): Promise<number> {
  const start = performance.now();
  let found = 0;
  const asked = { path: setPath(SET, 'find'), query: { glob: name, limit: 1000 } };
  for await (const line of product.apiClient.lines(foundSchema, asked)) {
    if (line.path.endsWith(name)) found += 1;
  }
  const ms = performance.now() - start;
  if (found === 0) throw new AfterimageError('mismatch', `${name} was not found`);
  return ms;
}

async function read(
  product: Product,
  asked: { readonly point: string; readonly path: string; readonly range?: string },
  wanted: Buffer,
): Promise<number> {
  const start = performance.now();
  const content = await readContent(product, asked);
  const ms = performance.now() - start;
  if (!content.equals(wanted))
    throw new AfterimageError('mismatch', `${asked.path} reads otherwise`);
  return ms;
}

function readPage(path: string, page: number): Buffer {
  const bytes = Buffer.alloc(PAGE_BYTES);
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, PAGE_BYTES, page * PAGE_BYTES);
  closeSync(file);
  return bytes;
}

/** Of the second sync of a set, in which one file of a hundred is written anew. */
async function cutOne(
  grounds: Grounds,
  { files, seed }: { readonly files: number; readonly seed: number },
): Promise<number> {
  const story = manyFiles(files, Math.ceil(files / 100));
  const folder = join(grounds.source, `cut-${seed}`);
  mkdirSync(folder);
  const subject = story.write({ folder, scale: 1, seed });
  const network = openNetwork();
  try {
    const run = await profileOnce({
      ...{ story, subject, grounds, network, seed },
      ...{ step: 'change', scale: 1, lane: 'direct', agent: {}, cpuProfiles: undefined },
    });
    return run.replica['index']?.ms ?? NaN;
  } finally {
    network.close();
  }
}
