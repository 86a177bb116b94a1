/** All jobs, newest first, as they go on; and the start of a new one. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { JobJson, JobKindName } from '../../../shared/api/jobs.js';
import { postJson } from '../../api/client.js';
import { liveState } from '../../api/events.js';
import { ActButton } from '../../parts/act-button.js';
import { Button } from '../../parts/button.js';
import { SelectField } from '../../parts/field.js';
import { formatDuration } from '../../parts/format.js';
import { Ago } from '../../parts/marks.js';
import { SetSelect, useStatus } from '../../parts/set-select.js';
import { Answered, Empty } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import { notifyFailure } from '../../shell/notices.js';
import type { PageProps } from '../../shell/page-entry.js';
import { at, go, href, hrefHere } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { type JobFilter, jobKinds, jobStates } from './job-list.js';
import { JobActions, jobName, JobProgressView, JobStateMark } from './job-parts.js';
import { useJobs } from './use-jobs.js';

const states = ['open', 'ended', ...jobStates] as const;

export function JobsPage({ query }: PageProps): VNode {
  const filter: JobFilter = {
    set: query.get('set') ?? undefined,
    kind: jobKinds.find((kind) => kind === query.get('kind')),
    state: states.find((state) => state === query.get('state')),
  };
  const { answer, jobs, more, change } = useJobs(filter);
  return (
    <div class="stack">
      <header class="page-head">
        <h1>{texts.jobs.title}</h1>
      </header>
      <Filters filter={filter} />
      {liveState.value === 'away' && <p class="muted small">{texts.jobs.away}</p>}
      <Answered answer={answer}>
        {() =>
          jobs.length === 0 ? (
            <Empty title={texts.jobs.empty} />
          ) : (
            <Table
              caption={texts.jobs.title}
              columns={columnsOf(change)}
              rows={jobs}
              rowKey={({ id }) => id}
              narrow="cards"
            />
          )
        }
      </Answered>
      {more !== undefined && (
        <div class="row">
          <Button
            onClick={() => {
              more().catch(notifyFailure);
            }}
          >
            {texts.acting.more}
          </Button>
        </div>
      )}
      <StartJob />
    </div>
  );
}

function columnsOf(change: (job: JobJson) => void): Column<JobJson>[] {
  return [
    {
      key: 'job',
      title: texts.jobs.job,
      cell: (job) => (
        <div>
          <a href={href(at`/jobs/${job.id}`)}>{jobName(job)}</a>
          <div class="muted small">{job.id}</div>
        </div>
      ),
    },
    { key: 'state', title: texts.jobs.state, cell: (job) => <JobStateMark job={job} /> },
    {
      key: 'progress',
      title: texts.jobs.progress,
      cell: (job) => (
        <div class="job-cell">
          <JobProgressView job={job} />
          <JobSaid job={job} />
        </div>
      ),
    },
    { key: 'by', title: texts.jobs.by, cell: ({ by }) => by },
    { key: 'when', title: texts.jobs.when, cell: (job) => <JobTime job={job} /> },
    {
      key: 'actions',
      title: texts.jobs.actions,
      cell: (job) => <JobActions job={job} onJob={change} reason="title" />,
    },
  ];
}

function JobSaid({ job }: { readonly job: JobJson }): VNode | null {
  const said = job.problem?.detail ?? job.result?.text ?? job.message;
  return said === null ? null : <div class="job-said small">{said}</div>;
}

function JobTime({ job }: { readonly job: JobJson }): VNode {
  const { createdMs, startedMs, endedMs } = job;
  const nowMs = Date.now();
  return (
    <span>
      <Ago timeMs={createdMs} nowMs={nowMs} />
      {startedMs !== null && (
        <div class="muted small">
          {texts.jobs.took} {formatDuration((endedMs ?? nowMs) - startedMs)}
        </div>
      )}
    </span>
  );
}

function Filters({ filter }: { readonly filter: JobFilter }): VNode {
  const status = useStatus();
  const sets = status.state === 'ready' ? status.value.sets.map(({ set }) => set) : [];
  const choose = (name: string, value: string): void => {
    go(hrefHere({ [name]: value === '' ? undefined : value }), 'replace');
  };
  return (
    <div class="filters">
      <SetSelect
        sets={sets}
        value={filter.set ?? ''}
        every={texts.acting.anySet}
        onValue={(set) => {
          choose('set', set);
        }}
      />
      <SelectField
        label={texts.jobs.kind}
        value={filter.kind ?? ''}
        options={[
          { value: '', label: texts.acting.all },
          ...jobKinds.map((kind) => ({ value: kind, label: texts.jobs.kinds[kind] })),
        ]}
        onValue={(kind) => {
          choose('kind', kind);
        }}
      />
      <SelectField
        label={texts.jobs.state}
        value={filter.state ?? ''}
        options={[
          { value: '', label: texts.acting.all },
          ...states.map((state) => ({ value: state, label: texts.jobs.states[state] })),
        ]}
        onValue={(state) => {
          choose('state', state);
        }}
      />
    </div>
  );
}

const startable = ['sync', 'verify', 'scrub'] as const satisfies readonly JobKindName[];

function StartJob(): VNode {
  const status = useStatus();
  const sets = status.state === 'ready' ? status.value.sets.map(({ set }) => set) : [];
  const [chosen, setChosen] = useState('');
  const [kind, setKind] = useState<(typeof startable)[number]>('sync');
  const set = chosen === '' ? (sets[0] ?? '') : chosen;
  return (
    <section class="card stack" aria-labelledby="start-job">
      <h2 id="start-job">{texts.jobs.start}</h2>
      <div class="filters">
        <SetSelect sets={sets} value={set} onValue={setChosen} />
        <SelectField
          label={texts.jobs.startKind}
          value={kind}
          options={startable.map((one) => ({ value: one, label: texts.jobs.startKinds[one] }))}
          onValue={setKind}
        />
        <ActButton
          role="operator"
          disabled={set === ''}
          onAct={async () => {
            const job = await postJson<JobJson>('/v1/jobs', { kind, set });
            go(href(at`/jobs/${job.id}`));
          }}
        >
          {texts.jobs.startNow}
        </ActButton>
      </div>
    </section>
  );
}
