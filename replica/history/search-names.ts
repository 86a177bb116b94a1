/**
 * Candidates of a search, the likeliest first: the name itself, names that begin with the text, then
 * names that hold it, the newest first. Every step is short, so that others go on between.
 */
import type { IndexDb } from '../index/index-db.js';
import { parsePathText, toPathText } from '../../shared/path-text.js';
import { AfterimageError } from '../../shared/errors.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import { entryAt, newestPoint, splitPath } from '../index/nodes.js';
import type { SearchText } from './search-text.js';

/** Names of a step; steps that are quick grow. */
const STEP_MIN = 2_000;
const STEP_MAX = 200_000;
const STEP_MS = 8;
/** Names that a step gives: where many fit, few are read at a time. */
const ROWS_MAX = 1000;
const BEGIN_ROWS = 500;
const FOLDER_ROWS = 5_000;
/** Shorter words are not in the index of names. */
const TRIGRAM = 3;

interface NameRow {
  readonly id: number;
  readonly name: Buffer;
}

/** Some of the names that may fit, in a step; none twice in one way, but in two. */
export function* candidateSteps(index: IndexDb, text: SearchText): Generator<readonly Buffer[]> {
  if (text.folder !== undefined) yield namesInFolder(index, text.folder);
  if (text.begin !== undefined && text.begin !== '') {
    for (const variant of variantsOf(text.begin)) yield namesFrom(index, variant);
  }
  const words = text.words.filter((word) => Array.from(word).length >= TRIGRAM);
  yield* words.length === 0 ? allNames(index) : namesHolding(index, words);
}

/** As typed, in lower and in upper case, and with a capital: names are looked up by their bytes. */
function variantsOf(begin: string): Set<string> {
  const lower = begin.toLowerCase();
  const capital = lower.slice(0, 1).toUpperCase() + lower.slice(1);
  return new Set([begin, lower, capital, begin.toUpperCase()]);
}

/** Names that begin with it, the name itself the first. */
function namesFrom(index: IndexDb, begin: string): Buffer[] {
  const bytes = bytesOf(begin);
  if (bytes === undefined) return [];
  return index
    .all<NameRow>(
      `SELECT id, name FROM name WHERE name >= ? AND name < ? ORDER BY name LIMIT ${BEGIN_ROWS}`,
      bytes,
      Buffer.concat([bytes, Buffer.alloc(256 - Math.min(255, bytes.length), 0xff)]),
    )
    .map(({ name }) => name);
}

/** What ever was in the folder that has this path now. */
function namesInFolder(index: IndexDb, path: string): Buffer[] {
  const bytes = bytesOf(path);
  const point = newestPoint(index);
  let folder: number | undefined = bytes === undefined ? undefined : SET_NODE;
  for (const name of splitPath(bytes ?? Buffer.alloc(0))) {
    if (folder === undefined) return [];
    folder = entryAt(index, { parent: folder, name, point })?.node;
  }
  if (folder === undefined) return [];
  const sql = `SELECT DISTINCT name FROM entry WHERE parent = ? LIMIT ${FOLDER_ROWS}`;
  return index.all<{ name: Buffer }>(sql, folder).map(({ name }) => name);
}

function bytesOf(text: string): Buffer | undefined {
  try {
    const bytes = parsePathText(text);
    return toPathText(bytes) === text ? bytes : undefined;
  } catch (error) {
    if (error instanceof AfterimageError) return undefined;
    throw error;
  }
}

function* allNames(index: IndexDb): Generator<readonly Buffer[]> {
  yield* downwards(index, (after, upTo) =>
    index.all<NameRow>(
      `SELECT id, name FROM name WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT ${ROWS_MAX}`,
      after,
      upTo,
    ),
  );
}

function* namesHolding(index: IndexDb, words: readonly string[]): Generator<readonly Buffer[]> {
  const match = words.map((word) => `"${word.replaceAll('"', '""')}"`).join(' AND ');
  yield* downwards(index, (after, upTo) =>
    index.all<NameRow>(
      `SELECT n.id AS id, n.name AS name FROM name_text t JOIN name n ON n.id = t.rowid
       WHERE t.text MATCH ? AND t.rowid > ? AND t.rowid <= ?
       ORDER BY t.rowid DESC LIMIT ${ROWS_MAX}`,
      match,
      after,
      upTo,
    ),
  );
}

/** Stretches of numbers from the highest down, as long as a step may take. */
function* downwards(
  index: IndexDb,
  read: (after: number, upTo: number) => NameRow[],
): Generator<readonly Buffer[]> {
  let upTo = index.get<{ id: number | null }>('SELECT max(id) AS id FROM name')?.id ?? 0;
  let step = STEP_MIN;
  while (upTo > 0) {
    const after = Math.max(0, upTo - step);
    const startMs = performance.now();
    const rows = read(after, upTo);
    const tookMs = performance.now() - startMs;
    if (tookMs < STEP_MS / 2) step = Math.min(STEP_MAX, step * 2);
    else if (tookMs > STEP_MS) step = Math.max(STEP_MIN, Math.floor(step / 2));
    const last = rows.at(-1);
    upTo = rows.length === ROWS_MAX && last !== undefined ? last.id - 1 : after;
    yield rows.map(({ name }) => name);
  }
}
