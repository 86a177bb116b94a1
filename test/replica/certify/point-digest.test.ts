/** Point digests follow what changes and come out the same from scratch (R26). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { storedDigest } from '../../../replica/certify/point-digest.js';
import { ensurePointDigests, recomputeDigests } from '../../../replica/certify/recompute.js';
import { prunePoints } from '../../../replica/retain/prune-points.js';
import { verifySet } from '../../../replica/verify/verify-set.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { SET_NODE, type SyncRecord } from '../../../shared/protocol/records.js';
import { link, nodeRecord, pattern, SmallSet, unlink } from '../support/small-set.js';
import { core } from '../support/small-set.js';
import { ModelHistory } from '../../model/history.js';
import { type OpenSet, openModelSet, sendSync } from '../../model/open-set.js';

const SYNCS = 14;
const seeds = (process.env['SEEDS'] ?? '21,22,23').split(',').map(Number);
let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-digest-'));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

async function scratch({ store }: OpenSet, ...points: number[]): Promise<string[]> {
  const digests: string[] = [];
  for await (const { digest } of recomputeDigests({ index: store.index, core, points })) {
    digests.push(digest.toString('hex'));
  }
  return digests;
}

function stored({ store }: OpenSet, point: number): string | undefined {
  return storedDigest(store.index, point)?.toString('hex');
}

/** Sends a sync that must become a point. */
async function cut(set: SmallSet, records: readonly SyncRecord[]): Promise<void> {
  const event = await set.send(records);
  expect(event.type === 'refused' ? event.error.message : event.type).toBe('committed');
}

describe('point digests (R26)', () => {
  test.each(seeds)(
    'random syncs: each digest is that of all rows, then and later, seed %i',
    async (seed) => {
      const history = new ModelHistory(seed);
      let set = await openModelSet(folder);
      let sequence = 1;
      for (let sync = 1; sync <= SYNCS; sync += 1) {
        const { point, chain } = set.writer.position();
        const frames = history.next({ point, chain });
        const event = await sendSync(set.writer, { boot: 'a', from: sequence, frames });
        sequence += frames.length;
        expect(event.type).toBe('committed');
        expect([stored(set, sync)], `seed ${seed}`).toEqual(await scratch(set, sync));
        if (sync % 5 === 0) {
          await set.close();
          set = await openModelSet(folder);
        }
      }
      const points = Array.from({ length: SYNCS }, (_, at) => at + 1);
      const kept = points.map((point) => stored(set, point));
      expect(await scratch(set, ...points), `all points, seed ${seed}`).toEqual(kept);
      const some = points.filter((point) => point % 3 === 0);
      expect(await scratch(set, ...some), `some points, seed ${seed}`).toEqual(
        kept.filter((_, at) => (at + 1) % 3 === 0),
      );
      for (const point of points) expect(await scratch(set, point)).toEqual([kept[point - 1]]);
      const gone = points.filter((point) => point % 4 < 2 && point < SYNCS);
      const reason = { policy: 'test', by: 'test', timeMs: 1 };
      await set.writer.exclusively(() => prunePoints(set.store, { points: gone, reason }));
      const left = points.filter((point) => !gone.includes(point));
      expect(await scratch(set, ...left), `points left, seed ${seed}`).toEqual(
        left.map((point) => kept[point - 1]),
      );
      expect(stored(set, gone[0] ?? 0)).toBeUndefined();
      await set.close();
    },
  );
});

