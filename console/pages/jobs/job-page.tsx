/** One job: how far it is, what it says, what became of it. */
import type { VNode } from 'preact';
import type { JobJson } from '../../../shared/api/jobs.js';
import { ApiFailure } from '../../api/failure.js';
import { formatClock, formatDuration, formatTime } from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { Answered, FailureBox } from '../../parts/states.js';
import type { PageProps } from '../../shell/page-entry.js';
import { setLink } from '../../shell/links.js';
import { href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { isOpen } from './job-list.js';
import { JobActions, jobName, JobProgressView, JobStateMark } from './job-parts.js';
import { JobResultView, wordsOf } from './job-result.js';
import { useJob, useJobLog } from './use-jobs.js';

export function JobPage({ params }: PageProps): VNode {
  const { answer, change } = useJob(params['job'] ?? '');
  return (
    <div class="stack">
      <nav class="crumbs" aria-label={texts.jobs.title}>
        <a href={href('/jobs')}>{texts.jobs.title}</a>
        <span aria-hidden="true">/</span>
        <span>{params['job']}</span>
      </nav>
      <Answered answer={answer}>{(job) => <Job job={job} onJob={change} />}</Answered>
    </div>
  );
}

interface JobProps {
  readonly job: JobJson;
  readonly onJob: (job: JobJson) => void;
}

function Job({ job, onJob }: JobProps): VNode {
  return (
    <>
      <header class="page-head">
        <div class="row">
          <h1>{jobName(job)}</h1>
          <JobStateMark job={job} />
        </div>
        <JobActions job={job} onJob={onJob} />
      </header>
      <section class="card" aria-label={texts.jobs.progress}>
        <JobNow job={job} />
      </section>
      <section class="card stack" aria-labelledby="job-request">
        <h2 id="job-request">{texts.jobs.request}</h2>
        <JobFacts job={job} />
      </section>
      <JobLogView job={job} />
    </>
  );
}

/** Progress, the last thing it said, and its end: what the wizard shows too. */
export function JobNow({ job }: { readonly job: JobJson }): VNode {
  const { message, problem, result } = job;
  return (
    <div class="stack">
      <div class="job-now" aria-live="polite">
        {isOpen(job) && <JobProgressView job={job} />}
        {isOpen(job) && message !== null && <p class="job-said">{message}</p>}
        {problem !== null && <FailureBox failure={new ApiFailure(problem)} />}
      </div>
      {result !== null && result.troubleCount > 0 && (
        <div class={`warning ${job.kind === 'sync' ? '' : 'bad'}`} role="alert">
          <Icon name="alarm" />
          <div>
            <strong>{texts.jobs.problems(result.troubleCount)}</strong>
            <span>{texts.jobs.notAll[job.kind] ?? texts.jobs.notAllElse}</span>
          </div>
        </div>
      )}
      {result !== null && <JobResultView result={result} />}
      {!isOpen(job) && result === null && problem === null && (
        <p>{message ?? texts.jobs.states[job.state]}</p>
      )}
      {job.state === 'interrupted' && job.canResume && (
        <p class="muted">{texts.jobs.interruptedHint}</p>
      )}
    </div>
  );
}

function JobFacts({ job }: { readonly job: JobJson }): VNode {
  const { createdMs, startedMs, endedMs, by, attempt, request, set } = job;
  const facts: [string, VNode | string][] = [
    [texts.acting.set, set === null ? texts.jobs.whole : <a href={setLink(set)}>{set}</a>],
    [texts.jobs.by, by],
    [texts.jobs.created, formatTime(createdMs)],
  ];
  if (startedMs !== null) facts.push([texts.jobs.started, formatTime(startedMs)]);
  if (endedMs !== null) facts.push([texts.jobs.ended, formatTime(endedMs)]);
  if (startedMs !== null && endedMs !== null) {
    facts.push([texts.jobs.took, formatDuration(endedMs - startedMs)]);
  }
  if (attempt > 1) facts.push([texts.jobs.attempt, String(attempt)]);
  for (const [name, value] of Object.entries(request)) {
    facts.push([wordsOf(name), requestText(value)]);
  }
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function requestText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) {
    return value.length === 0 ? texts.acting.all : value.map((one) => requestText(one)).join(', ');
  }
  if (typeof value === 'boolean') return value ? texts.words.yes : texts.words.no;
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([name, one]) => `${wordsOf(name)}: ${requestText(one)}`)
      .join(', ');
  }
  return JSON.stringify(value);
}

function JobLogView({ job }: { readonly job: JobJson }): VNode {
  const { lines, dropped, failure } = useJobLog(job);
  return (
    <section class="card stack" aria-labelledby="job-log">
      <h2 id="job-log">{texts.jobs.log}</h2>
      {failure !== undefined && <FailureBox failure={failure} />}
      {dropped > 0 && <p class="muted small">{texts.jobs.logDropped(dropped)}</p>}
      {lines.length === 0 ? (
        <p class="muted">{texts.jobs.logEmpty}</p>
      ) : (
        <div class="job-log" role="region" aria-labelledby="job-log" tabIndex={0}>
          <ol>
            {lines.map(({ line, timeMs, level, text }) => (
              <li key={line} class={level}>
                <time dateTime={new Date(timeMs).toISOString()}>{formatClock(timeMs)}</time>
                <span>{text}</span>
              </li>
            ))}
          </ol>
        </div>
      )}
    </section>
  );
}
