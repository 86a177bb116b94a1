/**
 * What a job finds does not depend on where it is done, and nothing is lost with a worker: one suite
 * for the agent's own thread and for workers.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createWorkshop, workersFor } from '../../agent/workers/create-workshop.js';
import { InlineWorkshop } from '../../agent/workers/inline-workshop.js';
import { PooledWorkshop } from '../../agent/workers/pooled-workshop.js';
import { digestOfRow, Slot } from '../../agent/workers/slot.js';
import type { Workshop } from '../../agent/workers/workshop.js';
import { errnoOf } from '../../shared/errors.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import { silentLog } from '../../shared/log.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import type { ScanEntry } from '../../shared/posix/posix.js';
import { packSmall, smallCodes } from '../../shared/posix/small-files.js';
import { Seeded } from '../support/seeded.js';

const posix = loadPosix();
const core = createHashCore();
const entry = new URL('../../dist/agent/workers/worker-entry.js', import.meta.url).href;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-work-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const kinds: readonly (readonly [string, () => Workshop])[] = [
  ['inline', () => new InlineWorkshop({ core: createHashCore(), readSmall: posix.readSmall })],
  ['one worker', () => new PooledWorkshop({ workers: 1, log: silentLog })],
  ['three workers', () => new PooledWorkshop({ workers: 3, log: silentLog })],
];

/** A slot, which a workshop that nobody else uses always has. */
function take(work: Workshop): Slot {
  const slot = work.take();
  if (slot === undefined) throw new Error('no slot is free');
  return slot;
}

async function readAll(
  work: Workshop,
  entries: readonly ScanEntry[],
): Promise<{ codes: number[]; bytes: Buffer[]; rows: (Buffer | undefined)[] }> {
  const slot = take(work);
  const fd = openSync(folder, 'r');
  const places: number[] = [];
  let packed = 0;
  let place = 0;
  for (const scanned of entries) {
    places.push(place);
    packed = packSmall(slot.files, packed, { entry: scanned, place });
    place += scanned.status.size;
  }
  const count = entries.length;
  await work.perform({ type: 'small', folder: fd, packedBytes: packed, count }, slot);
  closeSync(fd);
  const found = {
    codes: [...slot.codes.subarray(0, count)],
    bytes: entries.map(({ status }, at) => {
      const start = places[at] ?? 0;
      return Buffer.from(slot.content.subarray(start, start + status.size));
    }),
    rows: entries.map((_, at) => {
      const row = slot.row(at);
      return row === undefined ? undefined : Buffer.from(row);
    }),
  };
  work.free(slot);
  return found;
}

if (posix.readSmall === undefined) {
  console.warn('skipped: batches of small files, because the native part is not built');
}

describe.each(kinds)('workshop, %s', (_, make) => {
  let work: Workshop;
  beforeEach(() => {
    work = make();
  });
  afterEach(async () => {
    await work.close();
  });

  test.skipIf(posix.readSmall === undefined)(
    'small files: content and digest rows are those of the files, and what is not as it was scanned is left to the usual way (R16)',
    async () => {
      const content = new Map<string, Buffer>([
        ['a', new Seeded(1).bytes(3_000)],
        ['b-empty', Buffer.alloc(0)],
        ['c-zeros', Buffer.alloc(5_000)],
        ['d-block', new Seeded(2).bytes(BLOCK_BYTES)],
        ['e-moves', new Seeded(3).bytes(700)],
        ['f-goes', new Seeded(4).bytes(700)],
        ['g-fifo', new Seeded(5).bytes(700)],
        ['h-link', new Seeded(6).bytes(700)],
        ['i\xff', new Seeded(7).bytes(1)],
      ]);
      const pathOf = (name: string): Buffer =>
        Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')]);
      for (const [name, bytes] of content) writeFileSync(pathOf(name), bytes);
      const entries = posix.scanFolder(Buffer.from(folder));
      utimesSync(pathOf('e-moves'), 1, 1);
      for (const name of ['f-goes', 'g-fifo', 'h-link']) rmSync(pathOf(name));
      execFileSync('mkfifo', [join(folder, 'g-fifo')]);
      symlinkSync('a', join(folder, 'h-link'));

      const found = await readAll(work, entries);

      for (const [at, { name }] of entries.entries()) {
        const key = name.toString('latin1');
        const expected = content.get(key) ?? Buffer.alloc(0);
        if (/^[e-h]-/.test(key)) {
          expect(found.codes[at], key).toBe(smallCodes.otherWay);
          continue;
        }
        expect(found.codes[at], key).not.toBe(smallCodes.otherWay);
        expect(found.bytes[at]?.equals(expected), key).toBe(true);
        const row = found.rows[at];
        if (expected.every((byte) => byte === 0)) expect(row, key).toBeUndefined();
        else expect(row && digestOfRow(row), key).toEqual(core.digest(expected));
      }
    },
  );

  test('run: digests, zero blocks and the length that a file has turned out to have', async () => {
    const bytes = Buffer.concat([
      new Seeded(8).bytes(BLOCK_BYTES),
      Buffer.alloc(BLOCK_BYTES),
      new Seeded(9).bytes(1_234),
    ]);
    const path = join(folder, 'large');
    writeFileSync(path, bytes);
    const fd = openSync(path, 'r');
    const slot = take(work);
    const length = await work.perform(
      { type: 'run', fd, offset: 0, length: 5 * BLOCK_BYTES },
      slot,
    );
    closeSync(fd);
    expect(length).toBe(bytes.length);
    expect(slot.content.subarray(0, length).equals(bytes)).toBe(true);
    expect([...slot.zeros.subarray(0, 3)]).toEqual([0, 1, 0]);
    for (const block of [0, 1, 2]) {
      const part = bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
      expect(slot.digests.subarray(block * 32, block * 32 + 32)).toEqual(core.digest(part));
    }
  });

  test('run: the error of the system comes back as one, and the next job is done', async () => {
    const path = join(folder, 'only-written');
    const fd = openSync(path, 'w');
    const slot = take(work);
    const run = { type: 'run' as const, fd, offset: 0, length: 100 };
    const error: unknown = await work.perform(run, slot).catch((cause: unknown) => cause);
    expect(errnoOf(error)).toBe('EBADF');
    closeSync(fd);
    writeFileSync(path, 'content');
    const again = openSync(path, 'r');
    expect(await work.perform({ ...run, fd: again }, slot)).toBe(7);
    closeSync(again);
  });

  test('slots: there are only so many, and one that was given back is there again', () => {
    const taken: Slot[] = [];
    for (let slot = work.take(); slot !== undefined; slot = work.take()) taken.push(slot);
    expect(taken.length).toBeGreaterThan(1);
    expect(taken.length).toBeLessThanOrEqual(2 * work.workers + 2);
    const [first] = taken;
    if (first !== undefined) work.free(first);
    expect(work.take()).toBe(first);
  });
});

