/** What a sync leaves behind when it does not become a point: state, hashes, numbers (R10, R12, R13). */
import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AfterimageError } from '../../shared/errors.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { adoptReplica } from '../../agent/state/adopt-replica.js';
import { openBench, type AgentBench } from './support/agent-bench.js';
import { ModelReplica } from './support/model-replica.js';
import { untilOld } from './support/until.js';
import { RandomTree } from './support/random-tree.js';
import { differences } from './support/tree-compare.js';

let bench: AgentBench;
beforeEach(() => {
  bench = openBench();
});
afterEach(() => {
  bench.close();
});

const at = (...names: string[]): string => join(bench.root, ...names);

function expectTree(): void {
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
}

/** Everything the state says of the committed point, in order. */
function dump(): unknown {
  bench.set.state.flush();
  const db = new Database(join(bench.folder, 'state.db'), { readonly: true });
  try {
    return [
      'SELECT * FROM node ORDER BY id',
      'SELECT * FROM entry ORDER BY parent, name',
      'SELECT node, first, bytes FROM digest ORDER BY node, first',
    ].map((sql) => db.prepare(sql).all());
  } finally {
    db.close();
  }
}

test.each([1, 2, 3, 4, 5, 6])(
  'recovery: a broken sync leaves the state byte for byte, seed %i',
  async (seed) => {
    const tree = new RandomTree(bench.root, seed);
    for (let steps = 0; steps < 40; steps += 1) tree.step();
    await bench.sync();
    const before = dump();
    for (let steps = 0; steps < 30; steps += 1) tree.step();
    const whole = 12;
    for (const breakAfter of [0, 1, 3, whole]) {
      bench.session.breakAfter = breakAfter;
      const broken = await bench.sync({ always: true }).then(
        () => false,
        () => true,
      );
      if (!broken) break;
      expect(dump(), `seed ${seed}, broken after ${breakAfter}`).toEqual(before);
    }
  },
);

test('recovery: a first copy that broke reads and asks, but does not send again what arrived', async () => {
  const content = randomBytes(8 * 1024 * 1024);
  writeFileSync(at('large'), content);
  for (let file = 0; file < 50; file += 1) writeFileSync(at(`f${file}`), randomBytes(20_000));
  bench.session.breakAfter = 160;
  await expect(bench.sync()).rejects.toMatchObject({ code: 'session-stale' });
  bench.restart();
  await bench.sync();
  expectTree();
  const { counts, literalBytes } = bench.session.replica;
  expect(counts['copy']).toBeGreaterThan(30);
  expect(literalBytes).toBeLessThan(8 * 1024 * 1024);
});

test('recovery: a large file that was hashed is not read again when the replica has it', async () => {
  writeFileSync(at('a-large'), randomBytes(8 * 1024 * 1024));
  await untilOld(at('a-large'));
  mkdirSync(at('z'));
  writeFileSync(at('z', 'last'), 'x');
  bench.session.breakAfter = 132;
  await expect(bench.sync()).rejects.toMatchObject({ code: 'session-stale' });
  await bench.sync();
  expectTree();
  expect(bench.session.replica.counts['copy']).toBeGreaterThan(110);
  expect(bench.session.replica.outcome?.counts.bytesRead).toBeLessThan(1024 * 1024);
});

test('recovery: numbers of a lost sync are never used again', async () => {
  writeFileSync(at('one'), 'x');
  bench.session.breakAfter = 3;
  await expect(bench.sync()).rejects.toThrow();
  await bench.sync();
  const [smallest] = [...bench.session.replica.state.nodes.keys()].sort((a, b) => a - b);
  expect(smallest).toBeGreaterThan(2);
  expect(bench.session.replica.lastSync).toBe(2);
});

