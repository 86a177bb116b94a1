/** A taste of the hostile campaign: `npm run test:fault -- --only hostile` runs all of it. */
import { expect, test } from 'vitest';
import { campaign } from '../fault/campaigns/hostile.js';

const seed = Number(process.env['SEED'] ?? 3);

test(`a hostile agent: harms no point, reads no other set, writes nowhere else (promises 7 and 8, seed ${seed})`, async () => {
  const lines: string[] = [];
  const outcomes = await campaign.run({ seed, budget: 0.01, log: (line) => lines.push(line) });
  const failed = outcomes.filter(({ tried, survived }) => survived < tried);
  expect(failed, lines.join('\n')).toEqual([]);
  expect(outcomes.length).toBeGreaterThan(8);
});
