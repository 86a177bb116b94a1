/**
 * Frames that an agent might send if it were mad: valid syncs with bytes altered, records left out,
 * doubled and swapped. Each is refused or becomes a point that reads back; none stalls the set, and
 * older points stand. FUZZ=n and SEED=n for more.
 */
import { expect, test } from 'vitest';
import { decodeRecords, type SyncRecord } from '../../shared/protocol/records.js';
import { altered, shuffled } from '../fault/support/hostile-records.js';
import { Seeded } from '../support/seeded.js';
import { readPoint } from '../model/full-copy.js';
import { ModelHistory } from '../model/history.js';
import { encode, SmallSet } from './support/small-set.js';

const rounds = Number(process.env['FUZZ'] ?? 90);
const seed = Number(process.env['SEED'] ?? 4);

/** The records of a random tree, numbered from `firstNode` so that they meet no others. */
function randomRecords(random: Seeded, firstNode: number): SyncRecord[] {
  const model = new ModelHistory(random.below(1_000_000));
  const moved = (node: number): number => (node > 1 ? node + firstNode : node);
  return model.change(3 + random.below(12)).map((record) => {
    if (record.type === 'link')
      return { ...record, parent: moved(record.parent), node: moved(record.node) };
    if (record.type === 'unlink') return { ...record, parent: moved(record.parent) };
    return 'node' in record ? { ...record, node: moved(record.node) } : record;
  });
}

test(
  `set writer: ${rounds} mad syncs stall nothing and harm no point (seed ${seed})`,
  { timeout: 120_000 },
  async () => {
    const random = new Seeded(seed);
    const small = await SmallSet.create();
    const became = { refused: 0, committed: 0 };
    try {
      for (let round = 1; round <= rounds; round += 1) {
        const records = randomRecords(random, round * 1000);
        const frames = random.chance(0.5)
          ? small.framed(shuffled(random, records))
          : small.framed(records).map((body, at) => (at === 1 ? altered(random, body) : body));
        const { point } = small;
        const event = await small.sendFrames(frames);
        if (event.type === 'committed') {
          became.committed += 1;
          // Throws when a block of it does not have its digest.
          small.copies.push(await readPoint(small.open.store, small.point));
        } else {
          became.refused += 1;
          expect(small.point, `round ${round}`).toBe(point);
        }
        if (round % 30 === 0) {
          expect(await small.wrongPoints(), `round ${round}`).toEqual([]);
          expect(await small.goodSync(), `round ${round}`).toEqual([]);
        }
      }
      await small.reopen();
      expect(await small.wrongPoints()).toEqual([]);
      expect(became.refused).toBeGreaterThan(0);
      expect(became.committed).toBeGreaterThan(0);
    } finally {
      await small.close();
    }
  },
);

test('records: what a mad frame decodes to is bounded, and ends', () => {
  const random = new Seeded(seed);
  let whole = 0;
  for (let round = 0; round < 300; round += 1) {
    const body = altered(random, encode(randomRecords(random, 10).slice(0, 3)));
    try {
      for (const record of decodeRecords(body)) whole += record.type === 'node' ? 1 : 0;
    } catch (error) {
      expect(error).toMatchObject({ code: 'frame-malformed' });
    }
  }
  expect(whole).toBeGreaterThan(0);
});
