/** What the replica lost to rot and asks for is sent again by the next sync, and nothing else is. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WantedBlocks } from '../../../agent/plan/wanted-blocks.js';
import { type AgentBench, openBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';
import { untilOld } from '../support/until.js';

let bench: AgentBench;
beforeEach(() => {
  bench = openBench();
  const wanted = new WantedBlocks(bench.session);
  bench.set = { ...bench.set, wanted };
});
afterEach(() => {
  bench.close();
});

function fileNode(): number {
  const found = [...bench.session.replica.state.nodes].find(([, { record }]) => record.size > 0);
  return found?.[0] ?? 0;
}

test.each([
  { size: 3 * 1024 * 1024, block: 40, sent: 'a large file' },
  { size: 200_000, block: 1, sent: 'a small file' },
])('wanted: a block of $sent that has not changed is sent whole, once', async ({ size, block }) => {
  const file = join(bench.root, 'db');
  writeFileSync(file, randomBytes(size));
  await untilOld(file);
  await bench.sync();
  await bench.sync();
  bench.session.emit({ type: 'wanted', blocks: [{ node: fileNode(), block }] });
  expect(await bench.sync()).toMatchObject({ type: 'committed' });
  expect(bench.session.replica.counts).toMatchObject({ block: 1 });
  expect(bench.session.replica.literalBytes).toBe(65_536);
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
});

test('wanted: blocks that no file has are not looked for', async () => {
  writeFileSync(join(bench.root, 'db'), Buffer.alloc(200_000));
  await untilOld(join(bench.root, 'db'));
  await bench.sync();
  await bench.sync();
  const blocks = [
    { node: fileNode(), block: 99 },
    { node: 4711, block: 0 },
  ];
  bench.session.emit({ type: 'wanted', blocks });
  expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
});
