/** Search as one types finds what a look at every name of every point finds (R28). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { SearchFor, SearchPage } from '../../../replica/history/search.js';
import { parseSearch } from '../../../replica/history/search-text.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { toPathText } from '../../../shared/path-text.js';
import { SET_NODE } from '../../../shared/protocol/records.js';
import { RandomHistory } from '../retain/support/random-history.js';
import { fileRecords, link, nodeRecord, pattern, SmallSet, unlink } from '../support/small-set.js';

const SYNCS = 14;
const seeds = (process.env['SEEDS'] ?? '5,6').split(',').map(Number);

async function search(
  reader: StoredSetReader,
  text: string,
  more: Partial<SearchFor> = {},
): Promise<SearchPage> {
  return await reader.search({
    text: parseSearch(text),
    ...{ from: 0, to: reader.newest()?.point ?? 0, limit: 1000 },
    deadlineMs: performance.now() + 60_000,
    ...more,
  });
}

describe.each(seeds)('search over a random history of seed %i', (seed) => {
  let root: string;
  let history: RandomHistory;
  let reader: StoredSetReader;

  beforeAll(async () => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-search-'));
    history = new RandomHistory(path.join(root, 'set'), seed);
    await history.reopen();
    for (let sync = 1; sync <= SYNCS; sync += 1) {
      await history.sync();
      if (history.random.chance(0.3)) await history.prune(history.some(0.3));
    }
    reader = new StoredSetReader(history.open.store);
  }, 60_000);

  afterAll(async () => {
    await history.close();
    fs.rmSync(root, { recursive: true, force: true });
  });

  /** The last name of each path that some point of the range has, and the newest of them. */
  function placesOf(range: { from: number; to: number }): Map<string, number> {
    const places = new Map<string, number>();
    for (const [point, copy] of history.live) {
      if (point < range.from || point > range.to) continue;
      for (const at of copy.keys()) {
        places.set(at, Math.max(places.get(at) ?? 0, point));
      }
    }
    return places;
  }

  const texts = [
    'a',
    'E',
    'f',
    '*',
    '?',
    '[ab]',
    'c*',
    '\\xff',
    'nothing',
    'a/b',
    '*/c',
    'b/',
    '**/d',
  ];

  it.each(texts)('%s: finds every name that fits, each where it stood last', async (text) => {
    const points = [...history.live.keys()];
    const ranges = [
      { from: 0, to: history.newest },
      { from: points[2] ?? 0, to: points.at(-3) ?? 0 },
    ];
    for (const range of ranges) {
      const wanted = parseSearch(text);
      const { found, truncated } = await search(reader, text, range);
      expect(truncated).toBe(false);
      const places = placesOf(range);
      for (const { path: at, lastPoint, firstPoint, node, live } of found) {
        const name = at.toString('latin1');
        const copied = history.live.get(lastPoint)?.get(name);
        expect(copied?.node, name).toBe(node);
        expect(firstPoint).toBeLessThanOrEqual(lastPoint);
        expect(live).toBe(lastPoint === history.newest);
        expect(matches(wanted, name), name).toBe(true);
      }
      const paths = new Set(found.map((each) => each.path.toString('latin1')));
      // A folder that moved takes its names along: they are found where they are now.
      for (const [at, last] of places) {
        if (!matches(wanted, at) || last !== range.to) continue;
        expect(paths.has(at), `${at}@${last}`).toBe(true);
      }
    }
  });

  function matches(wanted: ReturnType<typeof parseSearch>, at: string): boolean {
    const whole = toPathText(Buffer.from(at, 'latin1'));
    const name = whole.slice(whole.lastIndexOf('/') + 1);
    return wanted.matchName(name) !== undefined && wanted.fitsPath?.(whole) !== false;
  }

  it('kind, size and what is live: choose among what is found', async () => {
    const all = (await search(reader, '*')).found;
    expect(new Set(all.map(({ live }) => live))).toEqual(new Set([true, false]));
    expect((await search(reader, '*', { live: true })).found).toEqual(all.filter((f) => f.live));
    expect((await search(reader, '*', { live: false })).found).toEqual(all.filter((f) => !f.live));
    expect((await search(reader, '*', { kind: 'folder' })).found).toEqual(
      all.filter(({ kind }) => kind === 'folder'),
    );
    expect((await search(reader, '*', { sizeMin: 1, sizeMax: 50_000 })).found).toEqual(
      all.filter(({ size }) => size >= 1 && size <= 50_000),
    );
  });
});

describe('search in a small set', () => {
  const names = ['report', 'report.txt', 'Report 2031.txt', 'my-report', 'xreportx', 'reports'];

  async function made(): Promise<{ set: SmallSet; reader: StoredSetReader }> {
    const set = await SmallSet.create();
    const files = names.flatMap((name, at) =>
      fileRecords({ node: 100 + at, parent: SET_NODE, name, content: pattern(10, at) }),
    );
    await set.commit(files);
    const moved = [
      unlink(SET_NODE, 'xreportx'),
      nodeRecord({ node: 200, kind: 'folder' }),
      link(SET_NODE, 'Old', 200),
      link(200, 'gone-report', 104),
    ];
    await set.commit(moved);
    await set.commit([unlink(200, 'gone-report')]);
    return { set, reader: new StoredSetReader(set.open.store) };
  }

  test('results: the name itself, then names that begin so, then parts; live before gone', async () => {
    const { set, reader } = await made();
    const { found } = await search(reader, 'report');
    expect(found.map(({ name, match, live }) => `${name.toString()} ${match} ${live}`)).toEqual([
      'report exact true',
      'reports prefix true',
      'report.txt prefix true',
      'Report 2031.txt prefix true',
      'my-report word true',
      'gone-report word false',
      'xreportx part false',
    ]);
    await set.close();
  });

  test('words, endings, paths and short texts: find what has all of them', async () => {
    const { set, reader } = await made();
    const of = async (text: string, more: Partial<SearchFor> = {}): Promise<string[]> =>
      (await search(reader, text, more)).found.map((each) => each.path.toString());
    expect(await of('2031 rep')).toEqual(['Report 2031.txt']);
    expect(await of('rep', { ext: 'txt' })).toEqual(['report.txt', 'Report 2031.txt']);
    expect(await of('*.TXT')).toEqual(['report.txt', 'Report 2031.txt']);
    expect(await of('old/gone')).toEqual(['Old/gone-report']);
    expect(await of('/folder/file')).toEqual(['folder/file']);
    expect(await of('my')).toEqual(['my-report']);
    expect(await of('r', { limit: 1 })).toHaveLength(1);
    expect((await search(reader, 'r', { limit: 1 })).truncated).toBe(true);
    await set.close();
  });

  test('time that is up, or nobody who waits: ends the search and says so', async () => {
    const { set, reader } = await made();
    expect(await search(reader, 'report', { deadlineMs: 0 })).toMatchObject({ truncated: true });
    const gone = AbortSignal.abort();
    await expect(search(reader, 'report', { signal: gone })).rejects.toMatchObject({
      code: 'cancelled',
    });
    await set.close();
  });
});
