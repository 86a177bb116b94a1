/** Times that 64 bits of nanoseconds do not reach (docs/design/plan.md). */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import { untilOld } from '../support/until.js';

let bench: AgentBench;
afterEach(() => {
  bench.close();
});

test('times: a file of the year 2300 is carried with the last time there is, and its edits are found', async () => {
  bench = openBench();
  const file = join(bench.root, 'far');
  writeFileSync(file, 'one');
  execFileSync('touch', ['-d', '2300-01-01', file]);
  await untilOld(file);
  await bench.sync();
  const found = () =>
    [...bench.session.replica.state.nodes.values()].find(({ record }) => record.kind === 'file');
  expect(found()?.record.mtimeNs).toBe(2n ** 63n - 1n);
  expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
  writeFileSync(file, 'two');
  execFileSync('touch', ['-d', '2301-01-01', file]);
  await bench.sync();
  expect(found()?.content.toString()).toBe('two');
});
