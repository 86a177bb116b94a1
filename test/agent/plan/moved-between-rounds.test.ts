/** What a sync made, and what moved before the sync came to its end (R16). */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { ImageEngine } from '../../../agent/image/image-engine.js';
import { createRoundsEngine } from '../../../agent/image/rounds-engine.js';
import { type AgentBench, openBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

let bench: AgentBench | undefined;
afterEach(() => {
  bench?.close();
});

/** Looks once, lets something happen, and goes on as usual. */
function engineWith(happens: () => void): ImageEngine {
  const rounds = createRoundsEngine();
  return {
    name: rounds.name,
    take: async (request) => {
      await request.look({ held: false });
      happens();
      return rounds.take(request);
    },
  };
}

test.each([
  ['a new folder', 'made', 'made-moved'],
  ['a new file', 'file', 'file-moved'],
  ['a new folder, into another', 'made', 'other/made'],
])('walk: %s that moves between two looks of one sync is not buried', async (_, from, to) => {
  let happened = 0;
  const opened = openBench({
    set: {
      engine: engineWith(() => {
        happened += 1;
        if (happened === 1) renameSync(join(opened.root, from), join(opened.root, to));
      }),
    },
  });
  bench = opened;
  const at = (...names: string[]): string => join(opened.root, ...names);
  mkdirSync(at('other'));
  mkdirSync(at('made', 'deep'), { recursive: true });
  writeFileSync(at('made', 'inside'), 'inside');
  writeFileSync(at('made', 'deep', 'inside'), 'deep inside');
  writeFileSync(at('file'), 'file');
  await opened.sync({ always: true });
  expect(happened).toBe(1);
  expect(differences(opened.session.replica.state, { root: opened.root })).toEqual([]);
  writeFileSync(at('later'), 'later');
  await opened.sync({ always: true });
  expect(differences(opened.session.replica.state, { root: opened.root })).toEqual([]);
});
