/** The restore itself, as a job that goes on whether somebody looks or not; or the download. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JobJson } from '../../../shared/api/jobs.js';
import { postJson } from '../../api/client.js';
import { type ApiFailure, asFailure } from '../../api/failure.js';
import { saveAnswer } from '../../api/save-answer.js';
import { ActButton } from '../../parts/act-button.js';
import { Button } from '../../parts/button.js';
import { Answered, FailureBox, Loading } from '../../parts/states.js';
import { at, href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { isOpen } from '../jobs/job-list.js';
import { JobNow } from '../jobs/job-page.js';
import { JobActions, JobStateMark } from '../jobs/job-parts.js';
import { useJob } from '../jobs/use-jobs.js';
import { placeText } from './confirm-step.js';
import { downloadUrl, type RestoreDraft, toRequest } from './restore-draft.js';
import type { PlannedDraft } from './use-plan.js';

export interface RunStepProps {
  readonly draft: RestoreDraft;
  readonly onAgain: () => void;
}

export function RunStep({ draft, onAgain }: RunStepProps): VNode | null {
  const { point } = draft;
  if (point === undefined) return null;
  const known = { ...draft, point };
  return (
    <>
      {draft.way === 'download' ? <Download draft={known} /> : <Begin draft={known} />}
      <div class="row">
        <Button onClick={onAgain}>{texts.restore.again}</Button>
      </div>
    </>
  );
}

function Download({ draft }: { readonly draft: PlannedDraft }): VNode {
  const name = `${draft.set}-${draft.point}.${draft.format}`;
  return (
    <>
      <p class="muted">{texts.restore.downloadHint}</p>
      <div class="row">
        <ActButton kind="primary" role="viewer" onAct={() => saveAnswer(downloadUrl(draft), name)}>
          {texts.restore.startDownload}
        </ActButton>
      </div>
    </>
  );
}

function Begin({ draft }: { readonly draft: PlannedDraft }): VNode {
  const [job, setJob] = useState<JobJson>();
  const [failure, setFailure] = useState<ApiFailure>();
  const asked = useRef<'no' | 'yes'>('no');
  const begin = (): void => {
    setFailure(undefined);
    const body = { kind: 'restore', set: draft.set, ...toRequest(draft, 'write') };
    postJson<JobJson>('/v1/jobs', body).then(setJob, (error: unknown) => {
      setFailure(asFailure(error));
    });
  };
  useEffect(() => {
    // Once: a restore is not asked for again because something is rendered again.
    if (asked.current === 'yes') return;
    asked.current = 'yes';
    begin();
  }, []);
  if (failure !== undefined) {
    return (
      <>
        <FailureBox failure={failure} onRetry={begin} />
        {failure.code === 'unreachable' && (
          <p class="warning">
            {texts.restore.mayRun}{' '}
            <a href={href('/jobs', { set: draft.set })}>{texts.restore.seeJobs}</a>
          </p>
        )}
      </>
    );
  }
  return job === undefined ? <Loading /> : <Running id={job.id} to={placeText(draft)} />;
}

function Running({ id, to }: { readonly id: string; readonly to: string }): VNode {
  const { answer, change } = useJob(id);
  return (
    <Answered answer={answer}>
      {(job) => (
        <>
          <header class="row">
            <h2>{titleOf(job)}</h2>
            <JobStateMark job={job} />
          </header>
          <p class="path-text">
            {texts.restore.confirmTo}: {to}
          </p>
          {isOpen(job) && <p class="muted">{texts.restore.started}</p>}
          <JobNow job={job} />
          <div class="row">
            <JobActions job={job} onJob={change} />
            <a class="button" href={href(at`/jobs/${job.id}`)}>
              {texts.restore.openJob}
            </a>
          </div>
        </>
      )}
    </Answered>
  );
}

function titleOf({ state, result }: JobJson): string {
  if (state === 'cancelled') return texts.restore.cancelledTitle;
  if (state === 'failed' || state === 'interrupted') return texts.restore.failedTitle;
  if (state !== 'done') return texts.jobs.kinds.restore;
  return (result?.troubleCount ?? 0) > 0 ? texts.restore.failedTitle : texts.restore.doneTitle;
}
