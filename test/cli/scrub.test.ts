/** `scrub` against a real server and a set that really is scrubbed. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { silentLog } from '../../shared/log.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { ByteRate } from '../../replica/verify/byte-rate.js';
import { SetScrub } from '../../replica/verify/scrub-set.js';
import { flipBit } from '../replica/support/scrubbed-set.js';
import { SmallSet } from '../replica/support/small-set.js';
import { TestReplica } from './support/served-memory.js';

let small: SmallSet;
let scrub: SetScrub;
let replica: TestReplica;

beforeEach(async () => {
  small = await SmallSet.create();
  scrub = new SetScrub({
    store: small.open.store,
    writer: small.open.writer,
    siblings: () => [],
    core: createHashCore(),
    posix: loadPosix(),
    clock: systemClock,
    log: silentLog,
    rate: new ByteRate(systemClock, 1e12),
    everyMs: Infinity,
  });
  scrub.start();
  replica = new TestReplica();
  Object.assign(replica.served, { scrub });
  await replica.start();
});
afterEach(async () => {
  await replica.stop();
  await scrub.close();
  await small.close();
});

describe('scrub', () => {
  it('a good set: follows a round to its end, and status says so', async () => {
    const before = await replica.run(['scrub', 'shop', '--status']);
    expect(before).toMatchObject({ code: 0 });
    expect(before.out).toContain('no round has ended yet');
    const answer = await replica.run(['scrub', '--all', '--rate', '512MiB']);
    expect(answer.out).toMatch(/round 1 ended .*: .* read, 0 found, 0 repaired/);
    expect(answer.code).toBe(0);
    const status = await replica.run(['status']);
    expect(status.out).toContain('SCRUBBED');
  });

  it('damage: is named by file, block and points, with exit code 5', async () => {
    flipBit(small.at('base', 'other'), { byte: 9 });
    const answer = await replica.run(['scrub', 'shop']);
    expect(answer.out).toContain('other block 0: damaged, points 1 to 2, asked of the agent');
    expect(answer.code).toBe(5);
    const json = await replica.run(['scrub', 'shop', '--status', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({
      type: 'scrub',
      damaged: 1,
      damage: [{ path: 'other', points: { from: 1, to: 2 }, state: 'wanted' }],
    });
    const status = await replica.run(['status']);
    expect(status.out).toContain('1 damaged (1 found, 0 repaired so far)');
  });

  it('paused and resumed: says which', async () => {
    expect((await replica.run(['scrub', 'shop', '--pause'])).out).toContain('paused');
    expect((await replica.run(['scrub', 'shop', '--resume'])).out).toContain('idle');
  });

  it.each([
    [[]],
    [['shop', '--all']],
    [['shop', '--now', '--pause']],
    [['shop', '--rate', 'fast']],
  ])('arguments that cannot be: %j is a usage error', async (args) => {
    expect((await replica.run(['scrub', ...args])).code).toBe(2);
  });
});
