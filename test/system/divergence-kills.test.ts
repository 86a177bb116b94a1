/** A taste of the campaign: put back to an older copy and killed while it heals (R12, R13). */
import { expect, test } from 'vitest';
import { diverge } from '../fault/campaigns/divergence.js';

const seed = Number(process.env['SEED'] ?? 6);

test(`divergence: kills while healing change nothing of what it comes to (seed ${seed})`, async () => {
  const said: string[] = [];
  const options = { seed, budget: 0.02, log: (line: string) => said.push(line) };
  const [outcome] = await diverge(options, ['agent state from an older copy']);
  expect(outcome, said.join('\n')).toMatchObject({ tried: 1, survived: 1, lost: 0, wrong: 0 });
});
