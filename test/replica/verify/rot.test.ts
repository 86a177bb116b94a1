/** A taste of the campaign that flips bits in everything a replica stores (promise 2, R3, R21). */
import { expect, test } from 'vitest';
import { campaign } from '../../fault/campaigns/rot.js';

const seed = Number(process.env['SEED'] ?? 3);

test(`rot: nothing reads wrong, and what has a copy somewhere is whole again (seed ${seed})`, async () => {
  const lines: string[] = [];
  const outcomes = await campaign.run({ seed, budget: 0.001, log: (line) => lines.push(line) });
  const whole = ['the base', 'twins elsewhere', 'the index'];
  for (const { kind, tried, survived, lost, wrong } of outcomes) {
    expect({ kind, tried, lost, wrong }, lines.join('\n')).toEqual({
      kind,
      tried: 1,
      lost: 0,
      wrong: 0,
    });
    if (whole.some((part) => kind.includes(part))) expect(survived, kind).toBe(1);
  }
});
