/** The agent as a whole, on real files with a model of the replica: it syncs by itself, and stops. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../shared/clock.js';
import { parseAgentConfig } from '../../shared/config/agent-config.js';
import { AfterimageError } from '../../shared/errors.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { silentLog } from '../../shared/log.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { runAgent, type AgentDeps, type RunningAgent } from '../../agent/agent.js';
import type { QuiesceRecipe } from '../../agent/quiesce/recipe.js';
import type { AgentStatus } from '../../agent/schedule/status-file.js';
import { FakeSession } from './support/fake-session.js';
import { differences } from './support/tree-compare.js';
import { until } from './support/until.js';

let folder: string;
let root: string;
let session: FakeSession;
let agent: RunningAgent | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-agent-'));
  root = join(folder, 'tree');
  mkdirSync(root);
  session = new FakeSession(createHashCore());
});
afterEach(async () => {
  await agent?.stop();
  agent = undefined;
  rmSync(folder, { recursive: true });
});

function start(options: { readonly set?: string; readonly deps?: Partial<AgentDeps> } = {}): void {
  const text = `
data_folder: ${join(folder, 'data')}
sets:
  - name: web
    roots: [${root}]
    ${options.set ?? ''}
`;
  agent = runAgent(parseAgentConfig({ path: join(folder, 'agent.yaml'), text }), {
    openSession: () => session,
    recipeOf: () => ({
      name: 'none',
      consistency: 'crash',
      hold: () => Promise.reject(new Error()),
    }),
    posix: loadPosix(),
    createCore: () => createHashCore(),
    clock: systemClock,
    log: silentLog,
    ...options.deps,
  });
}

const points = (): number => session.replica.point;
const status = (): AgentStatus['sets'][number] | undefined => agent?.status().sets[0];
const isTree = (): boolean => differences(session.replica.state, { tree: root }).length === 0;

test('agent: a continuous set follows its files by itself', async () => {
  writeFileSync(join(root, 'first'), 'x');
  start();
  await until('the first point', () => points() >= 1 && isTree());
  expect(session.replica.outcome?.operation).toBe('first');
  await until('the gap of the start is closed', () => status()?.journal.gaps.length === 0);
  writeFileSync(join(root, 'second'), 'y');
  renameSync(join(root, 'first'), join(root, 'third'));
  await until('the change is in a point', () => isTree());
  await until('the journal is empty again', () => status()?.journal.paths === 0);
});

test('agent: a set with an interval is not hurried by changes', async () => {
  start({ set: 'schedule: {every: 1h}' });
  await until('the first point', () => points() === 1);
  // Until the watches stand, changes are in a gap instead.
  await until('the change is journalled', () => {
    writeFileSync(join(root, 'later'), 'x');
    return (status()?.journal.paths ?? 0) > 0;
  });
  expect(points()).toBe(1);
});

test('agent: an operator who asks gets a point at once, changed or not', async () => {
  start({ set: 'schedule: {every: 1h}' });
  await until('the first point', () => points() === 1);
  session.emit({ type: 'sync-asked', request: 'r' });
  await until('the second point', () => points() === 2);
  expect(session.replica.outcome).toMatchObject({ operation: 'manual', requests: ['r'] });
});

test('agent: while the replica is away it journals, and syncs when it is back', async () => {
  start();
  await until('the first point', () => points() >= 1 && isTree());
  session.live = false;
  session.emit({ type: 'away', error: new AfterimageError('broker-unreachable', 'gone') });
  await until('it is away', () => status()?.activity === 'away');
  await until('the change is journalled', () => {
    writeFileSync(join(root, 'meanwhile'), 'x');
    return (status()?.journal.paths ?? 0) > 0;
  });
  expect(status()?.error?.code).toBe('broker-unreachable');
  session.live = true;
  session.emit({ type: 'hello', outcome: { type: 'go-on', resumed: false }, about: null });
  await until('the change is in a point', isTree);
  expect(status()?.error).toBeNull();
});

test('agent: a sync that fails is tried again', async () => {
  start();
  await until('the first point', () => points() >= 1 && isTree());
  session.breakAfter = 0;
  writeFileSync(join(root, 'file'), 'x');
  await until('the change is in a point all the same', isTree);
});

test('agent: a root that is gone is a gap and an error, and its files stay in the point', async () => {
  writeFileSync(join(root, 'file'), 'x');
  start({ set: 'capture: {source: scan, scan_every: 1s}' });
  await until('the first point', () => points() >= 1 && isTree());
  const { entries } = session.replica.state;
  renameSync(root, `${root}-away`);
  session.emit({ type: 'sync-asked', request: 'r' });
  await until('the error is told', () => status()?.error?.code === 'root-missing');
  expect(status()?.journal.gaps).toMatchObject([{ reason: 'root-missing', covers: 'tree' }]);
  expect(session.replica.state.entries).toBe(entries);
  renameSync(`${root}-away`, root);
  session.emit({ type: 'sync-asked', request: 'again' });
  await until('the gap is closed', () => status()?.journal.gaps.length === 0);
});

test('agent: a lost state is compared with the replica, and the point says so', async () => {
  writeFileSync(join(root, 'file'), 'x');
  start();
  await until('the first point', () => points() >= 1 && isTree());
  await agent?.stop();
  rmSync(join(folder, 'data', 'sets'), { recursive: true });
  session = new FakeSession(createHashCore(), session.replica);
  writeFileSync(join(root, 'file'), 'y');
  start();
  await until('everything is compared', () => session.replica.outcome?.reconciled === true);
  expect(isTree()).toBe(true);
});

test('agent: one process a data folder, and a stopped one lets go', async () => {
  start();
  const first = agent;
  expect(() => {
    start();
  }).toThrow(expect.objectContaining({ code: 'folder-in-use' }) as Error);
  await first?.stop();
  start();
  await until('the second agent works', () => points() >= 1);
});

test('agent: status.json tells what the agent tells', async () => {
  start();
  await until('the first point', () => points() >= 1);
  const path = join(folder, 'data', 'status.json');
  expect(existsSync(path)).toBe(true);
  await until('the file tells the point', () => {
    const read = JSON.parse(readFileSync(path, 'utf8')) as AgentStatus;
    return read.sets[0]?.point === 1;
  });
});

test('agent: the data folder inside a root is not protected', async () => {
  const text = `
data_folder: ${join(root, 'own')}
sets:
  - name: web
    roots: [${root}]
`;
  writeFileSync(join(root, 'file'), 'x');
  agent = runAgent(parseAgentConfig({ path: join(folder, 'agent.yaml'), text }), {
    openSession: () => session,
    recipeOf: () => ({
      name: 'none',
      consistency: 'crash',
      hold: () => Promise.reject(new Error()),
    }),
    posix: loadPosix(),
    createCore: () => createHashCore(),
    clock: systemClock,
    log: silentLog,
  });
  const others = (): string[] =>
    differences(session.replica.state, { tree: root }, (path) => path === join(root, 'own'));
  // The folder's own times move with the data folder's making.
  await until('the first point', () => points() >= 1 && others().length === 0);
  expect([...session.replica.state.entries.keys()].map((entry) => entry.split('/')[1])).toEqual([
    'tree',
    'file',
  ]);
});

test('agent: told to stop while the replica is away in the middle of a sync, it stops', async () => {
  writeFileSync(join(root, 'file'), Buffer.alloc(3_000_000, 'x'));
  session.write = () => new Promise(() => undefined);
  start();
  await until('it syncs', () => status()?.activity === 'syncing');
  await agent?.stop();
  agent = undefined;
});

test('agent: what a hold itself does to the files does not make it hold again and again', async () => {
  let holds = 0;
  const recipe: QuiesceRecipe = {
    name: 'hooks',
    consistency: 'application',
    hold: () => {
      holds += 1;
      writeFileSync(join(root, 'held'), 'by the hook');
      return Promise.resolve({
        heldSinceMs: 0,
        facts: {},
        broken: new AbortController().signal,
        release: () => {
          rmSync(join(root, 'held'));
          return Promise.resolve({ heldMs: 1, intact: true, releasedBy: 'agent', problems: [] });
        },
      });
    },
  };
  start({ deps: { recipeOf: () => recipe }, set: 'capture: {scan_every: 1s}' });
  await until('the trace of the hold is gone from the copy', () => points() >= 2 && isTree());
  const ended = status()?.lastSyncMs ?? 0;
  await until('it looked again', () => (status()?.lastSyncMs ?? 0) > ended + 500);
  expect(holds).toBe(1);
  writeFileSync(join(root, 'work'), 'of the application');
  await until('the next change is held for', () => holds === 2);
});

test('agent: a state that SQLite finds broken is set aside, and the replica has it (R13, R19)', async () => {
  let broken = false;
  start({
    set: 'schedule: {every: 1h}',
    deps: {
      openSession: () => {
        broken = false;
        return (session = new FakeSession(createHashCore(), session.replica));
      },
      recipeOf: () => {
        if (broken) {
          throw new Database.SqliteError('database disk image is malformed', 'SQLITE_CORRUPT');
        }
        return { name: 'none', consistency: 'crash', hold: () => Promise.reject(new Error()) };
      },
    },
  });
  await until('the first point', () => points() === 1);
  writeFileSync(join(root, 'file'), 'x');
  broken = true;
  session.emit({ type: 'sync-asked', request: 'r' });
  await until('the set goes on', () => points() >= 2 && isTree());
  expect(session.replica.outcome).toMatchObject({ operation: 'reconcile', reconciled: true });
  expect(existsSync(join(folder, 'data', 'sets', 'web', 'state.db.damaged'))).toBe(true);
  await until('nothing is wrong any more', () => status()?.error === null);
});

test('agent: it starts over a state that is no database (R13)', async () => {
  writeFileSync(join(root, 'file'), 'x');
  start();
  await until('the first point', () => points() >= 1);
  await agent?.stop();
  writeFileSync(join(folder, 'data', 'sets', 'web', 'state.db'), 'not a database'.repeat(1000));
  session = new FakeSession(createHashCore(), session.replica);
  start();
  await until('everything was compared', () => session.replica.outcome?.reconciled === true);
  expect(isTree()).toBe(true);
});
