/** Retention with real processes (R4, R20): points go by policy, the others come back, also after a kill. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startProduct } from './support/product.js';

const ROUNDS = 5;

test('retention: a policy and a hold decide, the rest restores as it was, and syncs go on', async () => {
  const product = await startProduct({
    sets: (folder) => {
      fs.mkdirSync(path.join(folder, 'app'), { recursive: true });
      return [{ name: 'app', roots: [path.join(folder, 'app')] }];
    },
  });
  try {
    const app = path.join(product.folder, 'app');
    const contents = new Map<number, string>();
    for (let round = 1; round <= ROUNDS; round += 1) {
      const content = `round ${round} `.repeat(20_000);
      fs.writeFileSync(path.join(app, 'file'), content);
      fs.writeFileSync(path.join(app, `only-${round}`), content);
      if (round > 1) fs.rmSync(path.join(app, `only-${round - 1}`));
      contents.set(await product.sync('app'), content);
    }
    const before = (await product.points('app')).map(({ point }) => point);
    const [, second, ...others] = [...contents.keys()];
    const newest = others.at(-1);
    await product.ok(['hold', `app@${String(second)}`, '--reason', 'a case']);
    await product.ok(['retain', 'app', '--yearly', '1']);
    const plan = await product.ok(['prune', 'app', '--dry-run']);
    expect(plan.out).toContain('hold-1 holds it: a case');
    const pruned = await product.ok(['prune', 'app']);
    expect(pruned.out).toContain(`${before.length - 3} points removed, 3 stay`);
    await product.kill('replica', 'SIGKILL');
    await product.startReplica();
    await product.until('the agent is back', () => product.connected());
    const left = (await product.points('app')).map(({ point }) => point);
    expect(left).toEqual([before[0], second, newest]);
    for (const point of left.slice(1)) {
      const folder = await product.restore('app', point, 'app');
      const content = fs.readFileSync(path.join(folder, 'file'), 'utf8');
      expect(content === contents.get(point), `point ${point}`).toBe(true);
      expect(fs.readdirSync(folder)).toHaveLength(2);
    }
    await product.ok(['verify', 'app', '--data']);
    expect((await product.ok(['retain', 'app'])).out).toContain('a case');
    fs.writeFileSync(path.join(app, 'file'), 'after');
    expect(await product.sync('app')).toBe((newest ?? 0) + 1);
  } finally {
    await product.close();
  }
});
