/** The state database: durable where promised, bounded, honest about its version. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TimeSlice } from '../../../shared/time-slice.js';
import type { NodeRow } from '../../../agent/state/node-row.js';
import { AgentState } from '../../../agent/state.js';

let folder: string;
let state: AgentState;
const path = (): string => join(folder, 'state.db');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-state-'));
  state = new AgentState(path());
});
afterEach(() => {
  state.close();
  rmSync(folder, { recursive: true });
});

const file = (id: number): NodeRow => ({
  id,
  kind: 'file',
  identity: Buffer.alloc(20, id),
  status: Buffer.alloc(48, id),
  size: 10,
  target: null,
  xattrs: null,
  dirty: false,
  fresh: 0,
});

function reopen(): void {
  state.close();
  state = new AgentState(path());
}

function add(name: string): number {
  const id = state.takeNode();
  state.nodes.insert(file(id));
  state.nodes.link({ parent: 1, name: Buffer.from(name), node: id, folder: false });
  state.digests.write(id, 0, Buffer.alloc(33, id));
  return id;
}

function commit(point: number): void {
  state.endSync(Buffer.alloc(32, 1));
  state.commitSync({ point, chain: Buffer.alloc(32, point) });
}

test('state: its incarnation is made once', () => {
  const { incarnation } = state;
  expect(incarnation).toHaveLength(16);
  reopen();
  expect(state.incarnation).toEqual(incarnation);
});

test('state: a sync that a crash left open is taken back after the next start, its numbers are not', async () => {
  const sync = state.openSync();
  const node = add('a');
  state.flush();
  reopen();
  await state.endFlight(new TimeSlice());
  expect(state.flight).toBeUndefined();
  expect(state.nodes.get(node)).toBeUndefined();
  expect(state.openSync()).toBe(sync + 1);
  expect(state.takeNode()).toBeGreaterThanOrEqual(node);
});

test('state: a sync that was ended is still there after a crash, with its manifest (R13)', () => {
  const sync = state.openSync();
  const node = add('a');
  const manifest = Buffer.alloc(32, 7);
  state.endSync(manifest);
  reopen();
  expect(state.position()).toMatchObject({ point: 0, ended: { sync, manifest } });
  state.commitSync({ point: 1, chain: Buffer.alloc(32, 9) });
  reopen();
  expect(state.position()).toMatchObject({ point: 1, chain: Buffer.alloc(32, 9), ended: null });
  expect(state.nodes.get(node)).toBeDefined();
});

test('state: taking back restores names, rows and digests, whatever happened to them', async () => {
  state.openSync();
  const [a, b, c] = [add('a'), add('b'), add('c')];
  commit(1);
  state.openSync();
  const named = (name: string, node: number): void => {
    state.nodes.link({ parent: 1, name: Buffer.from(name), node, folder: false });
  };
  state.nodes.unlink(1, Buffer.from('a'));
  named('moved', a);
  named('b', c);
  const fresh = add('new');
  named('c', fresh);
  state.nodes.unlink(1, Buffer.from('c'));
  named('c', b);
  state.nodes.update({ ...file(a), size: 99, dirty: true });
  state.digests.write(a, 0, Buffer.alloc(33, 0xee));
  state.digests.write(a, 16, Buffer.alloc(33, 0xee));
  state.digests.removeFrom(b, 0);
  state.nodes.delete(b);
  state.setFingerprint(1, Buffer.alloc(32, 1));
  await state.dropSync(new TimeSlice());
  const at = (name: string): number | undefined => state.nodes.at(1, Buffer.from(name));
  expect([at('a'), at('b'), at('c'), at('moved'), at('new')]).toEqual([
    a,
    b,
    c,
    undefined,
    undefined,
  ]);
  expect(state.nodes.get(a)).toMatchObject({ size: 10, dirty: false });
  expect(state.nodes.get(fresh)).toBeUndefined();
  expect(state.digests.read(a, 0)).toEqual(Buffer.alloc(33, a));
  expect(state.digests.read(a, 16)).toBeUndefined();
  expect(state.digests.read(b, 0)).toEqual(Buffer.alloc(33, b));
  expect(state.fingerprint(1)).toBeUndefined();
});

test('state: a rollback that a crash interrupts is finished after the next start', async () => {
  state.openSync();
  for (let count = 0; count < 1_200; count += 1) add(`f${count}`);
  state.flush();
  // The first step runs, then nothing any more.
  const stuck = new TimeSlice();
  stuck.breathe = () => new Promise(() => undefined);
  void state.dropSync(stuck);
  expect(state.flight?.phase).toBe('dropping');
  reopen();
  await state.endFlight(new TimeSlice());
  expect(state.flight).toBeUndefined();
  expect(state.files.value).toBe(0);
  expect(state.nodes.children(1)).toEqual([]);
});

test('state: a database of another version is refused', () => {
  state.close();
  const db = new Database(path());
  db.exec("UPDATE meta SET value = 99 WHERE key = 'version'");
  db.close();
  expect(() => new AgentState(path())).toThrow(
    expect.objectContaining({ code: 'database-version' }) as Error,
  );
  const repaired = new Database(path());
  repaired.exec("UPDATE meta SET value = 1 WHERE key = 'version'");
  repaired.close();
  state = new AgentState(path());
});

test('state: hints of digests count only while the row says so (R27)', () => {
  state.openSync();
  const node = state.takeNode();
  const digest = Buffer.alloc(32, 5);
  const row = state.digests.write(node, 0, Buffer.concat([Buffer.from([1]), digest]));
  const locator = state.digests.locatorOf(row, 0) ?? -1;
  expect(state.digests.holds(locator, digest)).toBe(true);
  state.digests.write(node, 0, Buffer.concat([Buffer.from([1]), Buffer.alloc(32, 6)]));
  expect(state.digests.holds(locator, digest)).toBe(false);
});

test('state: two file systems that swap their device numbers over a reboot are both known again', () => {
  const identityOf = (device: number): Buffer => {
    const identity = Buffer.alloc(20);
    identity.writeUInt32LE(device, 0);
    return identity;
  };
  state.openSync();
  const [first, second] = [identityOf(state.device(2049)), identityOf(state.device(2065))];
  state.renumberDevice({ from: 2049, to: 2065 });
  expect(state.devOf(first)).toBe(2065);
  const parked = state.devOf(second);
  expect(parked).toBeDefined();
  state.renumberDevice({ from: parked ?? 0, to: 2049 });
  expect([state.devOf(first), state.devOf(second)]).toEqual([2065, 2049]);
  state.close();
  state = new AgentState(path());
  expect([state.devOf(first), state.devOf(second)]).toEqual([2065, 2049]);
});
