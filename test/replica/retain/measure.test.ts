/** Measures, when asked to by MEASURE=1: removing a middle point of 100,000 files, and rewriting packs. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { IndexDb } from '../../../replica/index/index-db.js';
import { LIVE } from '../../../replica/index/schema.js';
import { prunePoints } from '../../../replica/retain/prune-points.js';
import { digestPrefix } from '../../../replica/stage/staged-block.js';
import { openModelSet, type OpenSet } from '../../model/open-set.js';
import { rewritePacks } from '../../../replica/history/packs-rewrite.js';
import { silentLog } from '../../../shared/log.js';
import { toPathText } from '../../../shared/path-text.js';
import { Seeded } from '../../support/seeded.js';

const asked = process.env['MEASURE'] === '1';
if (!asked) console.log('retention is not measured: set MEASURE=1');
const FILES = Number(process.env['FILES'] ?? 100_000);
const POINTS = 30;
const reason = { policy: 'measured', by: 'test', timeMs: 1 };
const random = new Seeded(1);

/** Points of which each changes 1 % of the files in place and replaces a tenth as many. */
class LargeSet {
  readonly #index: IndexDb;
  #next = FILES + 2;
  readonly #live: { id: number; since: number; blockSince: number }[] = [];

  constructor(index: IndexDb) {
    this.#index = index;
  }

  build(): void {
    this.#index.db.pragma('synchronous = OFF');
    this.#index.db.transaction(() => {
      for (let at = 0; at < FILES; at += 1) this.#born(at + 2, 1);
      this.#point(1);
      for (let point = 2; point <= POINTS; point += 1) this.#change(point);
    })();
    this.#index.db.pragma('synchronous = FULL');
  }

  #change(point: number): void {
    for (let n = 0; n < FILES / 100; n += 1) this.#patch(random.pick(this.#live), point);
    for (let n = 0; n < FILES / 1000; n += 1) {
      const [gone] = this.#live.splice(random.below(this.#live.length), 1);
      if (gone !== undefined) this.#died(gone.id, point);
      this.#born(this.#next, point);
      this.#next += 1;
    }
    this.#point(point);
  }

  #born(id: number, point: number): void {
    const digest = random.bytes(32);
    const name = Buffer.from(`file-${id}.dat`);
    const body = id;
    this.#index.run('INSERT INTO entry VALUES (1, ?, ?, ?, ?)', name, point, LIVE, id);
    this.#index.run('INSERT INTO name (id, name) VALUES (?, ?)', id, name);
    const text = toPathText(name);
    this.#index.run('INSERT INTO name_text (rowid, text) VALUES (?, ?)', id, text);
    this.#version(id, point);
    this.#index.run('INSERT INTO body VALUES (?, ?, ?, ?, 0, 4096)', body, id, point, LIVE);
    this.#index.run('INSERT INTO digests VALUES (?, 0, ?)', body, digest);
    this.#index.run('INSERT OR IGNORE INTO locate VALUES (?, ?, 0)', digestPrefix(digest), body);
    this.#live.push({ id, since: point, blockSince: point });
  }

  #version(id: number, point: number): void {
    this.#index.run(
      'INSERT INTO node VALUES (?, ?, ?, 0, 420, 0, 0, 4096, 1, 1, 0, NULL, NULL, ?)',
      id,
      point,
      LIVE,
      id,
    );
  }

  #patch(file: { id: number; since: number; blockSince: number }, point: number): void {
    if (file.since === point) return;
    this.#index.run('UPDATE node SET died = ? WHERE id = ? AND died = ?', point, file.id, LIVE);
    this.#version(file.id, point);
    this.#index.run(
      'INSERT INTO before VALUES (?, 0, ?, ?, 1, ?, 1, ?, 4128, 0)',
      file.id,
      point - 1,
      file.blockSince,
      random.bytes(32),
      file.id * 4128,
    );
    file.since = point;
    file.blockSince = point;
  }

  #died(id: number, point: number): void {
    for (const table of ['node', 'body']) {
      this.#index.run(`UPDATE ${table} SET died = ? WHERE id = ? AND died = ?`, point, id, LIVE);
    }
    this.#index.run('UPDATE entry SET died = ? WHERE node = ? AND died = ?', point, id, LIVE);
  }

  #point(point: number): void {
    const zero = Buffer.alloc(32);
    this.#index.run(
      `INSERT INTO point (point, time_ms, sync, chain, parent_chain, manifest, incarnation, outcome, files, bytes, changed_nodes, changed_bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, '{}', 0, 0, 0, 0)`,
      point,
      point,
      point,
      zero,
      zero,
      zero,
      zero,
    );
  }
}

async function withSet(body: (set: OpenSet, folder: string) => Promise<void>): Promise<void> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-measure-'));
  const set = await openModelSet(path.join(root, 'set'));
  try {
    await body(set, root);
  } finally {
    await set.close();
    fs.rmSync(root, { recursive: true, force: true });
  }
}

test.skipIf(!asked)(`removing a middle point of ${FILES} files`, { timeout: 600_000 }, async () => {
  await withSet(async ({ store }) => {
    new LargeSet(store.writer).build();
    const times: number[] = [];
    let rows = 0;
    for (const point of [15, 7, 22, 11, 19, 4, 26, 9, 13]) {
      const started = performance.now();
      const result = await prunePoints(store, { points: [point], reason });
      times.push(performance.now() - started);
      rows += result.rows;
      expect(result.removed).toEqual([point]);
    }
    times.sort((a, b) => a - b);
    const [least, middle, most] = [0, 4, 8].map((at) => (times[at] ?? NaN).toFixed(1));
    console.log(
      `a middle point of ${FILES} files: ${String(least)} to ${String(most)} ms, median ${String(middle)} ms`,
    );
    console.log(`rows a point: ${Math.round(rows / times.length)}`);
  });
});

test.skipIf(!asked)('rewriting packs', { timeout: 600_000 }, async () => {
  await withSet(async ({ store, writer }) => {
    const records = 60_000;
    const page = (): Buffer => random.bytes(4096);
    store.writer.db.transaction(() => {
      for (let block = 0; block < records; block += 1) {
        const place = store.packs.append({ body: 1, block, bytes: page() });
        if (block % 5 > 1) continue;
        const { pack, offset, length } = place;
        store.writer.run(
          'INSERT INTO before VALUES (1, ?, 1, 1, 1, ?, ?, ?, ?, 0)',
          block,
          Buffer.alloc(32),
          pack,
          offset,
          length,
        );
      }
    })();
    store.packs.flush();
    store.packs.roll();
    const started = performance.now();
    const result = await rewritePacks({
      store,
      log: silentLog,
      exclusively: (work) => writer.exclusively(work),
      mayMove: () => true,
      bytesPerSecond: Infinity,
      signal: new AbortController().signal,
    });
    const seconds = (performance.now() - started) / 1000;
    const moved = result.movedBytes / 1e6;
    console.log(
      `rewriting packs of 4 KiB records: ${(moved / seconds).toFixed(0)} MB/s of live records, ` +
        `${(result.freedBytes / 1e6 / seconds).toFixed(0)} MB/s freed (${moved.toFixed(0)} MB moved)`,
    );
    expect(result.freedBytes).toBeGreaterThan(0);
  });
});
