/** Versions of a path are what opening every point finds there (promise 2, R28). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import type { PathHistory, PresentStretch } from '../../../replica/history/versions.js';
import type { CopiedNode } from '../../model/full-copy.js';
import { prunePoints } from '../../../replica/retain/prune-points.js';
import { SET_NODE } from '../../../shared/protocol/records.js';
import { RandomHistory } from '../retain/support/random-history.js';
import { link, Nodes, SmallSet, unlink } from '../support/small-set.js';

const SYNCS = 16;
const seeds = (process.env['SEEDS'] ?? '3,4').split(',').map(Number);

describe.each(seeds)('versions of a path, over a random history of seed %i', (seed) => {
  let root: string;
  let history: RandomHistory;
  let reader: StoredSetReader;
  let paths: string[];

  beforeAll(async () => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-versions-'));
    history = new RandomHistory(path.join(root, 'set'), seed);
    await history.reopen();
    const seen = new Set<string>(['']);
    for (let sync = 1; sync <= SYNCS; sync += 1) {
      await history.sync();
      for (const copy of history.live.values()) for (const at of copy.keys()) seen.add(at);
      if (history.random.chance(0.3)) await history.prune(history.some(0.3));
    }
    paths = [...seen].filter((at) => at !== '');
    reader = new StoredSetReader(history.open.store);
  }, 60_000);

  afterAll(async () => {
    await history.close();
    fs.rmSync(root, { recursive: true, force: true });
  });

  const ask = (
    at: string,
    more: Partial<Parameters<StoredSetReader['versions']>[0]> = {},
  ): Promise<PathHistory> =>
    reader.versions({
      path: Buffer.from(at, 'latin1'),
      from: 0,
      to: history.newest,
      follow: 'path',
      limit: 1000,
      ...more,
    });

  const at = (point: number | undefined, name: string): CopiedNode | undefined =>
    history.live.get(point ?? 0)?.get(name);

  it('each point lies in one stretch, which says what opening the point finds', async () => {
    let present = 0;
    for (const name of paths) {
      const { stretches } = await ask(name);
      for (const point of history.live.keys()) {
        const around = stretches.filter((s) => s.firstPoint <= point && point <= s.lastPoint);
        expect(around, `${name}@${point}`).toHaveLength(1);
        const [stretch] = around;
        const copied = at(point, name);
        expect(stretch?.state, `${name}@${point}`).toBe(
          copied === undefined ? 'absent' : 'present',
        );
        if (stretch?.state !== 'present') continue;
        present += 1;
        const view = reader.open(point);
        expect(stretch.version).toEqual(view.resolve(Buffer.from(name, 'latin1')));
        view.close();
      }
    }
    expect(present).toBeGreaterThan(50);
  });

  it('what changed is what the contents before and after say', async () => {
    const told = new Map<string, number>();
    for (const name of paths) {
      const { stretches, versions } = await ask(name);
      const all = stretches.filter((each): each is PresentStretch => each.state === 'present');
      expect(versions).toBe(all.length);
      for (const each of all) {
        told.set(each.change, (told.get(each.change) ?? 0) + 1);
        checkChange(name, each);
      }
    }
    for (const change of ['first', 'added', 'moved', 'content', 'metadata'] as const) {
      expect(told.get(change), change).toBeGreaterThan(0);
    }
  });

  function checkChange(name: string, stretch: PresentStretch): void {
    const live = [...history.live.keys()];
    const point = live[live.indexOf(stretch.firstPoint) - 1];
    const now = at(stretch.firstPoint, name);
    const before = at(point, name);
    const why = `${name}@${stretch.firstPoint}: ${stretch.change}`;
    if (stretch.change === 'first') expect(point, why).toBeUndefined();
    if (stretch.change === 'added') expect(before, why).toBeUndefined();
    if (stretch.change === 'replaced') expect(before?.node, why).not.toBe(now?.node);
    if (stretch.change === 'kind') expect(before?.kind, why).not.toBe(now?.kind);
    if (stretch.change === 'content' || stretch.change === 'metadata') {
      expect(before?.node, why).toBe(now?.node);
    }
    if (stretch.change === 'metadata') expect(stretch.contentChanged, why).toBe(false);
    if (stretch.change === 'moved') {
      const from = stretch.movedFrom?.toString('latin1') ?? '';
      expect(at(point, from)?.node, why).toBe(now?.node);
      expect(at(stretch.firstPoint, from)?.node, why).not.toBe(now?.node);
    }
    const older =
      stretch.movedFrom === undefined ? before : at(point, stretch.movedFrom.toString('latin1'));
    if (older !== undefined && older.kind === now?.kind && !stretch.contentChanged) {
      expect(older.content.equals(now.content), why).toBe(true);
      expect(older.target, why).toBe(now.target);
    }
  }

  it('a file that is gone: says when it was there last, when not any more, and where it went', async () => {
    let gone = 0;
    for (const name of paths) {
      const { stretches, lastSeen, disappeared, live } = await ask(name);
      const points = [...history.live.keys()];
      const having = points.filter((point) => at(point, name) !== undefined);
      const last = having.at(-1);
      expect(lastSeen?.point).toBe(last);
      expect(live).toBe(last === history.newest);
      const after = last === undefined || live ? undefined : points[points.indexOf(last) + 1];
      expect(disappeared?.point).toBe(after);
      if (after === undefined || last === undefined) continue;
      gone += 1;
      const end = stretches.at(-1);
      if (end?.state !== 'absent') throw new Error(`${name}: its last stretch is not absent`);
      if (end.movedTo === undefined) continue;
      const to = end.movedTo.toString('latin1');
      expect(at(after, to)?.node, `${name} to ${to}`).toBe(at(last, name)?.node);
    }
    expect(gone).toBeGreaterThan(0);
  });

  it('a range and a limit: tell the newest of what is told without them', async () => {
    const points = [...history.live.keys()];
    const from = points[Math.floor(points.length / 2)] ?? 0;
    for (const name of paths) {
      const whole = (await ask(name)).stretches;
      const part = await ask(name, { from });
      expect(part.stretches).toEqual(whole.filter(({ lastPoint }) => lastPoint >= from));
      const few = await ask(name, { limit: 1 });
      expect(few.leftOut).toBe(Math.max(0, few.versions - 1));
      expect(whole.slice(-few.stretches.length)).toEqual(few.stretches);
    }
  });

  it('followed by node: also tells each place that the node had elsewhere', async () => {
    let elsewhere = 0;
    for (const name of paths) {
      const { stretches } = await ask(name, { follow: 'node' });
      const own = new Set(
        stretches.flatMap((s) =>
          s.state === 'present' && s.path.toString('latin1') === name ? [s.version.node] : [],
        ),
      );
      for (const stretch of stretches) {
        const there = stretch.path.toString('latin1');
        if (stretch.state === 'absent' || there === name) continue;
        elsewhere += 1;
        expect(own.has(stretch.version.node)).toBe(true);
        for (const point of [stretch.firstPoint, stretch.lastPoint]) {
          expect(at(point, there)?.node, `${there}@${point}`).toBe(stretch.version.node);
        }
      }
    }
    expect(elsewhere).toBeGreaterThan(0);
  });

  it('somebody who goes away: ends it', async () => {
    const gone = new AbortController();
    gone.abort();
    await expect(ask(paths[0] ?? 'a', { signal: gone.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});

it('a file that was away only at points that were removed: was never away', async () => {
  const set = await SmallSet.create();
  await set.commit([unlink(SET_NODE, 'folder'), link(SET_NODE, 'moved', Nodes.folder)]);
  await set.commit([unlink(SET_NODE, 'moved'), link(SET_NODE, 'folder', Nodes.folder)]);
  const { store, writer } = set.open;
  const reader = new StoredSetReader(store);
  const ask = (): Promise<PathHistory> =>
    reader.versions({
      ...{ path: Buffer.from('folder/file'), from: 0, to: set.point },
      ...{ follow: 'path', limit: 100 },
    });
  expect((await ask()).stretches).toMatchObject([
    { state: 'present', firstPoint: 1, lastPoint: 2, change: 'first' },
    { state: 'absent', firstPoint: 3, lastPoint: 3, why: 'moved' },
    { state: 'present', firstPoint: 4, lastPoint: 4, change: 'moved', contentChanged: false },
  ]);
  const reason = { policy: 'test', by: 'test', timeMs: 1 };
  await writer.exclusively(() => prunePoints(store, { points: [3], reason }));
  expect((await ask()).stretches).toMatchObject([
    { state: 'present', firstPoint: 1, lastPoint: 4, change: 'first', live: true },
  ]);
  await set.close();
});
