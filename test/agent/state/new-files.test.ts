/** New files whose rows wait to be written together: nobody sees a difference. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TimeSlice } from '../../../shared/time-slice.js';
import type { NodeRow } from '../../../agent/state/node-row.js';
import { AgentState } from '../../../agent/state.js';

const FOLDER = 2;

let folder: string;
let states: AgentState[];
const path = (name: string): string => join(folder, `${name}.db`);

function open(name: string): AgentState {
  const state = new AgentState(path(name));
  states.push(state);
  return state;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-new-files-'));
  states = [];
});
afterEach(() => {
  for (const state of states) state.close();
  rmSync(folder, { recursive: true });
});

const row = (id: number): NodeRow => ({
  id,
  kind: 'file',
  identity: Buffer.alloc(20, id),
  status: Buffer.alloc(48, id),
  size: 10 * id,
  target: null,
  xattrs: id % 5 === 0 ? Buffer.from([1, 2, 3]) : null,
  dirty: id % 3 === 0,
  fresh: 1,
});
const nameOf = (id: number): Buffer => Buffer.from(`file-${id}`);
const digestsOf = (id: number): Buffer | undefined =>
  id % 7 === 0 ? undefined : Buffer.from([1, ...Buffer.alloc(40, id)]);

function addTogether(state: AgentState): number {
  const id = state.takeNode();
  const file = { row: row(id), parent: FOLDER, name: nameOf(id), digests: digestsOf(id) };
  return state.newFiles.add(file);
}

function addAlone(state: AgentState): number {
  const id = state.takeNode();
  state.nodes.insert(row(id));
  state.nodes.link({ parent: FOLDER, name: nameOf(id), node: id, folder: false });
  return state.digests.write(id, 0, digestsOf(id));
}

function rowsOf(name: string): unknown[] {
  const db = new Database(path(name), { readonly: true });
  const tables = ['node', 'entry', 'digest', 'undo_node', 'undo_entry', 'undo_digest'];
  const rows = tables.map((table) => db.prepare(`SELECT * FROM ${table}`).raw().all());
  db.close();
  return rows;
}

test.each([1, 7, 8, 32, 41, 64, 65, 200])(
  'new files: %i of them are the rows that they are one by one, between others',
  (count) => {
    const [together, alone] = [open('together'), open('alone')];
    for (const state of [together, alone]) {
      state.openSync();
      addAlone(state);
    }
    const locators: number[][] = [[], []];
    for (let at = 0; at < count; at += 1) {
      locators[0]?.push(addTogether(together));
      locators[1]?.push(addAlone(alone));
    }
    expect(locators[0]).toEqual(locators[1]);
    for (const state of [together, alone]) {
      addAlone(state);
      state.flush();
    }
    expect(rowsOf('together')).toEqual(rowsOf('alone'));
    expect(together.files.value).toBe(count + 2);
  },
);

test('new files: each way to look for one finds it at once', () => {
  const looks: ((state: AgentState, id: number) => unknown)[] = [
    (state, id) => state.nodes.get(id),
    (state, id) => state.nodes.byIdentity(Buffer.alloc(20, id)),
    (state, id) => state.nodes.at(FOLDER, nameOf(id)),
    (state, id) => (state.nodes.hasName(id) ? id : undefined),
    (state, id) => state.nodes.placesOf(id)[0],
    (state) => state.nodes.children(FOLDER)[0],
    (state) => (state.nodes.hasChildren(FOLDER) ? 1 : undefined),
    (state, id) => state.digests.read(id, 0),
    (state) => state.digests.visit({ afterRow: 0, rowsMax: 1 }, () => undefined),
  ];
  const state = open('state');
  state.openSync();
  for (const look of looks) {
    addTogether(state);
    const id = state.takeNode();
    state.newFiles.add({ row: row(id), parent: FOLDER, name: nameOf(id), digests: nameOf(id) });
    expect(look(state, id), String(look)).toBeDefined();
  }
});

test('new files: a digest is where its locator says before its row is written, and after', () => {
  const state = open('state');
  state.openSync();
  for (let at = 0; at < 3; at += 1) addTogether(state);
  const id = state.takeNode();
  const digests = Buffer.from([1, ...Buffer.alloc(32, 0xab)]);
  const row0 = state.newFiles.add({ row: row(id), parent: FOLDER, name: nameOf(id), digests });
  const locator = state.digests.locatorOf(row0, 0) ?? 0;
  const digest = Buffer.alloc(32, 0xab);
  // What is waiting is a copy: the memory of the reader's is used again.
  digests.fill(0);
  expect(state.digests.holds(locator, digest)).toBe(true);
  expect(state.digests.holds(locator + 16, digest)).toBe(false);
  state.flush();
  expect(state.digests.holds(locator, digest)).toBe(true);
});

test('new files: those that wait when their sync is taken back go with it', async () => {
  const state = open('state');
  state.openSync();
  for (let at = 0; at < 5; at += 1) addTogether(state);
  await state.endFlight(new TimeSlice());
  expect(state.nodes.children(FOLDER)).toEqual([]);
  expect(rowsOf('state')).toEqual([[], [], [], [], [], []]);
});

test('identities: a row is found by its own after a first copy, after a start and in a second state', () => {
  let state = open('state');
  state.openSync();
  expect(state.nodes.byIdentity(Buffer.alloc(20, 9))).toBeUndefined();
  state.nodes.insert(row(9));
  expect(state.nodes.byIdentity(Buffer.alloc(20, 9))?.id).toBe(9);
  state.nodes.update({ ...row(9), identity: Buffer.alloc(20, 77) });
  expect(state.nodes.byIdentity(Buffer.alloc(20, 77))?.id).toBe(9);
  state.endSync(Buffer.alloc(32, 1));
  state.commitSync({ point: 1, chain: Buffer.alloc(32, 1) });
  state.close();
  states = [];
  state = open('state');
  expect(state.nodes.byIdentity(Buffer.alloc(20, 77))?.id).toBe(9);
  expect(state.nodes.byIdentity(Buffer.alloc(20, 9))).toBeUndefined();
});
