/** A taste of the fuzz campaign: `npm run test:fault -- --only fuzz` runs all of it. */
import { expect, test } from 'vitest';
import { campaign } from '../../fault/campaigns/fuzz.js';

const seed = Number(process.env['SEED'] ?? 11);

test(`decoders: what is almost right is taken or refused, soon and within bounds (R23, seed ${seed})`, async () => {
  const lines: string[] = [];
  const outcomes = await campaign.run({ seed, budget: 0.008, log: (line) => lines.push(line) });
  const failed = outcomes.filter(({ tried, survived }) => survived < tried);
  expect(failed, lines.join('\n')).toEqual([]);
  expect(outcomes.reduce((sum, { tried }) => sum + tried, 0)).toBeGreaterThanOrEqual(8000);
});
