/** Quotas refuse syncs with a clear error and prune nothing; the number of sets is bounded (R20). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCatalog } from '../../replica/catalog/catalog.js';
import type { SpaceUse } from '../../replica/history/set-reader.js';
import { type Admit, spaceGuard } from '../../replica/space-guard.js';
import { AfterimageError } from '../../shared/errors.js';
import { parseReplicaConfig } from '../../shared/config/replica-config.js';
import { SET_NODE, type SyncRecord } from '../../shared/protocol/records.js';
import { systemClock } from '../../shared/clock.js';
import { silentLog } from '../../shared/log.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { SetStore } from '../../replica/history/set-store.js';
import { StoredSetReader } from '../../replica/history/stored-set-reader.js';
import type { SetEvent } from '../../replica/receive/set-port.js';
import { SetWriter } from '../../replica/set-writer.js';
import type { Allowance } from '../../replica/space-guard.js';
import { outcome } from '../model/sync-records.js';
import {
  blockRecords,
  core,
  encode,
  fileRecords,
  link,
  nodeRecord,
  pattern,
} from './support/small-set.js';

let folder: string;
let store: SetStore;
let writer: SetWriter;
let admit: () => Allowance | undefined;
let sequence: number;
beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-quota-'));
  store = new SetStore({ set: 'shop', folder: path.join(folder, 'set'), core });
  admit = () => undefined;
  sequence = 0;
  writer = await openWriter();
  const content = pattern(150_000, 1);
  await send(fileRecords({ node: 2, parent: SET_NODE, name: 'file', content }));
});
afterEach(async () => {
  await writer.close();
  store.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

function openWriter(): Promise<SetWriter> {
  return SetWriter.open({
    store,
    core,
    posix: loadPosix(),
    clock: systemClock,
    log: silentLog,
    admit: () => admit(),
  });
}

/** What became of a sync: `committed`, or the code it was refused with. Rejects when the set stalls. */
async function send(records: readonly SyncRecord[]): Promise<string> {
  const done = new Promise<SetEvent>((resolve, reject) => {
    const subscription = writer.onEvent((event) => {
      if (event.type === 'stalled') reject(event.error);
      if (event.type !== 'committed' && event.type !== 'refused') return;
      subscription.unsubscribe();
      resolve(event);
    });
  });
  for (const body of bodiesOf(records)) await stage(body);
  const event = await done;
  return event.type === 'refused' ? event.error.code : event.type;
}

/** The frames of a sync that follows the newest point. */
function bodiesOf(records: readonly SyncRecord[]): Buffer[] {
  const { point, chain } = writer.position();
  const sync = point + 1;
  const begin: SyncRecord = {
    type: 'begin',
    sync,
    parentPoint: point,
    parentChain: chain,
    incarnation: Buffer.alloc(16, 3),
    startedMs: 5,
  };
  const end: SyncRecord = { type: 'end', sync, outcome: Buffer.from(JSON.stringify(outcome())) };
  return [begin, ...records, end].map((record) => encode([record]));
}

async function stage(body: Buffer): Promise<void> {
  sequence += 1;
  await writer.stage({ boot: '0'.repeat(32), sequence, body });
}

/** All bytes of a point's files; throws when one does not have its digest. */
async function contentOf(point: number): Promise<Buffer> {
  const view = new StoredSetReader(store).open(point);
  const parts: Buffer[] = [];
  for (const { version } of view.walk(SET_NODE)) {
    if (version.kind !== 'file') continue;
    const range = { offset: 0, length: version.size };
    for await (const piece of view.read(version.node, range)) parts.push(Buffer.from(piece));
  }
  view.close();
  return Buffer.concat(parts);
}

const use = (bytes: number): SpaceUse => ({
  baseBytes: bytes,
  atticBytes: 0,
  packBytes: 0,
  indexBytes: 0,
});

