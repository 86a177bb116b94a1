/** The main job with real processes: copy, change, sync, restore, and equal trees. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startProduct } from './support/product.js';
import { copyTree, rsyncMissing, treeDifferences } from './support/rsync.js';

test('main job: both points come back as the source was, after a sync and after changes', async (context) => {
  const missing = rsyncMissing();
  if (missing !== undefined) context.skip(missing);
  const product = await startProduct({
    sets: (folder) => {
      fs.mkdirSync(path.join(folder, 'app', 'deep'), { recursive: true });
      fs.writeFileSync(path.join(folder, 'app', 'deep', 'kept'), 'kept'.repeat(50_000));
      fs.writeFileSync(path.join(folder, 'app', 'edited'), 'before');
      return [{ name: 'app', roots: [path.join(folder, 'app')] }];
    },
  });
  try {
    const app = path.join(product.folder, 'app');
    const first = await product.sync('app');
    const asItWas = path.join(product.folder, 'as-it-was');
    copyTree(app, asItWas);
    fs.writeFileSync(path.join(app, 'edited'), 'after');
    const second = await product.sync('app');
    expect(second).toBeGreaterThan(first);
    expect(treeDifferences(app, await product.restore('app', second, 'app'))).toBe('');
    expect(treeDifferences(asItWas, await product.restore('app', first, 'app'))).toBe('');
    expect((await product.points('app')).at(-1)?.point).toBe(second);
    await product.kill('replica', 'SIGKILL');
    await product.startReplica();
    await product.until('the agent is back', () => product.connected());
    expect(await product.sync('app')).toBeGreaterThan(second);
  } finally {
    await product.close();
  }
});
