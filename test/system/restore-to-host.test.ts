/**
 * Restores that the agent carries out on its own host, asked for through the API: a dry run, in place
 * with everything that happened meanwhile undone and taken back again, beside, refused by the agent's
 * configuration (R22), called off, and cut off by the end of either side (promise 10).
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type JobJson, jobSchema } from '../../shared/api/jobs.js';
import { Seeded } from '../support/seeded.js';
import { type Product, startProduct } from './support/product.js';
import { copyTree, rsyncMissing, treeDifferences } from './support/rsync.js';

const MIB = 2 ** 20;
const LARGE = 64;
const missing = rsyncMissing();
if (missing !== undefined) process.stdout.write(`restore: trees are not compared, ${missing}\n`);
const compared = test.skipIf(missing !== undefined);

let product: Product;
let root: string;
let beside: string;
let good: number;
let asGood: string;

beforeAll(async () => {
  product = await startProduct({
    storage: 'memory',
    sets: (folder) => {
      root = path.join(folder, 'app');
      fs.mkdirSync(path.join(root, 'docs'), { recursive: true });
      fs.mkdirSync(path.join(root, 'large'));
      const seeded = new Seeded(11);
      for (let n = 0; n < 50; n += 1) {
        fs.writeFileSync(path.join(root, 'docs', `doc-${n}.txt`), `document ${n}\n`.repeat(100));
      }
      fs.linkSync(path.join(root, 'docs', 'doc-1.txt'), path.join(root, 'docs', 'same-as-1.txt'));
      fs.symlinkSync('docs/doc-2.txt', path.join(root, 'link'));
      for (let n = 0; n < LARGE; n += 1) {
        fs.writeFileSync(path.join(root, 'large', name(n)), seeded.bytes(MIB));
      }
      const sparse = fs.openSync(path.join(root, 'sparse'), 'w');
      fs.writeSync(sparse, 'end', 300 * MIB);
      fs.closeSync(sparse);
      fs.mkdirSync(path.join(root, 'cache'));
      fs.writeFileSync(path.join(root, 'cache', 'not-in-any-point'), 'stays');
      return [{ name: 'app', roots: [root], exclude: ['cache'] }];
    },
    agent: { restore: { folders: ['/dev/shm', '/tmp'] } },
  });
  beside = path.join(product.folder, 'beside');
  asGood = path.join(product.folder, 'as-good');
  good = await product.sync('app');
  if (missing === undefined) copyTree(root, asGood);
}, 120_000);

afterAll(async () => {
  await product.close();
});

function name(n: number): string {
  return `large-${String(n).padStart(3, '0')}`;
}

/** What a bad day does: overwrites, deletes, adds. */
function damage(): void {
  for (let n = 0; n < 20; n += 1) {
    fs.writeFileSync(path.join(root, 'docs', `doc-${n}.txt`), `ENCRYPTED ${n}`);
  }
  fs.rmSync(path.join(root, 'large'), { recursive: true, force: true });
  fs.rmSync(path.join(root, 'link'), { force: true });
  fs.mkdirSync(path.join(root, 'note', 'deep'), { recursive: true });
  fs.writeFileSync(path.join(root, 'note', 'deep', 'READ-ME'), 'pay');
}

/** Paths whose kind or content is not as it was at the good point. */
function contentDifferences(tree: string): string[] {
  const read = (folder: string): Map<string, string> =>
    new Map(
      fs.readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => {
        const at = path.join(entry.parentPath, entry.name);
        const content = entry.isFile() ? hash(fs.readFileSync(at)) : String(entry.isDirectory());
        return [path.relative(folder, at), content];
      }),
    );
  const [wanted, there] = [read(asGood), read(tree)];
  const names = new Set([...wanted.keys(), ...there.keys()]);
  return [...names].filter((each) => wanted.get(each) !== there.get(each));
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function ask(request: Readonly<Record<string, unknown>>): Promise<JobJson> {
  const body = { kind: 'restore', set: 'app', where: 'agent', point: String(good), ...request };
  return jobSchema.parse(await product.api('/v1/jobs', body));
}

async function jobOf(id: string): Promise<JobJson> {
  return jobSchema.parse(await product.api(`/v1/jobs/${id}`));
}

async function ended(id: string): Promise<JobJson> {
  let job = await jobOf(id);
  await product.until(`${id} has ended`, async () => {
    job = await jobOf(id);
    return job.endedMs !== null;
  });
  return job;
}

const inPlace = { target: 'in-place', orphans: 'delete' } as const;

