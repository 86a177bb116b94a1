/** Jobs as state of a page: asked for once, kept up to date by events, asked again while none come. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JobJson, JobLogAnswer, JobLogLine, JobsAnswer } from '../../../shared/api/jobs.js';
import { getJson, postJson } from '../../api/client.js';
import { liveState, useEvents } from '../../api/events.js';
import { type ApiFailure, asFailure, isAbort } from '../../api/failure.js';
import { type Answer, useAnswer } from '../../api/use-answer.js';
import { isOpen, type JobFilter, statesOf, withJob } from './job-list.js';

const PAGE_JOBS = 50;
/** How often is asked while no events come. */
const AWAY_EVERY_MS = 2000;
const LOG_LINES_KEPT = 2000;
/** Jobs heard of since the last answer, at most. */
const HEARD_KEPT = 200;

export function cancelJob(id: string): Promise<JobJson> {
  return postJson<JobJson>(`/v1/jobs/${encodeURIComponent(id)}/cancel`, {});
}

export function resumeJob(id: string): Promise<JobJson> {
  return postJson<JobJson>(`/v1/jobs/${encodeURIComponent(id)}/resume`, {});
}

export interface JobsPage {
  readonly jobs: readonly JobJson[];
  readonly next: string | null;
}

/** The newest jobs of a filter; `more` asks for the page after them. */
export function useJobs(filter: JobFilter): {
  readonly answer: Answer<JobsAnswer>;
  readonly jobs: readonly JobJson[];
  readonly more: (() => Promise<void>) | undefined;
  /** Tells of a job that an action gave back. */
  readonly change: (job: JobJson) => void;
} {
  const query = {
    set: filter.set,
    kind: filter.kind,
    state: statesOf(filter),
    limit: PAGE_JOBS,
  };
  const keys = ['jobs', filter.set, filter.kind, filter.state];
  const answer = useAnswer(
    (signal) => getJson<JobsAnswer>('/v1/jobs', { query, signal }),
    keys,
    liveState.value === 'live' ? {} : { everyMs: AWAY_EVERY_MS },
  );
  const [page, setPage] = useState<JobsPage>({ jobs: [], next: null });
  const value = answer.state === 'ready' ? answer.value : undefined;
  // An answer may be older than what was heard while it was on its way.
  const heard = useRef<JobJson[]>([]);
  useEffect(() => {
    const page = value ?? { jobs: [], next: null };
    const jobs = heard.current.reduce<readonly JobJson[]>(
      (now, job) => withJob(now, job, filter),
      page.jobs,
    );
    heard.current = [];
    setPage({ jobs, next: page.next });
  }, [value]);
  const change = (job: JobJson): void => {
    heard.current = [...heard.current.slice(-HEARD_KEPT), job];
    setPage((now) => ({ ...now, jobs: withJob(now.jobs, job, filter) }));
  };
  useEvents((event) => {
    if (event.name === 'job') change(event.data);
    else if (event.name === 'hello' && !event.data.resumed) {
      heard.current = [];
      answer.reload();
    }
  });
  const { next } = page;
  const more = async (): Promise<void> => {
    const older = await getJson<JobsAnswer>('/v1/jobs', {
      query: { ...query, before: next ?? undefined },
    });
    setPage((now) => ({ jobs: [...now.jobs, ...older.jobs], next: older.next }));
  };
  return { answer, jobs: page.jobs, more: next === null ? undefined : more, change };
}

/** One job, from now to its end. */
export function useJob(id: string): {
  readonly answer: Answer<JobJson>;
  /** Tells what an action gave back. */
  readonly change: (job: JobJson) => void;
} {
  const [told, setTold] = useState<JobJson>();
  const open = told === undefined || told.id !== id || isOpen(told);
  const answer = useAnswer(
    (signal) => getJson<JobJson>(`/v1/jobs/${encodeURIComponent(id)}`, { signal }),
    ['job', id],
    open && liveState.value !== 'live' ? { everyMs: AWAY_EVERY_MS } : {},
  );
  const value = answer.state === 'ready' ? answer.value : undefined;
  // A job may end while an older answer is on its way: then nothing more would be heard of it.
  const heard = useRef<JobJson | undefined>(undefined);
  const change = (job: JobJson): void => {
    heard.current = job;
    setTold(job);
  };
  useEffect(() => {
    if (value === undefined) return;
    setTold(heard.current?.id === value.id ? heard.current : value);
    heard.current = undefined;
  }, [value]);
  useEvents((event) => {
    if (event.name === 'job' && event.data.id === id) change(event.data);
    else if (event.name === 'hello' && !event.data.resumed) {
      heard.current = undefined;
      answer.reload();
    }
  });
  const shown = answer.state === 'ready' && told?.id === id ? { ...answer, value: told } : answer;
  return { answer: shown, change };
}

export interface JobLog {
  readonly lines: readonly JobLogLine[];
  /** Older lines that are not there any more. */
  readonly dropped: number;
  readonly failure: ApiFailure | undefined;
}

/** What a job said, and says: asked for anew whenever the job changes. */
export function useJobLog({ id, state, message }: JobJson): JobLog {
  const [log, setLog] = useState<JobLog>(noLog);
  const reader = useRef<() => void>(() => undefined);
  useEffect(() => {
    const leaving = new AbortController();
    setLog(noLog);
    reader.current = logReader(id, leaving.signal, setLog);
    return () => {
      leaving.abort();
    };
  }, [id]);
  useEffect(() => {
    reader.current();
  }, [id, state, message]);
  return log;
}

const noLog: JobLog = { lines: [], dropped: 0, failure: undefined };

/** Reads on, one request at a time; asked while it reads, it reads once more. */
function logReader(
  id: string,
  signal: AbortSignal,
  set: (change: (now: JobLog) => JobLog) => void,
): () => void {
  const path = `/v1/jobs/${encodeURIComponent(id)}/log`;
  const now = { after: 0, reading: false, again: false };
  const readOn = async (): Promise<void> => {
    do {
      now.again = false;
      const answer = await getJson<JobLogAnswer>(path, { query: { after: now.after }, signal });
      now.after = answer.lines.at(-1)?.line ?? now.after;
      now.again ||= answer.next !== null;
      set((shown) => ({
        lines: [...shown.lines, ...answer.lines].slice(-LOG_LINES_KEPT),
        dropped: answer.dropped,
        failure: undefined,
      }));
    } while (now.again);
  };
  return () => {
    now.again = true;
    if (now.reading) return;
    now.reading = true;
    readOn()
      .catch((error: unknown) => {
        if (!isAbort(error)) set((shown) => ({ ...shown, failure: asFailure(error) }));
      })
      .finally(() => {
        now.reading = false;
      });
  };
}
