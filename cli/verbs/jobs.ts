/** `jobs`: what is long and runs on the replica: list, look at, follow, cancel, resume, ask for. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import {
  type JobJson,
  jobKinds,
  jobLogSchema,
  jobSchema,
  jobsSchema,
  type JobState,
  jobStates,
} from '../../shared/api/jobs.js';
import { fromProblem } from '../../shared/api/problem.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { formatBytes, formatCount, formatDuration, formatTime } from '../format.js';
import { Progress } from '../progress.js';
import { formatTable } from '../table.js';
import { addSubverb, addVerb, type Invoke, type VerbContext } from '../verb.js';

const LOOK_MS = 500;
const LOG_PAGE = 1000;

interface ListOptions {
  readonly set?: string;
  readonly state?: readonly string[];
  readonly kind?: readonly string[];
  readonly limit: string;
}

export function addJobs(program: Command, invoke: Invoke): void {
  const verb = addVerb(program, 'jobs', 'List what is long and runs, or ran, on the replica')
    .option('--set <set>', 'only jobs of this set')
    .option('--state <state...>', `only these: ${jobStates.join(', ')}`)
    .option('--kind <kind...>', `only these: ${jobKinds.join(', ')}`)
    .option('--limit <count>', 'so many at most, the newest', '50')
    .action((options: ListOptions, command: Command) =>
      invoke(command, (context) => list(context, options)),
    );
  addSubverb(verb, 'show', 'Show one job; with --follow until it ends')
    .argument('<job>', 'such as job-12')
    .option(
      '--follow',
      'wait for its end; exits with 1 when it found something, else as its error says',
    )
    .action((id: string, { follow }: { readonly follow?: boolean }, command: Command) =>
      invoke(command, (context) => show(context, id, follow === true)),
    );
  addSubverb(verb, 'log', 'Print the log of a job')
    .argument('<job>', 'such as job-12')
    .option('--follow', 'go on until the job ends')
    .action((id: string, { follow }: { readonly follow?: boolean }, command: Command) =>
      invoke(command, (context) => printLog(context, id, follow === true)),
    );
  addSubverb(verb, 'cancel', 'Call a job off')
    .argument('<job>', 'such as job-12')
    .action((id: string, _options: object, command: Command) =>
      invoke(command, (context) => act(context, id, 'cancel')),
    );
  addSubverb(verb, 'resume', 'Queue a job again that failed, was cancelled or interrupted')
    .argument('<job>', 'such as job-12')
    .action((id: string, _options: object, command: Command) =>
      invoke(command, (context) => act(context, id, 'resume')),
    );
  addSubverb(verb, 'begin', 'Ask for a job; it goes on when this command ends')
    .argument('<kind>', jobKinds.join(', '))
    .argument('[set]', 'what it is about')
    .option('--request <json>', 'what its kind takes, as docs/reference/http.md says')
    .option('--follow', 'wait for its end')
    .action((kind: string, set: string | undefined, options: BeginOptions, command: Command) =>
      invoke(command, (context) => begin(context, { kind, set, options })),
    );
}

interface BeginOptions {
  readonly request?: string;
  readonly follow?: boolean;
}

async function list(context: VerbContext, options: ListOptions): Promise<number> {
  const { set, state, kind, limit } = options;
  const { jobs } = await context.api.json(jobsSchema, {
    path: '/v1/jobs',
    query: { set, state, kind, limit },
  });
  if (context.json) {
    for (const job of jobs) await context.io.out(`${JSON.stringify({ type: 'job', ...job })}\n`);
    return ExitCode.ok;
  }
  if (jobs.length === 0) await context.io.out('no jobs\n');
  else await context.io.out(formatTable(columns, jobs));
  return ExitCode.ok;
}

async function show(context: VerbContext, id: string, follow: boolean): Promise<number> {
  const path = jobPath(id);
  const first = await context.api.json(jobSchema, { path });
  const job = follow ? await followed(context, first) : first;
  await context.print({ type: 'job', ...job }, () => formatJob(job));
  return follow ? exitOf(job) : ExitCode.ok;
}

async function begin(
  context: VerbContext,
  asked: {
    readonly kind: string;
    readonly set: string | undefined;
    readonly options: BeginOptions;
  },
): Promise<number> {
  const { kind, set, options } = asked;
  const body = { ...parseRequest(options.request), kind, ...(set === undefined ? {} : { set }) };
  const first = await context.api.json(jobSchema, { path: '/v1/jobs', body });
  const job = options.follow === true ? await followed(context, first) : first;
  await context.print({ type: 'job', ...job }, () => formatJob(job));
  return options.follow === true ? exitOf(job) : ExitCode.ok;
}

async function act(context: VerbContext, id: string, action: 'cancel' | 'resume'): Promise<number> {
  const job = await context.api.json(jobSchema, { path: `${jobPath(id)}/${action}`, body: {} });
  await context.print({ type: 'job', ...job }, () => formatJob(job));
  return ExitCode.ok;
}

async function printLog(context: VerbContext, id: string, follow: boolean): Promise<number> {
  const { api, io } = context;
  for (let after = 0; ;) {
    // Asked before the lines: those of an ended job are all there.
    const job = await api.json(jobSchema, { path: jobPath(id) });
    const query = { after, limit: LOG_PAGE };
    const page = await api.json(jobLogSchema, { path: `${jobPath(id)}/log`, query });
    if (after === 0 && page.dropped > 0) io.err(`${page.dropped} older lines are gone\n`);
    for (const line of page.lines) {
      await context.print({ type: 'line', ...line }, () => {
        const level = line.level === 'info' ? '' : `${line.level}: `;
        return `${formatTime(line.timeMs)}  ${level}${line.text}\n`;
      });
    }
    after = page.lines.at(-1)?.line ?? after;
    if (page.next !== null) continue;
    if (!follow || !isOpen(job.state)) return follow ? exitOf(job) : ExitCode.ok;
    await pause(io.signal);
  }
}

/** As it is once it has ended; it goes on when this is given up. */
async function followed(context: VerbContext, first: JobJson): Promise<JobJson> {
  const { io, api } = context;
  const title = `${first.kind}${first.set === null ? '' : ` of ${first.set}`}`;
  let progress: Progress | undefined;
  try {
    for (let job = first; ;) {
      if (!isOpen(job.state)) return job;
      const { bytes, files, bytesTotal, filesTotal } = job.progress;
      if (!context.json) {
        progress ??= new Progress(io, title, {
          ...(bytesTotal === null ? {} : { bytes: bytesTotal }),
          ...(filesTotal === null ? {} : { entries: filesTotal }),
        });
        progress.update({ entries: files, bytes });
      }
      await pause(io.signal);
      job = await api.json(jobSchema, { path: jobPath(first.id) });
    }
  } finally {
    progress?.stop();
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  await delay(LOOK_MS, undefined, { signal }).catch((cause: unknown) => {
    throw new AfterimageError('cancelled', 'no longer watched; the job goes on', { cause });
  });
}

/** As the job ended: its error’s code, 4 when it was cut off, or 1 when it has found or left something. */
function exitOf({ state, problem, result }: JobJson): number {
  if (state === 'interrupted') return ExitCode.unavailable;
  if (problem !== null) return fromProblem(problem).exit;
  if (result === null || result.troubleCount === 0) return ExitCode.ok;
  return result.troubles.some(({ code }) => code === 'damaged')
    ? ExitCode.damaged
    : ExitCode.mismatch;
}

function isOpen(state: JobState): boolean {
  return state === 'queued' || state === 'running';
}

function jobPath(id: string): string {
  return `/v1/jobs/${encodeURIComponent(id)}`;
}

function parseRequest(text: string | undefined): object {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    throw new AfterimageError('argument-invalid', '--request is not JSON', { cause });
  }
  throw new AfterimageError('argument-invalid', '--request is not a JSON object');
}

