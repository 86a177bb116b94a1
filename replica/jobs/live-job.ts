/** One job that has not ended: what it says is gathered here, in memory, for the desk to keep and tell. */
import {
  type JobLogLine,
  type JobResult,
  type JobState,
  MESSAGE_LENGTH_MAX,
} from '../../shared/api/jobs.js';
import type { Problem } from '../../shared/api/problem.js';
import type { Clock } from '../../shared/clock.js';
import type { JobContext, JobLogLevel, ProgressUpdate } from './job-kind.js';
import { type JobRow, LOG_LINES_MAX } from './job-store.js';
import { ProgressMeter } from './progress-meter.js';

const LINE_LENGTH_MAX = 500;

export interface LiveJobDeps {
  readonly clock: Clock;
  /** Something changed that others may be told a moment later. */
  readonly onChange: (job: LiveJob) => void;
  /** It has to be on disk when this returns. */
  readonly onSave: (job: LiveJob) => void;
}

/** How a job ended. */
export interface JobEnd {
  readonly state: Exclude<JobState, 'queued' | 'running'>;
  readonly message?: string;
  readonly result?: JobResult;
  readonly problem?: Problem;
}

export class LiveJob {
  readonly abort = new AbortController();
  /** Why `abort` was called. */
  stopping: 'cancelled' | 'interrupted' | undefined;
  readonly #deps: LiveJobDeps;
  readonly #meter: ProgressMeter;
  #row: JobRow;
  #lines: JobLogLine[] = [];
  #lastLine: number;

  constructor(row: JobRow, lastLine: number, deps: LiveJobDeps) {
    this.#row = row;
    this.#lastLine = lastLine;
    this.#deps = deps;
    this.#meter = new ProgressMeter(row.progress);
  }

  get id(): number {
    return this.#row.id;
  }

  get state(): JobState {
    return this.#row.state;
  }

  get saved(): unknown {
    return this.#row.saved;
  }

  /** As it is to be written. */
  row(): JobRow {
    const progress =
      this.#row.state === 'running'
        ? this.#meter.at(this.#deps.clock.monotonic())
        : this.#meter.final();
    return { ...this.#row, progress };
  }

  queue(): void {
    this.#change({ state: 'queued', endedMs: null, problem: null, result: null });
  }

  start(): void {
    const { startedMs, attempt } = this.#row;
    this.#change({
      state: 'running',
      startedMs: startedMs ?? this.#deps.clock.now(),
      endedMs: null,
      attempt: attempt + 1,
    });
    this.#meter.update({}, this.#deps.clock.monotonic());
  }

  end({ state, message, result, problem }: JobEnd): void {
    if (message !== undefined) this.say(message, state === 'done' ? 'info' : 'warn');
    this.#change({
      state,
      endedMs: this.#deps.clock.now(),
      result: result ?? null,
      problem: problem ?? null,
    });
  }

  progress(update: ProgressUpdate): void {
    if (this.#row.state !== 'running') return;
    this.#meter.update(update, this.#deps.clock.monotonic());
    this.#deps.onChange(this);
  }

  say(text: string, level: JobLogLevel = 'info'): void {
    this.#row = { ...this.#row, message: text.slice(0, MESSAGE_LENGTH_MAX) };
    this.log(text, level);
  }

  log(text: string, level: JobLogLevel = 'info'): void {
    this.#lastLine += 1;
    const timeMs = this.#deps.clock.now();
    this.#lines.push({ line: this.#lastLine, timeMs, level, text: text.slice(0, LINE_LENGTH_MAX) });
    if (this.#lines.length > LOG_LINES_MAX) this.#lines.shift();
    this.#deps.onChange(this);
  }

  save(state: unknown): void {
    this.#row = { ...this.#row, saved: state };
    this.#deps.onSave(this);
  }

  /** Lines that are not written yet; `write` gets them, and they stay when it throws. */
  writeLines(write: (lines: readonly JobLogLine[]) => void): void {
    write(this.#lines);
    this.#lines = [];
  }

  /** What its work is given. Plain functions: they may be taken apart. */
  context(): JobContext<unknown> {
    const { id, set, by, request, attempt, saved } = this.#row;
    return {
      id: `job-${id}`,
      set,
      by,
      request,
      attempt,
      saved,
      signal: this.abort.signal,
      isInterrupted: () => this.stopping === 'interrupted',
      progress: (update) => {
        this.progress(update);
      },
      say: (text, level) => {
        this.say(text, level);
      },
      log: (text, level) => {
        this.log(text, level);
      },
      save: (state) => {
        this.save(state);
      },
    };
  }

  #change(change: Partial<JobRow>): void {
    this.#row = { ...this.#row, ...change };
  }
}
