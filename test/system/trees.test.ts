/**
 * A real source tree and its next version: packages of node_modules as they are, then modified,
 * added to, removed and renamed by the hundreds. AFTERIMAGE_BIG=1 takes all of node_modules, several
 * times over.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Seeded } from '../support/seeded.js';
import { startProduct } from './support/product.js';
import { copyTree, rsyncMissing, treeDifferences } from './support/rsync.js';

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const isBig = process.env['AFTERIMAGE_BIG'] === '1';
const FILES_MIN = isBig ? 50_000 : 5_000;
const MIB = 2 ** 20;
const SEED = 11;

test('trees: a tree of real packages and its next version both come back equal', async (context) => {
  const missing = rsyncMissing();
  if (missing !== undefined) context.skip(missing);
  const product = await startProduct({
    storage: 'memory',
    sets: (folder) => [{ name: 'tree', roots: [path.join(folder, 'tree')] }],
    startAgent: false,
  });
  try {
    const tree = path.join(product.folder, 'tree');
    const old = path.join(product.folder, 'old');
    const { files, bytes } = fill(tree);
    copyTree(tree, old);
    const times = new Stopwatch();
    await product.startAgent();
    const first = await product.sync('tree');
    times.lap('first copy');
    const changes = change(tree, new Seeded(SEED));
    times.skip();
    const second = await product.sync('tree');
    times.lap('next version');
    const rss = (['agent', 'replica'] as const).map(
      (role) => `${role} ${Math.round(product.rssBytes(role) / MIB)} MiB`,
    );
    for (const [point, source] of [
      [first, old],
      [second, tree],
    ] as const) {
      times.skip();
      const restored = await product.restore('tree', point, 'tree');
      times.lap(`restore of point ${point}`);
      expect(treeDifferences(source, restored)).toBe('');
      fs.rmSync(path.dirname(restored), { recursive: true });
    }
    const { counts } = (await product.pointDetail('tree', second)).outcome;
    process.stdout.write(
      `trees: ${files} files, ${Math.round(bytes / MIB)} MiB, then ${changes} changes; ${times.text}; ` +
        `${Math.round(counts.bytesSent / 1024)} KiB sent for the next version; ${rss.join(', ')}\n`,
    );
    expect(counts.bytesSent).toBeLessThan(bytes / 2);
  } finally {
    await product.close();
  }
}, 600_000);

class Stopwatch {
  #at = performance.now();
  readonly #laps: string[] = [];

  get text(): string {
    return this.#laps.join(', ');
  }

  lap(title: string): void {
    this.#laps.push(`${title} ${((performance.now() - this.#at) / 1000).toFixed(1)} s`);
    this.skip();
  }

  skip(): void {
    this.#at = performance.now();
  }
}

/** Packages in the order of their names, without huge files, until there are files enough. */
function fill(tree: string): { readonly files: number; readonly bytes: number } {
  const packages = fs.readdirSync(modules).filter((name) => !name.startsWith('.'));
  let [files, bytes] = [0, 0];
  for (let round = 0; files < FILES_MIN; round += 1) {
    for (const name of packages.sort()) {
      const to = path.join(tree, `round-${round}`, name);
      fs.cpSync(path.join(modules, name), to, {
        recursive: true,
        preserveTimestamps: true,
        verbatimSymlinks: true,
        filter: (from) => fs.lstatSync(from).size < MIB,
      });
      for (const file of filesOf(to)) {
        files += 1;
        const { size } = fs.lstatSync(file);
        bytes += size;
        // packages in one round are alike in none of another
        if (round > 0 && size > 0) fs.appendFileSync(file, `round ${round}\n`);
      }
      if (files >= FILES_MIN && !isBig) break;
    }
  }
  return { files, bytes };
}

/** The next version, laid over the tree; resolves with the number of changes. */
function change(tree: string, seeded: Seeded): number {
  let changes = 0;
  for (const file of filesOf(tree).sort()) {
    const what = seeded.below(100);
    if (what >= 24) continue;
    changes += 1;
    if (what < 6) insert(file, seeded);
    else if (what < 9) fs.appendFileSync(file, seeded.bytes(200));
    else if (what < 12) fs.rmSync(file);
    else if (what < 15) fs.renameSync(file, `${file}.renamed`);
    else if (what < 18) fs.writeFileSync(`${file}.added`, seeded.bytes(seeded.below(9000)));
    else if (what < 20) fs.chmodSync(file, 0o640);
    else if (what < 22) replace(file, seeded);
    else fs.copyFileSync(file, `${file}.copy`);
  }
  for (const folder of fs.readdirSync(path.join(tree, 'round-0')).sort().slice(0, 8)) {
    const from = path.join(tree, 'round-0', folder);
    fs.renameSync(from, path.join(tree, `moved-${folder}`));
    changes += 1;
  }
  return changes;
}

/** Bytes in the middle, as an edit leaves them. */
function insert(file: string, seeded: Seeded): void {
  const bytes = fs.readFileSync(file);
  const at = seeded.below(bytes.length + 1);
  fs.writeFileSync(
    file,
    Buffer.concat([bytes.subarray(0, at), Buffer.from('inserted\n'), bytes.subarray(at)]),
  );
}

/** Written anew beside it and renamed over it, as editors and installers do. */
function replace(file: string, seeded: Seeded): void {
  fs.writeFileSync(`${file}.new`, seeded.bytes(1 + seeded.below(20_000)));
  fs.renameSync(`${file}.new`, file);
}

function filesOf(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}
