/** A taste of the disk faults campaign (R19, promises 1 to 3); `npm run test:fault` tries all calls. */
import { expect, test } from 'vitest';
import { putUnderShim, troubleTally } from '../fault/campaigns/disk-faults.js';
import type { Side } from '../fault/disk/faulty-product.js';
import { troubleKinds } from '../fault/disk/troubles.js';
import { compilerMissing } from '../fault/native-program.js';

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
    const said: string[] = [];
    const tallies = tasted.flatMap(([side, name]) =>
      troubleKinds.filter(({ kind }) => kind === name).map((kind) => troubleTally(side, kind)),
    );
    const log = (line: string): void => {
      said.push(line);
    };
    await putUnderShim(tallies, { seed, budget: 0, log });
    for (const { tally } of tallies) {
      const { kind } = tally;
      const good = { kind, tried: 1, survived: 1, lost: 0, wrong: 0 };
      expect(tally, said.join('\n')).toEqual(good);
    }
    expect(tallies.length).toBe(tasted.length);
  },
);
