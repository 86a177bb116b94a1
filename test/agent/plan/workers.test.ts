/** A sync says the same whoever reads the files: the agent's own thread, or workers (R12, R16). */
import { appendFileSync, mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { PooledWorkshop } from '../../../agent/workers/pooled-workshop.js';
import type { Job, JobResult } from '../../../agent/workers/job.js';
import type { Slot } from '../../../agent/workers/slot.js';
import { silentLog } from '../../../shared/log.js';
import { Seeded } from '../../support/seeded.js';
import { type AgentBench, openBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

const MIB = 1024 * 1024;

/** Counts jobs, and lets a test do something before one. */
class Watched extends PooledWorkshop {
  readonly done = { small: 0, run: 0 };
  before: (job: Job) => void = () => undefined;

  override async perform(job: Job, slot: Slot): Promise<JobResult> {
    this.before(job);
    const result = await super.perform(job, slot);
    this.done[job.type] += 1;
    return result;
  }
}

let bench: AgentBench;
let work: Watched;
afterEach(async () => {
  bench.close();
  await work.close();
});

function open(): void {
  work = new Watched({ workers: 2, log: silentLog });
  bench = openBench({ set: { work } });
}

function writeFiles(random: Seeded): void {
  for (const folder of ['a', 'b']) {
    mkdirSync(join(bench.root, folder));
    for (let at = 0; at < 150; at += 1) {
      const bytes = random.chance(0.1) ? Buffer.alloc(500) : random.bytes(random.below(9_000));
      writeFileSync(join(bench.root, folder, `file-${at}`), bytes);
    }
  }
  writeFileSync(join(bench.root, 'large'), random.bytes(9 * MIB + 77));
}

async function synced(): Promise<void> {
  await bench.sync({ always: true });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
}

test('workers: a first copy and a change come out as the files are, in batches', async () => {
  open();
  const random = new Seeded(1);
  writeFiles(random);
  await synced();
  expect(work.done.small).toBeGreaterThan(0);
  expect(work.done.small).toBeLessThanOrEqual(2 * 10);
  expect(work.done.run).toBe(10);

  appendFileSync(join(bench.root, 'large'), random.bytes(3 * MIB));
  appendFileSync(join(bench.root, 'a', 'file-3'), 'more');
  await synced();
  expect(work.done.run).toBeGreaterThan(10);
  expect(work.lost).toBe(0);
  expect(bench.set.meter.blockMsMax).toBeGreaterThanOrEqual(0);
});

test('workers: a small file that changes between scan and read is said as it is, of one moment (R16)', async () => {
  open();
  writeFiles(new Seeded(2));
  let writes = 0;
  work.before = ({ type }) => {
    // The first batch holds the first files.
    if (type === 'small' && writes++ === 0) {
      appendFileSync(join(bench.root, 'a', 'file-0'), 'changed');
    }
  };
  await synced();
  expect(writes).toBeGreaterThan(0);
});

test('workers: a large file that is cut off while it is read is what is left of it', async () => {
  open();
  writeFiles(new Seeded(3));
  const path = join(bench.root, 'large');
  work.before = (job) => {
    if (job.type === 'run' && job.offset === 5 * MIB) truncateSync(path, 2 * MIB + 5);
  };
  await bench.sync();
  expect(statSync(path).size).toBe(2 * MIB + 5);
  work.before = () => undefined;
  await synced();
});

test('workers: a read that the system fails leaves out the file, by name, and nothing else (R17)', async () => {
  open();
  writeFiles(new Seeded(4));
  work.before = (job) => {
    if (job.type !== 'run') return;
    throw Object.assign(new Error('i/o error'), { code: 'EIO', errno: -5, syscall: 'read' });
  };
  await bench.sync();
  const left = differences(bench.session.replica.state, { root: bench.root });
  expect(left.length).toBeGreaterThan(0);
  expect(left.every((line) => line.includes('large'))).toBe(true);
  work.before = () => undefined;
  await synced();
});
