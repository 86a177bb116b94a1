/**
 * Jobs that an agent carries out, with an agent that answers as the real one does: a restore in place
 * has a held point that takes it back, however often it is cut off, called off or fails, and what failed
 * can be resumed (promise 10).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventHub } from '../../../replica/jobs/event-hub.js';
import { JobDesk } from '../../../replica/jobs/job-desk.js';
import { JobStore } from '../../../replica/jobs/job-store.js';
import { syncKind } from '../../../replica/jobs/kinds/sync-kind.js';
import type { PointSummary } from '../../../replica/history/set-reader.js';
import type { SessionStatus } from '../../../replica/receive/session-status.js';
import { AgentOrders } from '../../../replica/restore/agent-orders.js';
import { restoreByAgent } from '../../../replica/restore/restore-by-agent.js';
import { UndoHolds } from '../../../replica/restore/undo-holds.js';
import type { Retention } from '../../../replica/retain/retention.js';
import type { ServedSet, SetActivity } from '../../../replica/serve/served-set.js';
import type { JobJson } from '../../../shared/api/jobs.js';
import type { HoldJson } from '../../../shared/api/retention.js';
import { AfterimageError } from '../../../shared/errors.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import {
  encodeRestoreQuestion,
  type RestoreReportMessage,
} from '../../../shared/protocol/restore-question.js';
import { HandClock } from '../access/support/open-door.js';
import { MemorySet } from '../support/memory-set.js';

const hash = createHashCore();
const DAY_MS = 24 * 3600 * 1000;
const done: RestoreReportMessage = {
  ...{ state: 'done', actions: {}, bytesWritten: 0, bytesCompared: 0, damaged: false },
  ...{ problemCount: 0, problems: [], notes: [], planned: [] },
};
const rootMissing = { state: 'failed', code: 'root-missing', message: 'is it mounted?' } as const;

/** A set with its agent: what the agent is asked for happens at once, and is remembered. */
class Host implements ServedSet {
  readonly reader = new MemorySet('shop', hash);
  isThere = true;
  /** What the next order ends with; undefined leaves it open. */
  next: RestoreReportMessage | undefined = done;
  cutsPoints = true;
  readonly orders: string[] = [];
  readonly #ended = new Map<string, RestoreReportMessage>();
  readonly #listeners = new Set<(point: PointSummary) => void>();

  constructor() {
    this.cut([]);
  }

