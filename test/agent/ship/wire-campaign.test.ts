/** A taste of the wire campaign: `npm run test:fault -- --only wire` runs all of it. */
import { expect, test } from 'vitest';
import { campaign } from '../../fault/campaigns/wire.js';

const seed = Number(process.env['SEED'] ?? 5);

test(`wire: whatever happens to messages, what is acknowledged arrives once and in order (R11, R15, seed ${seed})`, async () => {
  const lines: string[] = [];
  const outcomes = await campaign.run({ seed, budget: 0.01, log: (line) => lines.push(line) });
  const failed = outcomes.filter(({ tried, survived }) => survived < tried);
  expect(failed, lines.join('\n')).toEqual([]);
  expect(outcomes.length).toBeGreaterThan(5);
});
