import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { policySchema, type PruneLine } from '../../../shared/api/retention.js';
import { RUN_EVERY_MS } from '../../../replica/retain/retention.js';
import { findVersions } from '../../../replica/history/find.js';
import { parsePointSelector, selectPoint } from '../../../shared/point-selector.js';
import { RetainedSet, START_MS } from './support/retained-set.js';
import { strayRows } from './support/stray-rows.js';

const { signal } = new AbortController();
const HOUR_MS = 3600 * 1000;
let set: RetainedSet;

beforeEach(async () => {
  set = await RetainedSet.create(8);
});
afterEach(async () => {
  await set.close();
});

async function prune(effect: 'plan' | 'remove'): Promise<PruneLine[]> {
  const lines: PruneLine[] = [];
  for await (const line of set.retention.prune('model', { effect, by: 'test', signal }))
    lines.push(line);
  return lines;
}

describe('retention of a set', () => {
  test('without a policy: keeps every point, whatever is asked and however long it runs', async () => {
    await prune('remove');
    set.clock.nowMs += 1000 * RUN_EVERY_MS;
    await set.retention.runDue(signal);
    expect(set.points).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('a plan: explains every point and removes none', async () => {
    set.retention.setPolicy('model', policySchema.parse({ hourly: 3 }));
    const lines = await prune('plan');
    expect(set.points).toHaveLength(8);
    const decisions = lines.filter((line) => line.type === 'decision');
    expect(decisions.map(({ point, keep }) => [point, keep])).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((point) => [point, point >= 6]),
    );
    expect(decisions.every(({ because }) => because.length > 0)).toBe(true);
    expect(lines.at(-1)).toMatchObject({ type: 'pruned', removed: 5, kept: 3 });
  });

  test('pruning: removes what the plan says, and the rest reads as before', async () => {
    set.retention.setPolicy('model', policySchema.parse({ hourly: 3 }));
    set.retention.hold({ set: 'model', point: 2, reason: 'case 12' });
    const lines = await prune('remove');
    expect(set.points).toEqual([2, 6, 7, 8]);
    expect(await set.wrongPoints()).toEqual([]);
    expect(strayRows(set.opened.store)).toEqual([]);
    expect(lines.at(-1)).toMatchObject({ type: 'pruned', removed: 4, kept: 4, deferred: 0 });
    expect(set.retention.settings('model').lastRun).toMatchObject({ removed: 4 });
    expect((await prune('remove')).at(-1)).toMatchObject({ removed: 0, kept: 4 });
  });

  test('a run by itself: comes an hour after a policy was set, then every hour', async () => {
    set.retention.setPolicy('model', policySchema.parse({ hourly: 2 }));
    set.clock.nowMs += RUN_EVERY_MS - 1;
    await set.retention.runDue(signal);
    expect(set.points).toHaveLength(8);
    set.clock.nowMs += 1;
    expect(set.retention.settings('model').nextRunMs).toBe(set.clock.nowMs);
    await set.retention.runDue(signal);
    expect(set.points).toEqual([7, 8]);
    expect(set.retention.settings('model').nextRunMs).toBe(set.clock.nowMs + RUN_EVERY_MS);
    await set.sync();
    set.clock.nowMs = START_MS + 9 * HOUR_MS;
    await set.retention.runDue(signal);
    expect(set.points).toEqual([7, 8, 9]);
    set.clock.nowMs += RUN_EVERY_MS;
    await set.retention.runDue(signal);
    expect(set.points).toEqual([8, 9]);
  });

  test('a clock that was ahead when retention ran last: does not keep it waiting', async () => {
    set.retention.setPolicy('model', policySchema.parse({ hourly: 2 }));
    const nowMs = set.clock.nowMs;
    set.clock.nowMs += 10_000 * RUN_EVERY_MS;
    await set.retention.runDue(signal);
    expect(set.points).toEqual([7, 8]);
    await set.sync();
    set.clock.nowMs = nowMs;
    expect(set.retention.settings('model').nextRunMs).toBe(nowMs + RUN_EVERY_MS);
  });

  test('a point that somebody reads: stays until they are through', async () => {
    set.retention.setPolicy('model', policySchema.parse({ hourly: 1 }));
    const view = set.opened.reader.open(3);
    await prune('remove');
    expect(set.points).toEqual([3, 8]);
    expect(view.list(1, { limit: 10 }).length).toBeGreaterThan(0);
    view.close();
  });

  test('a point that a job waits to read: stays as long as it waits, also when it begins meanwhile', async () => {
    set.retention.setPolicy('model', policySchema.parse({ hourly: 1 }));
    let wanted = new Set([3]);
    set.retention.keepWanted(() => wanted);
    const lines = set.retention.prune('model', { effect: 'remove', by: 'test', signal });
    for await (const line of lines) {
      if (line.type === 'decision' && line.point === 8) wanted = new Set([3, 5]);
    }
    expect(set.points).toEqual(expect.arrayContaining([3, 5, 8]));
    wanted = new Set();
    await prune('remove');
    expect(set.points).toEqual([8]);
  });

  test('a policy that is taken away, or a hold, while it is applied: is heeded from then on', async () => {
    set.retention.setPolicy('model', policySchema.parse({ hourly: 1 }));
    for await (const line of set.retention.prune('model', {
      effect: 'remove',
      by: 'test',
      signal,
    })) {
      if (line.type === 'decision' && line.point === 8) {
        set.retention.hold({ set: 'model', point: 5, reason: 'late' });
      }
    }
    expect(set.points, 'the gap of the held point stays whole').toContain(5);
    set.retention.setPolicy('model', policySchema.parse({ hourly: 1 }));
    const before = set.points;
    for await (const line of set.retention.prune('model', {
      effect: 'remove',
      by: 'test',
      signal,
    })) {
      if (line.type === 'decision' && line.point === 8) set.retention.setPolicy('model', null);
    }
    expect(set.points).toEqual(before);
  });

  test('a hold on a point that is gone: is not found; a release of nothing, neither', () => {
    expect(() => set.retention.hold({ set: 'model', point: 99, reason: 'r' })).toThrow(
      /no point 99/,
    );
    expect(() => set.retention.release({ hold: 'hold-1' })).toThrow('there is no hold hold-1');
    expect(() => set.retention.settings('other')).toThrow('there is no set');
  });

  test('what operators did: is in the audit', () => {
    set.retention.setPolicy(
      'model',
      policySchema.parse({ keepLast: 2, withinMs: 7 * 24 * HOUR_MS }),
    );
    const { hold } = set.retention.hold({ set: 'model', point: 4, reason: 'case 12' });
    set.retention.release({ set: 'model', point: 4 });
    expect(set.audited).toEqual([
      'set-policy model: keep-last 2 of 15m, within 7d',
      'hold model@4: case 12',
      `release model@4: ${hold}: case 12`,
    ]);
  });
});

describe('points that were removed', () => {
  beforeEach(async () => {
    set.retention.setPolicy('model', policySchema.parse({ hourly: 2 }));
    set.retention.hold({ set: 'model', point: 3, reason: 'r' });
    await prune('remove');
    expect(set.points).toEqual([3, 7, 8]);
  });

  test.each([
    ['latest', 8],
    ['latest~2', 3],
    ['7', 7],
    [new Date(START_MS + 5 * HOUR_MS).toISOString(), 3],
    [new Date(START_MS + 6 * HOUR_MS).toISOString(), 7],
  ])('selectors: %s chooses point %i of those that stay', (text, point) => {
    const points = set.opened.reader.points();
    expect(selectPoint(parsePointSelector(text), points).point).toBe(point);
  });

  test.each(['latest~3', '5', new Date(START_MS + HOUR_MS).toISOString()])(
    'selectors: %s is not found',
    (text) => {
      const points = set.opened.reader.points();
      expect(() => selectPoint(parsePointSelector(text), points)).toThrow(/no point/);
    },
  );

  test('selectors: of a number between two points say which are nearest', () => {
    expect(() => selectPoint({ type: 'number', point: 5 }, set.opened.reader.points())).toThrow(
      'no point 5: it was removed; the nearest that stay are 3 and 7',
    );
  });

  test('find: names only points that can be read', () => {
    const found = findVersions(set.opened.store.index, {
      glob: '*',
      from: 1,
      to: 8,
      limit: 10_000,
      newest: 8,
    });
    expect(found.length).toBeGreaterThan(5);
    for (const { from, to } of found) {
      expect(set.points).toContain(from);
      expect(set.points).toContain(to);
    }
  });

  test('a view that was open (promise 2): refuses to show too little', () => {
    const { store, reader } = set.opened;
    const view = reader.open(7);
    view.close();
    store.writer.run('DELETE FROM point WHERE point = 7');
    expect(() => view.list(1, { limit: 10 })).toThrow('model@7 was removed by retention');
    expect(() => view.resolve(Buffer.from('x'))).toThrow('model@7 was removed by retention');
  });
});
