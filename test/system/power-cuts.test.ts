/**
 * Power cuts in small (promises 1 to 3), and the proof that they would be noticed: the same cuts go
 * wrong as soon as flushes lie. `npm run test:fault` plays many more; LIES='/intent /base /new' tries
 * flushes of other places.
 */
import { expect, test } from 'vitest';
import { campaign } from '../fault/campaigns/power-cuts.js';
import { compilerMissing } from '../fault/native-program.js';
import { playCuts, type PowerResult } from '../fault/power/play-cuts.js';
import { recorderMissing } from '../fault/power/recorder.js';
import { type CallKind, DiskShim } from '../fault/shim/disk-shim.js';

const seed = Number(process.env['SEED'] ?? 31);
const missing = recorderMissing(['ext4']) ?? compilerMissing();
if (missing !== undefined) console.warn(`power cuts are not played: ${missing}`);
const ROUNDS_MAX = 8;
const FLUSHES: readonly CallKind[] = ['fsync', 'fdatasync', 'syncfs'];

async function playWithLies(match: string, round: number): Promise<PowerResult> {
  const shims: DiskShim[] = [];
  try {
    return await playCuts({
      type: 'ext4',
      seed: seed + round,
      syncs: 6,
      cuts: 10,
      env: (folder) => {
        const shim = new DiskShim(folder);
        shims.push(shim);
        shim.arm({ kinds: FLUSHES, action: 'lie', match });
        return shim.env;
      },
      log: () => undefined,
    });
  } finally {
    for (const shim of shims) shim.close();
  }
}

test.skipIf(missing !== undefined)(
  `power cuts: nothing acknowledged is lost and every point reads back equal (seed ${seed})`,
  async () => {
    const said: string[] = [];
    const outcomes = await campaign.run({
      seed,
      budget: 0.04,
      log: (line) => {
        said.push(line);
      },
    });
    for (const { kind, tried, survived, skipped } of outcomes) {
      expect(survived, `${kind}: ${said.join('\n')}`).toBe(tried);
      if (skipped === undefined) expect(tried).toBeGreaterThan(0);
    }
  },
);

test.skipIf(missing !== undefined)(
  'power cuts: are noticed when the index or the packs are not flushed',
  async () => {
    for (const match of (process.env['LIES'] ?? '/index.db /packs').split(' ')) {
      // What the kernel writes by itself between two cuts hides some lies: a few rounds, not one.
      let noticed = 0;
      for (let round = 0; round < ROUNDS_MAX && noticed === 0; round += 1) {
        const { lost, wrong } = await playWithLies(match, round);
        noticed = lost + wrong;
      }
      expect(noticed, `flushes of ${match} lie`).toBeGreaterThan(0);
    }
  },
  240_000,
);
