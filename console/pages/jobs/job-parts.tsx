/** How a job is shown wherever it stands: its state as a mark, its progress as a bar with words. */
import type { VNode } from 'preact';
import type { JobJson, JobState } from '../../../shared/api/jobs.js';
import { ActButton } from '../../parts/act-button.js';
import { formatBytes, formatDuration } from '../../parts/format.js';
import { Mark, type Tone } from '../../parts/marks.js';
import { Progress } from '../../parts/progress.js';
import { texts } from '../../texts.js';
import { doneShare, isOpen } from './job-list.js';
import { cancelJob, resumeJob } from './use-jobs.js';

const tones: Readonly<Record<JobState, Tone>> = {
  queued: 'calm',
  running: 'busy',
  done: 'good',
  failed: 'bad',
  cancelled: 'calm',
  interrupted: 'warn',
};

/** A job that ended with troubles has not done what it was asked for, although it is done. */
export function JobStateMark({
  job: { kind, state, result },
}: {
  readonly job: Pick<JobJson, 'kind' | 'state' | 'result'>;
}): VNode {
  const troubles = result?.troubleCount ?? 0;
  if (state !== 'done' || troubles === 0) {
    return <Mark tone={tones[state]}>{texts.jobs.states[state]}</Mark>;
  }
  return <Mark tone={kind === 'sync' ? 'warn' : 'bad'}>{texts.jobs.doneWith(troubles)}</Mark>;
}

/** `Restore of shop`. */
export function jobName({ kind, set }: Pick<JobJson, 'kind' | 'set'>): string {
  const name = texts.jobs.kinds[kind];
  return set === null ? name : `${name}: ${set}`;
}

/** The bar with bytes, files, rate and time left; words alone for a job that has ended. */
export function JobProgressView({ job }: { readonly job: JobJson }): VNode {
  const { progress, state } = job;
  const share = doneShare(job);
  const words = progressWords(job);
  return (
    <div class="job-progress">
      {isOpen(job) && state === 'running' && (
        <Progress label={`${texts.jobs.progress}: ${job.id}`} share={share} />
      )}
      <span class="small">
        {isOpen(job) && progress.step !== null && <strong>{progress.step} </strong>}
        {words}
      </span>
    </div>
  );
}

function progressWords({ progress, state }: JobJson): string {
  const { bytes, bytesTotal, files, filesTotal, bytesPerSecond, leftMs } = progress;
  const parts: string[] = [];
  const running = state === 'running';
  if (files > 0 || filesTotal !== null) {
    const total = filesTotal === null || !running ? undefined : filesTotal;
    parts.push(texts.jobs.files(files, total));
  }
  if (bytes > 0 || bytesTotal !== null) {
    const total = bytesTotal === null || !running ? undefined : formatBytes(bytesTotal);
    parts.push(texts.jobs.bytes(formatBytes(bytes), total));
  }
  if (running && bytesPerSecond !== null && bytesPerSecond > 0) {
    parts.push(texts.jobs.rate(formatBytes(bytesPerSecond)));
  }
  if (running && leftMs !== null) parts.push(texts.jobs.left(formatDuration(leftMs)));
  return parts.join(', ');
}

export interface JobActionsProps {
  readonly job: JobJson;
  readonly onJob: (job: JobJson) => void;
  /** `title` in a table: the reason why it is not allowed is a title alone. */
  readonly reason?: 'beside' | 'title';
}

/** Cancel and resume, where the replica would take them. */
export function JobActions({ job, onJob, reason = 'beside' }: JobActionsProps): VNode | null {
  const { id, canCancel, canResume } = job;
  if (!canCancel && !canResume) return null;
  return (
    <span class="row">
      {canCancel && (
        <ActButton
          role="operator"
          reason={reason}
          label={texts.jobs.cancelOne(id)}
          onAct={async () => {
            onJob(await cancelJob(id));
          }}
        >
          {texts.jobs.cancel}
        </ActButton>
      )}
      {canResume && (
        <ActButton
          role="operator"
          reason={reason}
          label={texts.jobs.resumeOne(id)}
          onAct={async () => {
            onJob(await resumeJob(id));
          }}
        >
          {texts.jobs.resume}
        </ActButton>
      )}
    </span>
  );
}
