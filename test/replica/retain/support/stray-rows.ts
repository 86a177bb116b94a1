/** What an index and its folders still hold though no live point needs it; as text, empty when all is well. */
import fs from 'node:fs';
import path from 'node:path';
import type { SetStore } from '../../../../replica/history/set-store.js';
import { Place } from '../../../../replica/index/schema.js';
import { digestPrefix } from '../../../../replica/stage/staged-block.js';
import { newestDigest } from '../../../../replica/history/read-block.js';
import { BLOCK_BYTES } from '../../../../shared/limits.js';

export function strayRows(store: SetStore): string[] {
  const { index } = store;
  const live = index.all<{ point: number }>('SELECT point FROM point').map(({ point }) => point);
  const needed = (from: number, to: number): boolean =>
    live.some((point) => from <= point && point <= to);
  const stray: string[] = [];
  for (const table of ['node', 'entry', 'body']) {
    const rows = index.all<{ born: number; died: number; place?: number }>(
      `SELECT * FROM ${table}`,
    );
    for (const row of rows) {
      if (row.place !== Place.nowhere && !needed(row.born, row.died - 1))
        stray.push(`${table} of ${row.born} to ${row.died}`);
    }
  }
  for (const { lo, hi } of index.all<{ lo: number; hi: number }>('SELECT lo, hi FROM before')) {
    if (!needed(lo, hi)) stray.push(`before of ${lo} to ${hi}`);
  }
  for (const table of ['digests', 'before', 'locate']) {
    const rows = index.all<{ body: number }>(
      `SELECT DISTINCT body FROM ${table} WHERE body NOT IN (SELECT id FROM body WHERE place >= 0)`,
    );
    for (const { body } of rows) stray.push(`${table} of body ${body}, which is not there`);
  }
  return [...stray, ...strayHints(store), ...strayNames(store), ...strayFiles(store)];
}

/** Hints to what a block is not. */
function strayHints({ index, source }: SetStore): string[] {
  return index
    .all<{ prefix: number; body: number; block: number }>('SELECT * FROM locate')
    .filter(
      (hint) =>
        digestPrefix(newestDigest(source, { ...hint, length: BLOCK_BYTES })) !== hint.prefix,
    )
    .map(({ body, block }) => `hint to block ${block} of body ${body}`);
}

function strayNames({ index }: SetStore): string[] {
  const names = index.all<{ id: number }>(
    'SELECT id FROM name WHERE name NOT IN (SELECT name FROM entry)',
  );
  const texts = index.all<{ rowid: number }>(
    'SELECT rowid FROM name_text WHERE rowid NOT IN (SELECT id FROM name)',
  );
  return [
    ...names.map(({ id }) => `name ${id}`),
    ...texts.map(({ rowid }) => `search text ${rowid}`),
  ];
}

function strayFiles({ index, folder }: SetStore): string[] {
  const attic = path.join(folder, 'attic');
  return fs
    .readdirSync(attic)
    .flatMap((fan) => fs.readdirSync(path.join(attic, fan)))
    .filter(
      (body) =>
        index.get('SELECT 1 FROM body WHERE id = ? AND place = ?', Number(body), Place.attic) ===
        undefined,
    )
    .map((body) => `attic file ${body}`);
}
