/** Continuous mode: a change becomes a point by itself, soon, and whatever happens in between. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Seeded } from '../support/seeded.js';
import { type Product, startProduct } from './support/product.js';
import { rsyncMissing, treeDifferences } from './support/rsync.js';

const SAMPLES = 12;
const CHANGES = 300;
const LATENCY_MS_MAX = 5_000;
const SEED = Number(process.env['AFTERIMAGE_SEED'] ?? 20_250_101);

let product: Product;
let root: string;

beforeEach(async () => {
  product = await startProduct({
    sets: (folder) => {
      fs.mkdirSync(path.join(folder, 'app', 'sub'), { recursive: true });
      fs.writeFileSync(path.join(folder, 'app', 'first'), 'first');
      return [{ name: 'app', roots: [path.join(folder, 'app')], schedule: 'continuous' }];
    },
  });
  root = path.join(product.folder, 'app');
  await untilCarried('app/first', 5);
});

afterEach(async () => {
  await product.close();
});

/** Whether a point has the file in that size. */
async function carries(point: number, name: string, size: number): Promise<boolean> {
  const route = `/v1/sets/app/points/${point}/stat?path=${encodeURIComponent(name)}`;
  const answer = await product.api(route).catch(() => undefined);
  return JSON.stringify(answer ?? {}).includes(`"size":${size},`);
}

/** Until the newest point has the file in that size. */
async function untilCarried(name: string, size: number): Promise<void> {
  await product.until(`${name} has ${size} bytes`, async () => {
    const newest = (await product.points('app')).at(-1);
    return newest !== undefined && (await carries(newest.point, name, size));
  });
}

/** Until the newest point, restored, equals the source; nobody asks for a sync. */
async function untilEqual(): Promise<void> {
  let differences = '';
  await product
    .until('the newest point equals the source', async () => {
      const newest = (await product.points('app')).at(-1)?.point ?? 0;
      const restored = await product.restore('app', newest, 'app');
      differences = treeDifferences(root, restored);
      fs.rmSync(path.dirname(restored), { recursive: true });
      return differences === '';
    })
    .catch((cause: unknown) => {
      throw new Error(`seed ${SEED}, still different: ${differences}`, { cause });
    });
}

test('continuous: a change is a committed point soon after, new file or edit', async () => {
  const latencies: number[] = [];
  for (let n = 0; n < SAMPLES; n += 1) {
    const name = n % 2 === 0 ? 'edited' : `new-${n}`;
    const startMs = performance.now();
    fs.writeFileSync(path.join(root, 'sub', name), 'x'.repeat(1000 + n));
    await untilCarried(`app/sub/${name}`, 1000 + n);
    latencies.push(performance.now() - startMs);
  }
  latencies.sort((a, b) => a - b);
  const [median = 0, max = 0] = [latencies[SAMPLES >> 1], latencies.at(-1)];
  process.stdout.write(
    `continuous: change to point ${Math.round(median)} ms in the middle, ${Math.round(max)} ms at most\n`,
  );
  expect(median).toBeLessThan(LATENCY_MS_MAX);
});

test('continuous: a sync that is waited for holds what was written before it was asked for', async () => {
  for (let n = 1; n <= SAMPLES; n += 1) {
    fs.writeFileSync(path.join(root, 'earlier'), 'x'.repeat(n));
    fs.writeFileSync(path.join(root, 'written'), 'x'.repeat(n));
    const point = await product.sync('app');
    expect(await carries(point, 'app/written', n), `write ${n}`).toBe(true);
  }
});

test('continuous: many changes of every kind end in a point that equals the source', async (context) => {
  const missing = rsyncMissing();
  if (missing !== undefined) context.skip(missing);
  changeMuch(new Seeded(SEED));
  await untilEqual();
  changeMuch(new Seeded(SEED + 1));
  await untilEqual();
});

test('continuous: what changes while replica and broker are gone is carried when they are back', async (context) => {
  const missing = rsyncMissing();
  if (missing !== undefined) context.skip(missing);
  const agent = product.pid('agent');
  await product.kill('replica', 'SIGKILL');
  await product.kill('broker', 'SIGKILL');
  changeMuch(new Seeded(SEED + 2));
  await product.until('the agent knows that the replica is away', () => {
    const file = path.join(product.agentData, 'status.json');
    return /"activity":\s*"away"/.test(fs.readFileSync(file, 'utf8'));
  });
  changeMuch(new Seeded(SEED + 3));
  await product.startReplica();
  await untilEqual();
  expect(product.pid('agent')).toBe(agent);
});

test('continuous: what changes while the agent is gone is carried when it is back', async (context) => {
  const missing = rsyncMissing();
  if (missing !== undefined) context.skip(missing);
  await product.kill('agent', 'SIGTERM');
  changeMuch(new Seeded(SEED + 4));
  await product.startAgent();
  await untilEqual();
});

/** Writes, appends, renames, removes and chmods at random. */
function changeMuch(seeded: Seeded): void {
  const name = (): string => path.join(root, seeded.pick(['', 'sub']), `f${seeded.below(60)}`);
  for (let n = 0; n < CHANGES; n += 1) {
    const [one, other] = [name(), name()];
    const isThere = fs.existsSync(one);
    const what = seeded.below(10);
    if (!isThere || what < 4) fs.writeFileSync(one, seeded.bytes(seeded.below(50_000)));
    else if (what < 6) fs.appendFileSync(one, seeded.bytes(100));
    else if (what < 8) fs.renameSync(one, other);
    else if (what < 9) fs.rmSync(one);
    else fs.chmodSync(one, seeded.pick([0o600, 0o644, 0o755]));
  }
}
