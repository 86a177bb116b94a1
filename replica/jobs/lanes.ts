/** Which of the queued jobs may start now. Pure: jobs in, jobs out. */
import type { JobKindName } from '../../shared/api/jobs.js';

/** What counts of a job for the order of starting. */
export interface LaneJob {
  readonly id: number;
  readonly kind: JobKindName;
  readonly set: string;
  readonly changes: boolean;
  readonly target: string | undefined;
}

type Lane = 'follow' | 'restore' | 'work';

/**
 * `follow` waits for work that is done elsewhere and takes no room. Restores have room of their own:
 * on a bad day none of them waits for a verification.
 */
const laneOf: Record<JobKindName, Lane> = {
  sync: 'follow',
  scrub: 'follow',
  restore: 'restore',
  verify: 'work',
  prune: 'work',
  export: 'work',
  archive: 'work',
};

export type LaneSizes = Readonly<Record<Lane, number>>;
export const defaultLanes: LaneSizes = { follow: Infinity, restore: 4, work: 2 };

/** In the order of asking; one that has to wait holds back none that need not. */
export function startable<Job extends LaneJob>(
  jobs: { readonly queued: readonly Job[]; readonly running: readonly LaneJob[] },
  sizes: LaneSizes = defaultLanes,
): Job[] {
  const taken: LaneJob[] = [...jobs.running];
  const chosen: Job[] = [];
  for (const job of jobs.queued) {
    const lane = laneOf[job.kind];
    const used = taken.filter(({ kind }) => laneOf[kind] === lane).length;
    if (used >= sizes[lane] || taken.some((other) => collide(job, other))) continue;
    chosen.push(job);
    taken.push(job);
  }
  return chosen;
}

function collide(one: LaneJob, other: LaneJob): boolean {
  if (one.changes && other.changes && one.set === other.set) return true;
  return one.target !== undefined && one.target === other.target;
}