describe('point digests of large and sparse files (R26)', () => {
  const BIG = 50;
  const size = (blocks: number): number => blocks * BLOCK_BYTES - 100;
  /** Records of a file whose blocks are zero but for a few. */
  function bigFile(
    blocks: number,
    literal: readonly number[],
    how: 'new' | 'keep',
    zeros: readonly (readonly [number, number])[] = [],
  ): SyncRecord[] {
    const bytesOf = (block: number): Buffer =>
      pattern(block === blocks - 1 ? BLOCK_BYTES - 100 : BLOCK_BYTES, block + blocks);
    const records: SyncRecord[] = [nodeRecord({ node: BIG, size: size(blocks), body: how })];
    let next = 0;
    for (const block of literal) {
      if (how === 'new' && block > next) {
        records.push({ type: 'zero', node: BIG, block: next, count: block - next });
      }
      const bytes = bytesOf(block);
      records.push({ type: 'block', node: BIG, block, digest: core.digest(bytes), bytes });
      next = block + 1;
    }
    if (how === 'new' && next < blocks) {
      records.push({ type: 'zero', node: BIG, block: next, count: blocks - next });
    }
    for (const [block, count] of zeros) records.push({ type: 'zero', node: BIG, block, count });
    return records;
  }

  test.each([
    ['grows by zeros', bigFile(400, [299], 'keep', [[300, 100]])],
    [
      'grows by content in a later row',
      bigFile(400, [299, 390, 399], 'keep', [
        [300, 90],
        [391, 8],
      ]),
    ],
    ['shrinks into an earlier row', bigFile(130, [129], 'keep')],
    ['shrinks into its first row', bigFile(3, [2], 'keep')],
    ['has a row zeroed, which stays stored', bigFile(300, [], 'keep', [[140, 1]])],
    ['is written anew, all zeros', bigFile(300, [], 'new')],
    ['is written anew, from its third row on', bigFile(300, [270], 'new')],
    ['has no bytes left', [nodeRecord({ node: BIG, size: 0, body: 'keep' })]],
    ['goes', [unlink(SET_NODE, 'big')]],
    ['changes its mode', [nodeRecord({ node: BIG, size: size(300), mode: 0o600, body: 'keep' })]],
    ['gets another name', [link(SET_NODE, 'other name', BIG)]],
  ] as [string, SyncRecord[]][])('a file that %s: the digest follows', async (_what, records) => {
    const set = await SmallSet.create();
    try {
      await cut(set, [...bigFile(300, [140, 299], 'new'), link(SET_NODE, 'big', BIG)]);
      const { point } = set;
      await cut(set, records);
      expect(await scratch(set.open, point, point + 1)).toEqual(
        [point, point + 1].map((at) => stored(set.open, at)),
      );
      expect(stored(set.open, point)).not.toBe(stored(set.open, point + 1));
    } finally {
      await set.close();
    }
  });

  test('the way there: does not show in the digest', async () => {
    const ways: SyncRecord[][][] = [
      [bigFile(300, [299], 'new')],
      [bigFile(300, [], 'new'), bigFile(300, [299], 'keep')],
      [
        bigFile(300, [5, 140, 299], 'new'),
        bigFile(300, [], 'keep', [
          [5, 1],
          [140, 1],
        ]),
      ],
    ];
    const digests: (string | undefined)[] = [];
    for (const steps of ways) {
      const set = await SmallSet.create();
      for (const records of steps) await cut(set, [...records, link(SET_NODE, 'big', BIG)]);
      digests.push(stored(set.open, set.point));
      await set.close();
    }
    expect(digests).toEqual(digests.map(() => digests[0]));
  });

  test('an index without digests: gets them before the next cut, and keeps what it had', async () => {
    const set = await SmallSet.create();
    try {
      const { writer } = set.open.store;
      const before = [1, 2].map((point) => stored(set.open, point));
      writer.db.exec('DELETE FROM digest_state; DELETE FROM point_digest WHERE point = 1');
      expect(await ensurePointDigests(writer, core)).toEqual({ computed: 2 });
      expect([1, 2].map((point) => stored(set.open, point))).toEqual(before);
      expect(await ensurePointDigests(writer, core)).toEqual({ computed: 0 });
      expect(await set.goodSync()).toEqual([]);
      expect([stored(set.open, 3)]).toEqual(await scratch(set.open, 3));
    } finally {
      await set.close();
    }
  });

  test.each([
    ['a mode', 'UPDATE node SET mode = mode + 1 WHERE id = 3 AND born = 1'],
    ['an owner', 'UPDATE node SET uid = 7 WHERE id = 5'],
    [
      'a digest of a block',
      'UPDATE digests SET digests = zeroblob(length(digests)) WHERE body = 1',
    ],
    ['a name', "UPDATE entry SET name = 'x' WHERE name = CAST('other' AS BLOB)"],
    ['a row that is lost', 'DELETE FROM entry WHERE node = 6'],
    ['the digest itself', 'UPDATE point_digest SET digest = zeroblob(32) WHERE point = 1'],
  ])('verify: finds %s that was changed in the index', async (_what, sql) => {
    const set = await SmallSet.create();
    try {
      const reader = new StoredSetReader(set.open.store);
      const found = async (): Promise<object[]> => {
        const { signal } = new AbortController();
        const findings: object[] = [];
        for await (const line of verifySet(reader, { hash: core, depth: 'index', signal })) {
          if (line.type === 'finding' && line.path === undefined) findings.push(line);
        }
        return findings;
      };
      expect(await found()).toEqual([]);
      set.open.store.writer.db.exec(sql);
      expect((await found())[0]).toMatchObject({
        finding: 'index',
        point: 1,
        message: expect.stringMatching(/digest/) as string,
      });
    } finally {
      await set.close();
    }
  });
});
