/** What jobs say outlives a disk that is full for a while. */
import { expect, it } from 'vitest';
import { EventHub } from '../../../replica/jobs/event-hub.js';
import { JobKeeper } from '../../../replica/jobs/job-keeper.js';
import { JobStore } from '../../../replica/jobs/job-store.js';
import { presentJob } from '../../../replica/jobs/present-job.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';

class FullStore extends JobStore {
  isFull = false;
  override addLines(...asked: Parameters<JobStore['addLines']>): void {
    if (this.isFull) throw new Error('database or disk is full');
    super.addLines(...asked);
  }
}

it('lines of a log that could not be written: are written when they can be', () => {
  const store = new FullStore(':memory:');
  const keeper = new JobKeeper({
    store,
    hub: new EventHub(),
    clock: systemClock,
    log: silentLog,
    present: (live) => presentJob(live.row(), { canCancel: false, canResume: false }),
  });
  const row = keeper.add({ kind: 'sync', set: 'shop', by: 'test', request: {} });
  const live = keeper.live(row);
  live.log('one');
  store.isFull = true;
  keeper.write();
  store.isFull = false;
  live.log('two');
  keeper.write();
  const lines = store.lines(row.id, { after: 0, limit: 10 });
  expect(lines.map(({ text }) => text)).toEqual(['one', 'two']);
  keeper.close();
  store.close();
});
