/** A taste of the disk faults campaign (R19, promises 1 to 3); `npm run test:fault` tries all calls. */
import { expect, test } from 'vitest';
import { FaultyProduct, type Side } from '../fault/disk/faulty-product.js';
import { troubleKinds } from '../fault/disk/troubles.js';
import { compilerMissing } from '../fault/native-program.js';
import { Seeded } from '../support/seeded.js';

const seed = Number(process.env['SEED'] ?? 4);
const missing = compilerMissing();
if (missing !== undefined) console.warn(`disk faults are not tried: ${missing}`);

const tasted: readonly (readonly [Side, string])[] = [
  ['replica', 'disk full'],
  ['agent', 'disk full'],
  ['replica', 'a flush fails once and its bytes are gone'],
  ['agent', 'a flush fails once and its bytes are gone'],
  ['agent', 'the clock jumps by hours, forth and back'],
];

test.skipIf(missing !== undefined)(
  `disk faults: the set says so and goes on by itself, and every point reads back equal (seed ${seed})`,
  { timeout: 180_000 },
  async () => {
    const random = new Seeded(seed);
    const faulty = await FaultyProduct.start(seed);
    try {
      const calls = await faulty.cleanSync();
      for (const [side, name] of tasted) {
        const kind = troubleKinds.find((known) => known.kind === name);
        const shim = faulty.shim(side);
        const trouble = kind?.make({ side, shim, calls: calls[side], random });
        if (trouble === undefined) throw new Error(`a sync cannot meet: ${side}, ${name}`);
        const { lost, wrong, stuck } = await faulty.sync(trouble);
        expect({ side, name, lost, wrong, stuck }).toEqual({
          side,
          name,
          lost: [],
          wrong: [],
          stuck: [],
        });
      }
      expect(await faulty.checkAll()).toEqual([]);
    } finally {
      await faulty.close();
    }
  },
);