function guardOf(quotas: string, used: Record<string, number>) {
  const config = parseReplicaConfig({
    path: path.join(folder, 'replica.yaml'),
    text: `data_folder: ${folder}\nquotas: {free_bytes_min: 0, ${quotas}}\n`,
  });
  return spaceGuard({
    config,
    spaceOf: (set) => use(used[set] ?? 0),
    owners: () => [
      { agent: 'web', set: 'shop' },
      { agent: 'web', set: 'blog' },
      { agent: 'mail', set: 'mail' },
    ],
  });
}

/** What a sync of the set may store, as the quota says whose name stands in the error. */
function roomOf(guard: Admit, set: string, whose: string): number {
  const allowance = guard(set);
  let bytes = 0;
  const message = expect.stringContaining(whose) as string;
  expect(() => {
    for (; ; bytes += 1) allowance?.store(bytes + 1);
  }).toThrow(expect.objectContaining({ code: 'quota-exceeded', message }));
  allowance?.release();
  return bytes;
}

/** A file whose every block is a copy of one that the set has. */
function copies(blocks: number): SyncRecord[] {
  const bytes = pattern(65_536, 1);
  const digest = core.digest(bytes);
  return [
    nodeRecord({ node: 70, size: blocks * 65_536 }),
    ...Array.from({ length: blocks }, (_, block): SyncRecord => {
      return { type: 'copy', node: 70, block, digest, length: 65_536 };
    }),
    link(SET_NODE, 'copies', 70),
  ];
}

