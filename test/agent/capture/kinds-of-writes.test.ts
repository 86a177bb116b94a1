/** A taste of the campaign: no kind of write is missed, whatever the file system (promises 4 and 5). */
import { expect, test } from 'vitest';
import { run } from '../../fault/campaigns/kinds-of-writes.js';

const seed = Number(process.env['SEED'] ?? 3);

test.each(['ext4', 'tmpfs'] as const)(
  `kinds of writes: after each batch the point equals the source on %s (seed ${seed})`,
  { timeout: 120_000 },
  async (fileSystem) => {
    const said: string[] = [];
    const options = { seed, budget: 0.05, log: (line: string) => said.push(line) };
    const [outcome] = await run(options, [fileSystem]);
    process.stdout.write(`${outcome?.skipped ?? said.join('\n')}\n`);
    if (outcome?.skipped !== undefined) return;
    expect(outcome, said.join('\n')).toMatchObject({ lost: 0, wrong: 0 });
    expect(outcome?.survived).toBe(outcome?.tried);
    expect(outcome?.tried).toBeGreaterThan(20);
  },
);
