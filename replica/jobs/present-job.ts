/** Turns a job into the API's JSON. */
import type { JobJson, JobState } from '../../shared/api/jobs.js';
import { AfterimageError } from '../../shared/errors.js';
import type { JobRow } from './job-store.js';
import { noProgress } from './progress-meter.js';

export interface JobAbilities {
  readonly canCancel: boolean;
  readonly canResume: boolean;
}

/** States that an operator may resume from. */
const resumable: ReadonlySet<JobState> = new Set(['failed', 'cancelled', 'interrupted']);

/** Of a job as it is stored; whoever runs it knows more. */
export function abilitiesOf({ state, request }: Pick<JobRow, 'state' | 'request'>): JobAbilities {
  const byAgent = isBegunByAgent(request);
  return {
    canCancel: !byAgent && (state === 'queued' || state === 'running'),
    canResume: !byAgent && resumable.has(state),
  };
}

/** A sync that its agent began is followed here, not run: it is the agent's to go on with. */
export function isBegunByAgent(request: JobRow['request']): boolean {
  return request.begun === 'agent';
}

export function presentJob(row: JobRow, { canCancel, canResume }: JobAbilities): JobJson {
  const { kind, set, by, request, state, createdMs, startedMs, endedMs, message } = row;
  return {
    id: `job-${row.id}`,
    kind,
    set: set === '' ? null : set,
    by,
    request,
    state,
    createdMs,
    startedMs,
    endedMs,
    progress: row.progress ?? noProgress,
    message,
    result: row.result,
    problem: row.problem,
    attempt: row.attempt,
    canCancel,
    canResume,
  };
}

/** The number in `job-12`. Throws `argument-invalid`. */
export function parseJobId(text: string): number {
  const match = /^job-(\d{1,15})$/.exec(text);
  if (match?.[1] !== undefined) return Number(match[1]);
  throw new AfterimageError('argument-invalid', `${JSON.stringify(text)} names no job`);
}