  cut(requests: readonly string[]): void {
    const summary = this.reader.cut((tree) => {
      if (this.reader.points().length === 0) tree.folder('app').file('app/conf', 'good');
    });
    const outcome = { ...summary.outcome, requests: [...requests] };
    for (const listener of [...this.#listeners]) listener({ ...summary, outcome });
  }

  activity(): SetActivity {
    const agentConnected = this.isThere;
    return {
      ...{ agent: 'web', agentConnected, state: 'idle', error: null },
      ...{ continuityMs: this.cutsPoints ? 1000 : 0, behindMs: 0 },
    };
  }

  onCommitted(listener: (point: PointSummary) => void): { unsubscribe(): void } {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  askSync(request: string): Promise<void> {
    if (!this.isThere) return Promise.reject(new AfterimageError('agent-away', 'it is away'));
    if (this.cutsPoints) {
      setImmediate(() => {
        this.cut([request]);
      });
    }
    return Promise.resolve();
  }

  async askRestore(order: string, orders: AgentOrders): Promise<void> {
    const report = this.#ended.get(order) ?? this.next;
    this.orders.push(order);
    if (report === undefined) return;
    this.#ended.set(order, report);
    await orders.answer('shop', encodeRestoreQuestion({ ask: 'report', order, report }));
  }
}

/** Holds in memory, of a replica whose retention is asked for nothing else. */
class Holds {
  readonly held: HoldJson[] = [];
  #given = 0;
  hold = ({ set, point, reason }: { set: string; point: number; reason: string }): HoldJson => {
    const hold = { hold: `hold-${(this.#given += 1)}`, set, point, reason, timeMs: 0 };
    this.held.push(hold);
    return hold;
  };
  holds = (set: string): HoldJson[] => this.held.filter((each) => each.set === set);
  release = ({ hold }: { hold: string }): HoldJson[] =>
    this.held.splice(
      this.held.findIndex((each) => each.hold === hold),
      1,
    );
}

let host: Host;
let holds: Holds;
let clock: HandClock;
let orders: AgentOrders;
let undo: UndoHolds;
let store: JobStore;
let desk: JobDesk;

beforeEach(() => {
  host = new Host();
  holds = new Holds();
  clock = new HandClock();
  orders = new AgentOrders({ hash, monotonic: () => performance.now() });
  undo = new UndoHolds(':memory:', {
    retention: holds as unknown as Retention,
    clock,
    log: silentLog,
  });
  store = new JobStore(':memory:');
  desk = openDesk();
});

afterEach(async () => {
  await desk.close();
  undo.close();
  store.close();
});

function openDesk(): JobDesk {
  const session: Omit<SessionStatus, 'live'> = {
    ...{ agent: 'web', set: 'shop', silentMs: 0, host: 'web', lane: 'broker' },
    ...{ watch: null, refused: null, restores: 'in-place' },
  };
  const receiver = {
    sessions: () => [{ ...session, live: host.isThere }],
    askRestore: ({ order }: { readonly order: string }) => host.askRestore(order, orders),
  };
  const sets = (): ServedSet[] => [host];
  const now = (): number => clock.now();
  const kinds = [
    restoreByAgent({ sets, receiver, orders, undo, now, whyMs: 50 }),
    syncKind({ sets }),
  ];
  const opened = new JobDesk({ store, hub: new EventHub(), clock, log: silentLog, kinds });
  opened.start();
  return opened;
}

function begin(more: Readonly<Record<string, unknown>> = {}): JobJson {
  const request = { point: '1', where: 'agent', target: 'in-place', ...more };
  return desk.begin({ kind: 'restore', set: 'shop', by: 'test', request });
}

async function reaches(id: string, state: JobJson['state']): Promise<JobJson> {
  await expect.poll(() => desk.get(id).state, { timeout: 5000 }).toBe(state);
  return desk.get(id);
}

describe('restores by an agent', () => {
  it('in place: a point is held before anything is ordered, for as long as was asked after its end', async () => {
    host.next = undefined;
    const { id } = begin({ undoDays: 1 });
    await expect.poll(() => host.orders.length).toBeGreaterThan(0);
    expect(holds.held).toMatchObject([{ point: 2, reason: expect.stringContaining(id) as string }]);
    clock.pass(2 * DAY_MS);
    undo.releaseOld();
    expect(holds.held).toHaveLength(1);
    host.next = done;
    const [order = ''] = host.orders;
    await host.askRestore(order, orders);
    expect((await reaches(id, 'done')).result?.counts).toMatchObject({ undoPoint: 2 });
    undo.releaseOld();
    expect(holds.held).toHaveLength(1);
    clock.pass(2 * DAY_MS);
    undo.releaseOld();
    expect(holds.held).toEqual([]);
  });

  it('as long as it waits or works: retention leaves its point alone', async () => {
    host.cutsPoints = false;
    const { id } = begin();
    await reaches(id, 'running');
    expect([...desk.pointsWanted('shop')]).toEqual([1]);
    expect([...desk.pointsWanted('mail')]).toEqual([]);
    await desk.close();
    desk = openDesk();
    expect([...desk.pointsWanted('shop')]).toEqual([1]);
    desk.cancel(id, 'test');
    await reaches(id, 'cancelled');
    expect([...desk.pointsWanted('shop')]).toEqual([]);
  });

  it('failed, and the cause is gone: resumed it is ordered anew, and ends', async () => {
    host.next = rootMissing;
    const { id } = begin({ undoPoint: false });
    expect((await reaches(id, 'failed')).problem).toMatchObject({ code: 'root-missing' });
    host.next = done;
    desk.resume(id, 'test');
    await reaches(id, 'done');
  });

  it('resumed after it failed: what stood there meanwhile is held as well, and the first point stays the way back', async () => {
    host.next = rootMissing;
    const { id } = begin();
    await reaches(id, 'failed');
    host.cut([]);
    host.next = done;
    desk.resume(id, 'test');
    const { result } = await reaches(id, 'done');
    expect(result?.counts).toMatchObject({ undoPoint: 2 });
    expect(holds.held.map(({ point }) => point)).toEqual([2, 4]);
  });

  it('resumed after its hold was released: another point is held before anything is ordered', async () => {
    host.next = rootMissing;
    const { id } = begin();
    await reaches(id, 'failed');
    holds.held.splice(0);
    host.next = done;
    desk.resume(id, 'test');
    const { result } = await reaches(id, 'done');
    expect(result?.counts).toMatchObject({ undoPoint: 3 });
    expect(holds.held.map(({ point }) => point)).toEqual([3]);
  });

  it('cut off with all that the job had noted: its undo point is known by its hold, and none of a half restore takes its place', async () => {
    host.next = undefined;
    const { id } = begin();
    await expect.poll(() => host.orders.length).toBeGreaterThan(0);
    await desk.close();
    const [row] = store.open();
    if (row === undefined) throw new Error('the job is queued for the next process');
    store.update([{ ...row, saved: null }]);
    host.next = done;
    desk = openDesk();
    const { result } = await reaches(id, 'done');
    expect(result?.counts).toMatchObject({ undoPoint: 2 });
    expect(holds.held.map(({ point }) => point)).toEqual([2]);
  });

  it.each(['restore', 'sync'] as const)(
    'a %s cut off before its point came: the next process waits for the agent, which is away at first',
    async (kind) => {
      host.cutsPoints = false;
      const { id } =
        kind === 'restore' ? begin() : desk.begin({ kind, set: 'shop', by: 'test', request: {} });
      await reaches(id, 'running');
      await desk.close();
      host.isThere = false;
      host.cutsPoints = true;
      desk = openDesk();
      await expect.poll(() => desk.get(id).message).toContain('away');
      host.isThere = true;
      await reaches(id, 'done');
    },
  );

  it('a path that the point lacks: is refused while its asker waits', () => {
    expect(() => begin({ paths: ['app/nothing'] })).toThrow(/app\/nothing is not in point 1/);
  });

  it('no undo point comes: the job says why', async () => {
    host.cutsPoints = false;
    const { id } = begin();
    await expect.poll(() => desk.get(id).message).toContain('is a root missing');
    desk.cancel(id, 'test');
    await reaches(id, 'cancelled');
  });
});

it('a hold from before holds named their jobs: is released by itself all the same', () => {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-undo-'));
  try {
    const file = join(folder, 'catalog.db');
    const db = new Database(file);
    db.exec('CREATE TABLE undo_hold (hold TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT');
    db.exec(`INSERT INTO undo_hold VALUES ('hold-1', 5)`);
    db.close();
    holds.hold({ set: 'shop', point: 1, reason: 'undo point' });
    const retention = holds as unknown as Retention;
    const old = new UndoHolds(file, { retention, clock, log: silentLog });
    old.releaseOld();
    old.close();
    expect(holds.held).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
