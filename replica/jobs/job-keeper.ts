/**
 * Keeps and tells what jobs do: changes of state at once; progress and log lines are written at most
 * once a second, and told at most four times a second.
 */
import type { JobJson } from '../../shared/api/jobs.js';
import type { Clock } from '../../shared/clock.js';
import type { Log } from '../../shared/log.js';
import type { EventHub } from './event-hub.js';
import { defaultBounds, type JobBounds, type JobRow, type JobStore } from './job-store.js';
import { LiveJob } from './live-job.js';

const TELL_MS = 250;
const WRITE_MS = 1000;
/** Old jobs are looked for once for so many new ones. */
const FORGET_EVERY = 20;

export interface JobKeeperDeps {
  readonly store: JobStore;
  readonly hub: EventHub;
  readonly clock: Clock;
  readonly log: Log;
  readonly bounds?: JobBounds;
  readonly present: (live: LiveJob) => JobJson;
}

export class JobKeeper {
  readonly #deps: JobKeeperDeps;
  readonly #untold = new Set<LiveJob>();
  readonly #unwritten = new Set<LiveJob>();
  #timer: NodeJS.Timeout | undefined;
  #writtenMs = -Infinity;
  #added = 0;
  #closed = false;

  constructor(deps: JobKeeperDeps) {
    this.#deps = deps;
    this.#forget();
  }

  add(job: Pick<JobRow, 'kind' | 'set' | 'by' | 'request'>): JobRow {
    this.#added += 1;
    if (this.#added % FORGET_EVERY === 0) this.#forget();
    return this.#deps.store.add({ ...job, createdMs: this.#deps.clock.now() });
  }

  live(row: JobRow): LiveJob {
    return new LiveJob(row, this.#deps.store.lastLine(row.id), {
      clock: this.#deps.clock,
      onChange: (live) => {
        this.#untold.add(live);
        this.#unwritten.add(live);
        this.#tickLater();
      },
      onSave: (live) => {
        this.#unwritten.add(live);
        this.write();
      },
    });
  }

  /** A change of state: on disk and told at once. */
  changed(live: LiveJob): void {
    this.#unwritten.add(live);
    this.#untold.add(live);
    this.write();
    this.#tell();
  }

  /** What cannot be written now stays to be written: storage that is full must not end the replica. */
  write(): void {
    const { store, log } = this.#deps;
    this.#writtenMs = performance.now();
    if (this.#unwritten.size === 0 || this.#closed) return;
    const jobs = [...this.#unwritten];
    try {
      store.update(jobs.map((live) => live.row()));
      for (const live of jobs) {
        live.writeLines((lines) => {
          store.addLines(live.id, lines);
        });
        this.#unwritten.delete(live);
      }
    } catch (error) {
      log.error('what jobs do could not be noted; it is tried again', error);
      this.#tickLater();
    }
  }

  close(): void {
    this.write();
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tickLater(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell();
      if (performance.now() - this.#writtenMs >= WRITE_MS) this.write();
      if (this.#unwritten.size > 0) this.#tickLater();
    }, TELL_MS).unref();
  }

  #tell(): void {
    const jobs = [...this.#untold];
    this.#untold.clear();
    for (const live of jobs) {
      const data = this.#deps.present(live);
      this.#deps.hub.publish({ name: 'job', set: data.set, data, key: data.id });
    }
  }

  #forget(): void {
    const { store, bounds = defaultBounds, clock } = this.#deps;
    store.forget(bounds, clock.now());
  }
}