test('recovery: a sync whose end was sent before a crash is rolled forward', async () => {
  writeFileSync(at('file'), 'x');
  const stop = new AbortController();
  bench.session.atEnd = () => undefined;
  const replica = bench.session.replica;
  const write = bench.session.write.bind(bench.session);
  bench.session.write = (record) => {
    const wait = write(record);
    if (record.type === 'end') {
      replica.take(record);
      stop.abort(new AfterimageError('cancelled', 'the agent is killed'));
    }
    return wait;
  };
  await expect(bench.sync({ signal: stop.signal })).rejects.toMatchObject({ code: 'cancelled' });
  bench.restart();
  const { state } = bench.set;
  const outcome = await bench.session.start(() => state.position());
  expect(outcome).toMatchObject({ type: 'roll-forward', point: 1 });
  if (outcome.type === 'roll-forward') state.commitSync(outcome);
  expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
  writeFileSync(at('second'), 'y');
  expect(await bench.sync()).toMatchObject({ type: 'committed', point: 2 });
  expectTree();
});

test('recovery: the manifest digest stored before end is that of the sync', async () => {
  writeFileSync(at('file'), 'x');
  let stored: Buffer | undefined;
  const write = bench.session.write.bind(bench.session);
  bench.session.write = (record) => {
    if (record.type === 'end') stored = bench.set.state.position().ended?.manifest;
    return write(record);
  };
  await bench.sync();
  expect(stored?.equals(bench.session.replica.lastManifest)).toBe(true);
});

test('recovery: blocks that a refusal wants are sent whole by the next sync', async () => {
  const content = randomBytes(3 * 1024 * 1024);
  writeFileSync(at('db'), content);
  await untilOld(at('db'));
  await bench.sync();
  await bench.sync();
  const node = [...bench.session.replica.state.nodes].find(
    ([, { record }]) => record.size > 0,
  )?.[0];
  writeFileSync(at('other'), 'x');
  await untilOld(at('other'));
  bench.session.atEnd = (sync) => ({
    type: 'refused',
    sync,
    error: new AfterimageError('digest-mismatch', 'rotten'),
    wants: [
      { node: node ?? 0, block: 7 },
      { node: node ?? 0, block: 40 },
    ],
  });
  await expect(bench.sync()).rejects.toMatchObject({ code: 'digest-mismatch' });
  await bench.sync();
  expectTree();
  // The new file was hashed and sent before: the replica still has it.
  expect(bench.session.replica.counts).toMatchObject({ block: 2, copy: 1 });
});

test('recovery: a copy that the replica cannot make is sent as bytes by the next sync', async () => {
  const content = randomBytes(60_000);
  writeFileSync(at('one'), content);
  await bench.sync();
  writeFileSync(at('two'), content);
  bench.session.atEnd = (sync) => {
    const made = bench.set.state.nodes.placesOf(4)[0];
    expect(made?.name.toString()).toBe('two');
    return {
      type: 'refused',
      sync,
      error: new AfterimageError('digest-mismatch', 'no such block'),
      wants: [{ node: 4, block: 0 }],
    };
  };
  await expect(bench.sync()).rejects.toMatchObject({ code: 'digest-mismatch' });
  await bench.sync();
  expectTree();
  expect(bench.session.replica.literalBytes).toBe(60_000);
});

test('recovery: a refusal that comes before the end is obeyed at once', async () => {
  for (let file = 0; file < 200; file += 1) writeFileSync(at(`f${file}`), randomBytes(1000));
  const write = bench.session.write.bind(bench.session);
  let written = 0;
  bench.session.write = (record) => {
    if (++written === 20) {
      const error = new AfterimageError('record-refused', 'not this one');
      bench.session.emit({ type: 'refused', sync: 1, error, wants: [] });
    }
    return write(record);
  };
  await expect(bench.sync()).rejects.toMatchObject({ code: 'record-refused' });
  expect(bench.set.state.flight).toBeUndefined();
  expect(bench.session.replica.point).toBe(0);
  await bench.sync();
  expectTree();
});

test('recovery: a sync that the replica lost is taken back and planned anew', async () => {
  writeFileSync(at('file'), 'x');
  const outcome = { type: 'go-on', resumed: false } as const;
  bench.session.atEnd = (sync) => ({ type: 'hello', outcome, about: sync });
  await expect(bench.sync()).rejects.toMatchObject({ code: 'session-stale' });
  bench.session.drop();
  await bench.sync();
  expectTree();
});

