/**
 * The agent's own disk runs full while the application is held: the application is let go, the set
 * names the disk, and it goes on by itself when there is room again (promise 6; R16, R19).
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { describeDisk } from '../replica/support/disk-tree.js';
import { mountsMissing } from '../fault/power/block-devices.js';
import { BlockDevices, homeOfDevices, makeFileSystem } from '../fault/power/block-devices.js';
import { differences, PointReader, posix } from './support/point-reader.js';
import { type Product, startProduct } from './support/product.js';

const SET = 'app';
const DISK_BYTES = 48 * 1024 * 1024;
const FILES = 3_000;
const missing = mountsMissing();
if (missing !== undefined) console.warn(`a full disk while held is not tried: ${missing}`);

/** While held the application has much to write out, and the disk of the agent runs full. */
function writeHook(folder: string, at: { root: string; disk: string; said: string }): void {
  const text = `#!/bin/sh
echo "$1" >> '${at.said}'
[ "$1" = freeze ] || exit 0
[ -e '${at.said}.fill' ] || exit 0
free=$(stat -f -c '%a' '${at.disk}')
fallocate -l "$((free * 4096))" '${at.disk}/filler' || true
for n in $(seq ${FILES}); do echo "$n" > '${at.root}/file-'$n; done
`;
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'fill'), text, { mode: 0o755 });
}

test.skipIf(missing !== undefined)(
  'full disk: while held the application is let go, the disk is named, and the set goes on by itself',
  { timeout: 90_000 },
  async () => {
    const home = homeOfDevices(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir());
    const devices = new BlockDevices();
    const [image, disk, hooks, said] = ['image', 'disk', 'hooks', 'said'].map((name) =>
      path.join(home, name),
    ) as [string, string, string, string];
    let product: Product | undefined;
    try {
      makeFileSystem('ext4', image, { bytes: DISK_BYTES, options: ['-m', '0'] });
      fs.mkdirSync(disk);
      devices.mount(devices.loop(image), disk);
      const root = path.join(home, SET);
      fs.mkdirSync(root);
      fs.writeFileSync(path.join(root, 'first'), 'first');
      writeHook(hooks, { root, disk, said });
      product = await startProduct({
        sets: () => [{ name: SET, roots: [root], quiesce: { recipe: 'hooks', folder: hooks } }],
        agent: { data_folder: path.join(disk, 'agent') },
        storage: 'memory',
      });
      const before = await product.sync(SET);
      fs.writeFileSync(`${said}.fill`, '');
      fs.writeFileSync(said, '');
      fs.writeFileSync(path.join(root, 'second'), 'second');
      const asked = product.sync(SET);
      const running = product;
      // Its status cannot be written where there is no room: the log says it.
      const isNamed = (line: string): boolean =>
        line.includes('"storage-full"') && line.includes(disk) && /"hint":"./.test(line);
      await product.until('the set names the disk', () =>
        running.log('agent').split('\n').some(isNamed),
      );
      // Let go each time that it was held.
      await product.until('the application is let go', () => {
        const verbs = fs.readFileSync(said, 'utf8').trim().split('\n');
        const count = (verb: string): number => verbs.filter((each) => each === verb).length;
        return count('freeze') > 0 && count('thaw') >= count('freeze');
      });
      fs.rmSync(`${said}.fill`);
      fs.rmSync(path.join(disk, 'filler'));
      const point = await asked;
      expect(point).toBeGreaterThan(before);
      const reader = new PointReader(product, SET);
      try {
        const now = await reader.describe(point, SET);
        expect(differences(now, describeDisk(posix, root))).toEqual([]);
      } finally {
        await reader.close();
      }
    } finally {
      await product?.close();
      devices.close();
      fs.rmSync(home, { recursive: true, force: true });
    }
  },
);
