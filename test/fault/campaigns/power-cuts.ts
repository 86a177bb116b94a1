/**
 * Power goes while a replica's set takes syncs: the device's writes are recorded, and played back to
 * any instant with only what was flushed and a random, torn mix of the rest. Whatever the agent had
 * been told is there, every point reads back equal, and the next sync is good (promises 1 to 3).
 */
import type { Campaign, Outcome } from '../campaign.js';
import type { FileSystemType } from '../power/block-devices.js';
import { playCuts } from '../power/play-cuts.js';
import { recorderMissing } from '../power/recorder.js';

const CUTS = 200;
const CUTS_MAX = 25;
const types: readonly FileSystemType[] = ['ext4', 'xfs'];

export const campaign: Campaign = {
  name: 'power-cuts',
  async run(options) {
    const { seed, budget } = options;
    const log = (line: string): void => {
      options.log(line);
    };
    const outcomes: Outcome[] = [];
    for (const type of types) {
      const kind = `power cut while a set is written, ${type}`;
      const skipped = recorderMissing([type]);
      const total = { kind, tried: 0, survived: 0, lost: 0, wrong: 0 };
      if (skipped !== undefined) {
        log(`${kind}: skipped, ${skipped}`);
        outcomes.push({ ...total, skipped });
        continue;
      }
      const wanted = Math.max(3, Math.round((CUTS * budget) / types.length));
      for (let round = 0; total.tried < wanted; round += 1) {
        const cuts = Math.min(CUTS_MAX, wanted - total.tried);
        const syncs = Math.max(6, Math.min(20, cuts));
        const result = await playCuts({ type, seed: seed + round, syncs, cuts, log });
        for (const key of ['tried', 'survived', 'lost', 'wrong'] as const)
          total[key] += result[key];
      }
      outcomes.push(total);
    }
    return outcomes;
  },
};