const columns = [
  { title: 'JOB', value: ({ id }: JobJson) => id },
  { title: 'KIND', value: ({ kind }: JobJson) => kind },
  { title: 'SET', value: ({ set }: JobJson) => set ?? '-' },
  { title: 'STATE', value: stateText },
  { title: 'CREATED', value: ({ createdMs }: JobJson) => formatTime(createdMs) },
  { title: 'TOOK', align: 'right' as const, value: tookText },
  { title: 'PROGRESS', align: 'right' as const, value: progressText },
  { title: 'BY', value: ({ by }: JobJson) => by },
  { title: 'MESSAGE', value: ({ message }: JobJson) => message ?? '' },
];

/** A job that ended with problems has not done all that it was asked for. */
function stateText({ state, result }: JobJson): string {
  const count = result?.troubleCount ?? 0;
  return count === 0
    ? state
    : `${state}, ${formatCount(count)} ${count === 1 ? 'problem' : 'problems'}`;
}

function tookText({ startedMs, endedMs }: JobJson): string {
  return startedMs === null || endedMs === null ? '' : formatDuration(endedMs - startedMs);
}

function progressText({ state, progress }: JobJson): string {
  if (state !== 'running') return '';
  const { bytes, bytesTotal, files, filesTotal } = progress;
  const [done, total] = bytesTotal === null ? [files, filesTotal] : [bytes, bytesTotal];
  if (total === null || total === 0) return formatBytes(bytes);
  return `${Math.min(99, Math.floor((done * 100) / total))} %`;
}

function formatJob(job: JobJson): string {
  const { id, kind, set, by, createdMs, progress, message, result, problem } = job;
  const { step, bytes, bytesTotal, files, bytesPerSecond, leftMs } = progress;
  const lines = [`${id}: ${kind}${set === null ? '' : ` of ${set}`}, ${stateText(job)}`];
  lines.push(`  asked for by ${by} at ${formatTime(createdMs)}`);
  if (job.startedMs !== null) {
    const took = tookText(job);
    const attempt = job.attempt > 1 ? `, attempt ${job.attempt}` : '';
    lines.push(
      `  begun ${formatTime(job.startedMs)}${took === '' ? '' : `, took ${took}`}${attempt}`,
    );
  }
  const of = bytesTotal === null ? '' : ` of ${formatBytes(bytesTotal)}`;
  const rate = bytesPerSecond === null ? '' : `, ${formatBytes(bytesPerSecond)}/s`;
  const left = leftMs === null ? '' : `, ${formatDuration(leftMs)} left`;
  lines.push(
    `  ${step === null ? '' : `${step}: `}${formatBytes(bytes)}${of}, ${formatCount(files)} files${rate}${left}`,
  );
  if (message !== null) lines.push(`  ${message}`);
  if (problem !== null) lines.push(`  ${problem.code}: ${problem.hint}`);
  for (const { path, message: text } of result?.troubles ?? []) {
    lines.push(`  ${path === null ? '' : `${path}: `}${text}`);
  }
  const more = (result?.troubleCount ?? 0) - (result?.troubles.length ?? 0);
  if (more > 0) lines.push(`  … and ${formatCount(more)} more`);
  for (const note of result?.notes ?? []) lines.push(`  note: ${note}`);
  return `${lines.join('\n')}\n`;
}
