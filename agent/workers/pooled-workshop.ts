/**
 * Does jobs in worker threads. A worker has a few jobs waiting, so that it need not wait for a
 * message between them. One that dies, whatever for, is replaced by a new one that does its jobs
 * again; a job that takes two workers with it is rejected.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { Job, JobResult } from './job.js';
import { type Order, type Report, toError } from './messages.js';
import { Slot } from './slot.js';
import { SlotStore, type Workshop } from './workshop.js';

/** Jobs under way and waiting, for each worker, and one that is used up meanwhile. */
const SLOTS_A_WORKER = 2;
/** Workers that die with a job before it is given up. */
const TRIES_MAX = 2;

interface OpenJob {
  readonly id: number;
  readonly job: Job;
  readonly slot: Slot;
  tries: number;
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: Error) => void;
}

interface Hand {
  readonly thread: Worker;
  readonly told: Set<number>;
  readonly jobs: Map<number, OpenJob>;
}

/** Beside this file when it runs compiled; in dist/ when the sources themselves run. */
const compiled = import.meta.url.endsWith('.js') ? './' : '../../dist/agent/workers/';
const entry = fileURLToPath(new URL(`${compiled}worker-entry.js`, import.meta.url));

export class PooledWorkshop implements Workshop {
  readonly workers: number;
  readonly #log: Log;
  readonly #entry: string;
  readonly #slots: SlotStore;
  readonly #numbers = new WeakMap<Slot, number>();
  readonly #hands: Hand[] = [];
  #nextSlot = 0;
  #nextJob = 1;
  #closed = false;
  /** Workers that died. */
  lost = 0;

  /** Threads start with the first jobs. `entryFile`: what they run, for tests. */
  constructor(options: {
    readonly workers: number;
    readonly log: Log;
    readonly entryFile?: string;
  }) {
    this.workers = options.workers;
    this.#log = options.log;
    this.#entry = options.entryFile ?? entry;
    this.#slots = new SlotStore(options.workers * SLOTS_A_WORKER + 1, () => this.#makeSlot());
  }

  take(): Slot | undefined {
    return this.#slots.take();
  }

  free(slot: Slot): void {
    this.#slots.free(slot);
  }

  perform(job: Job, slot: Slot): Promise<JobResult> {
    if (this.#closed) return Promise.reject(workshopClosed());
    return new Promise((resolve, reject) => {
      const id = this.#nextJob;
      this.#nextJob += 1;
      this.#give({ id, job, slot, tries: 0, resolve, reject }, this.#leastBusy());
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const hands = this.#hands.splice(0);
    await Promise.all(hands.map(({ thread }) => thread.terminate()));
    for (const { jobs } of hands) for (const job of jobs.values()) job.reject(workshopClosed());
  }

  #makeSlot(): Slot {
    const slot = new Slot();
    this.#numbers.set(slot, this.#nextSlot);
    this.#nextSlot += 1;
    return slot;
  }

  /** A new worker while there are jobs for it. */
  #leastBusy(): Hand {
    let least: Hand | undefined;
    for (const hand of this.#hands) {
      if (least === undefined || hand.jobs.size < least.jobs.size) least = hand;
    }
    const full = least === undefined || least.jobs.size > 0;
    return full && this.#hands.length < this.workers ? this.#hire() : (least ?? this.#hire());
  }

  #hire(): Hand {
    const thread = new Worker(this.#entry, { name: 'afterimage-work' });
    const hand: Hand = { thread, told: new Set(), jobs: new Map() };
    // Idle workers keep no process alive; jobs are waited for by whoever gave them.
    thread.unref();
    thread.on('message', (report: Report) => {
      this.#take(hand, report);
    });
    thread.on('error', (error: unknown) => {
      this.#bury(hand, error);
    });
    thread.on('exit', (code) => {
      this.#bury(hand, new Error(`a worker ended with ${code}`));
    });
    this.#hands.push(hand);
    return hand;
  }

  #give(open: OpenJob, hand: Hand): void {
    const slot = this.#numbers.get(open.slot);
    if (slot === undefined) {
      open.reject(new AfterimageError('internal', 'a slot of another workshop'));
      return;
    }
    if (!hand.told.has(slot)) {
      hand.told.add(slot);
      this.#say(hand, { type: 'slot', slot, memory: open.slot.memory });
    }
    if (hand.jobs.size === 0) hand.thread.ref();
    hand.jobs.set(open.id, open);
    this.#say(hand, { type: 'job', id: open.id, slot, job: open.job });
  }

  #say(hand: Hand, order: Order): void {
    hand.thread.postMessage(order);
  }

  #take(hand: Hand, report: Report): void {
    const open = hand.jobs.get(report.id);
    if (open === undefined) return;
    hand.jobs.delete(report.id);
    if (hand.jobs.size === 0) hand.thread.unref();
    if ('result' in report) open.resolve(report.result);
    else open.reject(toError(report.failure));
  }

  #bury(hand: Hand, cause: unknown): void {
    const at = this.#hands.indexOf(hand);
    if (at < 0) return;
    this.#hands.splice(at, 1);
    this.lost += 1;
    this.#log.error('a worker died; its jobs are done again', cause, { jobs: hand.jobs.size });
    // The first one is what it was at: the others only waited.
    const [first, ...waiting] = hand.jobs.values();
    for (const open of waiting) this.#give(open, this.#leastBusy());
    if (first === undefined) return;
    first.tries += 1;
    if (first.tries < TRIES_MAX) this.#give(first, this.#leastBusy());
    else first.reject(workerLost(cause));
  }
}

function workerLost(cause: unknown): AfterimageError {
  return new AfterimageError('worker-lost', 'a job ended two workers', { cause });
}

function workshopClosed(): AfterimageError {
  return new AfterimageError('cancelled', 'the workers were ended');
}
