/**
 * A taste of the campaign in which clocks jump and disks get slow under a product that syncs
 * (promises 1 to 5): test/fault/campaigns/clocks.ts says what must hold. SEED=n makes other troubles.
 */
import { expect, test } from 'vitest';
import { campaign } from '../fault/campaigns/clocks.js';
import { isSurvived } from '../fault/report.js';

const seed = Number(process.env['SEED'] ?? 20261);

test(
  `clocks: syncs go on and no change is missed, whatever the time and the disk do (seed ${seed})`,
  { timeout: 180_000 },
  async () => {
    const log: string[] = [];
    const outcomes = await campaign.run({
      seed,
      budget: 0.01,
      log: (line) => void log.push(line),
    });
    expect(
      outcomes.filter((outcome) => !isSurvived(outcome)),
      log.join('\n'),
    ).toEqual([]);
    for (const { kind, tried, skipped } of outcomes) {
      if (skipped === undefined) expect(tried, kind).toBe(1);
      else process.stdout.write(`clocks: no ${kind}: ${skipped}\n`);
    }
  },
);
