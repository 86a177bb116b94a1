/** A set in trouble says so and goes on by itself; it ends neither itself nor what is told of others. */
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
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../shared/clock.js';
import { parseAgentConfig } from '../../../shared/config/agent-config.js';
import { AfterimageError } from '../../../shared/errors.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { runAgent, type RunningAgent } from '../../../agent/agent.js';
import { DedupIndex } from '../../../agent/dedup/dedup-index.js';
import { Journal } from '../../../agent/journal/journal.js';
import type { AgentStatus, SetStatus } from '../../../agent/schedule/status-file.js';
import { AgentState } from '../../../agent/state.js';
import { FileCount } from '../../../agent/state/file-count.js';
import { FakeSession } from '../support/fake-session.js';
import { until } from '../support/until.js';

const sets = ['one', 'two'];
let folder: string;
let sessions: Map<string, FakeSession>;
let agent: RunningAgent;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-agent-'));
  sessions = new Map(sets.map((name) => [name, new FakeSession(createHashCore())]));
  for (const name of sets) mkdirSync(join(folder, name));
});
afterEach(async () => {
  await agent.stop();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function start(): void {
  const list = sets.map(
    (name) => `
  - name: ${name}
    roots: [${join(folder, name)}]
    schedule: { every: 1h }
    capture: { source: scan, scan_every: 1h }`,
  );
  const text = `data_folder: ${join(folder, 'data')}\nsets:${list.join('')}\n`;
  agent = runAgent(parseAgentConfig({ path: join(folder, 'agent.yaml'), text }), {
    openSession: ({ name }) => sessionOf(name),
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
}

function sessionOf(name: string): FakeSession {
  const session = sessions.get(name);
  if (session === undefined) throw new Error(`no set ${name}`);
  return session;
}
const points = (name: string): number => sessionOf(name).replica.point;
const ask = (name: string): void => {
  sessionOf(name).emit({ type: 'sync-asked', request: `${performance.now()}` });
};
const told = (status: AgentStatus, name: string): SetStatus | undefined =>
  status.sets.find((set) => set.name === name);
const statusOf = (name: string): SetStatus | undefined => told(agent.status(), name);
const full = (): never => {
  throw new AfterimageError('storage-full', 'no space is left');
};

test('set: a failure after a sync ends no set, and the set syncs again', async () => {
  const count = vi.spyOn(FileCount.prototype, 'value', 'get').mockImplementation(full);
  start();
  await until('the failure is told', () => statusOf('one')?.error?.code === 'storage-full');
  count.mockRestore();
  const before = points('one');
  ask('one');
  await until('a later point', () => points('one') > before);
  await until('nothing is wrong any more', () => statusOf('one')?.error === null);
});

test('set: a gap that cannot be written ends no set (promise 4)', async () => {
  start();
  await until('the first points', () => sets.every((name) => points(name) >= 1));
  const openGap = vi.spyOn(Journal.prototype, 'openGap').mockImplementation(full);
  renameSync(join(folder, 'one'), join(folder, 'away'));
  ask('one');
  await until('the root is missed', () => statusOf('one')?.error?.code === 'root-missing');
  openGap.mockRestore();
  ask('one');
  await until('the gap is told', () => statusOf('one')?.journal.gaps.length === 1);
  expect(statusOf('one')?.journal.gaps).toMatchObject([{ reason: 'root-missing', covers: 'one' }]);
  expect(statusOf('one')?.journal.secondsSinceGap).toBe(0);
  renameSync(join(folder, 'away'), join(folder, 'one'));
  ask('one');
  await until('the gap is closed', () => statusOf('one')?.journal.gaps.length === 0);
});

test('set: who waits for a sync is answered, also when the set is opened anew meanwhile (R13)', async () => {
  start();
  await until('the first points', () => sets.every((name) => points(name) >= 1));
  const broken = vi.spyOn(AgentState.prototype, 'openSync').mockImplementation(() => {
    throw new Database.SqliteError('it contradicts itself', 'SQLITE_CORRUPT');
  });
  sessionOf('one').emit({ type: 'sync-asked', request: 'waits' });
  const aside = join(folder, 'data', 'sets', 'one', 'state.db.damaged');
  await until('the set is opened anew', () => existsSync(aside));
  broken.mockRestore();
  await until('the request is answered', () =>
    (sessionOf('one').replica.outcome?.requests ?? []).includes('waits'),
  );
});

test('set: one that cannot begin says why and begins when it can', async () => {
  const fill = vi.spyOn(DedupIndex.prototype, 'fill').mockImplementation(full);
  start();
  await until('both say why', () =>
    sets.every((name) => statusOf(name)?.error?.code === 'storage-full'),
  );
  fill.mockRestore();
  await until('the first points', () => sets.every((name) => points(name) >= 1));
});

test('status.json: still told when a set has ended, and says so at the end', async () => {
  writeFileSync(join(folder, 'one', 'file'), 'x');
  start();
  await until('the first points', () => sets.every((name) => points(name) >= 1));
  await agent.stop();
  expect(statusOf('one')).toMatchObject({ activity: 'stopped', point: points('one') });
  const file = JSON.parse(readFileSync(join(folder, 'data', 'status.json'), 'utf8')) as AgentStatus;
  for (const name of sets) expect(told(file, name)?.activity).toBe('stopped');
});

test('set: it tells the replica for how long it knows of no gap, and what waits', async () => {
  start();
  await until('the first point', () => points('one') >= 1);
  const { replica, position } = sessionOf('one');
  expect(replica.outcome?.continuityMs).toBe(0);
  await until('the gap of the start is closed', () => {
    ask('one');
    return (position?.().watch?.continuityMs ?? 0) > 0;
  });
  expect(position?.().watch?.behindMs).toBe(0);
  ask('one');
  const before = points('one');
  await until('a point without a gap', () => points('one') > before);
  expect(sessionOf('one').replica.outcome?.continuityMs).toBeGreaterThan(0);
});
