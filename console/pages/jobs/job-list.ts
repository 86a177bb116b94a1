/** A list of jobs that events keep up to date. Pure. */
import type { JobJson, JobKindName, JobState } from '../../../shared/api/jobs.js';

/** Those of shared/api/jobs.ts; written again because the console takes types alone from there. */
export const jobKinds = [
  'sync',
  'verify',
  'scrub',
  'prune',
  'restore',
  'export',
  'archive',
] as const satisfies readonly JobKindName[];
export const jobStates = [
  'queued',
  'running',
  'done',
  'failed',
  'cancelled',
  'interrupted',
] as const satisfies readonly JobState[];

export interface JobFilter {
  readonly set?: string | undefined;
  readonly kind?: JobKindName | undefined;
  /** `open` are queued and running ones; `ended` all others. */
  readonly state?: JobState | 'open' | 'ended' | undefined;
}

const endedStates: readonly JobState[] = ['done', 'failed', 'cancelled', 'interrupted'];

/** The states that a filter stands for; none means all. */
export function statesOf({ state }: JobFilter): readonly JobState[] {
  if (state === undefined) return [];
  if (state === 'open') return ['queued', 'running'];
  return state === 'ended' ? endedStates : [state];
}

export function isOpen({ state }: Pick<JobJson, 'state'>): boolean {
  return state === 'queued' || state === 'running';
}

function passes(job: JobJson, filter: JobFilter): boolean {
  const states = statesOf(filter);
  return (
    (filter.set === undefined || job.set === filter.set) &&
    (filter.kind === undefined || job.kind === filter.kind) &&
    (states.length === 0 || states.includes(job.state))
  );
}

/** The list with this job as it is now: changed in its place, put on top, or taken off. */
export function withJob(
  jobs: readonly JobJson[],
  job: JobJson,
  filter: JobFilter,
): readonly JobJson[] {
  const place = jobs.findIndex(({ id }) => id === job.id);
  if (!passes(job, filter)) return place < 0 ? jobs : jobs.toSpliced(place, 1);
  if (place >= 0) return jobs.with(place, job);
  // Newest first: a job of an older page that changes now is not listed, so it is not put on top.
  const first = jobs[0];
  return first === undefined || job.createdMs >= first.createdMs ? [job, ...jobs] : jobs;
}

/** Done of all, from 0 to 1; undefined while nobody knows how much there is. */
export function doneShare({ progress }: Pick<JobJson, 'progress'>): number | undefined {
  const { bytes, bytesTotal, files, filesTotal } = progress;
  if (bytesTotal !== null && bytesTotal > 0) return Math.min(1, bytes / bytesTotal);
  if (filesTotal !== null && filesTotal > 0) return Math.min(1, files / filesTotal);
  return undefined;
}
