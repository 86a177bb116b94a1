/** What the API and the command line answer about many points, over a real set with holds and a policy. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { diffAnswerLineSchema, type DiffLine } from '../../../shared/api/changes.js';
import { pointsSchema } from '../../../shared/api/points.js';
import { problemSchema } from '../../../shared/api/problem.js';
import { simulateSchema } from '../../../shared/api/retention.js';
import { searchSchema } from '../../../shared/api/search.js';
import { statusSchema } from '../../../shared/api/status.js';
import { textDiffSchema } from '../../../shared/api/text-diff.js';
import { timelineSchema } from '../../../shared/api/timeline.js';
import { versionsSchema } from '../../../shared/api/versions.js';
import { ExitCode } from '../../../shared/errors.js';
import { parsePathText, toPathText } from '../../../shared/path-text.js';
import { TestReplica } from '../../cli/support/served-memory.js';
import type { CopiedNode, FullCopy } from '../../model/full-copy.js';
import { RetainedSet, START_MS } from '../retain/support/retained-set.js';

const POINTS = 12;
const HOUR = 3_600_000;
const at = (point: number): number => START_MS + (point - 1) * HOUR;

let set: RetainedSet;
const replica = new TestReplica();

beforeAll(async () => {
  set = await RetainedSet.create(POINTS, 8);
  await set.history.prune([3, 6]);
  set.retention.hold({ set: 'model', point: 4, reason: 'the last good one' });
  const { served } = set;
  await replica.start({
    sets: () => [served, replica.served],
    retention: set.retention,
    flaggedPoints: (name) => (name === 'model' ? [5, 7] : []),
  });
}, 60_000);

afterAll(async () => {
  await replica.stop();
  await set.close();
});

async function ask<Schema extends z.ZodType>(
  schema: Schema,
  path: string,
  body?: object,
): Promise<z.output<Schema>> {
  const init = {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  };
  const response = await replica.fetch(`/v1${path}`, body === undefined ? {} : init);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return schema.parse(JSON.parse(text));
}

async function refused(path: string): Promise<string> {
  const response = await replica.fetch(`/v1${path}`);
  return problemSchema.parse(await response.json()).code;
}

describe('the timeline of a set', () => {
  it('without a range: has all points, one by one and in buckets, with holds and flags', async () => {
    const told = await ask(timelineSchema, '/sets/model/timeline?buckets=2');
    expect(told).toMatchObject({
      ...{ set: 'model', total: POINTS - 2, inRange: POINTS - 2 },
      ...{ firstMs: at(1), lastMs: at(12), fromMs: at(1), toMs: at(12) + 1 },
    });
    const listed = await ask(pointsSchema, '/sets/model/points');
    expect(told.points).toMatchObject(listed.points);
    expect(told.points?.filter(({ held }) => held).map(({ point }) => point)).toEqual([4]);
    expect(told.points?.filter(({ flagged }) => flagged).map(({ point }) => point)).toEqual([5, 7]);
    expect(told.buckets).toMatchObject([
      { points: 4, firstPoint: 1, lastPoint: 5, holds: 1, flagged: 1 },
      { points: 6, firstPoint: 7, lastPoint: 12, holds: 0, flagged: 1 },
    ]);
  });

  it('a range: has its points only; one before all points is empty', async () => {
    const path = `/sets/model/timeline?from=${at(4)}&to=${at(8)}`;
    const told = await ask(timelineSchema, path);
    expect(told.points?.map(({ point }) => point)).toEqual([4, 5, 7]);
    expect(told.total).toBe(POINTS - 2);
    const empty = await ask(timelineSchema, '/sets/model/timeline?from=1&to=2');
    expect(empty).toMatchObject({ inRange: 0, buckets: [], points: [] });
  });

  it.each(['buckets=0', 'buckets=501', 'from=x', 'from=-1'])('%s: is refused', async (query) => {
    expect(await refused(`/sets/model/timeline?${query}`)).toBe('argument-invalid');
  });

  it('a set in memory: is drawn from its points', async () => {
    replica.set.cut((tree) => tree.folder('app').file('app/a', 'alpha'));
    expect(await ask(timelineSchema, '/sets/shop/timeline')).toMatchObject({ total: 1 });
  });
});

describe('points in pages', () => {
  it.each([
    ['limit=3', [10, 11, 12], 7],
    ['before=8&limit=2', [5, 7], 3],
    ['after=5&limit=2', [7, 8], 4],
    ['after=2&before=9', [4, 5, 7, 8], 0],
    ['before=latest~1', [1, 2, 4, 5, 7, 8, 9, 10], 0],
    [`after=${new Date(at(6)).toISOString()}`, [7, 8, 9, 10, 11, 12], 0],
    ['before=1', [], 0],
  ])('%s: has the points %j', async (query, points, leftOut) => {
    const told = await ask(pointsSchema, `/sets/model/points?${query}`);
    expect(told.points.map(({ point }) => point)).toEqual(points);
    expect(told).toMatchObject({ leftOut, total: POINTS - 2 });
  });

  it('status: counts them', async () => {
    const { sets } = await ask(statusSchema, '/status');
    expect(sets.find((each) => each.set === 'model')?.points).toBe(POINTS - 2);
  });
});

describe('versions, search and comparison', () => {
  const newest = (): FullCopy => set.history.live.get(POINTS) ?? new Map<string, CopiedNode>();

  it('versions of every path of the newest point: end in it, by API and command line', async () => {
    for (const name of newest().keys()) {
      const path = toPathText(Buffer.from(name, 'latin1'));
      const told = await ask(
        versionsSchema,
        `/sets/model/versions?path=${encodeURIComponent(path)}`,
      );
      expect(told).toMatchObject({ path, live: true, lastSeen: { point: POINTS } });
      expect(told.stretches.at(-1)).toMatchObject({ state: 'present', live: true });
    }
    const [name = ''] = newest().keys();
    const { out, code } = await replica.run([
      ...['versions', 'model', toPathText(Buffer.from(name, 'latin1'))],
    ]);
    expect(code).toBe(ExitCode.ok);
    expect(out).toMatch(/^POINTS +FROM +CHANGE/);
    expect(out).toContain('to now');
    const none = await replica.run(['versions', 'model', 'never/was']);
    expect(none).toMatchObject({
      code: ExitCode.mismatch,
      out: 'no point of model has never/was\n',
    });
  });

  it('versions of a set that tells none, or of no path: are refused', async () => {
    expect(await refused('/sets/shop/versions?path=app')).toBe('not-found');
    expect(await refused('/sets/model/versions')).toBe('argument-invalid');
  });

  it('search: finds names over the sets that can tell, by API and command line', async () => {
    const told = await ask(searchSchema, '/search?q=a&live=true');
    expect(told.sets).toBe(2);
    for (const { set: of, path, live } of told.results) {
      expect([of, live]).toEqual(['model', true]);
      expect(newest().has(parsePathText(path).toString('latin1'))).toBe(true);
    }
    expect(told.results[0]).toMatchObject({ name: 'a', match: 'exact' });
    expect((await ask(searchSchema, '/search?q=a&set=model&limit=1')).results).toHaveLength(1);
    expect((await ask(searchSchema, '/search?q=a&to=1970-01-02T00:00:00Z')).results).toEqual([]);
    const { out } = await replica.run(['search', 'a', '--live']);
    expect(out).toMatch(/^SET +POINTS +KIND/);
    expect(await refused('/search?q=')).toBe('argument-invalid');
    expect(await refused('/search?q=a&set=nowhere')).toBe('not-found');
    expect(await refused('/search?q=%5Bz-a%5D')).toBe('argument-invalid');
  });

  it('changes of a path, a limit and counts: are parts of the whole comparison', async () => {
    const lines = async (query: string): Promise<z.infer<typeof diffAnswerLineSchema>[]> => {
      const response = await replica.fetch(`/v1/sets/model/diff?from=1&to=12${query}`);
      const all = (await response.text()).trimEnd().split('\n').slice(0, -1);
      return all.map((line) => diffAnswerLineSchema.parse(JSON.parse(line)));
    };
    const all = (await lines('')) as DiffLine[];
    const [counts] = await lines('&summary=only');
    const count = (change: string): number => all.filter((line) => line.change === change).length;
    expect(counts).toMatchObject({
      ...{ type: 'summary', added: count('added'), removed: count('removed') },
      ...{ content: count('content'), metadata: count('metadata'), leftOut: 0 },
      moved: all.filter(({ movedFrom }) => movedFrom !== undefined).length,
    });
    expect(await lines('&limit=2')).toEqual(all.slice(0, 2));
    const some = await lines('&limit=2&summary=with');
    expect(some).toEqual([...all.slice(0, 2), { ...counts, leftOut: all.length - 2 }]);
    const [folder] = [...newest()].flatMap(([path, { kind }]) => (kind === 'folder' ? [path] : []));
    const within = all.filter(({ path, movedFrom }) =>
      [path, movedFrom].some((each) => each === folder || each?.startsWith(`${folder ?? ''}/`)),
    );
    expect(await lines(`&path=${encodeURIComponent(folder ?? '')}`)).toEqual(within);
    const printed = await replica.run(['diff', 'model@1', 'model@12', '--summary']);
    expect(printed.code).toBe(ExitCode.mismatch);
    expect(printed.out).toContain(`added    ${count('added')}`);
  });

  it('a policy that is tried: says what would go, and nothing goes', async () => {
    const policy = { keepLast: 2, intervalMs: HOUR };
    const told = await ask(simulateSchema, '/sets/model/retention/simulate', { policy });
    expect(told).toMatchObject({ total: POINTS - 2, keep: 3, go: POINTS - 5, future: null });
    const ahead = { policy, horizonMs: 365 * 24 * HOUR };
    const future = await ask(simulateSchema, '/sets/model/retention/simulate', ahead);
    expect(future.future).toMatchObject({ keep: 3 });
    expect(set.points).toHaveLength(POINTS - 2);
  });
});

describe('texts at two points', () => {
  const path = '/sets/shop/text-diff?path=app/a&from=1';

  it('text: is told as hunks; what is absent is an empty text', async () => {
    replica.set.cut((tree) => tree.file('app/a', 'alpha\nbeta\n'));
    replica.set.cut((tree) => tree.remove('app/a'));
    const told = await ask(textDiffSchema, `${path}&to=2`);
    expect(told).toMatchObject({ result: 'differs', sameBytes: false, added: 2, removed: 1 });
    expect(told.hunks[0]?.lines).toEqual([
      { type: 'removed', text: 'alpha', from: 1, to: null, noNewline: true },
      { type: 'added', text: 'alpha', from: null, to: 1 },
      { type: 'added', text: 'beta', from: null, to: 2 },
    ]);
    expect(await ask(textDiffSchema, `${path}&to=1`)).toMatchObject({ result: 'same', hunks: [] });
    const gone = await ask(textDiffSchema, `${path}&to=3`);
    expect(gone).toMatchObject({ result: 'differs', to: { state: 'absent' }, sameBytes: null });
    expect(replica.set.openViews).toBe(0);
  });

  it('what is no text, or too large: is said, with whether the bytes are the same', async () => {
    replica.set.cut((tree) =>
      tree.file('app/a', Buffer.alloc(2 ** 20 + 1, 65)).file('app/b', Buffer.from([1, 0, 2])),
    );
    replica.set.cut((tree) => tree.file('app/x', 'x'));
    const told = await ask(textDiffSchema, '/sets/shop/text-diff?path=app/a&from=4&to=5');
    expect(told).toMatchObject({
      ...{ result: 'not-compared', sameBytes: true, hunks: [] },
      from: { state: 'too-large', size: 2 ** 20 + 1 },
    });
    const binary = '/sets/shop/text-diff?path=app/a&toPath=app/b&from=1&to=5';
    expect(await ask(textDiffSchema, binary)).toMatchObject({
      ...{ result: 'not-compared', sameBytes: false },
      ...{ from: { state: 'text' }, to: { state: 'binary', path: 'app/b' } },
    });
    const folder = '/sets/shop/text-diff?path=app&from=4&to=5';
    expect(await ask(textDiffSchema, folder)).toMatchObject({ from: { state: 'other' } });
    expect(replica.set.openViews).toBe(0);
  });
});
