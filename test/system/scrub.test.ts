/** Rot on the replica of a running product is repaired by the agent's next sync (R3, promise 10). */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { scrubStatusSchema } from '../../shared/api/scrub.js';
import { flipBit } from '../replica/support/scrubbed-set.js';
import { saltedBytes } from '../model/tree.js';
import { startProduct } from './support/product.js';

test.each([
  { schedule: { cron: '0 0 1 1 *' }, sync: 'the next sync, which the operator asks for' },
  { schedule: 'continuous', sync: 'a sync of its own, though no file changes' },
])('product: a rotten block of the base is sent again by $sync', async ({ schedule }) => {
  const product = await startProduct({
    sets: (folder) => {
      const root = path.join(folder, 'app');
      fs.mkdirSync(root);
      fs.writeFileSync(path.join(root, 'db'), saltedBytes(300_000, 7));
      return [{ name: 'shop', roots: [root], schedule }];
    },
  });
  try {
    await product.sync('shop');
    const base = path.join(product.replicaData, 'sets', 'shop', 'base', 'app', 'db');
    const content = fs.readFileSync(base);
    flipBit(base, { byte: 70_000 });
    if (schedule === 'continuous') {
      await product.json(['scrub', 'shop', '--now'], [0]);
    } else {
      const damaged = await product.json(['scrub', 'shop'], [5]);
      expect(damaged.at(-1)).toMatchObject({ damaged: 1, damage: [{ path: 'app/db', block: 1 }] });
      await product.sync('shop');
    }
    await product.until('the block is repaired', async () => {
      const status = scrubStatusSchema.parse(await product.api('/v1/sets/shop/scrub'));
      return status.damaged === 0 && status.repaired === 1;
    });
    expect(fs.readFileSync(base).equals(content)).toBe(true);
    await product.kill('replica', 'SIGKILL');
    await product.startReplica();
    await product.json(['scrub', 'shop'], [0]);
    await product.json(['verify', '--data'], [0]);
  } finally {
    await product.close();
  }
});
