import { describe, expect, it } from 'vitest';
import type { JobResult } from '../../../shared/api/jobs.js';
import { systemClock } from '../../../shared/clock.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { verifyKind } from '../../../replica/jobs/kinds/verify-kind.js';
import { ServedMemory } from '../../cli/support/served-memory.js';
import { MemorySet } from '../support/memory-set.js';

const hash = createHashCore();

function fourPoints(): MemorySet {
  const set = new MemorySet('shop', hash);
  set.cut((tree) => tree.folder('app').file('app/kept', 'kept').file('app/a', 'one'));
  for (const content of ['two', 'three', 'four']) set.cut((tree) => tree.file('app/a', content));
  return set;
}

function run(set: MemorySet, saved?: unknown): Promise<JobResult> {
  const served = new ServedMemory(set);
  const deps = { sets: () => [served], hash, clock: systemClock, log: silentLog, restoreRoots: [] };
  const nothing = (): void => undefined;
  return verifyKind(deps).run({
    id: 'job-1',
    set: 'shop',
    by: 'anna',
    request: { depth: 'data' },
    attempt: saved === undefined ? 1 : 2,
    saved,
    signal: new AbortController().signal,
    isInterrupted: () => false,
    progress: nothing,
    say: nothing,
    log: nothing,
    save: nothing,
  });
}

describe('a verification that was interrupted (promise 10)', () => {
  it('goes on below the last point it finished: reads what that one lacks, and keeps what was found', async () => {
    const set = fourPoints();
    let reads = 0;
    set.onRead = () => {
      reads += 1;
    };
    expect((await run(set)).counts).toMatchObject({ points: 4, findings: 0 });
    const whole = reads;
    reads = 0;
    const trouble = { path: 'app/a', code: 'damaged', message: 'point 4: damaged' };
    const rest = await run(set, {
      through: 3,
      findings: [[4, 1]],
      troubles: [trouble],
      bytes: 100,
      entries: 6,
    });
    expect(rest).toMatchObject({ counts: { points: 4, findings: 1 }, troubles: [trouble] });
    expect(rest.counts.bytes).toBeGreaterThan(100);
    // The changed file of points 1 and 2; what they share with point 3 was read before.
    expect([whole, reads]).toEqual([5, 2]);
    expect(set.openViews).toBe(0);
  });

  it('that left nothing of use: begins again', async () => {
    const set = fourPoints();
    expect((await run(set, { through: 'x' })).counts).toMatchObject({ points: 4, findings: 0 });
  });
});
