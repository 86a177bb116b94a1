/** A taste of the campaign: a writer at full speed, and no change of its missed (promises 4 and 5, R16). */
import { expect, test } from 'vitest';
import { run } from '../fault/campaigns/busy-writer.js';

const seed = Number(process.env['SEED'] ?? 5);

test(`busy writer: the point after it equals the source (seed ${seed})`, async (context) => {
  const said: string[] = [];
  const options = { seed, budget: 0.01, log: (line: string) => said.push(line) };
  const [outcome] = await run(options, ['as it is']);
  if (outcome?.skipped !== undefined) context.skip(outcome.skipped);
  expect(outcome, said.join('\n')).toMatchObject({ tried: 1, survived: 1, lost: 0, wrong: 0 });
  process.stdout.write(`${said.join('\n')}\n`);
});
