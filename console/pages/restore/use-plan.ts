/**
 * The dry run of a restore. Below the replica's own folders it is a stream that names each path; on
 * the application server it is a job of its own, which the agent answers.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RestoreLine } from '../../../shared/api/actions.js';
import type { JobJson, JobLogAnswer } from '../../../shared/api/jobs.js';
import { getJson, getLines, postJson } from '../../api/client.js';
import { ApiFailure, asFailure, isAbort } from '../../api/failure.js';
import { isOpen } from '../jobs/job-list.js';
import { cancelJob } from '../jobs/use-jobs.js';
import { bytesOf, countOutcomes, outcomeOf, type Planned, type PlannedEntry } from './planned.js';
import { type RestoreDraft, toRequest } from './restore-draft.js';

export type PlanState =
  | { readonly state: 'none' }
  | { readonly state: 'looking'; readonly entries: number }
  | { readonly state: 'ready'; readonly planned: Planned }
  | { readonly state: 'failed'; readonly failure: ApiFailure };

export type PlannedDraft = RestoreDraft & { readonly point: number };

const ASK_EVERY_MS = 300;
const LOG_LINES = 1000;

/** Looks as soon as it stands, and again with `again`; leaving the step stops it. */
export function usePlan(draft: PlannedDraft): PlanState & { readonly again: () => void } {
  const [state, setState] = useState<PlanState>({ state: 'none' });
  const [asked, setAsked] = useState(0);
  const wanted = useRef(draft);
  wanted.current = draft;
  useEffect(() => {
    const leaving = new AbortController();
    setState({ state: 'looking', entries: 0 });
    const tell = (entries: number): void => {
      setState({ state: 'looking', entries });
    };
    const look = streams(wanted.current) ? planByStream : planByJob;
    look(wanted.current, tell, leaving.signal).then(
      (planned) => {
        setState({ state: 'ready', planned });
      },
      (error: unknown) => {
        if (isAbort(error) || leaving.signal.aborted) return;
        setState({ state: 'failed', failure: asFailure(error) });
      },
    );
    return () => {
      leaving.abort();
    };
  }, [asked]);
  return {
    ...state,
    again: () => {
      setAsked((count) => count + 1);
    },
  };
}

/** The stream knows only the plainest policies. */
function streams({ way, conflict, orphans }: PlannedDraft): boolean {
  return way === 'replica' && conflict === 'overwrite' && orphans !== 'move-aside';
}

async function planByStream(
  draft: PlannedDraft,
  tell: (entries: number) => void,
  signal: AbortSignal,
): Promise<Planned> {
  const set = encodeURIComponent(draft.set);
  const path = `/v1/sets/${set}/points/${draft.point}/restore`;
  const body = {
    to: draft.folder,
    paths: draft.everything ? [] : draft.paths,
    mode: 'in-place',
    extra: draft.orphans === 'delete' ? 'delete' : 'leave',
    effect: 'plan',
  };
  const entries: PlannedEntry[] = [];
  for await (const line of getLines<RestoreLine>(path, { body, signal })) {
    if (line.type === 'progress') tell(line.entries);
    else if (line.type === 'action') {
      const { action, bytes, metadata } = line;
      entries.push({ outcome: outcomeOf(action), action, path: line.path, bytes, metadata });
    } else return plannedOf(line, entries);
  }
  throw asFailure(new Error('the dry run ended without a result'));
}

function plannedOf(
  line: RestoreLine & { readonly type: 'restored' },
  entries: readonly PlannedEntry[],
): Planned {
  const { keep, leave, ...told } = line.actions;
  const tellable = Object.values(told).reduce((sum, count) => sum + count, 0);
  return {
    lookedMs: Date.now(),
    counts: countOutcomes({ ...told, keep, leave }),
    bytes: bytesOf(entries),
    entries,
    leftOut: Math.max(0, tellable - entries.length),
    notes: line.notes,
    troubles: line.problems,
    troubleCount: line.problemCount,
  };
}

async function planByJob(
  draft: PlannedDraft,
  tell: (entries: number) => void,
  signal: AbortSignal,
): Promise<Planned> {
  const body = { kind: 'restore', set: draft.set, ...toRequest(draft, 'dry') };
  let job = await postJson<JobJson>('/v1/jobs', body, { signal });
  try {
    while (isOpen(job)) {
      await pause(signal);
      job = await getJson<JobJson>(`/v1/jobs/${job.id}`, { signal });
      tell(job.progress.files);
    }
  } catch (error) {
    // Nobody waits for its answer any more.
    if (isAbort(error)) void cancelJob(job.id).catch(() => undefined);
    throw error;
  }
  if (job.problem !== null) throw new ApiFailure(job.problem);
  const log = await getJson<JobLogAnswer>(`/v1/jobs/${job.id}/log`, {
    query: { limit: LOG_LINES },
    signal,
  });
  return plannedOfJob(job, log);
}

function plannedOfJob(job: JobJson, log: JobLogAnswer): Planned {
  const { counts = {}, notes = [], troubles = [], troubleCount = 0 } = job.result ?? {};
  const entries = (job.result?.planned ?? loggedOf(log, counts))
    .map((planned) => ({
      ...planned,
      outcome: outcomeOf(planned.action),
    }))
    .filter(({ outcome }) => outcome !== 'kept');
  const outcomeCounts = countOutcomes(counts);
  const all = Object.values(outcomeCounts).reduce((sum, count) => sum + count, 0);
  return {
    lookedMs: Date.now(),
    counts: outcomeCounts,
    bytes: bytesOf(entries),
    entries,
    leftOut: Math.max(0, all - outcomeCounts.kept - entries.length),
    notes,
    troubles,
    troubleCount,
  };
}

/** Where the result names no paths, the log does: `rewrite app/etc/shop.conf (700 bytes)`. */
function loggedOf(
  { lines }: JobLogAnswer,
  counts: Readonly<Record<string, number>>,
): { readonly action: string; readonly path: string; readonly bytes: number }[] {
  return lines.flatMap(({ text }) => {
    const [, action, path, bytes = '0'] = /^([a-z]+) (.+?)(?: \((\d+) bytes\))?$/.exec(text) ?? [];
    if (action === undefined || path === undefined || !(action in counts)) return [];
    return [{ action, path, bytes: Number(bytes) }];
  });
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ASK_EVERY_MS);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(new DOMException('left', 'AbortError'));
      },
      { once: true },
    );
  });
}
