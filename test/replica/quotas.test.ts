/** Quotas refuse syncs with a clear error and prune nothing; the number of sets is bounded (R20). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCatalog } from '../../replica/catalog/catalog.js';
import type { SpaceUse } from '../../replica/history/set-reader.js';
import { spaceGuard } from '../../replica/space-guard.js';
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
  writer = await SetWriter.open({
    store,
    core,
    posix: loadPosix(),
    clock: systemClock,
    log: silentLog,
    admit: () => admit(),
  });
  const content = pattern(150_000, 1);
  await send(fileRecords({ node: 2, parent: SET_NODE, name: 'file', content }));
});
afterEach(async () => {
  await writer.close();
  store.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

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
  const { point, chain } = writer.position();
  const sync = sequence + 1;
  const begin: SyncRecord = {
    type: 'begin',
    sync,
    parentPoint: point,
    parentChain: chain,
    incarnation: Buffer.alloc(16, 3),
    startedMs: 5,
  };
  const end: SyncRecord = { type: 'end', sync, outcome: Buffer.from(JSON.stringify(outcome())) };
  for (const body of [
    encode([begin]),
    ...records.map((record) => encode([record])),
    encode([end]),
  ]) {
    sequence += 1;
    await writer.stage({ boot: '0'.repeat(32), sequence, body });
  }
  const event = await done;
  return event.type === 'refused' ? event.error.code : event.type;
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
    expect(guard('shop')).toMatchObject({ bytes: 200 });
    expect(guard('blog')).toMatchObject({ bytes: 200 });
    expect(guard('mail')).toMatchObject({ bytes: 990 });
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

  test('quota: a sync that would store more is refused, says so, and every point stands', async () => {
    const before = await contentOf(1);
    admit = () => ({ bytes: 100_000, error: quotaError() });
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
