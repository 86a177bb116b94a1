/**
 * A taste of the campaign that kills agent, replica and broker at random instants (promises 1 to 3;
 * R4, R12): test/fault/campaigns/kills.ts says what must hold, `npm run test:fault -- --only kills`
 * does it five hundred times.
 *
 * BUDGET=n takes more of it than npm test does, SEED=n other troubles.
 */
import { expect, test } from 'vitest';
import { campaign } from '../fault/campaigns/kills.js';
import { isSurvived } from '../fault/report.js';

const budget = Number(process.env['BUDGET'] ?? 0.01);
const seed = Number(process.env['SEED'] ?? 20260);

test(
  `kills: every point stands and the next sync is good, whatever was killed when (seed ${seed})`,
  { timeout: 120_000 + budget * 12_000_000 },
  async () => {
    const log: string[] = [];
    const outcomes = await campaign.run({ seed, budget, log: (line) => void log.push(line) });
    expect(
      outcomes.filter((outcome) => !isSurvived(outcome)),
      log.join('\n'),
    ).toEqual([]);
    for (const { kind, skipped } of outcomes) {
      if (skipped !== undefined) process.stdout.write(`kills: no ${kind}: ${skipped}\n`);
    }
    expect(outcomes.reduce((sum, { tried }) => sum + tried, 0)).toBeGreaterThanOrEqual(7);
  },
);