compared(
  'restore to the host: a dry run tells what would happen to which path, and writes nothing',
  async () => {
    damage();
    const copy = path.join(product.folder, 'as-damaged');
    copyTree(root, copy);
    const { id } = await ask({ ...inPlace, dryRun: true });
    const { state, result, problem } = await ended(id);
    expect({ state, problem }).toEqual({ state: 'done', problem: null });
    expect(result?.counts).toMatchObject({
      rewrite: 19,
      replace: 1,
      delete: 1,
      create: 1 + LARGE + 1,
    });
    expect(result?.planned).toContainEqual({
      action: 'delete',
      path: 'app/note',
      kind: 'folder',
      bytes: 0,
    });
    expect(result?.planned).toContainEqual(
      expect.objectContaining({ action: 'create', path: `app/large/${name(0)}`, bytes: MIB }),
    );
    expect(treeDifferences(copy, root)).toBe('');
  },
  120_000,
);

compared(
  'restore to the host: in place it is as it was, what no point has stays, the undo point takes it back',
  async () => {
    damage();
    const damaged = path.join(product.folder, 'before-restore');
    copyTree(root, damaged);
    const { id } = await ask(inPlace);
    const { state, result, problem } = await ended(id);
    expect({ state, problem, troubles: result?.troubles }).toEqual({
      state: 'done',
      problem: null,
      troubles: [],
    });
    expect(treeDifferences(asGood, root)).toBe('');
    expect(fs.readFileSync(path.join(root, 'cache', 'not-in-any-point'), 'utf8')).toBe('stays');
    const { undoPoint = 0, resultPoint = 0 } = result?.counts ?? {};
    expect(undoPoint).toBeGreaterThan(good);
    const { outcome } = await product.pointDetail('app', resultPoint);
    expect(outcome.restored).toMatchObject({ point: good, done: true });
    const retention = JSON.stringify(await product.api('/v1/sets/app/retention'));
    expect(retention).toContain(`undo point of ${id}`);

    const back = await ask({ ...inPlace, point: String(undoPoint), undoPoint: false });
    expect((await ended(back.id)).state).toBe('done');
    expect(treeDifferences(damaged, root)).toBe('');
  },
  120_000,
);

compared(
  'restore to the host: the agent killed in the middle, then the replica: it goes on and ends right',
  async () => {
    damage();
    const { id } = await ask({ ...inPlace, undoPoint: false });
    const reaches = async (n: number): Promise<void> => {
      await product.until(`${name(n)} is there`, () =>
        fs.existsSync(path.join(root, 'large', name(n))),
      );
    };
    await reaches(10);
    await product.kill('agent', 'SIGKILL');
    expect(fs.existsSync(path.join(root, 'large', name(LARGE - 1)))).toBe(false);
    await product.startAgent();
    await reaches(25);
    await product.kill('replica', 'SIGKILL');
    expect(fs.existsSync(path.join(root, 'large', name(LARGE - 1)))).toBe(false);
    await product.startReplica();
    const { state, problem, result } = await ended(id);
    expect({ state, problem, troubles: result?.troubles }).toEqual({
      state: 'done',
      problem: null,
      troubles: [],
    });
    expect(treeDifferences(asGood, root)).toBe('');
  },
  120_000,
);

test('restore to the host: called off it stops and what was there stays; resumed it goes on', async () => {
  fs.rmSync(path.join(root, 'large'), { recursive: true, force: true });
  const { id } = await ask({ ...inPlace, undoPoint: false, orphans: 'leave' });
  await product.until('it writes', () => fs.existsSync(path.join(root, 'large', name(3))));
  await product.api(`/v1/jobs/${id}/cancel`, {});
  expect((await ended(id)).state).toBe('cancelled');
  const written = fs.readdirSync(path.join(root, 'large')).length;
  expect(written).toBeLessThan(LARGE);
  await product.api(`/v1/jobs/${id}/resume`, {});
  await product.until('it is done', async () => (await jobOf(id)).state === 'done');
  expect(fs.readdirSync(path.join(root, 'large')).length).toBe(LARGE);
}, 60_000);

compared(
  'restore to the host: beside goes below the configured folders, and nowhere else (R22)',
  async () => {
    const { id } = await ask({ target: { beside } });
    expect((await ended(id)).state).toBe('done');
    fs.mkdirSync(path.join(beside, 'app', 'cache'));
    fs.writeFileSync(path.join(beside, 'app', 'cache', 'not-in-any-point'), 'stays');
    expect(contentDifferences(path.join(beside, 'app'))).toEqual([]);
    const elsewhere = await ask({ target: { beside: '/var/afterimage-elsewhere' } });
    const { state, problem } = await ended(elsewhere.id);
    expect(state).toBe('failed');
    expect(problem).toMatchObject({ code: 'restore-refused' });
    expect(problem?.detail).toContain('restore.folders');
    expect(fs.existsSync('/var/afterimage-elsewhere')).toBe(false);
  },
  60_000,
);

test('restore to the host: refused while the configuration of the agent allows none (R22)', async () => {
  const config = fs.readFileSync(product.agentFile, 'utf8');
  await product.kill('agent', 'SIGTERM');
  fs.writeFileSync(product.agentFile, config.replace('restore:\n', 'restore:\n  allow: none\n'));
  await product.startAgent();
  await expect(ask(inPlace)).rejects.toThrow('restore.allow');
}, 60_000);
