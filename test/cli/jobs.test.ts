import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServedJobs } from '../replica/jobs/served-jobs.js';

let replica: ServedJobs;

beforeEach(async () => {
  replica = new ServedJobs();
  replica.set.cut((tree) => tree.folder('app').file('app/a', 'alpha').file('app/b', 'beta'));
  await replica.start();
});

afterEach(async () => {
  await replica.stop();
});

describe('afterimage jobs', () => {
  it('begin --follow: waits for the end, and exits with 5 when something is damaged', async () => {
    const good = await replica.run(['jobs', 'begin', 'verify', 'shop', '--follow']);
    expect(good.err).toBe('');
    expect([good.code, good.out]).toEqual([
      0,
      expect.stringMatching(/^job-1: verify of shop, done\n/),
    ]);
    replica.set.damage(replica.set.tree(1).node('app/b'), 0);
    const bad = await replica.run(['jobs', 'begin', 'verify', 'shop', '--follow']);
    expect([bad.code, bad.out]).toEqual([5, expect.stringContaining('app/b: point 1 block 0')]);
  });

  it('list, show and log: say what there is, also as JSON', async () => {
    expect((await replica.run(['jobs'])).out).toBe('no jobs\n');
    const request = JSON.stringify({ point: 'latest', depth: 'index' });
    await replica.run(['jobs', 'begin', 'verify', 'shop', '--request', request, '--follow']);
    const table = await replica.run(['jobs', '--set', 'shop', '--state', 'done', 'failed']);
    expect(table.out).toMatch(
      /\njob-1 +verify +shop +done .* local +1 points are as their digests say\n$/,
    );
    const lines = (await replica.run(['jobs', '--json'])).out.trimEnd().split('\n');
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      { type: 'job', id: 'job-1', request: { point: '1', depth: 'index' } },
    ]);
    const shown = await replica.run(['jobs', 'show', 'job-1', '--json']);
    expect(JSON.parse(shown.out)).toMatchObject({ type: 'job', state: 'done' });
    const log = await replica.run(['jobs', 'log', 'job-1', '--follow']);
    expect([log.code, log.out]).toEqual([0, expect.stringContaining('1 points are as')]);
  });

  it('cancel and resume: change what becomes of a job', async () => {
    await replica.run(['jobs', 'begin', 'sync', 'shop']);
    expect((await replica.run(['jobs', 'cancel', 'job-1'])).code).toBe(0);
    const ended = await replica.run(['jobs', 'show', 'job-1', '--follow']);
    expect([ended.code, ended.out]).toEqual([4, expect.stringContaining('cancelled by local')]);
    expect((await replica.run(['jobs', 'resume', 'job-1'])).out).toMatch(
      /^job-1: sync of shop, running/,
    );
    expect((await replica.run(['jobs', 'cancel', 'job-1'])).code).toBe(0);
  });

  it.each([
    [['jobs', 'show', 'job-9'], 3],
    [['jobs', 'show', '9'], 2],
    [['jobs', 'begin', 'verify', 'shop', '--request', 'no'], 2],
    [['jobs', 'begin', 'nothing', 'shop'], 2],
    [['jobs', '--state', 'odd'], 2],
  ])('%j: exits with %i', async (argv, code) => {
    expect((await replica.run(argv)).code).toBe(code);
  });
});
