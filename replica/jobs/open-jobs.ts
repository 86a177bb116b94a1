/** Puts the parts of jobs and events together for a replica. */
import type { Clock } from '../../shared/clock.js';
import type { Log } from '../../shared/log.js';
import type { SetActivity } from '../serve/served-set.js';
import type { SetHouse } from '../set-house.js';
import { EventHub } from './event-hub.js';
import { JobDesk } from './job-desk.js';
import type { AnyJobKind } from './job-kind.js';
import { JobStore } from './job-store.js';
import { SyncFollower } from './sync-follower.js';

export interface JobsDeps {
  /** catalog.db */
  readonly file: string;
  readonly house: Pick<SetHouse, 'eachOpened'>;
  readonly activity: (set: string) => SetActivity | undefined;
  readonly kinds: readonly AnyJobKind[];
  /** Others tell what they have to tell through it as well. */
  readonly hub: EventHub;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RunningJobs {
  readonly desk: JobDesk;
  /** Jobs that run are interrupted; resolves when none works any more. */
  close(): Promise<void>;
}

/** Takes up the jobs that an earlier process left, and follows the syncs of all sets. */
export function openJobs(deps: JobsDeps): RunningJobs {
  const store = new JobStore(deps.file);
  const desk = new JobDesk({ ...deps, store });
  const follower = new SyncFollower({ ...deps, desk });
  desk.start();
  deps.house.eachOpened((opened) => {
    follower.follow(opened);
  });
  follower.start();
  return {
    desk,
    close: async () => {
      follower.close();
      await desk.close();
      deps.hub.close();
      store.close();
    },
  };
}
