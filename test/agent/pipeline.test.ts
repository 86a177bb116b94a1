/** The record stream of random trees, applied to a model, is the tree (promises 5 and 9, R1, R12). */
import { afterEach, expect, test } from 'vitest';
import { openBench, type AgentBench } from './support/agent-bench.js';
import { RandomTree, randomFrom } from './support/random-tree.js';
import { differences } from './support/tree-compare.js';

let bench: AgentBench;
afterEach(() => {
  bench.close();
});

const seedBase = Number(process.env['AFTERIMAGE_SEED'] ?? 1);
const seeds = Array.from(
  { length: Number(process.env['AFTERIMAGE_SEEDS'] ?? 12) },
  (_, at) => seedBase + at,
);

test.each(seeds)(
  'pipeline: every point is the tree, under random operations, seed %i',
  async (seed) => {
    bench = openBench();
    const tree = new RandomTree(bench.root, seed);
    const random = randomFrom(seed + 1000);
    const steps: string[] = [];
    for (let round = 0; round < 12; round += 1) {
      for (let count = random(25); count >= 0; count -= 1) steps.push(tree.step());
      steps.push('-- sync');
      if (random(6) === 0) bench.restart();
      await bench.sync({ always: random(2) === 0 });
      const found = differences(bench.session.replica.state, { root: bench.root });
      expect(found, `seed ${seed}: ${steps.join(', ')}`).toEqual([]);
    }
  },
);

test.each(seeds)(
  'pipeline: a broken sync is taken back and the next is right, seed %i',
  async (seed) => {
    bench = openBench();
    const tree = new RandomTree(bench.root, seed + 500);
    const random = randomFrom(seed + 2000);
    for (let round = 0; round < 10; round += 1) {
      for (let count = random(25); count >= 0; count -= 1) tree.step();
      bench.session.breakAfter = random(40);
      await bench.sync({ always: true }).catch(() => undefined);
      if (random(3) === 0) bench.restart();
      if (random(2) === 0) tree.step();
      bench.session.breakAfter = Infinity;
      await bench.sync({ always: true });
      const found = differences(bench.session.replica.state, { root: bench.root });
      expect(found, `seed ${seed}, round ${round}`).toEqual([]);
    }
  },
);
