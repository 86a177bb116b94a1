import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decisionSchema, retentionSchema } from '../../shared/api/retention.js';
import { ExitCode } from '../../shared/errors.js';
import { RetainedSet } from '../replica/retain/support/retained-set.js';
import { type Outcome, TestReplica } from './support/served-memory.js';

let set: RetainedSet;
let replica: TestReplica;

beforeEach(async () => {
  set = await RetainedSet.create(6);
  replica = new TestReplica();
  await replica.start({ sets: () => [set.served], retention: set.retention });
});
afterEach(async () => {
  await replica.stop();
  await set.close();
});

const run = (...argv: string[]): Promise<Outcome> => replica.run(argv);

async function json(...argv: string[]): Promise<Record<string, unknown>[]> {
  const { code, out, err } = await run(...argv, '--json');
  expect(code, err).toBe(ExitCode.ok);
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('retain', () => {
  test('without rules: shows that every point is kept', async () => {
    expect((await run('retain', 'model')).out).toBe('model: every point is kept\n');
    expect((await json('retain', 'model', '--show'))[0]).toEqual({
      set: 'model',
      policy: null,
      policySetMs: null,
      holds: [],
      nextRunMs: null,
      lastRun: null,
    });
  });

  test('with rules: sets exactly these, and shows them afterwards', async () => {
    const rules = ['--keep-last', '4', '--interval', '1h', '--within', '2d', '--daily', '30'];
    const set = await run('retain', 'model', ...rules, '--yearly', '5', '--min-age', '6h');
    expect(set.out).toMatch(/keep-last +4 of 1 h\n.*within +2 d\n.*daily +30\n.*yearly +5\n/s);
    const [answer] = await json('retain', 'model');
    expect(retentionSchema.parse(answer).policy).toEqual({
      keepLast: 4,
      intervalMs: 3_600_000,
      withinMs: 2 * 86_400_000,
      daily: 30,
      yearly: 5,
      minAgeMs: 6 * 3_600_000,
    });
    await run('retain', 'model', '--hourly', '2');
    expect((await json('retain', 'model'))[0]).toMatchObject({ policy: { hourly: 2 } });
    expect((await run('retain', 'model', '--all')).out).toBe('model: every point is kept\n');
  });

  test.each([
    [['retain', 'other'], ExitCode.notFound, /there is no set "other"/],
    [['retain', 'model', '--within', 'soon'], ExitCode.usage, /give a length of time/],
    [['retain', 'model', '--daily', '0'], ExitCode.usage, /whole number above 0/],
    [['retain', 'model', '--min-age', '3d'], ExitCode.usage, /a rule that keeps points/],
    [['retain', 'model', '--all', '--daily', '3'], ExitCode.usage, /rules, --all or --show/],
  ])('%j: is refused', async (argv, code, message) => {
    const outcome = await run(...argv);
    expect([outcome.code, outcome.err]).toEqual([code, expect.stringMatching(message)]);
  });
});

describe('prune', () => {
  test('a dry run: says of each point why, and removes none', async () => {
    await run('retain', 'model', '--hourly', '2');
    const { out } = await run('prune', 'model', '--dry-run');
    expect(out).toMatch(/^goes {3}model@1 of .*\n +hourly: the hour 2031-01-01T00 is not among/);
    expect(out).toMatch(/stays {2}model@6 of .*\n +it is the newest point.*\n +hourly: it stands/);
    expect(out).toMatch(/model: 4 points would go, 2 stay\n$/);
    const lines = await json('prune', 'model', '--dry-run');
    expect(lines.slice(0, -1).map((line) => decisionSchema.parse(line).keep)).toEqual([
      false,
      false,
      false,
      false,
      true,
      true,
    ]);
    expect(set.points).toHaveLength(6);
  });

  test('removes what the policy does not keep, and no point gets another number', async () => {
    await run('retain', 'model', '--hourly', '2');
    const { out } = await run('prune', 'model');
    expect(out).toMatch(/model: 4 points removed, 2 stay; .* freed\n$/);
    expect(set.points).toEqual([5, 6]);
    expect(await set.wrongPoints()).toEqual([]);
    const shown = await run('retain', 'model');
    expect(shown.out).toMatch(/last run +2031-.*: 4 points removed, .* freed/);
    const gone = await run('ls', 'model@2');
    expect([gone.code, gone.err]).toEqual([ExitCode.notFound, expect.stringMatching(/no point 2/)]);
    expect((await json('points', 'model'))[0]).toMatchObject({
      points: [{ point: 5 }, { point: 6 }],
    });
  });
});

describe('hold and release', () => {
  test('a held point: stays until its holds are released, by name or all at once', async () => {
    await run('retain', 'model', '--hourly', '1');
    const held = await run('hold', 'model@2', '--reason', 'case 12');
    expect(held.out).toBe('hold-1 keeps model@2\n');
    await run('hold', 'model@2', '--reason', 'and 13');
    await run('hold', 'model@3', '--reason', 'a pin');
    expect((await run('retain', 'model')).out).toMatch(/hold-1 {2}model@2 {2}since .*: case 12\n/);
    await run('prune', 'model');
    expect(set.points).toEqual([2, 3, 6]);
    expect((await run('release', 'hold-3')).out).toBe('released hold-3 of model@3: a pin\n');
    const all = await json('release', 'model@2');
    expect(all[0]).toMatchObject({ released: [{ hold: 'hold-1' }, { hold: 'hold-2' }] });
    await run('prune', 'model');
    expect(set.points).toEqual([6]);
    const again = await run('release', 'hold-3');
    expect([again.code, again.err]).toEqual([
      ExitCode.notFound,
      expect.stringMatching(/there is no hold hold-3/),
    ]);
  });

  test('a hold without a reason: is refused', async () => {
    expect((await run('hold', 'model@2')).code).toBe(ExitCode.usage);
    expect((await run('hold', 'model@2', '--reason', ' ')).code).toBe(ExitCode.usage);
  });
});