test('recovery: after a divergence only differences are sent, and moves are still found later', async () => {
  const content = randomBytes(500_000);
  writeFileSync(at('same'), content);
  writeFileSync(at('changed'), randomBytes(500_000));
  mkdirSync(at('folder'));
  writeFileSync(at('folder', 'x'), 'x');
  await bench.sync();
  // The agent's state is lost; the tree went on meanwhile.
  const { replica } = bench.session;
  bench.set.state.close();
  for (const suffix of ['', '-wal', '-shm'])
    rmSync(join(bench.folder, `state.db${suffix}`), { force: true });
  bench.set.journal.close();
  bench.set.state.close = () => undefined;
  bench.set.journal.close = () => undefined;
  bench.restart();
  writeFileSync(at('changed'), randomBytes(400_000));
  const { state, index } = bench.set;
  const outcome = await bench.session.start(() => state.position());
  expect(outcome.type).toBe('diverged');
  if (outcome.type !== 'diverged') return;
  await adoptReplica(state, bench.session, { committed: outcome, slice: new TimeSlice() });
  await index.fill(new TimeSlice());
  await bench.sync({ operation: 'reconcile', always: true });
  expectTree();
  expect(replica.outcome?.reconciled).toBe(true);
  expect(replica.literalBytes).toBe(400_000);
  renameSync(at('folder'), at('moved'));
  await bench.sync();
  expectTree();
  expect(replica.counts).toMatchObject({ link: 1, unlink: 1 });
});

test('recovery: a new, empty replica gets everything again', async () => {
  writeFileSync(at('file'), randomBytes(100_000));
  await bench.sync();
  const { state } = bench.set;
  const session = bench.session;
  Object.assign(session, { replica: new ModelReplica(createHashCore()) });
  const outcome = await session.start(() => state.position());
  expect(outcome).toMatchObject({ type: 'diverged', point: 0 });
  if (outcome.type !== 'diverged') return;
  await adoptReplica(state, session, { committed: outcome, slice: new TimeSlice() });
  await bench.sync({ operation: 'reconcile', always: true });
  expectTree();
});

test('recovery: a point that could not be stored is stored by the next sync, not taken back (R13)', async () => {
  writeFileSync(at('one'), 'x');
  await bench.sync();
  writeFileSync(at('two'), 'y');
  const db = new Database(join(bench.folder, 'state.db'));
  const write = bench.session.write.bind(bench.session);
  // The disk fails between the sync's end and its point.
  bench.session.write = (record) => {
    if (record.type === 'end')
      db.exec("CREATE TRIGGER f BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'failed'); END");
    return write(record);
  };
  await expect(bench.sync()).rejects.toThrow('failed');
  db.exec('DROP TRIGGER f');
  db.close();
  bench.session.write = write;
  writeFileSync(at('three'), 'z');
  expect(await bench.sync()).toMatchObject({ type: 'committed', point: 3 });
  expectTree();
});

test('recovery: a sync that cannot begin leaves nobody listening for its verdict (R19)', async () => {
  let listening = 0;
  const { session } = bench;
  const listen = session.onEvent.bind(session);
  vi.spyOn(session, 'onEvent').mockImplementation((listener) => {
    const subscription = listen(listener);
    listening += 1;
    return {
      unsubscribe: () => {
        listening -= 1;
        subscription.unsubscribe();
      },
    };
  });
  const broken = vi.spyOn(bench.set.state.digests, 'anyProvisional', 'get');
  broken.mockImplementation(() => {
    throw new AfterimageError('storage-failed', 'the disk fails');
  });
  await expect(bench.sync()).rejects.toThrow('the disk fails');
  expect(listening).toBe(0);
  broken.mockRestore();
  expect((await bench.sync({ always: true })).type).toBe('committed');
  expect(listening).toBe(0);
});