describe('workers that die', () => {
  /** A worker that ends at the job of offset 0, `deaths` times over all of its lives. */
  function mortal(deaths: number): string {
    const file = join(folder, 'mortal.mjs');
    writeFileSync(
      file,
      `import { appendFileSync, existsSync, statSync } from 'node:fs';
       import { parentPort } from 'node:worker_threads';
       const count = ${JSON.stringify(join(folder, 'deaths'))};
       const listeners = [];
       const listen = parentPort.on.bind(parentPort);
       parentPort.on = (_, listener) => listeners.push(listener);
       await import(${JSON.stringify(entry)});
       listen('message', (order) => {
         const died = existsSync(count) ? statSync(count).size : 0;
         if (order.job?.offset === 0 && died < ${deaths}) {
           appendFileSync(count, 'x');
           process.exit(9);
         }
         for (const listener of listeners) listener(order);
       });`,
    );
    return pathToFileURL(file).pathname;
  }

  async function readOn(work: PooledWorkshop, jobs: number): Promise<readonly unknown[]> {
    const path = join(folder, 'file');
    writeFileSync(path, new Seeded(10).bytes(10 * 1000));
    const fd = openSync(path, 'r');
    const results = await Promise.allSettled(
      Array.from({ length: jobs }, (_, at) =>
        work.perform({ type: 'run', fd, offset: at * 1000, length: 1000 }, take(work)),
      ),
    );
    closeSync(fd);
    return results.map((result) =>
      result.status === 'fulfilled' ? result.value : (result.reason as { code: string }).code,
    );
  }

  test('one that dies is replaced, and all that it had to do is done', async () => {
    const options = { workers: 1, log: silentLog, entryFile: mortal(1) };
    const work = new PooledWorkshop(options);
    expect(await readOn(work, 3)).toEqual([1000, 1000, 1000]);
    expect(work.lost).toBe(1);
    await work.close();
  });

  test('a job that ends two of them is given up with a clear error, the others are done', async () => {
    const options = { workers: 1, log: silentLog, entryFile: mortal(2) };
    const work = new PooledWorkshop(options);
    expect(await readOn(work, 3)).toEqual(['worker-lost', 1000, 1000]);
    expect(work.lost).toBe(2);
    await work.close();
  });

  test('what is under way when the workers are ended is rejected', async () => {
    const work = new PooledWorkshop({ workers: 1, log: silentLog });
    const fd = openSync(folder, 'r');
    const job = work.perform({ type: 'run', fd, offset: 0, length: 10 }, take(work));
    const told = job.catch((error: unknown) => (error as { code: string }).code);
    await work.close();
    expect(await told).toBe('cancelled');
    closeSync(fd);
  });
});

test('workers: none where there are two processors, two less than there are, four at most', () => {
  expect([1, 2, 3, 16].map((processors) => workersFor(processors))).toEqual([0, 0, 1, 4]);
  const options = { createCore: createHashCore, posix, log: silentLog };
  expect(createWorkshop({ ...options, workers: 0 }).workers).toBe(0);
  expect(createWorkshop({ ...options, workers: 3 }).workers).toBe(3);
});
