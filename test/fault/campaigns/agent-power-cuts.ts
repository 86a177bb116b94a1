/**
 * Power goes under the agent's data while it syncs: on what its disk then holds it knows where it
 * stands, and its next points equal the source (R12, R13; promise 2).
 */
import type { Campaign, Outcome } from '../campaign.js';
import type { FileSystemType } from '../power/block-devices.js';
import { playAgentCuts } from '../power/play-agent-cuts.js';
import { recorderMissing } from '../power/recorder.js';

const CUTS = 200;
const CUTS_MAX = 25;
const FILES = 2_500;
const CHANGES = 1_200;
const types: readonly FileSystemType[] = ['ext4', 'xfs'];

export const campaign: Campaign = {
  name: 'agent-power-cuts',
  async run(options) {
    const { seed, budget } = options;
    const log = (line: string): void => {
      options.log(line);
    };
    const outcomes: Outcome[] = [];
    for (const type of types) {
      const kind = `power cut under the agent's data, ${type}`;
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
        const size = { files: FILES, changes: CHANGES, syncs: cuts > 5 ? 8 : 4 };
        const result = await playAgentCuts({ type, seed: seed + round, cuts, log, ...size });
        for (const key of ['tried', 'survived', 'lost', 'wrong'] as const)
          total[key] += result[key];
      }
      outcomes.push(total);
    }
    return outcomes;
  },
};
