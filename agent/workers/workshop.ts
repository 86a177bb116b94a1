/**
 * Where jobs are done: in worker threads, or, with none, in the caller's thread. Promises: what a job
 * finds does not depend on where it was done; a worker that dies is replaced and its job done again;
 * memory is bounded by the slots; the caller's thread never waits for a job but asynchronously.
 */
import type { Job, JobResult } from './job.js';
import type { Slot } from './slot.js';

export interface Workshop {
  /** 0: jobs are done at once, in the caller's thread. */
  readonly workers: number;
  /** Undefined while all slots are in use. Give it back with `free`. */
  take(): Slot | undefined;
  /** Only when no job uses it. */
  free(slot: Slot): void;
  /**
   * Does a job on a slot, which nobody else may touch until it is done, and whose descriptors must
   * stay open. Rejects with the system's error, or with `worker-lost`.
   */
  perform(job: Job, slot: Slot): Promise<JobResult>;
  /** Ends the workers; jobs under way are rejected. */
  close(): Promise<void>;
}

/** Slots that are not in use, made when they are first wanted. */
export class SlotStore {
  readonly #free: Slot[] = [];
  readonly #make: () => Slot;
  #left: number;

  constructor(count: number, make: () => Slot) {
    this.#left = count;
    this.#make = make;
  }

  take(): Slot | undefined {
    const slot = this.#free.pop();
    if (slot !== undefined || this.#left === 0) return slot;
    this.#left -= 1;
    return this.#make();
  }

  free(slot: Slot): void {
    this.#free.push(slot);
  }
}