describe('quotas', () => {
  test('quota: the tightest of set, default and agent counts, and the error says whose it is', () => {
    const used = { shop: 600, blog: 300, mail: 10 };
    const guard = guardOf('set_bytes_max: 1000, sets: {blog: 5000}, agents: {web: 1100}', used);
    expect(roomOf(guard, 'shop', 'agent web')).toBe(200);
    expect(roomOf(guard, 'blog', 'agent web')).toBe(200);
    expect(roomOf(guard, 'mail', 'set mail')).toBe(990);
    expect(guardOf('sets: {mail: 100}', used)('shop')).toBeUndefined();
    expect(() => guardOf('sets: {shop: 599}', used)('shop')).toThrow(
      expect.objectContaining({
        code: 'quota-exceeded',
        message: expect.stringContaining('shop') as string,
      }),
    );
    expect(() => guardOf('agents: {web: 899}', used)('blog')).toThrow(
      expect.objectContaining({ message: expect.stringContaining('agent web') as string }),
    );
  });

  test('quota: syncs of several sets at a time share what their agent may store (R20)', () => {
    const used: Record<string, number> = { shop: 100, blog: 100 };
    const guard = guardOf('agents: {web: 1000}', used);
    const shop = guard('shop');
    const blog = guard('blog');
    shop?.store(500);
    blog?.store(300);
    expect(() => blog?.store(301)).toThrow(expect.objectContaining({ code: 'quota-exceeded' }));
    blog?.release();
    shop?.store(800);
    // the point of the one counts for the other from then on
    used['shop'] = 900;
    shop?.release();
    expect(roomOf(guard, 'blog', 'agent web')).toBe(0);
    // and points that go make room for a sync that is under way
    const later = guard('blog');
    used['shop'] = 200;
    later?.store(700);
    expect(() => later?.store(701)).toThrow(expect.objectContaining({ code: 'quota-exceeded' }));
  });

  test('quota: a sync that goes on after a restart of the replica is bounded as before (R20)', async () => {
    const content = pattern(400_000, 5);
    const records = fileRecords({ node: 60, parent: SET_NODE, name: 'big', content });
    const bodies = bodiesOf(records).slice(0, -1);
    for (const body of bodies.slice(0, 4)) await stage(body);
    const staged = sequence;
    await writer.close();
    const stored: number[] = [];
    admit = () => ({
      store: (bytes) => {
        stored.push(bytes);
        if (bytes > 300_000) throw quotaError();
      },
      release: () => undefined,
    });
    writer = await openWriter();
    expect(writer.position().staged?.sync).toBe(2);
    const refused = new Promise<SetEvent>((resolve) => {
      writer.onEvent((event) => {
        if (event.type === 'refused') resolve(event);
      });
    });
    // no frame was durable: they come again, and count over what is there
    sequence = staged - 4;
    for (const body of bodies) await stage(body);
    expect(await refused).toMatchObject({ error: { code: 'quota-exceeded' } });
    expect(stored[0]).toBe(2 * 65_536);
    expect(writer.position()).toMatchObject({ point: 1, staged: null });
  });

  test('quota: the second copy of the index and the logs of both count as the index (R20)', () => {
    const before = new StoredSetReader(store).space().indexBytes;
    const names = ['index.db', 'index.db-wal'];
    const sizes = names.map((name) => fs.statSync(path.join(store.folder, name)).size);
    expect(before).toBe(sizes.reduce((sum, size) => sum + size, 0));
    fs.writeFileSync(path.join(store.folder, 'index-twin.db'), Buffer.alloc(10_000));
    expect(new StoredSetReader(store).space().indexBytes).toBe(before + 10_000);
  });

  test('quota: a sync that would store more is refused, says so, and every point stands', async () => {
    const before = await contentOf(1);
    admit = () => ({
      store: (bytes) => {
        if (bytes > 100_000) throw quotaError();
      },
      release: () => undefined,
    });
    const at = { parent: SET_NODE, name: 'big' };
    expect(await send(fileRecords({ node: 60, ...at, content: pattern(300_000, 5) }))).toBe(
      'quota-exceeded',
    );
    // a copy costs nothing on the wire
    expect(await send(copies(40))).toBe('quota-exceeded');
    const patched = [
      nodeRecord({ node: 2, size: 150_000, body: 'keep' }),
      ...blockRecords(2, pattern(150_000, 9)),
    ];
    expect(await send(patched)).toBe('quota-exceeded');
    const names = Array.from({ length: 600 }, (_, n) => link(SET_NODE, `${n}`.padEnd(200, 'x'), 2));
    expect(await send(names)).toBe('quota-exceeded');
    expect(writer.position().point).toBe(1);
    expect(await contentOf(1)).toEqual(before);
    expect(await send(fileRecords({ node: 61, ...at, content: pattern(50_000, 5) }))).toBe(
      'committed',
    );
    expect(await contentOf(1)).toEqual(before);
  });

  test('quota: a set over it refuses at once, without waiting, until there is room', async () => {
    admit = () => {
      throw quotaError();
    };
    expect(await send([link(SET_NODE, 'x', 2)])).toBe('quota-exceeded');
    expect(writer.status.stalled).toBeUndefined();
    admit = () => undefined;
    expect(await send([link(SET_NODE, 'x', 2)])).toBe('committed');
  });

  test('quota: an agent has at most so many sets, and those it has stay its own', () => {
    const catalog = openCatalog({ path: ':memory:' });
    for (const name of ['web', 'mail']) {
      catalog.addAgent({ name, tenant: 't', brokerKey: name, token: name, expiresMs: 1 });
    }
    const claim = (set: string, agent = 'web') => {
      catalog.claimSet({ set, agent, setsMax: 3 });
    };
    for (const set of ['a', 'b', 'c', 'a', 'b', 'c']) claim(set);
    expect(() => {
      claim('d');
    }).toThrow(expect.objectContaining({ code: 'quota-exceeded' }));
    claim('d', 'mail');
    catalog.removeSet('a');
    claim('e');
    expect(catalog.listSets().map(({ set }) => set)).toEqual(['b', 'c', 'd', 'e']);
    catalog.close();
  });
});

function quotaError(): AfterimageError {
  return new AfterimageError('quota-exceeded', 'set model is full');
}
